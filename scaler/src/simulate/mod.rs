//! A small model of a job, for tests, benches and the question "what if".
//!
//! Records flow like water: a source takes what comes from outside, every vertex processes what lies in
//! front of it as fast as its subtasks allow, and stops while the buffer of a reader is full. Busy,
//! idle and backpressured time follow, and counters, meters and `pendingRecords` as Flink reports them,
//! with its delay.
//!
//! The rule: deterministic. The same model, load and seed give the same readings. The driver that lets
//! the scaler act on it is [`run`]; tests are in `tests/it/simulation.rs`.

mod load;
mod meters;
pub mod run;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use load::Load;
use meters::Meters;

use crate::{
    sample::{Sample, VertexReading},
    topology::{Input, JobGraph, ShipStrategy, Vertex, VertexId},
};

/// Length of one step of the model, in seconds.
const TICK: f64 = 0.1;

/// Buffers between two vertices hold so many seconds of the reader's capacity.
const BUFFER_SECONDS: f64 = 0.5;

/// One vertex of the model. Vertices are listed so that each comes after what it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its id and name.
    pub name: &'static str,
    /// Positions of the vertices it reads; empty for a source.
    pub inputs: Vec<usize>,
    /// How it reads them.
    pub ship: ShipStrategy,
    /// Records per second that one subtask alone can process.
    pub per_subtask: f64,
    /// Records written, to each reader, for one read.
    pub selectivity: f64,
    /// Share of its capacity that a subtask loses to each other subtask.
    pub contention: f64,
    /// Rate at which something outside stops it, however many subtasks there are.
    pub ceiling: Option<f64>,
    /// Sources: partitions it reads, where it tells.
    pub partitions: Option<u32>,
    /// Subtasks at the beginning.
    pub parallelism: u32,
    /// Key groups.
    pub max_parallelism: u32,
}

impl Stage {
    /// A source.
    pub const fn source(name: &'static str, per_subtask: f64) -> Self {
        Self {
            name,
            inputs: Vec::new(),
            ship: ShipStrategy::Rebalance,
            per_subtask,
            selectivity: 1.0,
            contention: 0.0,
            ceiling: None,
            partitions: None,
            parallelism: 1,
            max_parallelism: 128,
        }
    }

    /// A vertex that reads these.
    pub fn reading(name: &'static str, per_subtask: f64, inputs: Vec<usize>) -> Self {
        Self {
            inputs,
            ..Self::source(name, per_subtask)
        }
    }

    /// What `subtasks` of it can process in a second.
    ///
    /// With contention s, n subtasks do `n / (1 + s (n - 1))` times what one does: with 0.03, 20 do 12.7 times.
    pub fn capacity(&self, subtasks: u32) -> f64 {
        // Readers beyond the partitions stand idle.
        let useful = f64::from(self.partitions.map_or(subtasks, |n| subtasks.min(n)));
        let capacity = self.per_subtask * useful / (1.0 + self.contention * (useful - 1.0));
        self.ceiling
            .map_or(capacity, |ceiling| capacity.min(ceiling))
    }
}

/// How the job behaves around its vertices.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The vertices.
    pub stages: Vec<Stage>,
    /// What comes to each source, by position; sources without one get nothing.
    pub loads: BTreeMap<usize, Load>,
    /// Whether what a source does not take waits for it, and is reported, as in a log. If not it is lost.
    pub keeps: bool,
    /// Time a rescale takes.
    pub restart: SignedDuration,
    /// Records of how much time are read again after a restart.
    pub replays: SignedDuration,
    /// How often Flink refreshes what it answers, 10 s by default.
    pub refresh: SignedDuration,
}

/// A job of the model at work.
#[derive(Debug, Clone)]
pub struct Job {
    model: Model,
    started: Timestamp,
    ticks: u64,
    readers: Vec<Vec<usize>>,
    parallelism: Vec<u32>,
    queues: Vec<f64>,
    meters: Vec<Meters>,
    reported: Vec<VertexReading>,
    running_since: Option<Timestamp>,
    restarted_at: f64,
}

