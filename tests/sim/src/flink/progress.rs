//! How time moves a simulated job along.

use flink_crds::FlinkJobState;
use jiff::Timestamp;

use super::checkpoints::{self, Snapshot};
use super::cluster::Surroundings;
use super::job::{Job, Next, Tasks, normal, whole};
use super::journal::Happening;
use super::load;
use super::storage::Image;

impl Job {
    /// The next time at which something happens by itself.
    pub(super) fn next_event(&self) -> Option<Timestamp> {
        let own = self.next.map(|(at, _)| at);
        let checkpoint = (self.tasks == Tasks::Running)
            .then(|| self.checkpoints.next_event())
            .flatten();
        own.into_iter()
            .chain(checkpoint)
            .chain(self.manners())
            .min()
    }

    /// When the profile makes this attempt end.
    fn manners(&self) -> Option<Timestamp> {
        let running =
            (self.tasks == Tasks::Running && self.next.is_none()).then_some(self.tasks_since?)?;
        let after = [self.profile.finishes_after, self.profile.fails_after];
        after
            .into_iter()
            .flatten()
            .map(|after| running + after)
            .min()
    }

    /// Let `seconds` of work pass.
    pub(super) fn work(&mut self, seconds: f64, produced: f64) {
        self.backlog = (produced - self.records).max(0.0);
        if self.tasks != Tasks::Running || seconds <= 0.0 {
            return;
        }
        let (loads, rate) = load::of(&self.profile, &self.vertices, self.backlog);
        for (vertex, load) in self.vertices.iter_mut().zip(loads) {
            vertex.load = load;
            vertex.count(seconds);
        }
        self.records = (self.records + rate * seconds).min(produced.max(self.records));
        self.backlog = (produced - self.records).max(0.0);
    }

    /// Do what is due at `now`.
    pub(super) fn happen(&mut self, around: &mut Surroundings<'_>, now: Timestamp) {
        if self.tasks == Tasks::Running {
            self.checkpoint(around, now);
        }
        if self.manners().is_some_and(|at| at <= now) {
            if self.profile.fails_after.is_some() {
                self.fail("the simulated program throws", false, now);
            } else {
                self.finish(now);
            }
        }
        let Some((at, next)) = self.next.filter(|(at, _)| *at <= now) else {
            return;
        };
        self.next = None;
        match next {
            Next::Create => {
                self.enter(FlinkJobState::Created, at);
                if self.config.adaptive() {
                    self.wants_slots = true;
                } else {
                    self.next = Some((at, Next::Schedule));
                }
            }
            Next::Schedule => {
                self.enter(FlinkJobState::Running, at);
                self.tasks = Tasks::Scheduled;
                self.wants_slots = true;
            }
            Next::Run => self.run(around, at),
            Next::Restart => {
                self.records = self.checkpoints.records();
                let records = whole(self.records);
                around.note(
                    at,
                    Happening::JobRestarted {
                        job: self.id.clone(),
                        records,
                    },
                );
                self.enter(FlinkJobState::Created, at);
                self.tasks = Tasks::Created;
                self.next = (!self.config.adaptive()).then_some((at, Next::Schedule));
                self.wants_slots = self.config.adaptive();
            }
            Next::End(state) => self.end(around, state, at),
        }
    }

    fn run(&mut self, around: &mut Surroundings<'_>, at: Timestamp) {
        self.tasks = Tasks::Running;
        self.tasks_since = Some(at);
        self.modified = at;
        for vertex in &mut self.vertices {
            vertex.reset();
        }
        self.checkpoints.resume(at);
        if !std::mem::replace(&mut self.begun, true) {
            let from = self
                .checkpoints
                .restored
                .as_ref()
                .map(|restored| restored.path.clone());
            let records = whole(self.records);
            around.note(
                at,
                Happening::JobStarted {
                    job: self.id.clone(),
                    from,
                    records,
                },
            );
        }
    }

    fn checkpoint(&mut self, around: &mut Surroundings<'_>, now: Timestamp) {
        if let Some((id, triggered, ends)) = self.checkpoints.pending
            && ends <= now
        {
            self.checkpoints.pending = None;
            self.complete_checkpoint(around, id, triggered, ends);
        }
        self.checkpoints.begin(now, self.timings.snapshot);
    }

    /// A checkpoint is complete: store it and delete the one before.
    pub(super) fn complete_checkpoint(
        &mut self,
        around: &mut Surroundings<'_>,
        id: u64,
        triggered: Timestamp,
        now: Timestamp,
    ) {
        let addressable = self.config.checkpoint_dir();
        let stored = match addressable {
            Some(directory) => format!("{}/{}/chk-{id}", normal(directory), self.id),
            None => self.metadata_path(id),
        };
        around.storage.put(
            &stored,
            Image {
                id,
                records: self.records,
            },
        );
        let path = if addressable.is_some() {
            stored.clone()
        } else {
            checkpoints::NOT_ADDRESSABLE.to_owned()
        };
        let records = whole(self.records);
        let completed = Happening::SnapshotCompleted {
            job: self.id.clone(),
            path: stored,
            records,
            savepoint: false,
        };
        around.note(now, completed);
        let replaced = self.checkpoints.complete(Snapshot {
            id,
            savepoint: false,
            format: None,
            triggered,
            ended: Some(now),
            path: Some(path),
            failure: None,
            discarded: false,
            records: self.records,
        });
        if let Some(replaced) = replaced {
            around.storage.remove_snapshot(&self.stored_path(&replaced));
        }
    }

    /// Where the state of a completed checkpoint lies.
    pub(super) fn stored_path(&self, snapshot: &Snapshot) -> String {
        match snapshot.path.as_deref() {
            Some(path) if path != checkpoints::NOT_ADDRESSABLE => path.to_owned(),
            _ => self.metadata_path(snapshot.id),
        }
    }

    fn metadata_path(&self, id: u64) -> String {
        format!(
            "{}/completedCheckpoint/{}/{id}",
            self.config.ha_storage(),
            self.id
        )
    }

    fn end(&mut self, around: &mut Surroundings<'_>, state: FlinkJobState, at: Timestamp) {
        self.enter(state, at);
        self.ended = Some(at);
        self.wants_slots = false;
        self.tasks = match state {
            FlinkJobState::Finished => Tasks::Finished,
            FlinkJobState::Canceled => Tasks::Canceled,
            _ => Tasks::Failed,
        };
        let discards = match state {
            FlinkJobState::Finished => true,
            FlinkJobState::Canceled => !self.config.retains_checkpoints(),
            _ => false,
        };
        if discards && let Some(completed) = self.checkpoints.completed.clone() {
            around
                .storage
                .remove_snapshot(&self.stored_path(&completed));
            if let Some(completed) = &mut self.checkpoints.completed {
                completed.discarded = true;
            }
        }
        if self.config.high_availability() {
            around
                .storage
                .record_result(&self.config.job_results(), &self.id);
        }
        let records = whole(self.records);
        around.note(
            at,
            Happening::JobEnded {
                job: self.id.clone(),
                state: state.as_str(),
                records,
            },
        );
    }
}
