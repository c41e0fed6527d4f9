//! A simulated Flink: JobManagers, jobs, checkpoints, savepoints, high availability, load.
//!
//! A test starts JobManagers ([`SimFlink::start_job_manager`]) with the configuration a real one would
//! find in its ConfigMap, gives them TaskManagers ([`SimFlink::register_task_managers`]), winds the
//! clock ([`SimFlink::advance`]) and asks ([`SimFlink::handle`]) as the operator would over HTTP. What
//! happened is in the [`Journal`].
//!
//! The rule: answers have the fields of the real version (tested against recorded answers), and what
//! Flink does in time happens only when the clock is wound.

mod actions;
mod answers;
mod checkpoints;
mod cluster;
mod config;
mod job;
mod journal;
mod load;
mod operations;
mod profile;
mod progress;
mod rest;
mod savepoints;
mod server;
mod storage;
mod vertices;

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::FlinkJobState;
use jiff::Timestamp;

pub use config::ClusterConfig;
pub use journal::{Entry, Happening, Journal};
pub use profile::{Profile, VertexProfile};
pub use rest::{Answer, Asked};
pub use server::{router, serve};
pub use storage::{HaData, Storage};

use cluster::Cluster;

/// Namespace and name of a Flink cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterKey {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Name of the FlinkDeployment.
    pub name: String,
}

impl ClusterKey {
    /// The cluster `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// From a JobManager's start until it leads, if no other does.
    pub election: Duration,
    /// From submission to `CREATED`.
    pub initialize: Duration,
    /// From having slots to `RUNNING`.
    pub deploy: Duration,
    /// A checkpoint or savepoint.
    pub snapshot: Duration,
    /// From `CANCELLING` to `CANCELED`, and from a savepoint to `FINISHED`.
    pub end: Duration,
    /// From a failure to the next attempt.
    pub restart: Duration,
    /// How long the result of a savepoint is remembered.
    pub remembered: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            election: Duration::from_millis(500),
            initialize: Duration::from_millis(500),
            deploy: Duration::from_secs(1),
            snapshot: Duration::from_secs(2),
            end: Duration::from_secs(1),
            restart: Duration::from_secs(1),
            remembered: Duration::from_mins(5),
        }
    }
}

/// What a JobManager finds when it starts.
#[derive(Clone, Debug)]
pub struct JobManagerStart {
    /// Identity of its pod.
    pub instance: String,
    /// Its configuration, flat.
    pub config: BTreeMap<String, String>,
    /// It runs one application, rather than waiting for jobs.
    pub application: bool,
    /// High-availability metadata in Kubernetes.
    pub ha: HaData,
}

/// Any number of Flink clusters.
#[derive(Debug, Default)]
pub struct SimFlink {
    clusters: BTreeMap<ClusterKey, Vec<Cluster>>,
    storage: Storage,
    journal: Journal,
    profiles: BTreeMap<ClusterKey, Profile>,
    /// How long things take; for JobManagers started from now on.
    pub timings: Timings,
    produced: BTreeMap<ClusterKey, load::Produced>,
    ids: u64,
    touched: u64,
}

impl SimFlink {
    /// No clusters, default timings.
    pub fn new() -> Self {
        Self::default()
    }

    /// A JobManager's process starts.
    pub fn start_job_manager(&mut self, key: &ClusterKey, start: JobManagerStart, now: Timestamp) {
        self.advance_one(key, now);
        let profile = self.profile(key);
        let cluster = Cluster::new(key, start, profile, self.timings, now);
        self.journal.note(
            now,
            key,
            Happening::JobManagerStarted {
                instance: cluster.instance.clone(),
            },
        );
        let clusters = self.clusters.entry(key.clone()).or_default();
        clusters.push(cluster);
        cluster::elect(clusters, now);
    }

    /// A JobManager's process is gone, and with it the jobs it ran.
    pub fn stop_job_manager(&mut self, key: &ClusterKey, instance: &str, now: Timestamp) {
        self.advance_one(key, now);
        let Some(clusters) = self.clusters.get_mut(key) else {
            return;
        };
        let before = clusters.len();
        clusters.retain(|cluster| cluster.instance != instance);
        cluster::elect(clusters, now);
        if clusters.len() < before {
            let stopped = Happening::JobManagerStopped {
                instance: instance.to_owned(),
            };
            self.journal.note(now, key, stopped);
        }
        if clusters.is_empty() {
            self.clusters.remove(key);
        }
    }

    /// These TaskManagers are registered; all others are gone.
    pub fn register_task_managers(&mut self, key: &ClusterKey, ids: &[String], now: Timestamp) {
        self.advance_one(key, now);
        for cluster in self.clusters.get_mut(key).into_iter().flatten() {
            cluster.set_task_managers(ids, now);
        }
        self.advance_one(key, now);
    }

    /// The high-availability metadata as it stands in Kubernetes; a JobManager that waits to lead will
    /// recover from it.
    pub fn refresh_ha(&mut self, key: &ClusterKey, ha: &HaData) {
        for cluster in self.clusters.get_mut(key).into_iter().flatten() {
            cluster.refresh(ha);
        }
    }

    /// TaskManagers the cluster asks Kubernetes for (native mode).
    pub fn wanted_task_managers(&self, key: &ClusterKey) -> usize {
        self.leader(key).map_or(0, Cluster::wanted_task_managers)
    }

