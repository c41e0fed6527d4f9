//! One simulated job: its states and how time moves it through them.

use std::collections::BTreeMap;

use flink_crds::FlinkJobState;
use jiff::Timestamp;

use super::Timings;
use super::checkpoints::{Checkpoints, Restored};
use super::config::ClusterConfig;
use super::profile::Profile;
use super::savepoints::Thrown;
use super::vertices::{self, Vertex};

/// State of all tasks; the simulated ones move together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tasks {
    Created,
    Scheduled,
    Initializing,
    Running,
    Finished,
    Canceling,
    Canceled,
    Failed,
}

/// What happens next by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Create,
    Schedule,
    Run,
    Restart,
    End(FlinkJobState),
}

/// An exception in the job's history.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    pub(super) at: Timestamp,
    pub(super) thrown: Thrown,
}

/// One job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) config: ClusterConfig,
    pub(super) profile: Profile,
    pub(super) timings: Timings,
    pub(super) state: FlinkJobState,
    /// When it last came to each state.
    pub(super) since: BTreeMap<&'static str, Timestamp>,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) modified: Timestamp,
    pub(super) tasks: Tasks,
    pub(super) tasks_since: Option<Timestamp>,
    pub(super) vertices: Vec<Vertex>,
    pub(super) checkpoints: Checkpoints,
    /// Records its state counts now.
    pub(super) records: f64,
    pub(super) restarts: u64,
    pub(super) exceptions: Vec<Raised>,
    pub(super) failure: Option<Thrown>,
    /// Number of the present attempt.
    pub(super) attempt: u64,
    pub(super) next: Option<(Timestamp, Next)>,
    pub(super) backlog: f64,
    /// It may run as soon as it has slots.
    pub(super) wants_slots: bool,
    /// Its tasks ran at least once on this JobManager.
    pub(super) begun: bool,
}

impl Job {
    /// A job that was just submitted, with the state it starts from.
    pub(super) fn new(
        id: String,
        config: ClusterConfig,
        profile: Profile,
        timings: Timings,
        restored: Option<Restored>,
        now: Timestamp,
    ) -> Self {
        let vertices = vertices::of(
            &profile,
            config.parallelism(),
            &config.overrides(),
            config.max_parallelism(),
        );
        let mut checkpoints = Checkpoints::new(config.checkpoint_interval());
        if let Some(restored) = restored {
            checkpoints.next_id = restored.id + 1;
            checkpoints.counts.restored = 1;
            checkpoints.restored = Some(restored);
        }
        let mut job = Self {
            name: config
                .job_name()
                .map_or_else(|| profile.name.clone(), str::to_owned),
            id,
            records: checkpoints.records(),
            config,
            profile,
            timings,
            state: FlinkJobState::Initializing,
            since: BTreeMap::new(),
            started: now,
            ended: None,
            modified: now,
            tasks: Tasks::Created,
            tasks_since: None,
            vertices,
            checkpoints,
            restarts: 0,
            exceptions: Vec::new(),
            failure: None,
            attempt: 1,
            next: Some((now + timings.initialize, Next::Create)),
            backlog: 0.0,
            wants_slots: false,
            begun: false,
        };
        job.enter(FlinkJobState::Initializing, now);
        if job.config.reactive() {
            for vertex in &mut job.vertices {
                vertex.upper = vertex.max_parallelism;
            }
        }
        job
    }

    /// A job that never began: its program or its restore failed.
    pub(super) fn stillborn(mut self, thrown: Thrown, now: Timestamp) -> Self {
        self.exceptions.push(Raised {
            at: now,
            thrown: thrown.clone(),
        });
        self.failure = Some(thrown);
        self.next = Some((now, Next::End(FlinkJobState::Failed)));
        self
    }

    /// Slots it needs as it is: all vertices share them.
    pub(super) fn slots_needed(&self) -> u32 {
        self.vertices
            .iter()
            .map(|vertex| vertex.parallelism)
            .max()
            .unwrap_or(1)
    }

    /// Slots it would like to have.
    pub(super) fn slots_wanted(&self) -> u32 {
        if self.config.reactive() || !self.config.adaptive() {
            return self.slots_needed();
        }
        self.vertices
            .iter()
            .map(|vertex| vertex.upper)
            .max()
            .unwrap_or(1)
    }

