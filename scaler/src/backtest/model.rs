//! The model of the recorded job: what its vertices can do, learned by the autoscaler's own engine.
//!
//! The rule: a capacity that was not measured is said not to be, in [`Known::basis`] and in a note.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::recorded::Past;
use crate::{
    curve::{Curve, Growth, Point},
    decide::step,
    estimate::Series,
    evaluate::flow::{Measured, Ratios},
    history::History,
    settings::{Mode, Profile, Settings},
    simulate::{Fault, Load, Model, Stage},
    topology::{JobGraph, ShipStrategy, Topology, Vertex, VertexId},
    units::{Rate, Ratio},
    verdict::Situation,
    window::Window,
};

/// Parallelisms at which the capacity of the model is laid down; between them it goes evenly.
const GRID: [u32; 19] = [
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024,
];

/// A vertex that was never busier than this shows nothing of its capacity.
const IDLE: f64 = 0.02;

/// Records per second of a subtask that knows no limit.
const UNLIMITED: f64 = 1e9;

/// What the capacity of a vertex comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// It was seen at more than one parallelism.
    Curve,
    /// It was seen at one parallelism; how it grows is that of an ordinary vertex.
    Point,
    /// It was never busy enough to be sure: its mean rate over its mean busy share.
    Guess,
    /// It was hardly ever busy: taken as without limit.
    None,
}

/// What is known of a vertex.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Subtasks at the end of the recording.
    pub parallelism: u32,
    /// Records per second it can do with those.
    pub capacity: Option<f64>,
    /// Where that comes from.
    pub basis: Basis,
    /// Records written, to each reader, for one read.
    pub selectivity: f64,
}

/// The model, and how far to trust it.
pub(super) struct Made {
    pub model: Model,
    pub vertices: Vec<Known>,
    pub notes: Vec<String>,
}

/// The model of this past.
pub(super) fn of(
    topology: &Topology<'_>,
    past: &Past<'_>,
    history: &History,
    (settings, restart): (&Settings, f64),
) -> Made {
    let learned = learned(topology, past, history, settings);
    let totals = Totals::of(topology, past);
    let ratios = Ratios::of(topology, &totals.measured, None);
    let first = past
        .runs
        .first()
        .map(|run| past.parallelism(run))
        .unwrap_or_default();
    let last = past
        .runs
        .last()
        .map(|run| past.parallelism(run))
        .unwrap_or_default();
    let failures = past.failures().into_iter();
    let mut made = Made {
        model: Model {
            loads: BTreeMap::new(),
            tells: past.waiting.iter().all(Option::is_some),
            restart,
            replays: 0.0,
            faults: failures.map(|at| Fault::Restart { at }).collect(),
            ..Model::default()
        },
        vertices: Vec::new(),
        notes: Vec::new(),
    };
    for (position, vertex) in topology.vertices().iter().enumerate() {
        let at = |list: &[u32]| list.get(position).copied().unwrap_or(vertex.parallelism);
        let (begins, ends) = (at(&first), at(&last));
        let mut stage = stage(topology, position, vertex, begins);
        stage.partitions = totals.partitions.get(position).copied().flatten();
        stage.selectivity = selectivity(topology, &ratios, position, &mut made.notes);
        let curve = learned
            .get(&vertex.id)
            .filter(|curve| !curve.points.is_empty());
        let (capacity, basis) = match curve {
            Some(curve) => {
                let nearest = nearest(curve, ends);
                let several = curve.points.len() > 1;
                (nearest, if several { Basis::Curve } else { Basis::Point })
            }
            None => totals.guess(position, ends),
        };
        if let Some(full) = curve.and_then(|curve| curve.full_at) {
            stage.busy_share = full.get();
        }
        let growth = curve.map_or(Curve::default().growth(Ratio::ZERO), |curve| {
            curve.growth(Ratio::ZERO)
        });
        stage.measured = capacity.map_or_else(
            || vec![(1, UNLIMITED)],
            |base| table(&stage, (base, curve), growth),
        );
        made.note(vertex, basis);
        made.vertices.push(Known {
            id: vertex.id.to_string(),
            name: vertex.name.clone(),
            parallelism: ends,
            capacity: capacity.map(|_| stage.capacity(ends)),
            basis,
            selectivity: stage.selectivity,
        });
        made.model.stages.push(stage);
    }
    made.loads(past);
    made
}

