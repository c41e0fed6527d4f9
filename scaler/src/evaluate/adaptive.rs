//! The evaluation of profile `adaptive`: exact counters, over as much of the recent past as is of one
//! piece, decided upon as soon as the evidence is clear.
//!
//! The rule of confidence. Readings count from the end of stabilization, at most `metrics.window` back, and
//! only from the last clear change of the load on. A decision then needs
//!
//! | evidence | readings | time | certainty | allows |
//! | --- | --- | --- | --- | --- |
//! | clear | 3 intervals | half the window, at most 60 s | 99 % | scaling up |
//! | full | 3 intervals | 80 % of the window | 90 % | scaling up and down |
//!
//! So a load that jumps to four times is answered within a minute with a window of 15, while one that
//! wobbles is watched for longer. Tests are in `tests/it/simulation.rs` and `tests/it/weaknesses/`.

mod ahead;
mod demand;
mod readings;
mod warm;

use jiff::{SignedDuration, Timestamp};

use super::{Evaluated, Evaluation, flow};
use crate::{
    curve::{Curves, TELLING},
    estimate::{Interval, Means, Series, Trend, means, newest_level, relative_half_width, trend},
    history::History,
    reason::Missing,
    settings::{BusyTime, Part, Settings},
    topology::Topology,
    tracking::signed,
    units::{Capacity, Rate, Ratio},
    window::Window,
};
use ahead::expected;
use demand::{Demand, Waits, demand_in, flow_of};
use readings::Readings;

/// Fewest intervals a decision rests on.
const INTERVALS: usize = 3;

/// Longest time that clear evidence takes.
const CLEAR: SignedDuration = SignedDuration::from_secs(60);

/// Busy share below which a capacity is not extrapolated further: with less, overheads count for more
/// than records.
const LEAST_BUSY: f64 = 0.01;

/// A source that is occupied for less than this share has time to spare: what waits does not wait for capacity.
const OCCUPIED: f64 = 0.8;

/// A vertex that is busy or held back for less than this share of time is not full by its own work.
const FULLY_BUSY: f64 = 0.85;

/// Others wait for a vertex when they are under backpressure for more than this share of time.
const HOLDS_BACK: f64 = 0.5;

/// The busiest subtask is so many times as busy as the mean before keys are called uneven.
const UNEVEN: f64 = 1.3;

/// A trend is looked for in so many seconds first.
const RECENT: f64 = 300.0;

/// How much a decision can rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// On nothing yet.
    Thin {
        /// Time covered.
        have: SignedDuration,
        /// Time needed.
        need: SignedDuration,
        /// Whether the load has just changed.
        changed: bool,
    },
    /// Scaling up, if the readings agree closely.
    Clear,
    /// Anything.
    Full,
}

impl Evidence {
    /// One-sided confidence that is asked for.
    const fn confidence(self) -> f64 {
        match self {
            Self::Full => 0.9,
            Self::Thin { .. } | Self::Clear => 0.99,
        }
    }
}

/// Evaluates what was read after `stable`.
pub fn evaluate(
    settings: &Settings,
    topology: &Topology<'_>,
    window: &Window,
    history: &History,
    (stable, now): (Timestamp, Timestamp),
) -> (Evaluation, Evidence) {
    let Readings {
        series: mut all,
        origin,
        partitions,
    } = readings::of(topology, window, stable);
    // A change is looked for beyond the window too, so that what was before it is known well.
    let change = latest_change(topology, &all).filter(|_| settings.uses(Part::Change));
    let length = signed(settings.metrics_window).as_secs_f64();
    let ends = now.duration_since(origin).as_secs_f64();
    let mut changed = false;
    for series in &mut all {
        let mut from = recent(series, ends - length);
        let starts = series.intervals.get(from).map_or(0.0, |i| i.start);
        if let Some(second) = change.filter(|second| *second > starts) {
            changed = true;
            from = series.position(second);
        }
        series.intervals.drain(..from);
    }
    let evidence = evidence(settings, topology, &all, changed);
    let job = Job {
        settings,
        topology,
        means: all.iter().map(Series::means).collect(),
        series: &all,
        curves: &history.curves,
        history,
        young: warm::young(stable, now),
        expected: expected(settings, topology, history, now),
        evidence,
    };
    (job.evaluated(&partitions), evidence)
}

