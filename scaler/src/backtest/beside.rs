//! A job beside a model of it that was written by hand: the same figures of both.
//!
//! The rule: the model is read as the job was, at the same pace, and the figures are reckoned from the readings of both
//! by the same code. The model never sees the recording but for when it began. Tests are in `tests/it/beside.rs`.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Assumptions, Course, Policy, Recording, Unusable, recorded::Past};
use crate::{
    estimate::Series,
    history::History,
    sample::Sample,
    simulate::{Job, Model, run::Autoscaler},
    topology::{Topology, Vertex},
};

/// One figure of a job and of its model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// While which load came, or `all of it`.
    pub phase: String,
    /// What it is, and of which vertex.
    pub quantity: String,
    /// As measured.
    pub real: Option<f64>,
    /// As the model has it.
    pub model: Option<f64>,
}

impl Figure {
    /// The model's over the real one.
    pub fn ratio(&self) -> Option<f64> {
        let (real, model) = (self.real?, self.model?);
        (real.abs() > f64::EPSILON).then(|| model / real)
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// When the recording begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Samples in it.
    pub samples: usize,
    /// Phase by phase.
    pub figures: Vec<Figure>,
    /// What really happened, then what the model did.
    pub courses: Vec<Course>,
}

/// Lets the policy run `model` over the time of the recording. The model's second 0 is when the job began to run, and
/// its phases begin wherever a point of one of its loads lies.
///
/// # Errors
/// Why the recording or the model is of no use.
pub fn beside(
    recording: &Recording,
    model: &Model,
    policy: &Policy,
    assumptions: &Assumptions,
) -> Result<Beside, Unusable> {
    let topology = recording.graph.topology()?;
    let past = Past::of(&topology, &recording.samples)?;
    let model = &named(model, &topology)?;
    let first = recording.samples.first();
    let began = first.and_then(|first| first.job_running_since);
    let began = began.unwrap_or(past.start).min(past.start);
    let played = played(&past, model, (policy, assumptions), began);
    let their_topology = played.graph.topology()?;
    let theirs = Past::of(&their_topology, &played.samples)?;
    let phases = phases(model, past.end.duration_since(began).as_secs_f64());
    let (ours, their) = (
        figures(&past, began, &phases),
        figures(&theirs, began, &phases),
    );
    let figures = ours.into_iter().map(|(phase, quantity, real)| {
        let same = |(p, q, _): &&Told| *p == phase && *q == quantity;
        let model = their.iter().find(same).and_then(|(.., value)| *value);
        Figure {
            phase,
            quantity,
            real,
            model,
        }
    });
    Ok(Beside {
        from: past.start,
        to: past.end,
        samples: recording.len(),
        figures: figures.collect(),
        courses: vec![
            past.course(assumptions),
            Course {
                name: "model".to_owned(),
                measured: false,
                ..theirs.course(assumptions)
            },
        ],
    })
}

/// The model with its stages called by the ids of the vertices they stand for.
fn named(model: &Model, topology: &Topology<'_>) -> Result<Model, Unusable> {
    let mut model = model.clone();
    for stage in &mut model.stages {
        let mut vertices = topology.vertices().iter().copied();
        let same = |vertex: &&Vertex| vertex.name == stage.name || vertex.id.as_str() == stage.name;
        match vertices.find(same) {
            Some(vertex) => vertex.id.as_str().clone_into(&mut stage.name),
            None => return Err(Unusable::StrangeStage(stage.name.clone())),
        }
    }
    Ok(model)
}

/// What is read of the model while the policy runs it.
fn played(
    past: &Past<'_>,
    model: &Model,
    (policy, assumptions): (&Policy, &Assumptions),
    began: Timestamp,
) -> Recording {
    let mut job = Job::new(model.clone(), began);
    let mut autoscaler = Autoscaler::new(policy.acting());
    let mut samples = Vec::new();
    let every = SignedDuration::from_secs(i64::from(assumptions.every.max(1)));
    job.pass(past.start.duration_since(began));
    while job.now() <= past.end {
        // The operator reads nothing for the autoscaler while a rescale is under way.
        if !job.waits_for_slots() {
            samples.extend(job.sample());
            drop(autoscaler.look(&mut job));
        }
        job.pass(every);
    }
    let mut graph = job.graph();
    for vertex in &mut graph.vertices {
        if let Some(real) = past
            .topology
            .vertices()
            .iter()
            .find(|real| real.id == vertex.id)
        {
            vertex.name.clone_from(&real.name);
        }
    }
    Recording::new(graph, samples, History::default())
}

/// A stretch of time under one load, in seconds since the job began to run.
struct Phase {
    name: String,
    from: f64,
    to: f64,
}

fn phases(model: &Model, lasts: f64) -> Vec<Phase> {
    let points = model.loads.values().flat_map(|load| &load.points);
    // Whole seconds are near enough for a phase, and have an order.
    #[expect(clippy::cast_possible_truncation, reason = "no run is so long")]
    let starts: BTreeSet<i64> = points.map(|(second, _)| second.max(0.0) as i64).collect();
    #[expect(clippy::cast_precision_loss, reason = "no run is so long")]
    let starts: Vec<f64> = starts.into_iter().map(|second| second as f64).collect();
    let ends = starts.iter().skip(1).copied().chain([lasts]);
    let phase = |(from, to): (&f64, f64)| {
        let rate: f64 = model.loads.values().map(|load| load.mean(*from)).sum();
        Phase {
            name: format!("{rate:.0}/s from {from:.0} s"),
            from: *from,
            to: to.min(lasts),
        }
    };
    let phases = starts.iter().zip(ends).map(phase);
    phases.filter(|phase| phase.to > phase.from).collect()
}

/// Phase, quantity, value.
type Told = (String, String, Option<f64>);

fn figures(past: &Past<'_>, began: Timestamp, phases: &[Phase]) -> Vec<Told> {
    let second = |at: Timestamp| at.duration_since(began).as_secs_f64();
    let shift = second(past.start);
    let rescales: Vec<f64> = past.rescales().iter().map(|(at, ..)| at + shift).collect();
    let mut told = Vec::new();
    for phase in phases {
        let mut tell = |quantity: String, value: Option<f64>| {
            told.push((phase.name.clone(), quantity, value));
        };
        let within = |sample: &&Sample| (phase.from..phase.to).contains(&second(sample.at));
        let runs = past.runs.iter();
        let all: Vec<Vec<&Sample>> = runs
            .map(|run| run.iter().filter(within).collect())
            .filter(|run: &Vec<_>| !run.is_empty())
            .collect();
        let half = f64::midpoint(phase.from, phase.to);
        let last = all.last().map_or(&[][..], Vec::as_slice);
        let steady: Vec<Sample> = last
            .iter()
            .filter(|s| second(s.at) >= half)
            .map(|s| (*s).clone())
            .collect();
        let waits = |sample: &&Sample| {
            let pending = sample
                .vertices
                .values()
                .filter_map(|read| read.pending_records);
            pending.fold(None, |sum: Option<f64>, waits| {
                Some(sum.unwrap_or(0.0) + waits)
            })
        };
        let most = all.iter().flatten().filter_map(waits).reduce(f64::max);
        tell("most records that wait".to_owned(), most);
        let changed: Vec<f64> = rescales
            .iter()
            .map(|at| at - phase.from)
            .filter(|after| (0.0..phase.to - phase.from).contains(after))
            .collect();
        tell(
            "rescales".to_owned(),
            u32::try_from(changed.len()).ok().map(f64::from),
        );
        tell(
            "seconds until the first".to_owned(),
            changed.first().copied(),
        );
        for (position, vertex) in past.topology.vertices().iter().enumerate() {
            let end = last
                .last()
                .and_then(|sample| sample.vertices.get(&vertex.id));
            let subtasks = end.map(|read| f64::from(read.parallelism));
            tell(format!("subtasks of {}", vertex.name), subtasks);
            let seen = Seen::of(vertex, &steady);
            if past.topology.is_source(position) {
                tell(format!("records/s of {}", vertex.name), seen.rate);
                tell(format!("backpressure of {}", vertex.name), seen.held);
            }
            tell(format!("busy share of {}", vertex.name), seen.busy);
            tell(
                format!("capacity of a subtask of {}", vertex.name),
                seen.capacity,
            );
        }
    }
    let stands = past.stands();
    let count = u32::try_from(stands.len()).unwrap_or(u32::MAX);
    let mean = stands.iter().map(|(_, stood)| stood).sum::<f64>() / f64::from(count.max(1));
    let whole = "all of it".to_owned();
    told.push((
        whole.clone(),
        "rescales and restarts".to_owned(),
        Some(f64::from(count)),
    ));
    told.push((
        whole,
        "seconds down each time".to_owned(),
        (count > 0).then_some(mean),
    ));
    told
}

/// One vertex over a while in which nothing was rescaled.
struct Seen {
    /// Records read per second.
    rate: Option<f64>,
    /// Share of the time its subtasks are busy.
    busy: Option<f64>,
    /// Share of the time they are held back.
    held: Option<f64>,
    /// Records a subtask reads in a busy second.
    capacity: Option<f64>,
}

impl Seen {
    fn of(vertex: &Vertex, steady: &[Sample]) -> Self {
        let mut seconds = 0.0;
        let (mut records, mut busy, mut held) = (0.0, 0.0, 0.0);
        for interval in &Series::of_vertex(&vertex.id, steady).intervals {
            if let (Some(read), Some(share)) = (interval.records_in, interval.busy) {
                seconds += interval.seconds;
                records += read;
                busy += share * interval.seconds;
                held += interval.backpressured.unwrap_or(0.0) * interval.seconds;
            }
        }
        let last = steady
            .last()
            .and_then(|sample| sample.vertices.get(&vertex.id));
        let subtasks = last.map_or(1.0, |read| f64::from(read.parallelism));
        let over = |sum: f64| (seconds > 0.0).then(|| sum / seconds);
        // Of a vertex that hardly does anything it says nothing.
        let known = seconds > 0.0 && busy / seconds > 0.02;
        Self {
            rate: over(records),
            busy: over(busy),
            held: over(held),
            capacity: known.then(|| records / (busy * subtasks)),
        }
    }
}
