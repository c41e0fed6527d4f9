//! Deciding, without doing: a resource and one look at the world in, a plan out.
//!
//! The vocabulary, once: a resource is turned into [`Desired`] (valid, with its configuration worked
//! out); the world is read into [`Observed`], each reading a [`Sighting`]; [`decide()`] compares them
//! with the recorded status and answers with a [`Plan`]: the status to record first, the
//! [`Step`]s to take, the [`Announcement`]s to make and what is being [`Waiting`] for.
//!
//! The rule: nothing here is async, asks the time or talks to anything; `tests/it/tidy.rs` checks it.

mod adopted;
mod change;
mod conditions;
mod decide;
mod desired;
mod draft;
mod error_form;
mod exception_events;
mod extension;
mod freeze;
mod lifecycle;
mod memory;
mod observed;
mod parallelism;
mod plan;
mod reason;
mod recorded;
mod sighting;
pub mod snapshot;
mod validate;

pub use change::{Change, SpecChange, change_of};
pub use decide::{decide, needs, recorded_trigger, sampling_pace, told_until};
pub use desired::{Desired, FINALIZER, Identity, Settings, scaler_settings};
pub use error_form::ErrorForm;
pub use exception_events::ExceptionEvents;
pub use extension::{Asked, Mutator, Rules, Validator};
pub use freeze::{FREEZE, Freeze};
pub use lifecycle::lifecycle_of;
pub use memory::TaskManager;
pub use observed::{
    Checkpoints, ClusterInfo, FreshIds, HaMetadata, IngressView, Job, JobException, JobManager,
    Need, Needs, Observed, PodFailure, Pods, SavepointProgress, ScalerView, Vertex,
};
pub use plan::{
    Announcement, ClusterAddress, Component, Deployment, Detail, NewSnapshot, Plan,
    SavepointRequest, ScalerMemory, Step, Waiting,
};
pub use reason::Reason;
pub use recorded::LAST_STATE_PATH;
pub use sighting::Sighting;
pub use validate::{Violation, validate};
