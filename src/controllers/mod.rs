//! Which streams trigger which object, and one pass over it.
//!
//! The rule: wiring only; a pass is observe, decide, act, and ends.

mod context;
mod deployment;
mod invalid;
mod passes;
mod retry;
mod scaling;
mod snapshot;

/// Selects JobManager Deployments, our own and those of the Java operator.
pub const JOB_MANAGERS: &str = "component=jobmanager";

pub use context::{Context, SharedDefaults};
pub use deployment::run as deployments;
pub use invalid::unreadable;
pub use passes::{Managed, Passed, Scope, pass, scoped};
pub use snapshot::run as snapshots;