    /// React to the number of slots it may use.
    pub(super) fn offer_slots(&mut self, slots: u32, now: Timestamp) {
        if self.is_ending() {
            return;
        }
        if self.config.adaptive() {
            self.adapt(slots, now);
        } else if self.tasks == Tasks::Running && slots < self.slots_needed() {
            self.fail("The TaskExecutor is shutting down.", false, now);
        }
        if self.wants_slots && slots >= self.slots_needed() {
            self.wants_slots = false;
            self.tasks = Tasks::Initializing;
            self.tasks_since = Some(now);
            if self.config.adaptive() {
                self.enter(FlinkJobState::Running, now);
            }
            self.next = Some((now + self.timings.deploy, Next::Run));
        }
    }

    /// The adaptive scheduler: run with as many subtasks as bounds and slots allow.
    fn adapt(&mut self, slots: u32, now: Timestamp) {
        let possible = self.vertices.iter().all(|vertex| vertex.lower <= slots);
        let target = |vertex: &Vertex| vertex.upper.min(slots).max(vertex.lower.min(slots)).max(1);
        let changes = self
            .vertices
            .iter()
            .any(|vertex| target(vertex) != vertex.parallelism);
        let waiting = self.wants_slots;
        if !possible || !changes || !(waiting || self.tasks == Tasks::Running) {
            if !possible && self.tasks == Tasks::Running {
                self.restart(now);
            }
            return;
        }
        for vertex in &mut self.vertices {
            vertex.parallelism = target(vertex);
        }
        if !waiting {
            self.restart(now);
        }
    }

    fn restart(&mut self, now: Timestamp) {
        self.restarts += 1;
        self.attempt += 1;
        self.checkpoints.pause(now);
        // Slots that come for the attempt that failed start nothing.
        self.wants_slots = false;
        self.tasks = Tasks::Canceled;
        self.enter(FlinkJobState::Restarting, now);
        self.next = Some((now + self.timings.restart, Next::Restart));
    }

    /// Nothing begins it anew any more: it has ended, is being cancelled, or all its tasks are done.
    fn is_ending(&self) -> bool {
        self.state.is_globally_terminal()
            || self.state == FlinkJobState::Cancelling
            || matches!(self.next, Some((_, Next::End(FlinkJobState::Finished))))
    }

    /// A task throws.
    pub(super) fn fail(&mut self, message: &str, for_good: bool, now: Timestamp) {
        if self.is_ending() {
            return;
        }
        let thrown = Thrown::new("java.lang.RuntimeException", message);
        self.exceptions.push(Raised {
            at: now,
            thrown: thrown.clone(),
        });
        let attempts = self.config.restart_attempts();
        if for_good || attempts.is_some_and(|attempts| self.restarts >= attempts) {
            self.fail_for_good(&thrown, now);
        } else {
            self.restart(now);
        }
    }

    /// The job will not be started again.
    pub(super) fn fail_for_good(&mut self, thrown: &Thrown, now: Timestamp) {
        self.attempt += 1;
        self.failure = Some(
            Thrown::new(
                "org.apache.flink.runtime.JobException",
                "Recovery is suppressed by NoRestartBackoffTimeStrategy",
            )
            .caused_by(&thrown.class, &*thrown.message),
        );
        self.checkpoints.pause(now);
        self.enter(FlinkJobState::Failing, now);
        self.tasks = Tasks::Failed;
        self.next = Some((now, Next::End(FlinkJobState::Failed)));
    }

    pub(super) fn cancel(&mut self, now: Timestamp) {
        self.attempt += 1;
        self.wants_slots = false;
        self.checkpoints.pause(now);
        self.enter(FlinkJobState::Cancelling, now);
        self.tasks = Tasks::Canceling;
        self.next = Some((now + self.timings.end, Next::End(FlinkJobState::Canceled)));
    }

    /// Its savepoint is written and its tasks are done.
    pub(super) fn finish(&mut self, now: Timestamp) {
        self.checkpoints.pause(now);
        self.next = Some((now + self.timings.end, Next::End(FlinkJobState::Finished)));
    }

    pub(super) fn enter(&mut self, state: FlinkJobState, at: Timestamp) {
        self.state = state;
        self.since.insert(state.as_str(), at);
        self.modified = at;
    }
}

/// A path as Flink prints it: `file:///x` becomes `file:/x`.
pub(super) fn normal(path: &str) -> String {
    let path = path.trim_end_matches('/');
    path.strip_prefix("file:///")
        .map_or_else(|| path.to_owned(), |rest| format!("file:/{rest}"))
}

/// A count of records as a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are small and positive"
)]
pub(super) fn whole(records: f64) -> u64 {
    records.round() as u64
}
