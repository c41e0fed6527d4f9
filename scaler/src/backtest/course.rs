//! One course of the job: second by second what it takes and how late it is, and what was done to it.

use jiff::SignedDuration;
use serde::Serialize;

use super::{Assumptions, Policy, recorded::Past};
use crate::{
    picture::Point,
    simulate::{Job, Model, run::Autoscaler},
    topology::VertexId,
    verdict::Action,
};

/// Points of a course that are kept for a picture.
const POINTS: u32 = 600;

/// One course.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// What it is called.
    pub name: String,
    /// Whether it was measured; if not, it is the model's.
    pub measured: bool,
    /// Slots times hours; a slot is taken for a core.
    pub core_hours: f64,
    /// The mean time the oldest record waits, in seconds; `None` if no source says what waits.
    pub mean_lag: Option<f64>,
    /// The longest, in seconds.
    pub max_lag: Option<f64>,
    /// Seconds in which it waited longer than it may.
    pub late_seconds: Option<u32>,
    /// Seconds the job stood still.
    pub down_seconds: u32,
    /// What was done.
    pub rescales: Vec<Rescaled>,
    /// The way it went.
    pub points: Vec<Point>,
}

/// A rescale.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rescaled {
    /// Second since the beginning.
    pub second: f64,
    /// Vertices and their subtasks before and after.
    pub changes: String,
    /// Why.
    pub reason: String,
}

/// A course in the making.
pub(super) struct Tally<'p> {
    past: &'p Past<'p>,
    late: f64,
    second: u32,
    slot_seconds: f64,
    lag: (f64, u32),
    max_lag: Option<f64>,
    late_seconds: u32,
    down_seconds: u32,
    points: Vec<Point>,
}

impl<'p> Tally<'p> {
    pub fn new(past: &'p Past<'p>, assumptions: &Assumptions) -> Self {
        Self {
            past,
            late: assumptions.late,
            second: 0,
            slot_seconds: 0.0,
            lag: (0.0, 0),
            max_lag: None,
            late_seconds: 0,
            down_seconds: 0,
            points: Vec::new(),
        }
    }

    /// One more second.
    pub fn count(&mut self, lag: Option<f64>, slots: u32, runs: bool) {
        self.slot_seconds += f64::from(slots);
        self.down_seconds += u32::from(!runs);
        if let Some(lag) = lag {
            self.lag = (self.lag.0 + lag, self.lag.1 + 1);
            self.max_lag = Some(self.max_lag.map_or(lag, |most| most.max(lag)));
            self.late_seconds += u32::from(lag > self.late);
        }
        let each = (self.past.lasts() / POINTS).max(1);
        if self.second.is_multiple_of(each) {
            let second = f64::from(self.second);
            self.points.push(Point {
                second,
                rate: self.past.rate(second),
                lag,
                slots: f64::from(slots),
            });
        }
        self.second += 1;
    }

    pub fn course(self, name: &str, measured: bool, rescales: Vec<Rescaled>) -> Course {
        let known = self.max_lag.is_some();
        Course {
            name: name.to_owned(),
            measured,
            core_hours: self.slot_seconds / 3600.0,
            mean_lag: known.then(|| self.lag.0 / f64::from(self.lag.1)),
            max_lag: self.max_lag,
            late_seconds: known.then_some(self.late_seconds),
            down_seconds: self.down_seconds,
            rescales,
            points: self.points,
        }
    }
}

/// What was really done, by the model.
pub(super) fn repeated(past: &Past<'_>, model: &Model, assumptions: &Assumptions) -> Course {
    let rescales = past.rescales();
    let mut due = rescales.iter().peekable();
    let act = |job: &mut Job| {
        let (_, _, to) = due.next_if(|(second, ..)| *second <= job.seconds())?;
        let pairs = job.model().stages.iter().zip(to);
        let overrides = pairs.filter_map(|(stage, n)| Some((VertexId::new(&stage.name).ok()?, *n)));
        let overrides = overrides.collect();
        job.rescale(&overrides);
        Some("as it was done".to_owned())
    };
    run(past, model, "as recorded", (assumptions, 1), act)
}

/// What a policy would have done, by the model.
pub(super) fn played(
    past: &Past<'_>,
    model: &Model,
    policy: &Policy,
    assumptions: &Assumptions,
) -> Course {
    let mut autoscaler = Autoscaler::new(policy.acting());
    let act = |job: &mut Job| match autoscaler.look(job).action {
        Action::Scale { reason, .. } => Some(reason.to_string()),
        Action::Hold(_) | Action::Advise => None,
    };
    run(
        past,
        model,
        &policy.name,
        (assumptions, assumptions.every.max(1)),
        act,
    )
}

fn run(
    past: &Past<'_>,
    model: &Model,
    name: &str,
    (assumptions, every): (&Assumptions, u32),
    mut act: impl FnMut(&mut Job) -> Option<String>,
) -> Course {
    let mut job = Job::new(model.clone(), past.start);
    let mut tally = Tally::new(past, assumptions);
    let mut rescales = Vec::new();
    let names = past.names();
    for second in 0..past.lasts() {
        job.pass(SignedDuration::from_secs(1));
        tally.count(
            Some(job.lag_seconds()),
            job.slots(),
            job.running_since().is_some(),
        );
        if !second.is_multiple_of(every) {
            continue;
        }
        let before = job.parallelism().to_vec();
        if let Some(reason) = act(&mut job) {
            rescales.push(Rescaled {
                second: job.seconds(),
                changes: changes(&names, &before, job.parallelism()),
                reason,
            });
        }
    }
    tally.course(name, false, rescales)
}

/// `map 1 -> 2, sink 1 -> 4`
pub(super) fn changes(names: &[&str], from: &[u32], to: &[u32]) -> String {
    let pairs = names.iter().zip(from.iter().zip(to));
    let changing = pairs.filter(|(_, (from, to))| from != to);
    let texts: Vec<String> = changing
        .map(|(name, (from, to))| format!("{name} {from} -> {to}"))
        .collect();
    texts.join(", ")
}
