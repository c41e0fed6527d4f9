//! What lies between the API server and Flink: controllers, kubelet, Flink's own use of Kubernetes.
//!
//! A test calls [`Node::tick`]; each tick is one round of everything: garbage collection, pods of
//! Deployments, containers that start and end, JobManagers, the TaskManagers and high-availability
//! ConfigMaps they ask for. It works on the in-memory API server and, through [`Remote`], on a real one
//! that has neither controllers nor nodes.
//!
//! The rule: what stands in the API server is the only input; an image whose name contains `missing`
//! cannot be pulled, one that contains `crash` ends at once, and a service account whose name contains
//! `missing` does not exist.

mod config_maps;
mod deployments;
mod job_managers;
mod kubernetes;
mod pods;
mod remote;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

pub use kubernetes::Kubernetes;
pub use remote::Remote;

use crate::api::{Failure, SharedFlink};
use crate::flink::{ClusterKey, SimFlink};
use crate::json::{at, items, text};

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
    kube: Box<dyn Kubernetes>,
    flink: SharedFlink,
    /// How long things take.
    pub timings: NodeTimings,
    pods: BTreeMap<String, pods::Life>,
    job_managers: BTreeMap<String, ClusterKey>,
    /// Generation of each Deployment, by uid, and the hash of the template it has in it.
    hashes: BTreeMap<String, (u64, String)>,
    surplus_since: BTreeMap<ClusterKey, Timestamp>,
    /// What was seen in the last round; most rounds see the same.
    sight: Option<Arc<Sight>>,
    /// What had happened at the end of the last round: changes in the API server and in Flink.
    seen: Option<(u64, u64)>,
    wakes: Option<Timestamp>,
    serial: u64,
}

/// Objects of a kind.
type List = Arc<Vec<Arc<Value>>>;

/// What stood in the API server at the beginning of a round.
struct Sight {
    deployments: List,
    pods: List,
    /// Positions of Deployments by uid.
    makers: BTreeMap<String, usize>,
    /// Positions of pods by the uid of an owner.
    owned: BTreeMap<String, Vec<usize>>,
    /// Positions of pods by cluster and component.
    parts: BTreeMap<(ClusterKey, String), Vec<usize>>,
    /// ConfigMaps of Flink's high availability.
    maps: List,
    /// The same by cluster.
    ha: BTreeMap<ClusterKey, Vec<Arc<Value>>>,
}

impl Sight {
    fn new(deployments: List, pods: List, maps: List) -> Self {
        let mut owned: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut parts: BTreeMap<(ClusterKey, String), Vec<usize>> = BTreeMap::new();
        for (position, pod) in pods.iter().enumerate() {
            for owner in items(pod, "/metadata/ownerReferences") {
                owned
                    .entry(text(owner, "/uid").to_owned())
                    .or_default()
                    .push(position);
            }
            let part = (cluster_of(pod), label(pod, "component").to_owned());
            parts.entry(part).or_default().push(position);
        }
        let mut ha: BTreeMap<ClusterKey, Vec<Arc<Value>>> = BTreeMap::new();
        for map in maps.iter() {
            let of_cluster = ha.entry(cluster_of(map)).or_default();
            of_cluster.push(Arc::clone(map));
        }
        let makers = deployments.iter().enumerate();
        let makers = makers
            .map(|(position, maker)| (uid(maker).to_owned(), position))
            .collect();
        Self {
            deployments,
            pods,
            makers,
            owned,
            parts,
            maps,
            ha,
        }
    }

    /// It was made from these very lists.
    fn is_of(&self, deployments: &List, pods: &List, maps: &List) -> bool {
        Arc::ptr_eq(&self.deployments, deployments)
            && Arc::ptr_eq(&self.pods, pods)
            && Arc::ptr_eq(&self.maps, maps)
    }

    fn pods_at(&self, positions: Option<&Vec<usize>>) -> Vec<&Value> {
        let positions = positions.into_iter().flatten();
        positions
            .filter_map(|position| self.pods.get(*position).map(AsRef::as_ref))
            .collect()
    }

    /// Pods with an owner reference to this uid.
    fn owned_by(&self, uid: &str) -> Vec<&Value> {
        self.pods_at(self.owned.get(uid))
    }

