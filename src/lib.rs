//! Runs Apache Flink on Kubernetes.

pub mod config;
