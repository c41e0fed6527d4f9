//! What must hold at every moment of a life.

use std::collections::{BTreeMap, BTreeSet};

use flink_crds::{FlinkStateSnapshot, SnapshotState};
use flink_operator::domain::snapshot::SnapshotView;
use flink_sim::World;
use flink_sim::flink::{ClusterKey, Happening};
use kube::ResourceExt;
use serde_json::Value;

use super::queue::Queue;

/// Looks on, and remembers what it needs to judge.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what happened, each named for what it says"
)]
pub struct Witness {
    key: ClusterKey,
    /// State may be given up.
    pub forgets: bool,
    /// The spec as the person left it; none if there is no resource.
    pub wanted: Option<Value>,
    /// Savepoints were asked for by this many nonces.
    pub nonces: usize,
    /// Position in the journal.
    position: usize,
    /// The most records saved so far.
    saved: u64,
    /// The most that Flink finds again by itself: what it started with, and its checkpoints.
    found_again: u64,
    /// A process was taken away that may alone have known of a savepoint.
    pub uncertain: bool,
    /// It has not ended yet.
    ending: bool,
    /// The last job failed for good when its JobManager was being deleted already: Flink then drops the metadata, and
    /// there was nobody left to ask for the last checkpoint.
    failed_unseen: bool,
    /// The last job failed for good, and no other was started since.
    failed: bool,
    /// Jobs that were asked to stop with a savepoint.
    stopping: BTreeSet<String>,
    /// Attempts at each snapshot ever seen, by its name and uid.
    attempts: BTreeMap<(String, String), usize>,
    /// Savepoints asked of Flink that stop no job, by trigger id: a JobManager that died has forgotten it, and is asked again.
    asked: BTreeSet<String>,
}

