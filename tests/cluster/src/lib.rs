//! A real one-node Kubernetes on one Debian machine, and container images, without Docker.
//!
//! For end-to-end tests and the demonstration: [`Cluster::up`] gives a cluster with pods, DNS,
//! Services and metrics; [`ApiServer::start`] gives a bare API server within seconds, for tests
//! that need no pods; [`images`] makes the images and the cluster imports them.
//!
//! Its one rule: what it starts or changes on the machine is written down first, and `down` takes
//! back exactly that. README.md beside this crate says what is where and how long things take.

mod addons;
mod api_server;
pub mod cli;
mod clock;
mod cluster;
mod command;
mod containerd;
mod control_plane;
mod down;
mod hash;
mod host;
pub mod images;
mod kubeconfig;
mod node;
mod options;
mod pki;
mod prerequisites;
mod probe;
mod process;
pub mod programs;
mod progress;
mod rules;
mod status;

pub use api_server::ApiServer;
pub use cluster::Cluster;
pub use down::down;
pub use options::{Network, Options};
pub use progress::Progress;
pub use status::Status;
