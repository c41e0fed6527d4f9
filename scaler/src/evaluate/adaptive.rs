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
//! wobbles is watched for longer. Tests are in `tests/it/adaptive.rs`.

use jiff::{SignedDuration, Timestamp};

use super::{Evaluated, Evaluation, flow};
use crate::{
    curve::{Curves, TELLING},
    estimate::{Interval, Series, Trend, newest_level, relative_half_width, trend},
    history::Flow,
    reason::Missing,
    sample::Sample,
    settings::{BusyTime, Part, Settings},
    topology::Topology,
    tracking::signed,
    units::{Capacity, Rate, Ratio, Records},
    window::Window,
};

/// Fewest intervals a decision rests on.
const INTERVALS: usize = 3;

/// Fewest intervals from which bursts are told.
const ENOUGH: usize = 6;

/// Longest time that clear evidence takes.
const CLEAR: SignedDuration = SignedDuration::from_secs(60);

/// Busy share below which a capacity is not extrapolated further: with less, overheads count for more
/// than records.
const LEAST_BUSY: f64 = 0.01;

/// A source is held back when it is under backpressure for more than this share of time ...
const HELD_BACK: f64 = 0.05;

/// ... and idle for less than this.
const HARDLY_IDLE: f64 = 0.1;

/// A source that is held back without saying what waits makes the capacity downstream grow by this factor
/// in one step, at most.
const STEP: f64 = 2.0;

/// A source that is occupied for less than this share has time to spare: what waits does not wait for capacity.
const OCCUPIED: f64 = 0.8;

/// A vertex that is busy or held back for less than this share of time is not full by its own work.
const FULLY_BUSY: f64 = 0.85;

/// Others wait for a vertex when they are under backpressure for more than this share of time.
const HOLDS_BACK: f64 = 0.5;

/// Others are slowed down by a vertex when they are under backpressure for more than this share of time.
const WAITED_FOR: f64 = 0.25;

/// The busiest subtask is so many times as busy as the mean before keys are called uneven.
const UNEVEN: f64 = 1.3;

/// A trend is looked for in so many seconds first.
const RECENT: f64 = 300.0;

/// What waits is being worked off if it is more than this many seconds of load and shrinks by more than a
/// hundredth of the load.
const DRAINING_SECONDS: f64 = 10.0;

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
    curves: &Curves,
    (stable, now): (Timestamp, Timestamp),
) -> (Evaluation, Evidence) {
    let mut all = series(topology, window, stable);
    // A change is looked for beyond the window too, so that what was before it is known well.
    let change = latest_change(topology, &all).filter(|_| settings.uses(Part::Change));
    let length = signed(settings.metrics_window).as_secs_f64();
    let ends = now.duration_since(origin(window, stable)).as_secs_f64();
    let mut changed = false;
    for series in &mut all {
        let recent = recent(series, ends - length);
        let starts = recent
            .intervals
            .first()
            .map_or(0.0, |interval| interval.start);
        *series = match change.filter(|second| *second > starts) {
            Some(second) => {
                changed = true;
                series.since(second)
            }
            None => recent,
        };
    }
    let evidence = evidence(settings, topology, &all, changed);
    let job = Job {
        settings,
        topology,
        series: &all,
        curves,
        confidence: evidence.confidence(),
    };
    (job.evaluated(window), evidence)
}

fn origin(window: &Window, stable: Timestamp) -> Timestamp {
    window
        .samples()
        .map(|sample| sample.at)
        .find(|at| *at >= stable)
        .unwrap_or(stable)
}

fn series(topology: &Topology<'_>, window: &Window, stable: Timestamp) -> Vec<Series> {
    let samples = || window.samples().filter(|sample| sample.at >= stable);
    topology
        .vertices()
        .iter()
        .map(|vertex| Series::of(&vertex.id, samples()))
        .collect()
}

/// The part since this second; more, if that would be fewer intervals than a decision needs.
fn recent(series: &Series, second: f64) -> Series {
    let recent = series.since(second);
    if recent.intervals.len() >= INTERVALS {
        return recent;
    }
    let from = series.intervals.len().saturating_sub(INTERVALS);
    series.since(
        series
            .intervals
            .get(from)
            .map_or(0.0, |interval| interval.start),
    )
}