impl Job {
    /// A job that starts now.
    pub fn new(model: Model, now: Timestamp) -> Self {
        let count = model.stages.len();
        let parallelism: Vec<u32> = model.stages.iter().map(|stage| stage.parallelism).collect();
        let mut job = Self {
            started: now,
            ticks: 0,
            queues: vec![0.0; count],
            meters: vec![Meters::default(); count],
            reported: Vec::new(),
            running_since: Some(now),
            restarted_at: 0.0,
            readers: (0..count).map(|at| readers_of(&model, at)).collect(),
            parallelism,
            model,
        };
        job.report();
        job
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let passed =
            SignedDuration::try_from_secs_f64(self.seconds()).unwrap_or(SignedDuration::ZERO);
        self.started.saturating_add(passed).unwrap_or(self.started)
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no run has so many ticks")]
        let ticks = self.ticks as f64;
        ticks * TICK
    }

    /// Whether it runs, and since when.
    pub const fn running_since(&self) -> Option<Timestamp> {
        self.running_since
    }

    /// Subtasks of every vertex.
    pub fn parallelism(&self) -> &[u32] {
        &self.parallelism
    }

    /// Records that wait in front of the sources.
    pub fn waiting(&self) -> f64 {
        let sources = self.model.stages.iter().zip(&self.queues);
        sources
            .filter(|(stage, _)| stage.inputs.is_empty())
            .map(|(_, queue)| queue)
            .sum()
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: SignedDuration) {
        let end = self.seconds() + time.as_secs_f64() - TICK / 2.0;
        while self.seconds() < end {
            self.tick();
        }
    }

    /// Changes the parallelism; the job restarts for it, and its counters begin anew.
    pub fn rescale(&mut self, overrides: &BTreeMap<VertexId, u32>) {
        let replays = self.model.replays.as_secs_f64();
        for (position, stage) in self.model.stages.iter().enumerate() {
            let (Some(meters), Some(queue)) =
                (self.meters.get_mut(position), self.queues.get_mut(position))
            else {
                continue;
            };
            // What lay in buffers is read again, and so is what came since the last checkpoint.
            *queue = if stage.inputs.is_empty() {
                *queue + meters.rate_of_last_minute() * replays
            } else {
                0.0
            };
            *meters = Meters::default();
            let wanted = VertexId::new(stage.name)
                .ok()
                .and_then(|id| overrides.get(&id));
            if let (Some(wanted), Some(own)) = (wanted, self.parallelism.get_mut(position)) {
                *own = *wanted;
            }
        }
        self.running_since = None;
        self.restarted_at = self.seconds();
    }

    fn tick(&mut self) {
        let second = self.seconds();
        for (position, load) in &self.model.loads {
            if let Some(queue) = self.queues.get_mut(*position) {
                *queue += load.rate(second) * TICK;
            }
        }
        if self.running_since.is_some() {
            self.process();
        }
        if !self.model.keeps {
            // A source that is held back loses what it has not sent within a second.
            for (position, load) in &self.model.loads {
                if let Some(queue) = self.queues.get_mut(*position) {
                    *queue = queue.min(load.rate(second));
                }
            }
        }
        self.ticks += 1;
        let up = self.restarted_at + self.model.restart.as_secs_f64();
        if self.running_since.is_none() && self.seconds() >= up {
            self.running_since = Some(self.now());
            self.report();
        }
        let refresh = self.model.refresh.as_secs_f64().max(TICK);
        if (self.seconds() / refresh).floor() > ((self.seconds() - TICK) / refresh).floor() {
            self.report();
        }
    }

