//! What lies between the API server and Flink: controllers, kubelet, Flink's own use of Kubernetes.
//!
//! A test calls [`Node::tick`]; each tick is one round of everything: garbage collection, pods of
//! Deployments, containers that start and end, JobManagers, the TaskManagers and high-availability
//! ConfigMaps they ask for.
//!
//! The rule: what stands in the API server is the only input; an image whose name contains `missing`
//! cannot be pulled, one that contains `crash` ends at once, and a service account whose name contains
//! `missing` does not exist.

mod config_maps;
mod deployments;
mod job_managers;
mod pods;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::ApiServer;
use crate::flink::ClusterKey;

/// How long things take on the node.
#[derive(Clone, Copy, Debug)]
pub struct NodeTimings {
    /// From a pod's creation until it is ready.
    pub start: Duration,
    /// From a pod's deletion until it is gone.
    pub stop: Duration,
    /// How long TaskManagers without work are kept.
    pub idle: Duration,
}

impl Default for NodeTimings {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(3),
            stop: Duration::from_secs(1),
            idle: Duration::from_secs(30),
        }
    }
}

/// Controllers, kubelet and Flink's Kubernetes client in one.
pub struct Node {
    api: ApiServer,
    /// How long things take.
    pub timings: NodeTimings,
    pods: BTreeMap<String, pods::Life>,
    job_managers: BTreeMap<String, ClusterKey>,
    surplus_since: BTreeMap<ClusterKey, Timestamp>,
    /// What had happened at the end of the last round: changes in the API server and in Flink.
    seen: Option<(u64, u64)>,
    wakes: Option<Timestamp>,
    serial: u64,
}

impl Node {
    /// A node for the cluster of this API server.
    pub fn new(api: ApiServer) -> Self {
        Self {
            api,
            timings: NodeTimings::default(),
            pods: BTreeMap::new(),
            job_managers: BTreeMap::new(),
            surplus_since: BTreeMap::new(),
            seen: None,
            wakes: None,
            serial: 0,
        }
    }

    /// One round at `now`. Cheap when nothing is due.
    pub fn tick(&mut self, now: Timestamp) {
        let due = self.wakes.is_some_and(|wakes| wakes <= now);
        if !due && self.seen == Some(self.happened()) {
            return;
        }
        self.wakes = None;
        self.api.collect_garbage();
        self.api.flink().advance(now);
        self.deployments(now);
        self.kubelet(now);
        self.job_managers(now);
        // What this round wrote is looked at in the next.
        let happened = self.happened();
        if self.seen == Some(happened) {
            let next = self.api.flink().next_event();
            self.wakes = self.wakes.into_iter().chain(next).min();
        } else {
            self.wakes = Some(now);
        }
        self.seen = Some(happened);
    }

    fn happened(&self) -> (u64, u64) {
        let touched = self.api.flink().touched();
        (self.api.revision(), touched)
    }

    /// Look again at this time at the latest.
    fn wake_at(&mut self, at: Timestamp) {
        self.wakes = Some(self.wakes.map_or(at, |wakes| wakes.min(at)));
    }
}

/// The text at a JSON pointer; empty if there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn name(value: &Value) -> &str {
    text(value, "/metadata/name")
}

fn namespace(value: &Value) -> &str {
    text(value, "/metadata/namespace")
}

fn uid(value: &Value) -> &str {
    text(value, "/metadata/uid")
}

fn is_deleting(value: &Value) -> bool {
    !text(value, "/metadata/deletionTimestamp").is_empty()
}

fn is_owned_by(value: &Value, owner: &str) -> bool {
    let owners = value
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .any(|reference| text(reference, "/uid") == owner)
}

/// The status of a pod's condition.
fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = value
        .pointer("/status/conditions")
        .and_then(Value::as_array)?;
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| text(ready, "/status") == "True")
}

#[cfg(test)]
mod tests;
