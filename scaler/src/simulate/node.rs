//! One vertex at work: what lies in front of it, what it did.
//!
//! The rule: records flow like water. Of a source every subtask takes from its own partitions; of any
//! other vertex the fullest subtask sets the pace, since a full buffer stops all who write to it.

use super::{
    Stage, chance,
    meters::{Done, Meters},
};

/// Buffers between two vertices hold so many seconds of the reader's capacity, if nothing is said of them.
const BUFFER_SECONDS: f64 = 0.5;

/// How much of its deviation a vertex keeps from one second to the next.
const MEMORY: f64 = 0.9;

/// Records that the buffers of so many subtasks hold.
fn holds(stage: &Stage, parallelism: u32) -> f64 {
    let half_a_second = stage.capacity(parallelism) * BUFFER_SECONDS;
    stage.buffer.unwrap_or(half_a_second).max(1.0)
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub parallelism: u32,
    /// Records in front of it; of a source, by partition.
    pub queues: Vec<f64>,
    pub meters: Meters,
    /// Factor of its capacity in this second.
    pub pace: f64,
    drift: f64,
    /// Records that wait for the window to fire.
    held: f64,
    /// Records of windows that fired and are not written yet.
    fired: f64,
    /// Shares of the records that go to the fullest and to the emptiest subtask.
    shares: (f64, f64),
    /// Records per second of all subtasks.
    capacity: f64,
    /// Records that its buffers hold.
    holds: f64,
}

impl Node {
    pub fn new(stage: &Stage, backlog: f64) -> Self {
        let source = stage.inputs.is_empty();
        let partitions = stage.partitions.filter(|n| source && *n > 0).unwrap_or(1);
        let each = if source {
            backlog / f64::from(partitions)
        } else {
            0.0
        };
        Self {
            parallelism: stage.parallelism,
            queues: vec![each; partitions as usize],
            meters: Meters::default(),
            pace: 1.0,
            drift: 0.0,
            held: 0.0,
            fired: 0.0,
            shares: stage.shares(stage.parallelism),
            capacity: stage.capacity(stage.parallelism),
            holds: holds(stage, stage.parallelism),
        }
    }

    pub fn waiting(&self) -> f64 {
        self.queues.iter().sum()
    }

    /// Records come, the same to each partition.
    pub fn arrive(&mut self, records: f64) {
        #[expect(clippy::cast_precision_loss, reason = "there are few partitions")]
        let each = records / self.queues.len() as f64;
        for queue in &mut self.queues {
            *queue += each;
        }
    }

    /// Tasks start anew, with this parallelism.
    pub fn restart(&mut self, stage: &Stage, parallelism: u32, replays: f64) {
        if stage.inputs.is_empty() {
            // What lay in buffers is read again, and so is what came since the last checkpoint.
            self.arrive(self.meters.rate_of_last_minute() * replays);
        } else {
            self.queues.fill(0.0);
        }
        self.meters = Meters::default();
        self.parallelism = parallelism;
        self.shares = stage.shares(parallelism);
        self.capacity = stage.capacity(parallelism);
        self.holds = holds(stage, parallelism);
    }

    /// A second begins: the pace changes a little, windows may fire.
    pub fn second(&mut self, stage: &Stage, seed: u64, second: f64, pace: f64) {
        if stage.jitter > 0.0 {
            let innovation = (1.0 - MEMORY * MEMORY).sqrt() * chance::normal(seed, second);
            self.drift = MEMORY * self.drift + innovation;
        }
        self.pace = pace * (stage.jitter * self.drift).exp();
        if stage
            .fires_every
            .is_some_and(|every| second.rem_euclid(every) < 1.0)
        {
            self.fired += self.held;
            self.held = 0.0;
        }
    }

    /// How much may still be written to it before its buffers are full.
    pub fn room(&self) -> f64 {
        (self.holds - self.waiting()).max(0.0)
    }

