//! Runs Apache Flink on Kubernetes.