/// Where the part since this second begins; earlier, if that would be fewer intervals than a decision needs.
fn recent(series: &Series, second: f64) -> usize {
    let fewest = series.intervals.len().saturating_sub(INTERVALS);
    series.position(second).min(fewest)
}

/// When the load of a source last changed clearly, in seconds.
fn latest_change(topology: &Topology<'_>, all: &[Series]) -> Option<f64> {
    let changes = sources(topology, all).filter_map(|series| {
        let known = series.values(|i| Some((i.start, demand_in(i)?)));
        let (starts, demand): (Vec<f64>, Vec<f64>) = known.into_iter().unzip();
        match newest_level(&demand) {
            0 => None,
            position => starts.get(position).copied(),
        }
    });
    changes.max_by(f64::total_cmp)
}

fn sources<'a>(topology: &'a Topology<'_>, all: &'a [Series]) -> impl Iterator<Item = &'a Series> {
    let running = topology.vertices().iter().map(|vertex| !vertex.finished);
    (0..)
        .zip(all)
        .zip(running)
        .filter_map(|((position, series), running)| {
            (running && topology.is_source(position)).then_some(series)
        })
}

fn evidence(
    settings: &Settings,
    topology: &Topology<'_>,
    all: &[Series],
    changed: bool,
) -> Evidence {
    let window = signed(settings.metrics_window);
    let full = window * 4 / 5;
    let clear = if settings.uses(Part::Early) {
        (window / 2).min(CLEAR)
    } else {
        full
    };
    let readable = || sources(topology, all).filter(|series| !series.intervals.is_empty());
    let span = readable()
        .map(Series::span)
        .min_by(f64::total_cmp)
        .unwrap_or(0.0);
    let intervals = readable()
        .map(|series| series.intervals.len())
        .min()
        .unwrap_or(0);
    let have = SignedDuration::try_from_secs_f64(span).unwrap_or(SignedDuration::ZERO);
    if intervals < INTERVALS || have < clear {
        Evidence::Thin {
            have,
            need: clear,
            changed,
        }
    } else if have < full {
        Evidence::Clear
    } else {
        Evidence::Full
    }
}

/// Records per second of busy time in this interval.
fn capacity_in(interval: &Interval) -> Option<f64> {
    let busy = interval.busy.filter(|busy| *busy > LEAST_BUSY)?;
    let read = interval.records_in.filter(|records| *records > 0.0)?;
    Some(read / interval.seconds / busy)
}

/// One evaluation under way.
struct Job<'a> {
    settings: &'a Settings,
    topology: &'a Topology<'a>,
    series: &'a [Series],
    /// The means of each series.
    means: Vec<Means>,
    curves: &'a Curves,
    history: &'a History,
    /// Whether it has run for so short a time that caches may be cold.
    young: bool,
    /// What earlier days say of each source.
    expected: Vec<Option<Rate>>,
    evidence: Evidence,
}

