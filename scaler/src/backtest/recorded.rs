//! What really happened: runs of the job, what came to its sources, what waited, what was rescaled.
//!
//! The rule: measured only. Where nothing was read, the load goes on as it was and nothing else is made up.

use jiff::{SignedDuration, Timestamp};

use super::{
    Assumptions, RestartFrom, Unusable,
    course::{Course, Rescaled, Tally},
};
use crate::{
    estimate::Series,
    history::History,
    sample::Sample,
    settings::Settings,
    simulate::Arrivals,
    topology::{Topology, VertexId},
    tracking,
    window::same_run,
};

/// The recording, understood. Seconds count from its start.
pub(super) struct Past<'a> {
    pub topology: &'a Topology<'a>,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Samples of each run of the job, in order.
    pub runs: Vec<&'a [Sample]>,
    /// What came to each source: position, then second and rate from there on.
    pub loads: Vec<(usize, Vec<(f64, f64)>)>,
    /// What waited at the first sample, of the same sources.
    pub waiting: Vec<Option<f64>>,
}

impl<'a> Past<'a> {
    pub fn of(topology: &'a Topology<'a>, samples: &'a [Sample]) -> Result<Self, Unusable> {
        let told = |sample: &&Sample| {
            let known = topology.vertices().iter();
            known
                .filter(|vertex| sample.vertices.contains_key(&vertex.id))
                .count()
                > 0
        };
        let count = samples.iter().filter(told).count();
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return Err(Unusable::TooShort(count));
        };
        if count < 2 || last.at.duration_since(first.at) < SignedDuration::from_secs(60) {
            return Err(Unusable::TooShort(count));
        }
        let runs: Vec<&[Sample]> = samples.chunk_by(same_run).collect();
        let mut past = Self {
            topology,
            start: first.at,
            end: last.at,
            runs,
            loads: Vec::new(),
            waiting: Vec::new(),
        };
        for (position, vertex) in topology.vertices().iter().enumerate() {
            let read = first.vertices.get(&vertex.id);
            if topology.is_source(position) {
                let load = past.load(&vertex.id);
                if load.iter().any(|(_, rate)| *rate > 0.0) {
                    past.loads.push((position, load));
                    past.waiting
                        .push(read.and_then(|read| read.pending_records));
                }
            }
        }
        if past.loads.is_empty() {
            return Err(Unusable::NoLoad);
        }
        Ok(past)
    }

    /// Seconds from the start.
    pub fn second(&self, at: Timestamp) -> f64 {
        at.duration_since(self.start).as_secs_f64()
    }

    /// Seconds the recording lasts.
    pub fn lasts(&self) -> u32 {
        let seconds = self.end.duration_since(self.start).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// What came to a source: what it read, and by how much more waited afterwards.
    fn load(&self, id: &VertexId) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut before: Option<&Sample> = None;
        for run in &self.runs {
            let Some(first) = run.first() else { continue };
            let origin = self.second(first.at);
            if let Some((from, rate)) = before.and_then(|last| self.between(id, last, first)) {
                points.push((from, rate));
            }
            for interval in &Series::of_vertex(id, run).intervals {
                if let Some(read) = interval.records_in {
                    let came = read + interval.pending_growth.unwrap_or(0.0);
                    let rate = came.max(0.0) / (interval.end - interval.start);
                    points.push((origin + interval.start, rate));
                }
            }
            before = run.last();
        }
        if let Some(first) = points.first_mut() {
            first.0 = 0.0;
        }
        points
    }

    /// What came while the job restarted: what waits more, and what was read since.
    fn between(&self, id: &VertexId, last: &Sample, first: &Sample) -> Option<(f64, f64)> {
        let seconds = first.at.duration_since(last.at).as_secs_f64();
        let (before, after) = (last.vertices.get(id)?, first.vertices.get(id)?);
        let came = after.pending_records? - before.pending_records? + after.records_in?;
        (seconds > 0.0).then(|| (self.second(last.at), came.max(0.0) / seconds))
    }

    /// How long the job stood still each time, in seconds.
    pub fn stands(&self) -> Vec<(f64, f64)> {
        let pairs = self.runs.iter().zip(self.runs.iter().skip(1));
        pairs
            .filter_map(|(run, next)| {
                let (last, first) = (run.last()?, next.first()?);
                let ran = first.job_running_since.unwrap_or(first.at).min(first.at);
                let stood = ran.duration_since(last.at).as_secs_f64();
                Some((self.second(last.at), stood.max(0.0)))
            })
            .collect()
    }

    /// What a rescale is taken to last.
    pub fn restart(
        &self,
        settings: &Settings,
        history: &History,
        assumptions: &Assumptions,
    ) -> (f64, RestartFrom) {
        if let Some(given) = assumptions.restart {
            return (given, RestartFrom::Given);
        }
        let mut stood: Vec<f64> = self.stands().into_iter().map(|(_, stood)| stood).collect();
        stood.sort_by(f64::total_cmp);
        if let Some(median) = stood.get(stood.len() / 2) {
            return (*median, RestartFrom::Recording);
        }
        match tracking::measured(settings, history) {
            Some(measured) => (measured.as_secs_f64(), RestartFrom::History),
            None => (settings.restart_time.as_secs_f64(), RestartFrom::Settings),
        }
    }

    /// Subtasks of every vertex in a run, by position; a vertex that was not read has what the graph says.
    pub fn parallelism(&self, run: &[Sample]) -> Vec<u32> {
        let of = |id: &VertexId| run.iter().rev().find_map(|sample| sample.vertices.get(id));
        let vertices = self.topology.vertices().iter();
        vertices
            .map(|vertex| of(&vertex.id).map_or(vertex.parallelism, |read| read.parallelism))
            .collect()
    }

    /// When each run but the first was asked for, what it was before and is then, by position.
    fn changes(&self) -> impl Iterator<Item = (f64, Vec<u32>, Vec<u32>)> {
        let pairs = self.runs.iter().zip(self.runs.iter().skip(1));
        pairs.filter_map(|(run, next)| {
            let at = self.second(run.last()?.at);
            Some((at, self.parallelism(run), self.parallelism(next)))
        })
    }

    /// The runs that began with another parallelism.
    pub fn rescales(&self) -> Vec<(f64, Vec<u32>, Vec<u32>)> {
        let changes = self.changes();
        changes.filter(|(_, from, to)| from != to).collect()
    }

    /// When the job restarted as it was: after a failure, which no policy would have prevented.
    pub fn failures(&self) -> Vec<f64> {
        let same = self.changes().filter(|(_, from, to)| from == to);
        same.map(|(at, ..)| at).collect()
    }

    /// What really happened.
    pub fn course(&self, assumptions: &Assumptions) -> Course {
        let mut tally = Tally::new(self, assumptions);
        let stands = self.stands();
        let mut arrivals: Vec<Arrivals> = vec![Arrivals::default(); self.loads.len()];
        let samples: Vec<&Sample> = self.runs.iter().flat_map(|run| run.iter()).collect();
        let runs: Vec<(f64, u32)> = self
            .runs
            .iter()
            .filter_map(|run| {
                let slots = self.parallelism(run).into_iter().max().unwrap_or(0);
                Some((self.second(run.first()?.at), slots))
            })
            .collect();
        for second in 0..self.lasts() {
            let now = f64::from(second);
            let at = samples.partition_point(|sample| self.second(sample.at) <= now);
            let shown = at.checked_sub(1).and_then(|at| samples.get(at));
            let mut lag = None;
            let sources = self.loads.iter().zip(&self.waiting).zip(&mut arrivals);
            for (((position, load), began), arrivals) in sources {
                let burst = if second == 0 {
                    began.unwrap_or(0.0)
                } else {
                    0.0
                };
                arrivals.push(burst + rate_at(load, now));
                let id = self
                    .topology
                    .vertices()
                    .get(*position)
                    .map(|vertex| &vertex.id);
                let read = id.and_then(|id| shown?.vertices.get(id));
                if let Some(waits) = read.and_then(|read| read.pending_records) {
                    let age = arrivals.age(waits);
                    lag = Some(lag.map_or(age, |lag: f64| lag.max(age)));
                }
            }
            let run = runs.partition_point(|(from, _)| *from <= now);
            let slots = run.checked_sub(1).and_then(|run| runs.get(run));
            let down = stands
                .iter()
                .any(|(from, stood)| (*from..*from + *stood).contains(&now));
            tally.count(lag, slots.map_or(0, |(_, slots)| *slots), !down);
        }
        let names = self.names();
        let rescales = self
            .rescales()
            .into_iter()
            .map(|(second, from, to)| Rescaled {
                second,
                changes: super::course::changes(&names, &from, &to),
                reason: "as it was done".to_owned(),
            });
        tally.course("recorded", true, rescales.collect())
    }

    /// The vertices' names, by position.
    pub fn names(&self) -> Vec<&str> {
        let vertices = self.topology.vertices().iter();
        vertices.map(|vertex| vertex.name.as_str()).collect()
    }

    /// What comes to all sources together in a second.
    pub fn rate(&self, second: f64) -> f64 {
        self.loads
            .iter()
            .map(|(_, load)| rate_at(load, second))
            .sum()
    }
}

/// The rate at a second.
fn rate_at(load: &[(f64, f64)], second: f64) -> f64 {
    let after = load.partition_point(|(from, _)| *from <= second);
    let at = after.checked_sub(1).and_then(|at| load.get(at));
    at.map_or(0.0, |(_, rate)| *rate)
}
