//! What a simulated job is made of and how it behaves.

use std::time::Duration;

use jiff::Timestamp;

use super::{ClusterKey, SimFlink};

/// A job's graph, load and manners.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name of the job if its configuration gives none.
    pub name: String,
    /// Its vertices.
    pub vertices: Vec<VertexProfile>,
    /// From, to (positions in `vertices`) and Flink's name of how records are spread.
    pub edges: Vec<(usize, usize, &'static str)>,
    /// Records per second that arrive, shared evenly by the sources.
    pub input: f64,
    /// Sources tell how many records wait (`pendingRecords`).
    pub tells_lag: bool,
    /// Bytes of state per snapshot.
    pub state_size: u64,
    /// The job is finite and finishes after running this long.
    pub finishes_after: Option<Duration>,
    /// Its state is asynchronous: a canonical savepoint fails and restarts the job.
    pub asynchronous_state: bool,
    /// The program throws before a job is submitted, with this message.
    pub broken: Option<String>,
    /// Savepoints fail with this message.
    pub savepoints_fail: Option<String>,
    /// A stop writes its savepoint and then fails, leaving the job `FAILED`.
    pub fails_while_stopping: bool,
    /// TaskManagers of a smaller process are killed for want of memory before they register, in bytes.
    pub least_memory: u64,
    /// Each attempt ends with an exception after running this long.
    pub fails_after: Option<Duration>,
}

/// One vertex.
#[derive(Clone, Debug, PartialEq)]
pub struct VertexProfile {
    /// Name: its chained operators.
    pub name: String,
    /// Records per second that one subtask can process.
    pub capacity: f64,
    /// Records written per record read.
    pub selectivity: f64,
    /// Fixed parallelism, whatever the job's is; overrides still win.
    pub parallelism: Option<u32>,
}

impl VertexProfile {
    /// A vertex that processes `capacity` records per second and subtask and writes as many as it reads.
    pub fn new(name: &str, capacity: f64) -> Self {
        Self {
            name: name.to_owned(),
            capacity,
            selectivity: 1.0,
            parallelism: None,
        }
    }
}

impl Default for Profile {
    /// Flink's state machine example: a source and a keyed vertex, hardly loaded.
    fn default() -> Self {
        Self {
            name: "State machine job".to_owned(),
            vertices: vec![
                VertexProfile::new("Source: Events Generator Source", 10_000.0),
                VertexProfile::new("Flat Map -> Sink: Print to Std. Out", 5_000.0),
            ],
            edges: vec![(0, 1, "HASH")],
            input: 50.0,
            tells_lag: false,
            state_size: 15_926,
            finishes_after: None,
            asynchronous_state: false,
            broken: None,
            savepoints_fail: None,
            fails_while_stopping: false,
            least_memory: 0,
            fails_after: None,
        }
    }
}

impl Profile {
    /// A source, a slow vertex and a sink, fed with `input` records per second; the source tells its lag.
    pub fn pipeline(input: f64, slow_capacity: f64) -> Self {
        Self {
            name: "load".to_owned(),
            vertices: vec![
                VertexProfile::new("Source: src", 50_000.0),
                VertexProfile::new("slow", slow_capacity),
                VertexProfile::new("fast -> sink: Writer", 50_000.0),
            ],
            edges: vec![(0, 1, "REBALANCE"), (1, 2, "REBALANCE")],
            input,
            tells_lag: true,
            ..Self::default()
        }
    }

    pub(super) fn is_source(&self, vertex: usize) -> bool {
        self.edges.iter().all(|(_, to, _)| *to != vertex)
    }
}

impl SimFlink {
    /// Jobs of this cluster look and behave like `profile` when they start next.
    pub fn set_profile(&mut self, key: &ClusterKey, profile: Profile) {
        self.profiles.insert(key.clone(), profile);
    }

    /// The profile of this cluster's jobs.
    pub fn profile(&self, key: &ClusterKey) -> Profile {
        self.profiles.get(key).cloned().unwrap_or_default()
    }

    /// Records per second that arrive for this cluster's jobs from now on.
    pub fn set_input(&mut self, key: &ClusterKey, rate: f64, now: Timestamp) {
        self.adjust(key, now, |profile| profile.input = rate);
    }

    /// From now on savepoints of this cluster's jobs fail with this message, or no longer.
    pub fn set_savepoints_fail(&mut self, key: &ClusterKey, why: Option<&str>, now: Timestamp) {
        self.adjust(key, now, |profile| {
            profile.savepoints_fail = why.map(str::to_owned);
        });
    }

    /// Change the profile of jobs that run and of those that start next.
    fn adjust(&mut self, key: &ClusterKey, now: Timestamp, change: impl Fn(&mut Profile)) {
        self.advance_one(key, now);
        let mut profile = self.profile(key);
        change(&mut profile);
        for cluster in self.clusters.get_mut(key).into_iter().flatten() {
            change(&mut cluster.profile);
            for job in cluster.jobs.values_mut() {
                change(&mut job.profile);
            }
        }
        self.set_profile(key, profile);
    }
}
