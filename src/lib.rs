//! Runs Apache Flink on Kubernetes.

pub mod config;
pub mod flink;
pub mod resources;
pub mod serve;
pub mod telemetry;
