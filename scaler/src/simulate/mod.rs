//! A model of a job and its surroundings, for tests, benches, the benchmark against peers and the
//! question "what if".
//!
//! Records flow like water: a source takes what comes from outside, every vertex processes what lies in
//! front of it as fast as its subtasks allow, and stops while the buffer of a reader is full. Busy,
//! idle and backpressured time follow, and counters, meters and `pendingRecords` as Flink reports them,
//! with its delay.
//!
//! The rule: deterministic. The same model gives the same readings. The driver that lets the scaler act
//! on it is [`run`]; tests are in `tests/it/simulation.rs`.

pub(crate) mod chance;
mod delay;
mod load;
mod meters;
mod model;
mod node;
pub mod rest;
pub mod run;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub(crate) use delay::Arrivals;
pub use load::{Load, Wave};
pub use model::{Fault, Keys, Model, Stage};
use node::Node;

use crate::{
    sample::{Sample, VertexReading},
    topology::{Input, JobGraph, Vertex, VertexId},
};

/// Steps of the model in a second.
const TICKS: u32 = 10;

/// Length of one step of the model, in seconds.
const TICK: f64 = 0.1;

/// A job of the model at work.
#[derive(Debug, Clone)]
pub struct Job {
    model: Model,
    started: Timestamp,
    ticks: u64,
    readers: Vec<Vec<usize>>,
    nodes: Vec<Node>,
    arrivals: BTreeMap<usize, Arrivals>,
    rates: Vec<f64>,
    parallelism: Vec<u32>,
    reported: Vec<VertexReading>,
    running_since: Option<Timestamp>,
    up_at: f64,
    asked: Option<(f64, Vec<u32>)>,
    faults: Vec<Fault>,
}

impl Job {
    /// A job that starts now.
    pub fn new(model: Model, now: Timestamp) -> Self {
        let count = model.stages.len();
        let backlog = |at: usize| {
            if model.loads.contains_key(&at) {
                model.backlog
            } else {
                0.0
            }
        };
        let node = |(at, stage): (usize, &Stage)| Node::new(stage, backlog(at));
        let mut job = Self {
            started: now,
            ticks: 0,
            readers: (0..count).map(|at| readers_of(&model, at)).collect(),
            nodes: model.stages.iter().enumerate().map(node).collect(),
            arrivals: model
                .loads
                .keys()
                .map(|at| (*at, Arrivals::default()))
                .collect(),
            rates: vec![0.0; count],
            parallelism: model.stages.iter().map(|stage| stage.parallelism).collect(),
            reported: Vec::new(),
            running_since: Some(now),
            up_at: 0.0,
            asked: None,
            faults: model.faults.clone(),
            model,
        };
        job.report();
        job
    }

    /// What it is made of.
    pub const fn model(&self) -> &Model {
        &self.model
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
        ticks / f64::from(TICKS)
    }

    /// Whether it runs, and since when.
    pub const fn running_since(&self) -> Option<Timestamp> {
        self.running_since
    }

    /// Subtasks of every vertex.
    pub fn parallelism(&self) -> &[u32] {
        &self.parallelism
    }

    /// Slots it takes: all vertices share them.
    pub fn slots(&self) -> u32 {
        self.parallelism.iter().copied().max().unwrap_or(0)
    }

    /// Whether a rescale was asked for and waits for slots.
    pub const fn waits_for_slots(&self) -> bool {
        self.asked.is_some()
    }

    /// Records that wait in front of the sources.
    pub fn waiting(&self) -> f64 {
        let sources = self.model.stages.iter().zip(&self.nodes);
        sources
            .filter(|(stage, _)| stage.inputs.is_empty())
            .map(|(_, node)| node.waiting())
            .sum()
    }

    /// Seconds since the oldest record came that still waits in front of a source.
    pub fn lag_seconds(&self) -> f64 {
        let age = |(at, arrivals): (&usize, &Arrivals)| {
            let waiting = self.nodes.get(*at).map_or(0.0, Node::waiting);
            arrivals.age(waiting)
        };
        self.arrivals.iter().map(age).fold(0.0, f64::max)
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: SignedDuration) {
        let end = self.seconds() + time.as_secs_f64() - TICK / 2.0;
        while self.seconds() < end {
            self.tick();
        }
    }

