//! Simulated jobs within reach of other processes: served over HTTP, and handed to the Java autoscaler.
//!
//! The contest itself is the program beside this library.

pub mod java;
pub mod server;