    /// The Deployment that owns a pod.
    fn maker(&self, pod: &Value) -> Option<&Value> {
        let mut owners = items(pod, "/metadata/ownerReferences");
        let maker =
            owners.find_map(|owner| self.deployments.get(*self.makers.get(text(owner, "/uid"))?));
        maker.map(AsRef::as_ref)
    }

    /// Pods of one component of a cluster.
    fn part(&self, cluster: &ClusterKey, component: &str) -> Vec<&Value> {
        self.pods_at(self.parts.get(&(cluster.clone(), component.to_owned())))
    }

    fn maps(&self, cluster: &ClusterKey) -> &[Arc<Value>] {
        self.ha.get(cluster).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The Flink cluster an object belongs to by its labels.
fn cluster_of(object: &Value) -> ClusterKey {
    ClusterKey::new(namespace(object), label(object, "app"))
}

impl Node {
    /// A node for the cluster of this API server, whose JobManagers are simulated by `flink`.
    pub fn new(kube: impl Kubernetes + 'static, flink: SharedFlink) -> Self {
        Self {
            kube: Box::new(kube),
            flink,
            timings: NodeTimings::default(),
            pods: BTreeMap::new(),
            job_managers: BTreeMap::new(),
            hashes: BTreeMap::new(),
            surplus_since: BTreeMap::new(),
            sight: None,
            seen: None,
            wakes: None,
            serial: 0,
        }
    }

    /// One round at `now`. Cheap when nothing is due. What failed is tried again in the next round.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), Failure> {
        let due = self.wakes.is_some_and(|wakes| wakes <= now);
        if !due && self.seen.is_some() && self.seen == self.happened() {
            return Ok(());
        }
        self.wakes = None;
        self.kube.collect_garbage()?;
        self.flink().advance(now);
        let sight = self.look()?;
        self.deployments(&sight, now)?;
        self.kubelet(&sight, now)?;
        self.job_managers(&sight, now)?;
        // What this round wrote is looked at in the next.
        let happened = self.happened();
        if self.seen == happened {
            let next = self.flink().next_event();
            self.wakes = self.wakes.into_iter().chain(next).min();
        } else {
            self.wakes = Some(now);
        }
        self.seen = happened;
        Ok(())
    }

    /// What stands in the API server.
    fn look(&mut self) -> Result<Arc<Sight>, Failure> {
        let maps = "configmap-type=high-availability";
        let maps = self.kube.list("configmaps", maps)?;
        let deployments = self.kube.list("deployments", "")?;
        let pods = self.kube.list("pods", "")?;
        let before = self.sight.take();
        let same = before.filter(|sight| sight.is_of(&deployments, &pods, &maps));
        let sight = same.unwrap_or_else(|| Arc::new(Sight::new(deployments, pods, maps)));
        self.sight = Some(Arc::clone(&sight));
        Ok(sight)
    }

    /// When a round is due at the latest; `None` until something changes.
    pub fn wakes(&self) -> Option<Timestamp> {
        self.wakes
    }

    fn happened(&self) -> Option<(u64, u64)> {
        let touched = self.flink().touched();
        self.kube.revision().map(|revision| (revision, touched))
    }

    /// Look again at this time at the latest.
    fn wake_at(&mut self, at: Timestamp) {
        self.wakes = Some(self.wakes.map_or(at, |wakes| wakes.min(at)));
    }

    fn flink(&self) -> MutexGuard<'_, SimFlink> {
        self.flink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(value: &Value) -> &str {
    text(value, "/metadata/name")
}

fn namespace(value: &Value) -> &str {
    text(value, "/metadata/namespace")
}

fn key(value: &Value) -> (&str, &str) {
    (namespace(value), name(value))
}

fn uid(value: &Value) -> &str {
    text(value, "/metadata/uid")
}

fn is_deleting(value: &Value) -> bool {
    !text(value, "/metadata/deletionTimestamp").is_empty()
}

fn is_owned_by(value: &Value, owner: &str) -> bool {
    items(value, "/metadata/ownerReferences").any(|reference| text(reference, "/uid") == owner)
}

/// A condition of an object's status.
fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    items(value, "/status/conditions").find(|condition| text(condition, "/type") == kind)
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| text(ready, "/status") == "True")
}

/// A label of an object; empty if it has none.
fn label<'a>(value: &'a Value, name: &str) -> &'a str {
    at(value, "/metadata/labels")
        .and_then(|labels| labels.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
