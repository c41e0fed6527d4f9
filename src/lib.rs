//! Runs Apache Flink on Kubernetes.
//!
//! The layers, each using only what is below it: `run` and `cli` wire; `controllers` make one pass of
//! `observe` (reads), `domain` (decides, pure) and `act` (writes); `flink` speaks to Flink;
//! `resources` and `config` are pure. `tests/it/tidy.rs` holds them to it.

pub mod act;
pub mod canaries;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controllers;
pub mod deadline;
pub mod domain;
pub mod flink;
pub mod leader;
pub mod listen;
pub mod namespaces;
pub mod observe;
pub mod operator;
pub mod prometheus;
pub mod reload;
pub mod resources;
pub mod run;
pub mod scaler_memory;
pub mod serve;
pub mod snapshots;
pub mod telemetry;
pub mod watch;

pub use operator::Operator;
