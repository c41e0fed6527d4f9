//! API types of the group `flink.apache.org`, version `v1beta1`, and their CRD documents.
//!
//! One rule: this crate describes what users write and read, and decides nothing. Every field is
//! optional, as in the released CRDs, because the API server fills in no defaults; the operator's
//! defaults are methods ending in `_or_default`.
//!
//! Tests: beside the modules, and `tests/` of this crate for everything about the schemas.

#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns repeat `type_`; the lint does not see that they are separate lists"
)]

pub mod blue_green;
pub mod cluster;
pub mod compat;
pub mod deployment;
pub mod documents;
pub mod job;
pub mod pod_template;
pub mod recorded;
mod rules;
pub mod session_job;
pub mod state_snapshot;
pub mod status;
pub mod version;
mod yaml;

pub use blue_green::*;
pub use cluster::*;
pub use deployment::*;
pub use documents::*;
pub use job::*;
pub use pod_template::*;
pub use recorded::*;
pub use session_job::*;
pub use state_snapshot::*;
pub use status::*;
pub use version::*;

/// API group of every kind in this crate.
pub const GROUP: &str = "flink.apache.org";
/// The one version of every kind, served and stored.
pub const VERSION: &str = "v1beta1";
/// Group and version as written in `apiVersion`.
pub const API_VERSION: &str = "flink.apache.org/v1beta1";
