//! The evaluation of profile `apache`: averages over a full window, as the Java operator takes them.
//!
//! The rule: same readings, same figures as there; where it goes on with NaN, here the vertex is left
//! alone and says why. Tests are in `tests/it/vectors_evaluation.rs`.

use jiff::{SignedDuration, Timestamp};

use super::{Evaluated, Evaluation, flow};
use crate::{
    estimate::mean,
    reason::Missing,
    sample::{Sample, VertexReading},
    settings::{BusyTime, Settings},
    topology::{Topology, Vertex},
    tracking::signed,
    units::{Capacity, Rate, Ratio, Records},
    window::Window,
};

/// The end of the first full window: `metrics.window` after the first sample at or after the end of
/// stabilization, or after now if there is none.
pub fn full_at(
    settings: &Settings,
    window: &Window,
    started: Timestamp,
    now: Timestamp,
) -> Timestamp {
    let stable = later(started, signed(settings.stabilization()));
    let first = window
        .samples()
        .map(|sample| sample.at)
        .find(|at| *at >= stable);
    later(first.unwrap_or(now), signed(settings.metrics_window))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// Evaluates the samples of the last `metrics.window`.
pub fn evaluate(
    settings: &Settings,
    topology: &Topology<'_>,
    window: &Window,
    now: Timestamp,
) -> Evaluation {
    let length = signed(settings.metrics_window);
    let recent: Vec<&Sample> = window
        .samples()
        .filter(|s| now.duration_since(s.at) <= length)
        .collect();
    let tracks: Vec<Track<'_>> = topology
        .vertices()
        .iter()
        .map(|vertex| Track::of(vertex, &recent))
        .collect();
    let is_source = |position: usize| topology.is_source(position);
    let measured = flow::Measured {
        records_in: tracks
            .iter()
            .map(|track| Rate::new(track.rate(|r| r.records_in)?))
            .collect(),
        records_out: tracks
            .iter()
            .map(|track| Rate::new(track.rate(|r| r.records_out)?))
            .collect(),
    };
    let ratios = flow::Ratios::of(topology, &measured, Some(Ratio::ZERO));
    let source = |(position, track): (usize, &Track<'_>)| {
        if is_source(position) {
            track.demand()
        } else {
            None
        }
    };
    let demand: Vec<Option<Rate>> = tracks.iter().enumerate().map(source).collect();
    let catch_up: Vec<Option<Rate>> = (0..)
        .zip(&tracks)
        .map(|(position, track)| is_source(position).then(|| track.catch_up(settings)))
        .collect();
    let targets = ratios.carry(&demand);
    let catch_ups = ratios.carry(&catch_up);
    let backlog = (0..)
        .zip(&tracks)
        .any(|(position, track)| is_source(position) && track.backlogged(settings));
    let vertices = (0..)
        .zip(&tracks)
        .zip(targets.into_iter().zip(catch_ups))
        .map(|((position, track), (target, catch_up))| {
            track.evaluated(settings, is_source(position), target, catch_up)
        })
        .collect();
    Evaluation {
        vertices,
        backlog,
        flow: None,
        ratios,
    }
}

/// The readings of one vertex with their times.
struct Track<'r> {
    subtasks: u32,
    finished: bool,
    readings: Vec<(Timestamp, &'r VertexReading)>,
}

impl<'r> Track<'r> {
    fn of(vertex: &Vertex, samples: &[&'r Sample]) -> Self {
        let reading = |sample: &&'r Sample| Some((sample.at, sample.vertices.get(&vertex.id)?));
        Self {
            subtasks: vertex.parallelism,
            finished: vertex.finished,
            readings: samples.iter().filter_map(reading).collect(),
        }
    }

    /// `(last - first) / time`, over what was read; nothing moves any more where all has finished.
    fn rate(&self, value: impl Fn(&VertexReading) -> Option<f64>) -> Option<f64> {
        if self.finished {
            return Some(0.0);
        }
        let read = |(at, r): &(Timestamp, &VertexReading)| {
            Some((*at, value(r).filter(|v| v.is_finite())?))
        };
        let mut known = self.readings.iter().filter_map(read);
        let (t1, first) = known.next()?;
        let (t2, last) = known.next_back()?;
        let seconds = t2.duration_since(t1).as_secs_f64().max(0.001);
        Some((last - first) / seconds)
    }

    fn average(&self, value: impl Fn(&VertexReading) -> Option<f64>) -> Option<f64> {
        mean(
            self.readings
                .iter()
                .filter_map(|(_, reading)| value(reading)),
        )
    }

    fn lag(&self) -> Option<Records> {
        let (_, latest) = self.readings.last().filter(|_| !self.finished)?;
        Records::new(latest.pending_records?)
    }

    /// What a source reads, and by how much faster than that more comes.
    fn demand(&self) -> Option<Rate> {
        let growth = self.rate(|r| r.pending_records).unwrap_or(0.0);
        Rate::new((self.rate(|r| r.records_in)? + growth).max(0.0))
    }

    fn catch_up(&self, settings: &Settings) -> Rate {
        let seconds = settings.catch_up_duration.as_secs_f64();
        self.lag()
            .and_then(|lag| Rate::of(lag, seconds))
            .unwrap_or(Rate::ZERO)
    }

    fn backlogged(&self, settings: &Settings) -> bool {
        let (Some(lag), Some(rate)) = (self.lag(), self.rate(|r| r.records_in)) else {
            return false;
        };
        rate > 0.0 && lag.get() / rate > settings.backlog_lag_threshold.as_secs_f64()
    }

    fn busy(&self, settings: &Settings) -> Option<f64> {
        match settings.busy_time {
            BusyTime::Max => self.average(|r| r.busy_ms_per_s).map(|ms| ms / 1000.0),
            BusyTime::Min => self.average(|r| r.busy_min_ms_per_s).map(|ms| ms / 1000.0),
            BusyTime::Avg => {
                let accumulated = self.rate(|r| r.accumulated_busy_ms);
                accumulated.map(|ms| ms / f64::from(self.subtasks.max(1)) / 1000.0)
            }
        }
    }

    fn evaluated(
        &self,
        settings: &Settings,
        source: bool,
        target_rate: Option<Rate>,
        catch_up: Option<Rate>,
    ) -> Evaluated {
        let busy = self.busy(settings);
        let capacity = self.capacity(settings, source, busy);
        let missing = match (self.readings.len(), target_rate, capacity) {
            (0 | 1, ..) => Some(Missing::Readings),
            (_, None, _) if source => Some(Missing::RecordsIn),
            (_, None, _) => Some(Missing::UpstreamRate),
            (_, _, None) if busy.is_none() => Some(Missing::BusyTime),
            (_, _, None) => Some(Missing::Capacity),
            _ => None,
        };
        Evaluated {
            target_rate,
            catch_up: catch_up.unwrap_or(Rate::ZERO),
            capacity,
            utilization: busy.and_then(|busy| Ratio::new(busy.max(0.0))),
            backpressure: self
                .average(|r| r.backpressured_ms_per_s)
                .and_then(|ms| Ratio::new(ms / 1000.0)),
            lag: self.lag().filter(|_| source),
            missing,
            partitions: self.readings.last().and_then(|(_, r)| r.partitions),
            ..Evaluated::unknown(Missing::Readings)
        }
    }

    fn capacity(&self, settings: &Settings, source: bool, busy: Option<f64>) -> Option<Capacity> {
        let counted = self.rate(|r| r.records_in);
        let metered = || self.average(|r| r.records_in_per_second);
        let rate = match settings.busy_time {
            BusyTime::Max | BusyTime::Min if !source => metered().or(counted),
            _ => counted,
        };
        let observed = if source {
            self.observed(settings)
        } else {
            None
        };
        choose(settings, by_busy_time(rate, busy), observed)
    }

    /// The mean of what a source showed to be its capacity while it worked off what waits.
    fn observed(&self, settings: &Settings) -> Option<Capacity> {
        let mut seen: Vec<Option<Capacity>> = Vec::new();
        for (_, reading) in &self.readings {
            let now = observed_now(settings, reading, || average_of(settings, &seen));
            seen.push(now);
        }
        average_of(settings, &seen)
    }
}

/// Rate over busy share; unlimited where nothing is read.
pub fn by_busy_time(rate: Option<f64>, busy: Option<f64>) -> Option<Capacity> {
    match (rate?, busy) {
        (rate, _) if rate <= 0.0 => Some(Capacity::Unlimited),
        (_, Some(busy)) if busy <= 0.0 => Some(Capacity::Unlimited),
        (rate, Some(busy)) => Rate::new(rate / busy).map(Capacity::Limited),
        (_, None) => None,
    }
}

/// What one reading of a source shows of its capacity: while more than the threshold waits, its rate
/// over the share of time it is not held back; otherwise the mean so far.
pub fn observed_now(
    settings: &Settings,
    reading: &VertexReading,
    so_far: impl FnOnce() -> Option<Capacity>,
) -> Option<Capacity> {
    let rate = reading
        .records_in_per_second
        .filter(|rate| rate.is_finite())?;
    if rate <= 0.0 {
        return Some(Capacity::Unlimited);
    }
    let waiting = reading.pending_records.unwrap_or(0.0);
    let shown = || {
        let free = 1.0 - reading.backpressured_ms_per_s? / 1000.0;
        if free <= 0.0 {
            return None;
        }
        Rate::new(rate / free).map(Capacity::Limited)
    };
    if waiting < settings.observed_rate_lag_threshold.as_secs_f64() * rate {
        return so_far();
    }
    shown().or_else(so_far)
}

/// The mean of limited capacities, if there are enough; unlimited if there are only such.
pub fn average_of(settings: &Settings, seen: &[Option<Capacity>]) -> Option<Capacity> {
    let limited: Vec<f64> = seen
        .iter()
        .flatten()
        .filter_map(|c| Some(c.rate()?.get()))
        .collect();
    if limited.is_empty() && seen.iter().any(Option::is_some) {
        return Some(Capacity::Unlimited);
    }
    let enough = limited.len()
        >= usize::try_from(settings.observed_rate_min_observations).unwrap_or(usize::MAX);
    let average = mean(limited).filter(|_| enough)?;
    Rate::new(average).map(Capacity::Limited)
}

/// The estimate from busy time, unless it is unknown or unlimited or well above what was observed.
pub fn choose(
    settings: &Settings,
    busy: Option<Capacity>,
    observed: Option<Capacity>,
) -> Option<Capacity> {
    let Some(seen) = observed else {
        return busy;
    };
    match (busy, seen) {
        (Some(Capacity::Limited(busy)), Capacity::Limited(seen)) => {
            let switch = seen.get() * (1.0 + settings.observed_rate_switch_threshold);
            Some(Capacity::Limited(if busy.get() > switch {
                seen
            } else {
                busy
            }))
        }
        (Some(Capacity::Limited(busy)), Capacity::Unlimited) => Some(Capacity::Limited(busy)),
        (None | Some(Capacity::Unlimited), seen) => Some(seen),
    }
}
