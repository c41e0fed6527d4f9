//! Runs Apache Flink on Kubernetes.

pub mod config;
pub mod serve;
pub mod telemetry;