    /// One tick, with so much room behind it. What it wrote, to each reader, is `written` of what it did.
    pub fn tick(&mut self, stage: &Stage, tick: f64, room: f64) -> Done {
        if stage.fires_every.is_none() {
            let room = room / stage.selectivity.max(f64::MIN_POSITIVE);
            let mut done = self.process(stage, tick, room);
            done.written = done.read * stage.selectivity;
            return done;
        }
        let written = self.fired.min(room);
        self.fired -= written;
        if self.fired > 0.0 {
            // The task emits and cannot go on: it reads nothing meanwhile.
            return Done {
                written,
                held: true,
                ..Done::default()
            };
        }
        let mut done = self.process(stage, tick, f64::MAX);
        self.held += done.read * stage.selectivity;
        done.written = written;
        done
    }

    fn process(&mut self, stage: &Stage, tick: f64, room: f64) -> Done {
        if stage.inputs.is_empty() {
            self.read_from_outside(stage, tick, room)
        } else {
            self.read_from_others(stage, tick, room)
        }
    }

    fn read_from_others(&mut self, stage: &Stage, tick: f64, room: f64) -> Done {
        let capacity = self.capacity * self.pace * tick;
        let there = self.waiting();
        let read = capacity.min(there).min(room);
        if let Some(queue) = self.queues.first_mut() {
            *queue -= read;
        }
        let busiest = if capacity > 0.0 { read / capacity } else { 1.0 };
        let (most, least) = self.shares;
        let even = 1.0 / f64::from(self.parallelism.max(1));
        let seen = busiest * stage.busy_share;
        Done {
            read,
            written: 0.0,
            busy: seen * even / most,
            busiest: seen,
            laziest: seen * least / most,
            held: room < there.min(capacity),
        }
    }

    fn read_from_outside(&mut self, stage: &Stage, tick: f64, room: f64) -> Done {
        let subtasks = self.parallelism.max(1) as usize;
        let partitioned = stage.partitions.is_some();
        let readers = if partitioned {
            subtasks.min(self.queues.len())
        } else {
            subtasks
        };
        #[expect(clippy::cast_precision_loss, reason = "there are few subtasks")]
        let (all, reading) = (subtasks as f64, readers as f64);
        let one = stage.per_subtask(u32::try_from(readers).unwrap_or(u32::MAX)) * self.pace * tick;
        let limit = stage
            .ceiling
            .map_or(room, |ceiling| room.min(ceiling * tick));
        let total = if partitioned {
            let step = readers.max(1);
            let takes = |first: usize| {
                let waits: f64 = self.queues.iter().skip(first).step_by(step).sum();
                (waits.min(one), waits)
            };
            let shares: Vec<(f64, f64)> = (0..readers).map(takes).collect();
            let wanted: f64 = shares.iter().map(|(takes, _)| takes).sum();
            let less = if wanted > limit { limit / wanted } else { 1.0 };
            for (position, queue) in self.queues.iter_mut().enumerate() {
                let share = shares.get(position % step).copied();
                if let Some((takes, waits)) = share.filter(|(_, waits)| *waits > 0.0) {
                    *queue *= 1.0 - takes * less / waits;
                }
            }
            let most = shares.iter().map(|(takes, _)| *takes).fold(0.0, f64::max);
            let least = shares.iter().map(|(takes, _)| *takes).fold(one, f64::min);
            let (most, least) = (most * less / one, least * less / one);
            (
                wanted * less,
                most,
                if subtasks > readers { 0.0 } else { least },
            )
        } else {
            let wanted = self.waiting().min(one * reading);
            let read = wanted.min(limit);
            if let Some(queue) = self.queues.first_mut() {
                *queue -= read;
            }
            let busy = read / (one * reading);
            (read, busy, busy)
        };
        let (read, busiest, laziest) = total;
        Done {
            read,
            written: 0.0,
            busy: read / (one * all) * stage.busy_share,
            busiest: busiest * stage.busy_share,
            laziest: laziest * stage.busy_share,
            held: room < self.waiting() + read && read >= room * (1.0 - 1e-9),
        }
    }
}