    /// The cluster's high-availability metadata as it should stand in Kubernetes; `None` if it has
    /// high availability off or no JobManager leads.
    pub fn ha(&self, key: &ClusterKey) -> Option<HaData> {
        self.leader(key).and_then(Cluster::ha)
    }

    /// Let time pass until `now`, for every cluster.
    pub fn advance(&mut self, now: Timestamp) {
        let keys: Vec<ClusterKey> = self.clusters.keys().cloned().collect();
        for key in keys {
            self.advance_one(&key, now);
        }
    }

    /// Let time pass for one cluster; they do not depend on each other.
    fn advance_one(&mut self, key: &ClusterKey, now: Timestamp) {
        let Some(clusters) = self.clusters.get_mut(key) else {
            return;
        };
        let produced = self.produced.entry(key.clone()).or_default();
        let profile = self.profiles.entry(key.clone()).or_default();
        produced.advance(profile.input, now);
        cluster::elect(clusters, now);
        for cluster in clusters {
            let mut surroundings = cluster::Surroundings {
                key,
                storage: &mut self.storage,
                journal: &mut self.journal,
                produced: produced.total,
                ids: &mut self.ids,
            };
            cluster.advance(&mut surroundings, now);
        }
    }

    /// Answer one request to the REST interface of the cluster; `None` if no JobManager runs.
    pub fn handle(
        &mut self,
        key: &ClusterKey,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Option<Answer> {
        self.advance_one(key, now);
        let cluster = self
            .clusters
            .get_mut(key)?
            .iter_mut()
            .max_by_key(|cluster| cluster.leads())?;
        let mut surroundings = cluster::Surroundings {
            key,
            storage: &mut self.storage,
            journal: &mut self.journal,
            produced: self
                .produced
                .get(key)
                .map_or(0.0, |produced| produced.total),
            ids: &mut self.ids,
        };
        let answer = rest::answer(cluster, &mut surroundings, asked, now);
        self.touched += u64::from(asked.method != http::Method::GET);
        self.advance_one(key, now);
        Some(answer)
    }

    /// A task of every job of this cluster throws; the jobs restart, or fail if `for_good`.
    pub fn fail_jobs(&mut self, key: &ClusterKey, message: &str, for_good: bool, now: Timestamp) {
        self.advance_one(key, now);
        self.touched += 1;
        for cluster in self.clusters.get_mut(key).into_iter().flatten() {
            for job in cluster.jobs.values_mut() {
                job.fail(message, for_good, now);
            }
        }
        self.advance_one(key, now);
    }

    /// Flink's major and minor version of the newest JobManager of this cluster; (0, 0) if there is none.
    pub fn version(&self, key: &ClusterKey) -> (u32, u32) {
        let newest = self.clusters.get(key).and_then(|clusters| clusters.last());
        newest.map_or((0, 0), |cluster| cluster.config.version())
    }

    /// A number that grows with each request or intervention that may change something.
    pub fn touched(&self) -> u64 {
        self.touched
    }

    /// When something happens next by itself; `None` if nothing will.
    pub fn next_event(&self) -> Option<Timestamp> {
        self.clusters
            .values()
            .flatten()
            .filter_map(Cluster::wakes)
            .min()
    }

    /// What happened so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Savepoints, checkpoints and job results.
    pub fn storage_mut(&mut self) -> &mut Storage {
        &mut self.storage
    }

    /// Jobs now in a state that is not the end, over all JobManagers of this cluster. More than one
    /// for an application is a duplicate.
    pub fn live_jobs(&self, key: &ClusterKey) -> usize {
        self.clusters
            .get(key)
            .into_iter()
            .flatten()
            .filter(|cluster| cluster.leads())
            .flat_map(|cluster| cluster.jobs.values())
            .filter(|job| !job.state.is_globally_terminal())
            .count()
    }

    /// Savepoints under way: those that stop their job, and others.
    pub fn savepoints_under_way(&self, key: &ClusterKey) -> (usize, usize) {
        let operations = self.leader(key).map(|cluster| cluster.operations.values());
        let open: Vec<bool> = operations
            .into_iter()
            .flatten()
            .filter(|operation| operation.is_savepoint() && operation.outcome.is_none())
            .map(savepoints::Operation::is_stop)
            .collect();
        let stops = open.iter().filter(|stop| **stop).count();
        (stops, open.len() - stops)
    }

    /// State of each job the leading JobManager knows, by id.
    pub fn job_states(&self, key: &ClusterKey) -> BTreeMap<String, FlinkJobState> {
        let jobs = self.leader(key).map(|cluster| &cluster.jobs);
        jobs.into_iter()
            .flatten()
            .map(|(id, job)| (id.clone(), job.state))
            .collect()
    }

    /// Subtasks of each vertex of the first job that has not ended, by vertex id.
    pub fn parallelism(&self, key: &ClusterKey) -> BTreeMap<String, u32> {
        self.leader(key)
            .and_then(|cluster| {
                cluster
                    .jobs
                    .values()
                    .find(|job| !job.state.is_globally_terminal())
            })
            .into_iter()
            .flat_map(|job| &job.vertices)
            .map(|vertex| (vertex.id.clone(), vertex.parallelism))
            .collect()
    }

    /// Clusters with a JobManager process.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterKey> {
        self.clusters.keys()
    }

    fn leader(&self, key: &ClusterKey) -> Option<&Cluster> {
        self.clusters
            .get(key)?
            .iter()
            .find(|cluster| cluster.leads())
    }
}

#[cfg(test)]
mod tests;
