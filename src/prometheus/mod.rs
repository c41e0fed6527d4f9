//! Flink's metrics as a Prometheus server has them.
//!
//! The rule: one question a sample; the question and the reading of the answer are pure ([`query`], [`figures`]),
//! only [`Prometheus`] sends anything. [`past`] is for
//! backtests. The token goes to the operator's own server and to no other, since users
//! name servers too. Tests: `tests/it/prometheus.rs` and in the files.

mod client;
pub mod figures;
pub mod past;
pub mod query;

pub use client::{Error, Prometheus, Server, Token};
pub use figures::{Figures, Flaw};
pub use query::{Question, Which};
