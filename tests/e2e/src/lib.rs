//! What the end-to-end tests share: a cluster, an operator process of their own, and patience.
//!
//! The rule: a test waits for what it can watch, never for a time; what it made it takes away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::unwrap_in_result,
    clippy::print_stderr,
    reason = "helpers of tests fail the test they help"
)]

mod cluster;
mod job;
mod operator;

pub use cluster::Namespace;
pub use job::Job;
pub use operator::Operator;