    /// Asks for another parallelism. As soon as there are slots for it, the job restarts, and its counters
    /// begin anew.
    pub fn rescale(&mut self, overrides: &BTreeMap<VertexId, u32>) {
        let most = self.model.slots.unwrap_or(u32::MAX);
        let wanted = |(stage, own): (&Stage, &u32)| {
            let id = VertexId::new(&stage.name).ok();
            let asked = id.and_then(|id| overrides.get(&id)).copied();
            asked
                .unwrap_or(*own)
                .clamp(1, stage.max_parallelism)
                .min(most)
        };
        let wanted: Vec<u32> = self
            .model
            .stages
            .iter()
            .zip(&self.parallelism)
            .map(wanted)
            .collect();
        if wanted == self.parallelism {
            self.asked = None;
            return;
        }
        let grows = wanted.iter().max() > self.parallelism.iter().max();
        let waits = if grows { self.model.provisioning } else { 0.0 };
        if waits > 0.0 {
            // Asking again does not make slots come later.
            let at = self
                .asked
                .take()
                .map_or(self.seconds() + waits, |(at, _)| at);
            self.asked = Some((at, wanted));
        } else {
            self.restart(&wanted);
        }
    }

    fn restart(&mut self, parallelism: &[u32]) {
        self.asked = None;
        let reread = self.reread();
        for ((node, stage), subtasks) in self
            .nodes
            .iter_mut()
            .zip(&self.model.stages)
            .zip(parallelism)
        {
            node.restart(stage, *subtasks, self.model.replays);
            if stage.inputs.is_empty() {
                node.arrive(reread);
            }
        }
        self.parallelism = parallelism.to_vec();
        self.running_since = None;
        self.up_at = self.seconds() + self.model.restart;
    }

    /// Records that each source reads again because they lay in buffers that somebody told the size of: a checkpoint
    /// does not overtake them. The others are part of what the model says is replayed.
    fn reread(&self) -> f64 {
        let told =
            |(stage, _): &(&Stage, &Node)| stage.buffer.is_some() && !stage.inputs.is_empty();
        let pairs = self.model.stages.iter().zip(&self.nodes).filter(told);
        let lying: f64 = pairs.map(|(_, node)| node.waiting()).sum();
        let sources = self
            .model
            .stages
            .iter()
            .filter(|stage| stage.inputs.is_empty());
        let sources = u32::try_from(sources.count()).unwrap_or(u32::MAX).max(1);
        lying / f64::from(sources)
    }

    fn tick(&mut self) {
        if self.ticks.is_multiple_of(u64::from(TICKS)) {
            self.second();
        }
        for (node, rate) in self.nodes.iter_mut().zip(&self.rates) {
            if *rate > 0.0 {
                node.arrive(rate * TICK);
            }
        }
        if self.running_since.is_some() {
            self.process();
        }
        if !self.model.keeps {
            self.lose();
        }
        self.ticks += 1;
        if self.running_since.is_none() && self.seconds() >= self.up_at {
            self.running_since = Some(self.now());
            self.report();
        }
        let refresh = self.model.refresh.max(TICK);
        if (self.seconds() / refresh).floor() > ((self.seconds() - TICK) / refresh).floor() {
            self.report();
        }
    }

    /// What a second begins with.
    fn second(&mut self) {
        let second = self.seconds();
        if let Some((_, wanted)) = self.asked.take_if(|(at, _)| *at <= second) {
            self.restart(&wanted);
        }
        let fails = |fault: &mut Fault| matches!(fault, Fault::Restart { at } if *at <= second);
        if self.faults.extract_if(.., fails).count() > 0 {
            let same = self.parallelism.clone();
            self.restart(&same);
        }
        for (position, load) in &self.model.loads {
            let rate = load.rate(second);
            if let Some(slot) = self.rates.get_mut(*position) {
                *slot = rate;
            }
            if let Some(arrivals) = self.arrivals.get_mut(position) {
                arrivals.push(rate);
            }
        }
        let warm = self.warmth(second);
        for (position, (node, stage)) in self.nodes.iter_mut().zip(&self.model.stages).enumerate() {
            let slow = self.faults.iter().filter_map(|fault| match fault {
                Fault::Slow {
                    at,
                    lasts,
                    stage,
                    to,
                } if *stage == position => (*at..*at + *lasts).contains(&second).then_some(*to),
                _ => None,
            });
            let seed = chance::mixed(self.model.seed ^ chance::mixed(position as u64 + 1));
            node.second(stage, seed, second, warm * slow.product::<f64>());
        }
    }