impl Job<'_> {
    fn evaluated(&self, partitions: &[Option<u32>]) -> Evaluation {
        let measured = self.measured();
        let ratios = flow::Ratios::of(self.topology, &measured, None);
        let demands: Vec<Option<Demand>> = (0..)
            .zip(self.series)
            .map(|(position, series)| {
                let source = self.topology.is_source(position);
                source.then(|| {
                    if self.finished(position) {
                        Demand::NONE
                    } else {
                        self.demand(position, series)
                    }
                })
            })
            .collect();
        let of = |value: fn(&Demand) -> Option<Rate>| -> Vec<Option<Rate>> {
            demands
                .iter()
                .map(|demand| demand.as_ref().and_then(value))
                .collect()
        };
        let flag = |value: fn(&Demand) -> bool| -> Vec<bool> {
            demands
                .iter()
                .map(|demand| demand.as_ref().is_some_and(value))
                .collect()
        };
        let targets = ratios.carry(&of(|demand| demand.rate));
        let rising = ratios.carry(&of(|demand| Some(demand.rising)));
        let forecasts = self.forecasts(&ratios, &of(|demand| demand.rate));
        let catch_ups = ratios.carry(&of(|demand| Some(demand.catch_up)));
        let doubts: Vec<Ratio> = demands
            .iter()
            .map(|demand| demand.map_or(Ratio::ZERO, |demand| demand.doubt))
            .collect();
        let bursts: Vec<Ratio> = (0..self.series.len())
            .map(|position| self.bursts(position, &ratios))
            .collect();
        let bursts = ratios.largest_upstream(&bursts);
        let doubts = ratios.largest_upstream(&doubts);
        let unknown = ratios.any_upstream(&flag(|demand| demand.held_back));
        let draining = ratios.any_upstream(&flag(|demand| demand.waits == Waits::Shrinks));
        let growing = ratios.any_upstream(&flag(|demand| demand.waits == Waits::Grows));
        let backlog = flag(|demand| demand.backlogged).contains(&true);
        let positions = 0..self.series.len();
        let full_at: Vec<Option<Ratio>> = positions.map(|at| self.full_at(at)).collect();
        let capacities: Vec<Option<Capacity>> = (0..)
            .zip(&full_at)
            .map(|(at, full_at)| self.capacity(at, &measured, *full_at))
            .collect();
        let cold = self.cold(&capacities);
        let vertices = self
            .series
            .iter()
            .enumerate()
            .map(|(position, series)| {
                let means = self.means(position);
                let get = |rates: &[Option<Rate>]| rates.get(position).copied().flatten();
                let is = |flags: &[bool]| flags.get(position).copied().unwrap_or(false);
                let full_at = full_at.get(position).copied().flatten();
                let capacity = capacities.get(position).copied().flatten();
                let own_doubt = self.doubt_of_capacity(series);
                let bursts = bursts.get(position).copied().unwrap_or(Ratio::ZERO);
                let from_sources = doubts.get(position).copied().unwrap_or(Ratio::ZERO);
                Evaluated {
                    target_rate: get(&targets),
                    rising: get(&rising).unwrap_or(Rate::ZERO),
                    forecast: forecasts.get(position).copied().flatten(),
                    warming: cold || self.warming(&means, series),
                    catch_up: get(&catch_ups).unwrap_or(Rate::ZERO),
                    capacity,
                    utilization: self.busy(&means, series.skew),
                    backpressure: means.backpressured,
                    lag: series.pending.filter(|_| self.topology.is_source(position)),
                    doubt: from_sources.together(own_doubt),
                    bursts,
                    bursts_up: if self.waited_for(position) {
                        Ratio::ZERO
                    } else {
                        bursts
                    },
                    full_at,
                    hot: self.hot(position, series),
                    demand_unknown: is(&unknown),
                    draining: is(&draining),
                    falls_behind: is(&growing)
                        && self.evidence == Evidence::Full
                        && self.full(&means, series.skew, full_at),
                    missing: self.missing(position, get(&targets), capacity),
                    partitions: partitions.get(position).copied().flatten(),
                }
            })
            .collect();
        Evaluation {
            vertices,
            backlog,
            flow: flow_of(&measured, &demands),
            ratios,
        }
    }

    fn measured(&self) -> flow::Measured {
        let read = |(position, means): (usize, &Means)| {
            let rate = means.read;
            let only_writes =
                self.topology.is_source(position) && rate.is_none_or(|r| r == Rate::ZERO);
            let rate = if only_writes {
                means.written.or(rate)
            } else {
                rate
            };
            rate.or(self.nothing(position))
        };
        let written =
            |(position, means): (usize, &Means)| means.written.or_else(|| self.nothing(position));
        flow::Measured {
            records_in: self.means.iter().enumerate().map(read).collect(),
            records_out: self.means.iter().enumerate().map(written).collect(),
        }
    }

    fn means(&self, position: usize) -> Means {
        self.means.get(position).copied().unwrap_or_default()
    }

    fn finished(&self, position: usize) -> bool {
        let vertex = self.topology.vertices().get(position);
        vertex.is_some_and(|vertex| vertex.finished)
    }

    /// The rate of a vertex of which nothing moves any more because it has finished.
    fn nothing(&self, position: usize) -> Option<Rate> {
        self.finished(position).then_some(Rate::ZERO)
    }

    /// The trend of something over the last minutes if it is clear there, or else over all readings.
    fn trend(&self, series: &Series, value: impl Fn(&Interval) -> Option<f64>) -> Option<Trend> {
        if !self.settings.uses(Part::Trend) {
            return None;
        }
        let points = series.values(|i| Some((f64::midpoint(i.start, i.end), value(i)?)));
        let since = points.last()?.0 - RECENT;
        let recent = points.partition_point(|(at, _)| *at < since);
        let recent = points.get(recent..).unwrap_or_default();
        trend(recent, self.evidence.confidence())
            .or_else(|| trend(&points, self.evidence.confidence()))
    }

    /// The busy share that stands for the vertex: of the busiest subtask, unless the mean is asked for.
    fn busy(&self, means: &Means, skew: f64) -> Option<Ratio> {
        let mean = means.busy?;
        let skew = match self.settings.busy_time {
            BusyTime::Avg => 1.0,
            BusyTime::Max | BusyTime::Min => skew,
        };
        Ratio::new((mean.get() * skew).min(1.0))
    }

    /// Whether the vertex does all it can.
    fn full(&self, means: &Means, skew: f64, full_at: Option<Ratio>) -> bool {
        let busy = self.busy(means, skew).map(Ratio::get);
        busy.is_some_and(|busy| busy >= FULLY_BUSY * full_at.map_or(1.0, Ratio::get))
    }

    /// Rate over busy share: at 500/s and 40 % busy, 1250/s. A vertex that reads nothing, and does hardly
    /// anything, is unlimited; one that is busy without reading is unknown.
    fn capacity(
        &self,
        position: usize,
        measured: &flow::Measured,
        full_at: Option<Ratio>,
    ) -> Option<Capacity> {
        let series = self.series.get(position)?;
        if self.finished(position) {
            return Some(Capacity::Unlimited);
        }
        let rate = measured.records_in.get(position).copied().flatten()?;
        let busy = self.busy(&self.means(position), series.skew)?.get();
        if rate == Rate::ZERO {
            return (busy < OCCUPIED).then_some(Capacity::Unlimited);
        }
        let full_at = full_at.map_or(1.0, Ratio::get);
        let measured = Rate::new(rate.get() / (busy.max(LEAST_BUSY) / full_at).min(1.0))?;
        let sober = self.known_to_be_less(position, busy / full_at, measured);
        Some(Capacity::Limited(sober.unwrap_or(measured)))
    }

    /// A vertex that has little to do seems able to do more than it showed when it had much. Then half of the way from
    /// what it showed is believed, by ratio: 1000/s once at 80 % busy and 4000/s now at 5 % is 2000/s.
    fn known_to_be_less(&self, position: usize, busy: f64, measured: Rate) -> Option<Rate> {
        if busy >= TELLING || !self.settings.uses(Part::Curve) {
            return None;
        }
        let vertex = self.topology.vertices().get(position)?;
        let known = self.curves.get(&vertex.id)?.at(vertex.parallelism)?;
        let known = Some(known).filter(|known| *known < measured)?;
        Rate::new((known.get() * measured.get()).sqrt())
    }

    /// The busy share at which the vertex can do no more, where that is less than all: as it is while the vertex
    /// holds others back though it has time, or as it once was, unless it has been busier since.
    fn full_at(&self, position: usize) -> Option<Ratio> {
        if !self.settings.uses(Part::Waiting) {
            return None;
        }
        if let Some(busy) = self.busy_while_waited_for(position) {
            return Some(busy).filter(|busy| busy.get() < FULLY_BUSY);
        }
        let skew = self.series.get(position)?.skew;
        let busy = self.busy(&self.means(position), skew)?;
        let vertex = self.topology.vertices().get(position)?;
        let known = self.curves.get(&vertex.id)?.full_at?;
        Some(known.max(busy)).filter(|share| share.get() < FULLY_BUSY)
    }

    /// How busy the vertex is while what it reads from waits for it and it waits for nobody, if it has time to spare
    /// even then. Where a writer has several readers, the busiest is the one that is waited for.
    fn busy_while_waited_for(&self, position: usize) -> Option<Ratio> {
        let series = self.series.get(position)?;
        let busy = |at: usize| self.means(at).busy;
        let waited_for = |from: usize| {
            let mut readers = self.topology.outputs(from).iter().map(|edge| edge.to);
            readers.all(|to| to == position || busy(to) < busy(position))
        };
        let held = |interval: &Interval| interval.backpressured.is_some_and(|b| b > HOLDS_BACK);
        let inputs = self.topology.inputs(position).iter().map(|edge| edge.from);
        let inputs: Vec<&Series> = inputs
            .filter(|from| waited_for(*from))
            .filter_map(|from| self.series.get(from))
            .filter(|input| input.intervals.iter().any(held))
            .collect();
        if inputs.is_empty() {
            return None;
        }
        let waits = |at: usize, interval: &Interval| {
            let second = f64::midpoint(interval.start, interval.end);
            let mut then = inputs.iter().filter_map(|i| i.during_at(second, at));
            then.any(held)
        };
        let then: Vec<&Interval> = (0..)
            .zip(&series.intervals)
            .filter_map(|(at, interval)| waits(at, interval).then_some(interval))
            .collect();
        if then.len() < INTERVALS {
            return None;
        }
        let means = means(then);
        let busy = self.busy(&means, series.skew)?;
        let held = means.backpressured.map_or(0.0, Ratio::get);
        (busy.get() > LEAST_BUSY && busy.get() + held < FULLY_BUSY).then_some(busy)
    }

    /// If one key has the share h of all records and the others spread evenly, the busiest of n subtasks is
    /// `h n + 1 - h` times as busy as the mean: so 1.9 times with 4 subtasks is a key of 0.3.
    fn hot(&self, position: usize, series: &Series) -> Ratio {
        let subtasks = self
            .topology
            .vertices()
            .get(position)
            .map_or(1, |vertex| vertex.parallelism);
        let uneven = self.settings.uses(Part::HotKey)
            && series.skew > UNEVEN
            && subtasks > 1
            && !self.topology.is_source(position);
        let share = (series.skew - 1.0) / (f64::from(subtasks) - 1.0);
        Ratio::new(share).filter(|_| uneven).unwrap_or(Ratio::ZERO)
    }

    /// How much the capacities of the single intervals scatter.
    fn doubt_of_capacity(&self, series: &Series) -> Ratio {
        let known = series.values(capacity_in);
        relative_half_width(&known, self.evidence.confidence()).unwrap_or(Ratio::ZERO)
    }

    fn missing(
        &self,
        position: usize,
        target: Option<Rate>,
        capacity: Option<Capacity>,
    ) -> Option<Missing> {
        let series = self.series.get(position)?;
        if series.intervals.len() < INTERVALS {
            return Some(Missing::Readings);
        }
        match (target, capacity) {
            (None, _) if self.topology.is_source(position) => Some(Missing::RecordsIn),
            (None, _) => Some(Missing::UpstreamRate),
            (_, None) if self.means(position).busy.is_none() => Some(Missing::BusyTime),
            (_, None) if self.means(position).read.is_none() => Some(Missing::RecordsIn),
            (_, None) => Some(Missing::Capacity),
            _ => None,
        }
    }
}