impl Made {
    fn note(&mut self, vertex: &Vertex, basis: Basis) {
        let name = &vertex.name;
        match basis {
            Basis::Curve | Basis::Point => {}
            Basis::Guess => self.notes.push(format!(
                "{name} was never busy enough to be sure of its capacity; it is its rate over its busy share"
            )),
            Basis::None => self.notes.push(format!(
                "{name} was hardly ever busy; it is taken as able to do anything, and scaled by that"
            )),
        }
    }

    /// What comes to the sources; what waited at the beginning comes in the first second.
    fn loads(&mut self, past: &Past<'_>) {
        for ((position, load), waiting) in past.loads.iter().zip(&past.waiting) {
            let mut points = load.clone();
            let begins = points.first().map_or(0.0, |(_, rate)| *rate);
            if let (Some(waiting), Some(first)) = (waiting, points.first_mut()) {
                first.1 += waiting;
                if points.get(1).is_none_or(|(second, _)| *second > 1.0) {
                    points.insert(1, (1.0, begins));
                }
            }
            self.model.loads.insert(*position, Load::steps(&points));
            if waiting.is_none()
                && let Some(source) = past.names().get(*position)
            {
                self.notes.push(format!(
                    "{source} does not say what waits, so its load is what it read: a lower bound while it was held back"
                ));
            }
        }
    }
}

fn stage(topology: &Topology<'_>, position: usize, vertex: &Vertex, parallelism: u32) -> Stage {
    let inputs: Vec<usize> = topology
        .inputs(position)
        .iter()
        .map(|edge| edge.from)
        .collect();
    let ship = vertex
        .inputs
        .first()
        .map_or(ShipStrategy::Rebalance, |input| input.ship);
    Stage {
        ship,
        parallelism,
        max_parallelism: vertex.max_parallelism.max(1),
        ..Stage::reading(vertex.id.as_str(), UNLIMITED, inputs)
    }
}

/// Records written to each reader for one read: the mean over the readers.
fn selectivity(
    topology: &Topology<'_>,
    ratios: &Ratios,
    position: usize,
    notes: &mut Vec<String>,
) -> f64 {
    let readers = topology.outputs(position).iter();
    let along: Vec<f64> = readers
        .filter_map(|edge| ratios.along(position, edge.to))
        .map(Ratio::get)
        .collect();
    let mean = crate::estimate::mean(along.iter().copied()).unwrap_or(1.0);
    if along.iter().any(|ratio| (ratio - mean).abs() > 0.05 * mean)
        && let Some(vertex) = topology.vertices().get(position)
    {
        notes.push(format!(
            "{} writes different numbers of records to its readers; the model gives each of them the mean",
            vertex.name
        ));
    }
    mean
}

/// What the autoscaler would have learned, had it only looked on.
fn learned(
    topology: &Topology<'_>,
    past: &Past<'_>,
    history: &History,
    settings: &Settings,
) -> BTreeMap<VertexId, Curve> {
    let settings = Settings {
        enabled: Some(true),
        mode: Some(Mode::Recommend),
        profile: Profile::Adaptive,
        ..settings.clone()
    };
    let mut history = history.clone();
    let mut window = Window::for_settings(&settings);
    for run in &past.runs {
        let parallelism = past.parallelism(run);
        let vertices = topology.vertices().iter().zip(&parallelism);
        let graph = JobGraph {
            vertices: vertices
                .map(|(vertex, n)| Vertex {
                    parallelism: *n,
                    ..(*vertex).clone()
                })
                .collect(),
        };
        let began = run.first().map_or(past.start, |first| first.at);
        for sample in *run {
            window.push(sample.clone());
            let since = sample.job_running_since.unwrap_or(began);
            let situation = Situation::running(sample.at, since.max(Timestamp::MIN));
            history = step(&settings, &graph, &window, &history, &situation).history;
        }
    }
    history.curves
}

