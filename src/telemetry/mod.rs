//! What the operator says about itself: log lines and metrics.
//!
//! The rule: nothing here decides anything, and nothing is global. A [`Metrics`] is made once and
//! handed to whoever counts; the log format is set once, by the command line.

pub mod logs;
pub mod metrics;

pub use metrics::Metrics;
