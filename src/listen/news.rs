//! What a listener is told.
//!
//! The rule: an id says what was written, so that it is the same however often it is told, and by whichever
//! process.

use std::sync::Arc;

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};

/// A status that was written.
pub struct StatusWritten<K: HasStatus> {
    /// The resource's uid and the version that the write gave it.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The resource, with the status that was written.
    pub object: K,
    /// The status that was there; `None` if the resource is told for the first time since the operator started.
    pub before: Option<K::Status>,
}

/// An event that was written.
pub struct EventWritten {
    /// The event's uid and its count.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The event as the API server has it.
    pub event: Event,
}

/// One notice. Clones share it.
#[derive(Clone)]
pub enum News {
    /// The status of a FlinkDeployment.
    Deployment(Arc<StatusWritten<FlinkDeployment>>),
    /// The status of a FlinkStateSnapshot.
    Snapshot(Arc<StatusWritten<FlinkStateSnapshot>>),
    /// An event.
    Event(Arc<EventWritten>),
}

impl News {
    /// What it is about, the same for the same write.
    pub fn id(&self) -> &str {
        match self {
            Self::Deployment(written) => &written.id,
            Self::Snapshot(written) => &written.id,
            Self::Event(written) => &written.id,
        }
    }
}

/// A kind of which listeners are told the status.
pub trait Audience: HasStatus + Resource<DynamicType = ()> + Clone {
    /// The notice of it.
    fn news(written: StatusWritten<Self>) -> News;
}

impl Audience for FlinkDeployment {
    fn news(written: StatusWritten<Self>) -> News {
        News::Deployment(Arc::new(written))
    }
}

impl Audience for FlinkStateSnapshot {
    fn news(written: StatusWritten<Self>) -> News {
        News::Snapshot(Arc::new(written))
    }
}

/// The notice of a status: `object` has it.
pub fn of_status<K: Audience>(object: K, before: Option<K::Status>, at: Timestamp) -> News {
    let uid = object.uid().unwrap_or_default();
    let version = object.resource_version().unwrap_or_default();
    K::news(StatusWritten {
        id: format!("{uid}/{version}"),
        at,
        object,
        before,
    })
}

/// The notice of an event.
pub fn of_event(event: Event, at: Timestamp) -> News {
    let uid = event.uid().unwrap_or_default();
    let count = event.count.unwrap_or(1);
    News::Event(Arc::new(EventWritten {
        id: format!("{uid}/{count}"),
        at,
        event,
    }))
}
