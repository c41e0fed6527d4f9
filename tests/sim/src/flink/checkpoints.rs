//! Checkpoints of one simulated job.

use std::time::Duration;

use jiff::Timestamp;

/// Checkpoints the REST interface remembers (`web.checkpoints.history`).
const HISTORY: usize = 10;
/// Path of a checkpoint kept in memory.
pub(super) const NOT_ADDRESSABLE: &str = "<checkpoint-not-externally-addressable>";

/// One checkpoint or savepoint.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) id: u64,
    pub(super) savepoint: bool,
    pub(super) format: Option<String>,
    pub(super) triggered: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) path: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) discarded: bool,
    pub(super) records: f64,
}

/// What the job started from.
#[derive(Clone, Debug)]
pub(super) struct Restored {
    pub(super) id: u64,
    pub(super) at: Timestamp,
    pub(super) savepoint: bool,
    pub(super) path: String,
    pub(super) records: f64,
}

/// All of one job.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoints {
    /// `None` if the job takes none.
    pub(super) interval: Option<Duration>,
    /// Number of the next one.
    pub(super) next_id: u64,
    /// When the next periodic one begins.
    pub(super) next_at: Option<Timestamp>,
    /// The periodic one under way: its number, its beginning, its end.
    pub(super) pending: Option<(u64, Timestamp, Timestamp)>,
    /// Ended ones, oldest first.
    pub(super) history: Vec<Snapshot>,
    pub(super) completed: Option<Snapshot>,
    pub(super) savepoint: Option<Snapshot>,
    pub(super) failed: Option<Snapshot>,
    pub(super) restored: Option<Restored>,
    pub(super) counts: Counts,
}

/// How many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) restored: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
}

impl Checkpoints {
    pub(super) fn new(interval: Option<Duration>) -> Self {
        Self {
            interval,
            next_id: 1,
            ..Self::default()
        }
    }

    /// The job runs from now on.
    pub(super) fn resume(&mut self, now: Timestamp) {
        self.next_at = self.interval.map(|interval| now + interval);
        self.pending = None;
    }

    /// The job does not run, or is being stopped.
    pub(super) fn pause(&mut self, now: Timestamp) {
        self.next_at = None;
        if let Some((id, triggered, _)) = self.pending.take() {
            self.fail(id, triggered, "Checkpoint Coordinator is suspending.", now);
        }
    }

    pub(super) fn next_event(&self) -> Option<Timestamp> {
        self.pending.map(|(.., ends)| ends).or(self.next_at)
    }

    /// Begin a periodic one that is due.
    pub(super) fn begin(&mut self, now: Timestamp, takes: Duration) {
        let (Some(due), Some(interval)) = (self.next_at, self.interval) else {
            return;
        };
        if due <= now && self.pending.is_none() {
            let id = self.take_id();
            self.pending = Some((id, now, now + takes));
            self.next_at = Some(now + interval);
        }
    }

    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(super) fn fail(&mut self, id: u64, triggered: Timestamp, why: &str, now: Timestamp) {
        self.counts.failed += 1;
        let failed = Snapshot {
            id,
            savepoint: false,
            format: None,
            triggered,
            ended: Some(now),
            path: None,
            failure: Some(why.to_owned()),
            discarded: false,
            records: 0.0,
        };
        self.failed = Some(failed.clone());
        self.remember(failed);
    }

    /// A snapshot is complete; the checkpoint it replaces is returned, to be deleted.
    pub(super) fn complete(&mut self, snapshot: Snapshot) -> Option<Snapshot> {
        self.counts.completed += 1;
        self.remember(snapshot.clone());
        if snapshot.savepoint {
            self.savepoint = Some(snapshot);
            return None;
        }
        let before = self.completed.replace(snapshot);
        if let Some(before) = &before {
            for known in self
                .history
                .iter_mut()
                .filter(|known| known.id == before.id)
            {
                known.discarded = true;
            }
        }
        before
    }

    /// Records counted by the newest state a restart goes back to.
    pub(super) fn records(&self) -> f64 {
        let restored = self
            .restored
            .as_ref()
            .map(|restored| (restored.id, restored.records));
        let taken = [&self.completed, &self.savepoint].into_iter().flatten();
        restored
            .into_iter()
            .chain(taken.map(|snapshot| (snapshot.id, snapshot.records)))
            .max_by_key(|(id, _)| *id)
            .map_or(0.0, |(_, records)| records)
    }

    fn remember(&mut self, snapshot: Snapshot) {
        self.history.push(snapshot);
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers are exact")]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn snapshot(id: u64, savepoint: bool, records: f64) -> Snapshot {
        Snapshot {
            id,
            savepoint,
            format: None,
            triggered: at(0),
            ended: Some(at(1)),
            path: Some(format!("/{id}")),
            failure: None,
            discarded: false,
            records,
        }
    }

    #[test]
    fn one_begins_at_each_interval_and_never_two_at_once() {
        let mut checkpoints = Checkpoints::new(Some(Duration::from_secs(10)));
        checkpoints.resume(at(0));
        assert_eq!(checkpoints.next_event(), Some(at(10)));
        checkpoints.begin(at(10), Duration::from_secs(2));
        assert_eq!(checkpoints.next_event(), Some(at(12)));
        checkpoints.begin(at(11), Duration::from_secs(2));
        assert_eq!(checkpoints.pending.map(|(id, ..)| id), Some(1));
    }

    #[test]
    fn a_new_checkpoint_replaces_the_last_but_not_a_savepoint() {
        let mut checkpoints = Checkpoints::new(None);
        assert!(checkpoints.complete(snapshot(1, false, 10.0)).is_none());
        assert!(checkpoints.complete(snapshot(2, true, 20.0)).is_none());
        assert_eq!(
            checkpoints
                .complete(snapshot(3, false, 30.0))
                .map(|before| before.id),
            Some(1)
        );
        assert!(checkpoints.history[0].discarded && !checkpoints.history[1].discarded);
        assert_eq!(checkpoints.records(), 30.0);
    }

    #[test]
    fn pausing_fails_the_one_under_way() {
        let mut checkpoints = Checkpoints::new(Some(Duration::from_secs(1)));
        checkpoints.resume(at(0));
        checkpoints.begin(at(1), Duration::from_secs(5));
        checkpoints.pause(at(2));
        assert_eq!(
            (checkpoints.counts.failed, checkpoints.next_event()),
            (1, None)
        );
    }
}