impl Witness {
    pub fn new(key: &ClusterKey, forgets: bool) -> Self {
        Self {
            key: key.clone(),
            forgets,
            wanted: None,
            nonces: 0,
            position: 0,
            saved: 0,
            found_again: 0,
            uncertain: false,
            ending: false,
            failed_unseen: false,
            failed: false,
            stopping: BTreeSet::new(),
            attempts: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }

    /// The resource is gone for good; a next one of its name has a state of its own.
    pub fn bury(&mut self) {
        self.wanted = None;
        self.saved = 0;
        self.found_again = 0;
    }

    /// The JobManager is taken away. A savepoint whose end nobody had asked for yet is forgotten with it, and
    /// the job that Flink or the operator brings back has what Flink's own metadata say.
    pub fn lose_job_manager(&mut self) {
        self.uncertain = true;
        self.ending = true;
    }

    /// The operator may be unable to know what to start from: nothing was saved, or only a JobManager knew that was
    /// taken away.
    pub fn may_not_know(&self) -> bool {
        self.uncertain || self.failed_unseen || self.saved == 0
    }

    /// The job failed for good and its JobManager was taken away before anybody asked: the next one lists no job, since
    /// Flink starts none again whose end it has recorded.
    pub fn may_miss_the_job(&self) -> bool {
        self.uncertain && self.failed
    }

    /// Whatever Kubernetes and Flink do at this moment.
    pub fn world(&mut self, world: &World) -> Result<(), String> {
        let flink = world.flink();
        let running = flink.live_jobs(&self.key);
        if running > 1 {
            return Err(format!("{running} jobs run at once"));
        }
        let (stops, _) = flink.savepoints_under_way(&self.key);
        if stops > 1 {
            return Err(format!("{stops} requests to stop are under way at once"));
        }
        let entries = flink.journal().entries();
        for entry in entries.iter().skip(self.position) {
            match &entry.what {
                Happening::SnapshotCompleted {
                    job,
                    records,
                    savepoint,
                    ..
                } => {
                    // A savepoint that stops nothing is the person's: Flink does not go back to it either (FLIP-203).
                    if !savepoint || self.stopping.contains(job) {
                        self.saved = self.saved.max(*records);
                    }
                    if !savepoint {
                        self.found_again = self.found_again.max(*records);
                    }
                }
                Happening::JobStarted { records, from, .. } => {
                    if *records < self.saved && !self.forgets {
                        return Err(format!(
                            "a job starts from {from:?} with {records} records, of {} saved",
                            self.saved
                        ));
                    }
                    self.found_again = *records;
                    self.failed_unseen = false;
                    self.failed = false;
                }
                Happening::JobEnded { state, .. } => {
                    self.failed = *state == "FAILED";
                    self.failed_unseen = self.failed && is_going(world);
                }
                Happening::JobManagerStopped { .. } if self.ending => {
                    self.ending = false;
                    self.saved = self.found_again;
                }
                Happening::SavepointTriggered {
                    trigger,
                    stop: false,
                    ..
                } => {
                    self.asked.insert(trigger.clone());
                }
                Happening::SavepointTriggered { job, .. } => {
                    self.stopping.insert(job.clone());
                }
                _ => {}
            }
        }
        self.position = entries.len();
        Ok(())
    }

    /// What stands in the API server.
    pub fn resources(&mut self, queue: &Queue, world: &World) -> Result<(), String> {
        if let (Some(wanted), Some(_)) = (&self.wanted, &queue.job) {
            let found = world.api.get("flinkdeployments", "default", "job");
            if let Some(found) = found.filter(|found| found["spec"] != *wanted) {
                return Err(format!(
                    "the person's spec is lost: {}, not {wanted}",
                    found["spec"]
                ));
            }
        }
        for (name, snapshot) in &queue.snapshots {
            let failures = snapshot.status.as_ref().and_then(|status| status.failures);
            let attempts = 1 + usize::try_from(failures.unwrap_or_default()).unwrap_or_default();
            let uid = snapshot.uid().unwrap_or_default();
            self.attempts.insert((name.clone(), uid), attempts);
        }
        let names: BTreeSet<&String> = self.attempts.keys().map(|(name, _)| name).collect();
        let manual = names
            .iter()
            .filter(|name| name.contains("-savepoint-manual-"));
        let manual = manual.count();
        if manual > self.nonces {
            return Err(format!("{manual} savepoints for {} nonces", self.nonces));
        }
        let open = |snapshot: &&FlinkStateSnapshot| {
            let state = SnapshotView::of(snapshot).state;
            matches!(
                state,
                SnapshotState::TriggerPending | SnapshotState::InProgress
            )
        };
        let periodic = queue.snapshots.iter();
        let periodic = periodic.filter(|(name, _)| name.contains("-periodic-"));
        let pile = periodic.map(|(_, snapshot)| snapshot).filter(open).count();
        if pile > 1 {
            return Err(format!(
                "{pile} snapshots by schedule are under way at once"
            ));
        }
        Ok(())
    }

    /// After everything has come to rest.
    pub fn end(&self, queue: &Queue, world: &World, legacy: bool) -> Result<(), String> {
        let attempts: usize = self.attempts.values().sum();
        if !legacy && self.asked.len() > attempts {
            return Err(format!(
                "Flink was asked for {} savepoints in {attempts} attempts: {:?}",
                self.asked.len(),
                self.attempts
            ));
        }
        let mut flink = world.flink();
        let files: Vec<&str> = flink.storage_mut().snapshots().collect();
        for (name, snapshot) in &queue.snapshots {
            let view = SnapshotView::of(snapshot);
            let savepoint = snapshot.spec.savepoint.is_some();
            let done = view.state == SnapshotState::Completed;
            if done
                && savepoint
                && !view
                    .path
                    .as_deref()
                    .is_some_and(|path| files.contains(&path))
            {
                return Err(format!("the savepoint of {name} is lost: {:?}", view.path));
            }
        }
        Ok(())
    }
}

/// The JobManager's Deployment is gone or being deleted.
fn is_going(world: &World) -> bool {
    let deployment = world.api.get("deployments", "default", "job");
    deployment.is_none_or(|it| !it["metadata"]["deletionTimestamp"].is_null())
}