/// When the load of a source last changed clearly, in seconds.
fn latest_change(topology: &Topology<'_>, all: &[Series]) -> Option<f64> {
    let changes = sources(topology, all).filter_map(|series| {
        let (starts, demand): (Vec<f64>, Vec<f64>) = series
            .intervals
            .iter()
            .filter_map(|i| Some((i.start, demand_in(i)?)))
            .unzip();
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

/// Records that a source read in this interval. Some sources count what they emit only.
fn taken_in(interval: &Interval) -> Option<f64> {
    match (interval.records_in, interval.records_out) {
        (Some(0.0), Some(written)) => Some(written),
        (Some(read), _) => Some(read),
        (None, written) => written,
    }
}

/// Records per second that came to a source in this interval: what it read and by how much what waits grew.
/// A source at which more waits than it reads loses nothing; one that works a backlog off reads more than comes.
fn demand_in(interval: &Interval) -> Option<f64> {
    let grown = interval.pending_growth.unwrap_or(0.0);
    Some(((taken_in(interval)? + grown) / interval.seconds).max(0.0))
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
    curves: &'a Curves,
    confidence: f64,
}

/// What a source is asked for.
#[derive(Debug, Clone, Copy)]
struct Demand {
    rate: Option<Rate>,
    /// The same without a trend.
    mean: Option<Rate>,
    rising: Rate,
    catch_up: Rate,
    doubt: Ratio,
    held_back: bool,
    draining: bool,
    backlogged: bool,
}

impl Demand {
    /// Of a source that has finished.
    const NONE: Self = Self {
        rate: Some(Rate::ZERO),
        mean: Some(Rate::ZERO),
        rising: Rate::ZERO,
        catch_up: Rate::ZERO,
        doubt: Ratio::ZERO,
        held_back: false,
        draining: false,
        backlogged: false,
    };
}

impl Job<'_> {
    fn evaluated(&self, window: &Window) -> Evaluation {
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
                        self.demand(series)
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
        let draining = ratios.any_upstream(&flag(|demand| demand.draining));
        let backlog = flag(|demand| demand.backlogged).contains(&true);
        let vertices = self
            .series
            .iter()
            .enumerate()
            .map(|(position, series)| {
                let get = |rates: &[Option<Rate>]| rates.get(position).copied().flatten();
                let is = |flags: &[bool]| flags.get(position).copied().unwrap_or(false);
                let full_at = self.full_at(position);
                let capacity = self.capacity(position, &measured, full_at);
                let own_doubt = self.doubt_of_capacity(series);
                let from_sources = doubts.get(position).copied().unwrap_or(Ratio::ZERO);
                Evaluated {
                    target_rate: get(&targets),
                    rising: get(&rising).unwrap_or(Rate::ZERO),
                    warming: self.warming(series),
                    catch_up: get(&catch_ups).unwrap_or(Rate::ZERO),
                    capacity,
                    utilization: self.busy(series),
                    backpressure: series.backpressured(),
                    lag: series.pending.filter(|_| self.topology.is_source(position)),
                    doubt: from_sources.together(own_doubt),
                    bursts: bursts.get(position).copied().unwrap_or(Ratio::ZERO),
                    waited_for: self.waited_for(position),
                    full_at,
                    hot: self.hot(position, series),
                    demand_unknown: is(&unknown),
                    draining: is(&draining),
                    missing: self.missing(position, get(&targets), capacity),
                    partitions: partitions(self.topology, position, window),
                }
            })
            .collect();
        Evaluation {
            vertices,
            backlog,
            flow: self.flow(&measured, &demands),
            ratios,
        }
    }

    /// What all sources read and are asked for, if that is known of each.
    fn flow(&self, measured: &flow::Measured, demands: &[Option<Demand>]) -> Option<Flow> {
        let none = Flow {
            read: Rate::ZERO,
            asked: Rate::ZERO,
        };
        let sources = measured.records_in.iter().zip(demands);
        sources
            .filter_map(|(read, demand)| Some((*read, demand.as_ref()?.mean)))
            .try_fold(none, |sum, (read, asked)| {
                Some(Flow {
                    read: sum.read.plus(read?),
                    asked: sum.asked.plus(asked?),
                })
            })
    }

    fn measured(&self) -> flow::Measured {
        let read = |(position, series): (usize, &Series)| {
            let rate = series.rate_in();
            let only_writes =
                self.topology.is_source(position) && rate.is_none_or(|r| r == Rate::ZERO);
            let rate = if only_writes {
                series.rate_out().or(rate)
            } else {
                rate
            };
            rate.or(self.nothing(position))
        };
        let written = |(position, series): (usize, &Series)| {
            series.rate_out().or_else(|| self.nothing(position))
        };
        flow::Measured {
            records_in: self.series.iter().enumerate().map(read).collect(),
            records_out: self.series.iter().enumerate().map(written).collect(),
        }
    }

    fn finished(&self, position: usize) -> bool {
        let vertex = self.topology.vertices().get(position);
        vertex.is_some_and(|vertex| vertex.finished)
    }

    /// The rate of a vertex of which nothing moves any more because it has finished.
    fn nothing(&self, position: usize) -> Option<Rate> {
        self.finished(position).then_some(Rate::ZERO)
    }

    /// What a source is asked for. One that is held back and does not say what waits could read more if it
    /// were let: it is taken to go on at the same pace without the time it is held back, but at most so
    /// fast that the capacity downstream doubles. At 500/s, 20 % backpressure and utilization 0.7: 500 / 0.8 =
    /// 625/s; at 60 % backpressure it could be 1250/s, but 500 * 2 * 0.7 = 700/s is enough for one step.
    fn demand(&self, series: &Series) -> Demand {
        let known: Vec<f64> = series.intervals.iter().filter_map(demand_in).collect();
        let trend = self.trend(series, demand_in);
        let seconds: f64 = series
            .intervals
            .iter()
            .filter(|i| demand_in(i).is_some())
            .map(|i| i.seconds)
            .sum();
        let total: f64 = series
            .intervals
            .iter()
            .filter_map(|i| Some(demand_in(i)? * i.seconds))
            .sum();
        let seen = if seconds > 0.0 {
            Rate::new(total / seconds)
        } else {
            None
        };
        let share = |share: Option<Ratio>| share.map(Ratio::get);
        let (backpressured, idle) = (share(series.backpressured()), share(series.idle()));
        let held_back = series.pending.is_none()
            && backpressured.is_some_and(|share| share > HELD_BACK)
            && idle.is_none_or(|share| share < HARDLY_IDLE);
        let free = 1.0 - backpressured.unwrap_or(0.0);
        let step = (STEP * self.settings.target().get()).max(1.0);
        let faster = if held_back {
            (1.0 / free.max(f64::MIN_POSITIVE)).min(step)
        } else {
            1.0
        };
        let let_through = |rate: Rate| Some(rate.times(Ratio::new(faster)?));
        let mean = seen.and_then(let_through);
        let level = trend.and_then(|trend| Rate::new(trend.level));
        let rate = level.or(seen).and_then(let_through);
        let lag = series.pending.filter(|_| !self.has_time_to_spare(series));
        let waits =
            |rate: Rate| Some(lag?.get() / rate.get()).filter(|seconds| seconds.is_finite());
        let falls = |rate: Rate| {
            series
                .pending_slope()
                .is_some_and(|slope| slope < -0.01 * rate.get())
        };
        Demand {
            rate,
            mean,
            rising: trend
                .and_then(|trend| Rate::new(trend.slope.max(0.0)))
                .unwrap_or(Rate::ZERO),
            catch_up: self.catch_up(lag),
            doubt: trend
                .map(|trend| trend.doubt)
                .or_else(|| relative_half_width(&known, self.confidence))
                .unwrap_or(Ratio::ZERO),
            held_back,
            draining: rate
                .is_some_and(|r| falls(r) && waits(r).is_some_and(|s| s > DRAINING_SECONDS)),
            backlogged: rate
                .and_then(waits)
                .is_some_and(|s| s > self.settings.backlog_lag_threshold.as_secs_f64()),
        }
    }

    /// The trend of something over the last minutes if it is clear there, or else over all readings.
    fn trend(&self, series: &Series, value: impl Fn(&Interval) -> Option<f64>) -> Option<Trend> {
        if !self.settings.uses(Part::Trend) {
            return None;
        }
        let points: Vec<(f64, f64)> = series
            .intervals
            .iter()
            .filter_map(|i| Some((f64::midpoint(i.start, i.end), value(i)?)))
            .collect();
        let since = points.last()?.0 - RECENT;
        let recent = points.partition_point(|(at, _)| *at < since);
        let recent = points.get(recent..).unwrap_or_default();
        trend(recent, self.confidence).or_else(|| trend(&points, self.confidence))
    }

    /// Whether a vertex that is hardly ever idle does more and more in its busy time.
    fn warming(&self, series: &Series) -> bool {
        if !self.settings.uses(Part::WarmUp) {
            return false;
        }
        let occupied = series.busy().is_some_and(|busy| busy.get() > OCCUPIED);
        occupied
            && self
                .trend(series, capacity_in)
                .is_some_and(|trend| trend.slope > 0.0)
    }

    fn catch_up(&self, lag: Option<Records>) -> Rate {
        let seconds = self.settings.catch_up_duration.as_secs_f64();
        lag.and_then(|lag| Rate::of(lag, seconds))
            .unwrap_or(Rate::ZERO)
    }

    /// Whether a source could read more at once if there were anything it may read: then what waits (open
    /// transactions, a count that never falls) is no matter of capacity.
    fn has_time_to_spare(&self, series: &Series) -> bool {
        let busy = self.busy(series).map(Ratio::get);
        let backpressured = series.backpressured().map(Ratio::get);
        busy.zip(backpressured)
            .is_some_and(|(a, b)| a + b < OCCUPIED)
    }

    /// The busy share that stands for the vertex: of the busiest subtask, unless the mean is asked for.
    fn busy(&self, series: &Series) -> Option<Ratio> {
        let mean = series.busy()?;
        let skew = match self.settings.busy_time {
            BusyTime::Avg => 1.0,
            BusyTime::Max | BusyTime::Min => series.skew,
        };
        Ratio::new((mean.get() * skew).min(1.0))
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
        let busy = self.busy(series)?.get();
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
        let busy = self.busy(self.series.get(position)?)?;
        let vertex = self.topology.vertices().get(position)?;
        let known = self.curves.get(&vertex.id)?.full_at?;
        Some(known.max(busy)).filter(|share| share.get() < FULLY_BUSY)
    }

    /// How busy the vertex is while what it reads from waits for it and it waits for nobody, if it has time to spare
    /// even then. Where a writer has several readers, the busiest is the one that is waited for.
    fn busy_while_waited_for(&self, position: usize) -> Option<Ratio> {
        let series = self.series.get(position)?;
        let busy = |at: usize| self.series.get(at).and_then(Series::busy);
        let waited_for = |from: usize| {
            let mut readers = self.topology.outputs(from).iter().map(|edge| edge.to);
            readers.all(|to| to == position || busy(to) < busy(position))
        };
        let inputs = self.topology.inputs(position).iter().map(|edge| edge.from);
        let inputs: Vec<&Series> = inputs
            .filter(|from| waited_for(*from))
            .filter_map(|from| self.series.get(from))
            .collect();
        let waits = |interval: &&Interval| {
            inputs.iter().any(|input| {
                let then = input.during(f64::midpoint(interval.start, interval.end));
                then.and_then(|i| i.backpressured)
                    .is_some_and(|share| share > HOLDS_BACK)
            })
        };
        let then = Series {
            intervals: series.intervals.iter().filter(waits).copied().collect(),
            ..*series
        };
        if then.intervals.len() < INTERVALS {
            return None;
        }
        let (busy, held) = (
            self.busy(&then)?,
            then.backpressured().map_or(0.0, Ratio::get),
        );
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

    /// How far the records that arrive for one that is read upstream may be off: by how far what arrived in each
    /// interval is from what the ratios say. Behind a window that fires now and then that is far.
    fn bursts(&self, position: usize, ratios: &flow::Ratios) -> Ratio {
        if self.topology.is_source(position) {
            return Ratio::ZERO;
        }
        let Some(series) = self.series.get(position) else {
            return Ratio::ZERO;
        };
        let Some(mean) = series.rate_in().map(Rate::get) else {
            return Ratio::ZERO;
        };
        let read = |from: usize, second: f64| {
            let then = self.series.get(from)?.during(second)?;
            let records = if self.topology.is_source(from) {
                taken_in(then)?
            } else {
                then.records_in?
            };
            Some(records / then.seconds)
        };
        let arrived = |interval: &Interval| {
            let second = f64::midpoint(interval.start, interval.end);
            let expected = ratios.arriving(position, |from| read(from, second))?;
            Some(mean + interval.records_in? / interval.seconds - expected)
        };
        let values: Vec<f64> = series.intervals.iter().filter_map(arrived).collect();
        if values.len() < ENOUGH {
            return Ratio::ZERO;
        }
        relative_half_width(&values, Evidence::Full.confidence()).unwrap_or(Ratio::ZERO)
    }

    /// Whether what the vertex reads from is held back for a good part of the time.
    fn waited_for(&self, position: usize) -> bool {
        let inputs = self.topology.inputs(position).iter();
        let mut held = inputs.filter_map(|edge| self.series.get(edge.from)?.backpressured());
        held.any(|share| share.get() > WAITED_FOR)
    }

    /// How much the capacities of the single intervals scatter.
    fn doubt_of_capacity(&self, series: &Series) -> Ratio {
        let known: Vec<f64> = series.intervals.iter().filter_map(capacity_in).collect();
        relative_half_width(&known, self.confidence).unwrap_or(Ratio::ZERO)
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
            (_, None) if series.busy().is_none() => Some(Missing::BusyTime),
            (_, None) if series.rate_in().is_none() => Some(Missing::RecordsIn),
            (_, None) => Some(Missing::Capacity),
            _ => None,
        }
    }
}

fn partitions(topology: &Topology<'_>, position: usize, window: &Window) -> Option<u32> {
    let vertex = topology.vertices().get(position)?;
    // A connector may take a while to tell; what it once told stays true.
    let told = |sample: &Sample| sample.vertices.get(&vertex.id)?.partitions;
    window.samples().rev().find_map(told)
}