    /// What remains of every capacity, this soon after a restart.
    fn warmth(&self, second: f64) -> f64 {
        if self.up_at <= 0.0 || self.model.warm_up <= 0.0 {
            return 1.0;
        }
        let warm = ((second - self.up_at) / self.model.warm_up).clamp(0.0, 1.0);
        0.5 + 0.5 * warm
    }

    /// A source that is held back loses what it has not sent within a second.
    fn lose(&mut self) {
        for position in self.model.loads.keys() {
            let rate = self.rates.get(*position).copied().unwrap_or(0.0);
            if let Some(node) = self.nodes.get_mut(*position) {
                let waiting = node.waiting();
                if waiting > rate {
                    let stays = rate / waiting;
                    node.queues.iter_mut().for_each(|queue| *queue *= stays);
                }
            }
        }
    }

    /// One tick of all vertices, readers first, so that what they take makes room.
    fn process(&mut self) {
        for position in (0..self.model.stages.len()).rev() {
            let Some(stage) = self.model.stages.get(position) else {
                continue;
            };
            let room = self.room_after(position);
            let Some(node) = self.nodes.get_mut(position) else {
                continue;
            };
            let done = node.tick(stage, TICK, room);
            let readers = self.readers.get(position).map_or(&[][..], Vec::as_slice);
            #[expect(clippy::cast_precision_loss, reason = "a vertex has few readers")]
            let all = meters::Done {
                written: done.written * readers.len() as f64,
                ..done
            };
            let subtasks = f64::from(node.parallelism);
            node.meters.count(TICK, subtasks, &all);
            for reader in readers {
                if let Some(node) = self.nodes.get_mut(*reader) {
                    node.arrive(done.written);
                }
            }
        }
    }

    /// Records that may be written to each reader before the fullest buffer is full.
    fn room_after(&self, position: usize) -> f64 {
        let room = |reader: &usize| Some(self.nodes.get(*reader)?.room());
        let readers = self.readers.get(position).map_or(&[][..], Vec::as_slice);
        readers.iter().filter_map(room).fold(f64::MAX, f64::min)
    }

    /// Takes what Flink answers until the next refresh.
    fn report(&mut self) {
        let tells = self.model.keeps && self.model.tells;
        let reading = |(stage, node): (&Stage, &Node)| {
            let mut reading = node.meters.reading(node.parallelism);
            if stage.inputs.is_empty() {
                let waits = (node.waiting() + self.model.stuck).floor();
                reading.pending_records = tells.then_some(waits);
                reading.partitions = stage.partitions;
            }
            reading
        };
        self.reported = self
            .model
            .stages
            .iter()
            .zip(&self.nodes)
            .map(reading)
            .collect();
    }

    /// What is read of the job now; `None` while it does not run.
    pub fn sample(&self) -> Option<Sample> {
        let mut sample = Sample::at(self.now());
        sample.job_running_since = Some(self.running_since?);
        sample.slots_total = Some(self.slots());
        sample.slots_available = Some(0);
        let reading = |(stage, reading): (&Stage, &VertexReading)| {
            Some((VertexId::new(&stage.name).ok()?, reading.clone()))
        };
        let stages = self.model.stages.iter().zip(&self.reported);
        sample.vertices = stages.filter_map(reading).collect();
        Some(sample)
    }

    /// The job graph.
    pub fn graph(&self) -> JobGraph {
        let id = |position: &usize| VertexId::new(&self.model.stages.get(*position)?.name).ok();
        let vertex = |(position, stage): (usize, &Stage)| {
            Some(Vertex {
                id: id(&position)?,
                name: stage.name.clone(),
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