/// The measured capacity nearest to a parallelism.
fn nearest(curve: &Curve, parallelism: u32) -> Option<(u32, f64)> {
    let points = curve.points.iter();
    points
        .min_by_key(|point| point.parallelism.abs_diff(parallelism))
        .map(|point| (point.parallelism, point.capacity.get()))
}

/// Records per second of one subtask at each parallelism of the grid and each that was measured, before what the
/// model itself takes off for key groups that do not divide evenly.
fn table(
    stage: &Stage,
    (base, curve): ((u32, f64), Option<&Curve>),
    growth: Growth,
) -> Vec<(u32, f64)> {
    let even = |n: u32, capacity: f64| capacity * stage.shares(n).0;
    let seen = |n: u32| {
        let points = curve.into_iter().flat_map(|curve| &curve.points);
        let mut at = points.filter(|point: &&Point| point.parallelism == n);
        at.next().map(|point| even(n, point.capacity.get()))
    };
    let (from, capacity) = base;
    let whole = even(from, capacity) * f64::from(from);
    let grown = |n: u32| {
        let rate = Rate::new(whole).map_or(Rate::ZERO, |rate| growth.expected(rate, from, n));
        rate.get() / f64::from(n)
    };
    let measured = curve
        .into_iter()
        .flat_map(|curve| curve.points.iter().map(|p| p.parallelism));
    let mut grid: Vec<u32> = GRID.iter().copied().chain(measured).chain([from]).collect();
    grid.sort_unstable();
    grid.dedup();
    grid.into_iter()
        .map(|n| {
            (
                n,
                seen(n).unwrap_or_else(|| grown(n)).max(f64::MIN_POSITIVE),
            )
        })
        .collect()
}

/// Sums over the whole recording, by position.
struct Totals {
    measured: Measured,
    busy: Vec<Option<Ratio>>,
    subtasks: Vec<f64>,
    partitions: Vec<Option<u32>>,
}

impl Totals {
    fn of(topology: &Topology<'_>, past: &Past<'_>) -> Self {
        let mut totals = Self {
            measured: Measured::default(),
            busy: Vec::new(),
            subtasks: Vec::new(),
            partitions: Vec::new(),
        };
        for vertex in topology.vertices() {
            let mut all = Series::default();
            let (mut subtasks, mut seconds) = (0.0, 0.0);
            for run in &past.runs {
                let own = Series::of_vertex(&vertex.id, run);
                let last = run
                    .iter()
                    .rev()
                    .find_map(|sample| sample.vertices.get(&vertex.id));
                let length: f64 = own.intervals.iter().map(|interval| interval.seconds).sum();
                subtasks += f64::from(last.map_or(0, |read| read.parallelism)) * length;
                seconds += length;
                all.intervals.extend(own.intervals);
            }
            let means = all.means();
            totals.measured.records_in.push(means.read);
            totals.measured.records_out.push(means.written);
            totals.busy.push(means.busy);
            totals.subtasks.push(subtasks / seconds);
            let samples = past.runs.iter().flat_map(|run| run.iter());
            let mut read = samples.filter_map(|sample| sample.vertices.get(&vertex.id)?.partitions);
            totals.partitions.push(read.next_back());
        }
        totals
    }

    /// The capacity of a vertex that was never busy enough to show it, with so many subtasks.
    fn guess(&self, position: usize, subtasks: u32) -> (Option<(u32, f64)>, Basis) {
        let busy = self.busy.get(position).copied().flatten().map(Ratio::get);
        let rate = self.measured.records_in.get(position).copied().flatten();
        let ran = self.subtasks.get(position).copied().unwrap_or(f64::NAN);
        match (busy.filter(|busy| *busy > IDLE), rate) {
            (Some(busy), Some(rate)) if rate > Rate::ZERO && ran > 0.0 => {
                let one = rate.get() / busy / ran;
                (Some((subtasks, one * f64::from(subtasks))), Basis::Guess)
            }
            _ => (None, Basis::None),
        }
    }
}
