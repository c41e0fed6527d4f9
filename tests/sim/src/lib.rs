//! Test support: everything around the operator, in memory and deterministic.
//!
//! [`flink::SimFlink`] answers Flink's REST interface for any number of clusters and moves their jobs
//! along with a clock that the test winds. [`api::ApiServer`] is a Kubernetes API server behind
//! `kube::Client`. [`node::Node`] plays what lies between: controllers, kubelet, garbage collection.
//! [`World`] puts them together, with faults chosen by a seed.
//!
//! The rule: no real time, no real randomness, nothing of the operator's own code, so that a mistake
//! there is not made here a second time. The fakes are tested too: `tests/`.

pub mod api;
pub mod clock;
mod encoding;
pub mod flink;
mod json;
pub mod node;
pub mod random;
pub mod world;

pub use clock::SimClock;
pub use world::World;
