//! What the tests of the operator as a process share: a cluster or an API server, and patience.
//!
//! The rule: a test waits for what it can watch, never for a time; what it made it takes away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::unwrap_in_result,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test they help"
)]
#![expect(clippy::disallowed_methods, reason = "processes live in real time")]

mod counters;
mod job;
mod kubectl;
mod namespace;
mod operator;
mod prometheus;
mod recording;
mod site;
mod trace;

pub use counters::Counters;
pub use job::{Job, manifest};
pub use kubectl::{Kubectl, example, helm, model, repository};
pub use namespace::Namespace;
pub use operator::{Launch, Operator, free_port};
pub use prometheus::Prometheus;
pub use recording::{Compared, Recording};
pub use site::{Site, application};
pub use trace::Trace;
