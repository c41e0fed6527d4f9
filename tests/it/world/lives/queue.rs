//! Which resource has its next pass when, as the operator's watches and queues would have it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};
use flink_operator::controllers::Context;
use flink_sim::World;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

/// What the watches show, and the times of the next passes by name; the FlinkDeployment has the empty name.
#[derive(Default)]
pub struct Queue {
    revision: u64,
    deployments: u64,
    snapshots_at: u64,
    next: BTreeMap<String, Instant>,
    /// The FlinkDeployment; none if it is gone.
    pub job: Option<Arc<FlinkDeployment>>,
    /// As it was before.
    pub earlier: Option<Arc<FlinkDeployment>>,
    /// Its snapshots by name.
    pub snapshots: BTreeMap<String, FlinkStateSnapshot>,
}

impl Queue {
    /// See what changed; each change is a reason for a pass. True if anything did.
    pub fn watch(&mut self, world: &World, context: &Context) -> bool {
        let revision = world.api.revision();
        if revision == self.revision {
            return false;
        }
        self.revision = revision;
        let now = Instant::now();
        self.watch_job(world, context, now);
        let owned = world.api.changed_at("deployments");
        if owned > self.deployments {
            self.deployments = owned;
            self.next.insert(String::new(), now);
        }
        let changed = world.api.changed_at("flinkstatesnapshots");
        if changed > self.snapshots_at {
            self.snapshots_at = changed;
            let all = world.api.list("flinkstatesnapshots", "");
            let all = all.iter().map(|one| parsed::<FlinkStateSnapshot>(one));
            let before = std::mem::take(&mut self.snapshots);
            self.snapshots = all.map(|one| (one.name_any(), one)).collect();
            for (name, snapshot) in &self.snapshots {
                if before.get(name).map(version) != Some(version(snapshot)) {
                    self.next.insert(name.clone(), now);
                }
            }
            self.show_snapshots(context);
        }
        true
    }

    fn watch_job(&mut self, world: &World, context: &Context, now: Instant) {
        let found = world.api.get("flinkdeployments", "default", "job");
        let present = self.job.as_ref().map(|job| version(&**job));
        let Some(found) = found else {
            // Nothing has a pass that is not there.
            self.job = None;
            self.next.remove("");
            return;
        };
        if found["metadata"]["resourceVersion"].as_str() == present.as_deref() {
            return;
        }
        let job: FlinkDeployment = parsed(&found);
        let ours = context
            .written
            .lock()
            .is_ok_and(|written| written.values().any(|ours| *ours == version(&job)));
        if !ours {
            self.next.insert(String::new(), now);
        }
        self.earlier = self.job.replace(Arc::new(job));
    }

    fn show_snapshots(&self, context: &Context) {
        let index = &context.observer.snapshots;
        index.take_in(Event::Init);
        for snapshot in self.snapshots.values() {
            index.take_in(Event::InitApply(snapshot.clone()));
        }
        index.take_in(Event::InitDone);
    }

    /// A new process: everything is new to it.
    pub fn begin(&mut self, context: &Context) {
        self.show_snapshots(context);
        let names = self.snapshots.keys().cloned().chain([String::new()]);
        let now = Instant::now();
        self.next = names.map(|name| (name, now)).collect();
    }

    /// Whose pass is due, if anyone's; it is no longer.
    pub fn take(&mut self) -> Option<String> {
        let now = Instant::now();
        let due = self.next.iter().find(|(_, at)| **at <= now);
        let name = due.map(|(name, _)| name.clone())?;
        self.next.remove(&name);
        Some(name)
    }

    /// Another pass after this time, unless an earlier one is due.
    pub fn again(&mut self, name: &str, after: Duration) {
        let at = Instant::now() + after;
        let next = self.next.entry(name.to_owned()).or_insert(at);
        *next = at.min(*next);
    }

    /// When the next pass is due.
    pub fn next(&self) -> Option<Instant> {
        self.next.values().min().copied()
    }
}

fn parsed<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).expect("what the API server took can be read")
}

fn version(object: &impl ResourceExt) -> String {
    object.resource_version().unwrap_or_default()
}
