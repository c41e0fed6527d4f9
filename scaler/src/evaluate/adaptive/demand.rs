//! What a source is asked for, and how sure it is what arrives behind it.
//!
//! The rule: a source is asked for what comes to it, not for what it is let read. Tests are in `tests/it/simulation.rs` and
//! `tests/it/weaknesses/`.

use super::{Evidence, Interval, Job, Means, OCCUPIED, Series, flow, relative_half_width};
use crate::{
    estimate::rises,
    history::Flow,
    units::{Rate, Ratio, Records},
};

/// Fewest intervals from which bursts are told.
const ENOUGH: usize = 6;

/// A source is held back when it is under backpressure for more than this share of time ...
const HELD_BACK: f64 = 0.05;

/// ... and idle for less than this.
const HARDLY_IDLE: f64 = 0.1;

/// A source that is held back without saying what waits makes the capacity downstream grow by this factor
/// in one step, at most.
const STEP: f64 = 2.0;

/// Others are slowed down by a vertex when they are under backpressure for more than this share of time.
const WAITED_FOR: f64 = 0.25;

/// What waits is being worked off if it is more than this many seconds of load and shrinks by more than a
/// hundredth of the load.
const DRAINING_SECONDS: f64 = 10.0;

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
pub(super) fn demand_in(interval: &Interval) -> Option<f64> {
    let grown = interval.pending_growth.unwrap_or(0.0);
    Some(((taken_in(interval)? + grown) / interval.seconds).max(0.0))
}

/// What becomes of the records that wait for a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// Neither, or nobody knows.
    Steady,
    /// They are being worked off.
    Shrinks,
    /// They clearly become more.
    Grows,
}

/// What a source is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub rate: Option<Rate>,
    /// The same without a trend.
    pub mean: Option<Rate>,
    pub rising: Rate,
    pub catch_up: Rate,
    pub doubt: Ratio,
    pub held_back: bool,
    pub waits: Waits,
    pub backlogged: bool,
}

impl Demand {
    /// Of a source that has finished.
    pub const NONE: Self = Self {
        rate: Some(Rate::ZERO),
        mean: Some(Rate::ZERO),
        rising: Rate::ZERO,
        catch_up: Rate::ZERO,
        doubt: Ratio::ZERO,
        held_back: false,
        waits: Waits::Steady,
        backlogged: false,
    };
}

impl Job<'_> {
    /// What a source is asked for. One that is held back and does not say what waits could read more if it
    /// were let: it is taken to go on at the same pace without the time it is held back, but at most so
    /// fast that the capacity downstream doubles. At 500/s, 20 % backpressure and utilization 0.7: 500 / 0.8 =
    /// 625/s; at 60 % backpressure it could be 1250/s, but 500 * 2 * 0.7 = 700/s is enough for one step.
    pub(super) fn demand(&self, position: usize, series: &Series) -> Demand {
        let means = self.means(position);
        let known = series.values(demand_in);
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
        let (backpressured, idle) = (share(means.backpressured), share(means.idle));
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
        let lag = series
            .pending
            .filter(|_| !self.has_time_to_spare(&means, series.skew));
        let waits =
            |rate: Rate| Some(lag?.get() / rate.get()).filter(|seconds| seconds.is_finite());
        let falls = |rate: Rate| {
            series
                .pending_slope()
                .is_some_and(|slope| slope < -0.01 * rate.get())
        };
        let shrinks =
            rate.is_some_and(|r| falls(r) && waits(r).is_some_and(|s| s > DRAINING_SECONDS));
        let queue = if shrinks {
            Waits::Shrinks
        } else if lag.is_some() && rises(&series.queue(), self.evidence.confidence()) {
            Waits::Grows
        } else {
            Waits::Steady
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
                .or_else(|| relative_half_width(&known, self.evidence.confidence()))
                .unwrap_or(Ratio::ZERO),
            held_back,
            waits: queue,
            backlogged: rate
                .and_then(waits)
                .is_some_and(|s| s > self.settings.backlog_lag_threshold.as_secs_f64()),
        }
    }

    fn catch_up(&self, lag: Option<Records>) -> Rate {
        let seconds = self.settings.catch_up_duration.as_secs_f64();
        lag.and_then(|lag| Rate::of(lag, seconds))
            .unwrap_or(Rate::ZERO)
    }

    /// Whether a source could read more at once if there were anything it may read: then what waits (open
    /// transactions, a count that never falls) is no matter of capacity.
    fn has_time_to_spare(&self, means: &Means, skew: f64) -> bool {
        let busy = self.busy(means, skew).map(Ratio::get);
        let backpressured = means.backpressured.map(Ratio::get);
        busy.zip(backpressured)
            .is_some_and(|(a, b)| a + b < OCCUPIED)
    }

    /// How far the records that arrive for one that is read upstream may be off: by how far what arrived in each
    /// interval is from what the ratios say. Behind a window that fires now and then that is far.
    pub(super) fn bursts(&self, position: usize, ratios: &flow::Ratios) -> Ratio {
        if self.topology.is_source(position) {
            return Ratio::ZERO;
        }
        let Some(series) = self.series.get(position) else {
            return Ratio::ZERO;
        };
        let Some(mean) = self.means(position).read.map(Rate::get) else {
            return Ratio::ZERO;
        };
        let read = |from: usize, second: f64, at: usize| {
            let then = self.series.get(from)?.during_at(second, at)?;
            let records = if self.topology.is_source(from) {
                taken_in(then)?
            } else {
                then.records_in?
            };
            Some(records / then.seconds)
        };
        let mut at = 0..;
        let arrived = |interval: &Interval| {
            let at = at.next()?;
            let second = f64::midpoint(interval.start, interval.end);
            let expected = ratios.arriving(position, |from| read(from, second, at))?;
            Some(mean + interval.records_in? / interval.seconds - expected)
        };
        let values = series.values(arrived);
        if values.len() < ENOUGH {
            return Ratio::ZERO;
        }
        relative_half_width(&values, Evidence::Full.confidence()).unwrap_or(Ratio::ZERO)
    }

    /// Whether what the vertex reads from is held back for a good part of the time.
    pub(super) fn waited_for(&self, position: usize) -> bool {
        let inputs = self.topology.inputs(position).iter();
        let mut held = inputs.filter_map(|edge| self.means(edge.from).backpressured);
        held.any(|share| share.get() > WAITED_FOR)
    }
}

/// What all sources read and are asked for, if that is known of each.
pub(super) fn flow_of(measured: &flow::Measured, demands: &[Option<Demand>]) -> Option<Flow> {
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