    /// One tick of all vertices, readers first, so that what they take makes room.
    fn process(&mut self) {
        for position in (0..self.model.stages.len()).rev() {
            let Some(stage) = self.model.stages.get(position) else {
                continue;
            };
            let subtasks = self.parallelism.get(position).copied().unwrap_or(1);
            let capacity = stage.capacity(subtasks) * TICK;
            let there = self.queues.get(position).copied().unwrap_or(0.0);
            let room = self.room_after(position) / stage.selectivity.max(f64::MIN_POSITIVE);
            let done = capacity.min(there).min(room);
            let written = done * stage.selectivity;
            if let Some(queue) = self.queues.get_mut(position) {
                *queue -= done;
            }
            let readers = self.readers.get(position).map_or(&[][..], Vec::as_slice);
            for reader in readers {
                if let Some(queue) = self.queues.get_mut(*reader) {
                    *queue += written;
                }
            }
            let busy = if capacity > 0.0 { done / capacity } else { 0.0 };
            let held = room < there.min(capacity);
            #[expect(clippy::cast_precision_loss, reason = "a vertex has few readers")]
            let out = written * readers.len() as f64;
            if let Some(meters) = self.meters.get_mut(position) {
                meters.count(TICK, f64::from(subtasks), (done, out), (busy, held));
            }
        }
    }

    fn readers(&self, position: usize) -> &[usize] {
        self.readers.get(position).map_or(&[], Vec::as_slice)
    }

    /// Records that may be written to each reader before the fullest buffer is full.
    fn room_after(&self, position: usize) -> f64 {
        let room = |reader: &usize| {
            let stage = self.model.stages.get(*reader)?;
            let subtasks = self.parallelism.get(*reader).copied().unwrap_or(1);
            let holds = (stage.capacity(subtasks) * BUFFER_SECONDS).max(1.0);
            Some((holds - self.queues.get(*reader)?).max(0.0))
        };
        self.readers(position)
            .iter()
            .filter_map(room)
            .fold(f64::MAX, f64::min)
    }

    /// Takes what Flink answers until the next refresh.
    fn report(&mut self) {
        let keeps = self.model.keeps;
        let reading = |(position, stage): (usize, &Stage)| {
            let subtasks = self.parallelism.get(position).copied().unwrap_or(1);
            let mut reading = self
                .meters
                .get(position)
                .map_or_else(VertexReading::default, |m| m.reading(subtasks));
            if stage.inputs.is_empty() {
                reading.pending_records = self
                    .queues
                    .get(position)
                    .copied()
                    .filter(|_| keeps)
                    .map(f64::floor);
                reading.partitions = stage.partitions;
            }
            reading
        };
        self.reported = self.model.stages.iter().enumerate().map(reading).collect();
    }

    /// What is read of the job now; `None` while it does not run.
    pub fn sample(&self) -> Option<Sample> {
        let mut sample = Sample::at(self.now());
        sample.job_running_since = Some(self.running_since?);
        let ids = self
            .model
            .stages
            .iter()
            .filter_map(|stage| VertexId::new(stage.name).ok());
        sample.vertices = ids.zip(self.reported.iter().cloned()).collect();
        Some(sample)
    }

    /// The job graph.
    pub fn graph(&self) -> JobGraph {
        let id = |position: &usize| VertexId::new(self.model.stages.get(*position)?.name).ok();
        let vertex = |(position, stage): (usize, &Stage)| {
            Some(Vertex {
                id: id(&position)?,
                name: stage.name.to_owned(),
                parallelism: self.parallelism.get(position).copied()?,
                max_parallelism: stage.max_parallelism,
                inputs: stage
                    .inputs
                    .iter()
                    .filter_map(|from| {
                        Some(Input {
                            from: id(from)?,
                            ship: stage.ship,
                        })
                    })
                    .collect(),
                finished: false,
            })
        };
        JobGraph {
            vertices: self
                .model
                .stages
                .iter()
                .enumerate()
                .filter_map(vertex)
                .collect(),
        }
    }
}

fn readers_of(model: &Model, position: usize) -> Vec<usize> {
    let reads = |(at, stage): (usize, &Stage)| stage.inputs.contains(&position).then_some(at);
    model.stages.iter().enumerate().filter_map(reads).collect()
}
