//! From readings to numbers that can be relied on: what moved between two samples, means, how sure a
//! mean is, and where a level changed.
//!
//! The rule: a number comes from counters over time that really passed between two readings. What was
//! not read, stood still because Flink had not refreshed it, or ran backwards is left out, never guessed.
//! Tests are in `estimate/tests.rs`.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{
    sample::{Sample, VertexReading},
    topology::VertexId,
    units::{Rate, Ratio, Records},
};

/// The clock of the tasks and the clock of the samples may differ by this factor, both ways.
const CLOCKS_AGREE: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// Below this busy share, in milliseconds per second, the ratio of busiest to mean subtask is noise.
const SKEW_NEEDS_BUSY_MS: f64 = 50.0;

/// What happened at one vertex between two readings that differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Start, in seconds since the first sample.
    pub start: f64,
    /// End, in seconds since the first sample.
    pub end: f64,
    /// Time the tasks worked, in seconds.
    pub seconds: f64,
    /// Records read.
    pub records_in: Option<f64>,
    /// Records written.
    pub records_out: Option<f64>,
    /// Busy share, mean over subtasks.
    pub busy: Option<f64>,
    /// Share under backpressure.
    pub backpressured: Option<f64>,
    /// Idle share.
    pub idle: Option<f64>,
    /// Growth of what waits, in records.
    pub pending_growth: Option<f64>,
}

/// The readings of one vertex over the samples.
///
/// Flink answers from a store that it refreshes every few seconds, so several samples may carry the same
/// reading. Such repetitions tell nothing: only samples in which a counter moved are used. And because
/// busy, idle and backpressured time of a subtask add up to the time that passed, their sum is the
/// clock of the very readings, free of any delay on the way:
///
/// | | busy ms | idle ms | backpressured ms | records |
/// | --- | --- | --- | --- | --- |
/// | first | 1000 | 800 | 200 | 500 |
/// | second | 5000 | 1600 | 1400 | 2500 |
/// | between | 4000 | 800 | 1200 | 2000 |
///
/// With 2 subtasks (4000 + 800 + 1200) / 2 = 3 s passed, so the rate is 2000 / 3 = 667 records/s and the
/// busy share 4000 / 6000 = 0.67, whatever the clock of the samples says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// What happened between readings, oldest first.
    pub intervals: Vec<Interval>,
    /// The newest reading of what waits.
    pub pending: Option<Records>,
    /// How many times as busy as the mean the busiest subtask is.
    pub skew: f64,
}

impl Series {
    /// The series of one vertex, of its readings with the second of each.
    pub fn of(mut readings: Vec<(f64, &VertexReading)>) -> Self {
        let all = readings.len();
        readings.dedup_by(|(_, reading), (_, last)| !moved(last, reading));
        let repeated = readings.len() < all;
        let mut intervals: Vec<Interval> = Vec::with_capacity(readings.len());
        let pairs = readings.windows(2);
        intervals.extend(pairs.filter_map(|pair| between(pair.first()?, pair.last()?)));
        let own_clock = readings
            .iter()
            .all(|(_, reading)| task_ms(reading).is_some());
        if repeated && !own_clock && intervals.len() > 1 {
            // Nobody knows how old the first reading already was.
            intervals.remove(0);
        }
        Self {
            intervals,
            pending: readings
                .last()
                .and_then(|(_, r)| Records::new(r.pending_records?)),
            skew: skew(readings.iter().map(|(_, reading)| *reading)),
        }
    }

    /// The series of one vertex in these samples, seconds counted from the first of them.
    pub fn of_vertex<'s>(id: &VertexId, samples: &'s [Sample]) -> Self {
        let origin = samples.first().map(|first| first.at).unwrap_or_default();
        let second = |at: Timestamp| at.duration_since(origin).as_secs_f64();
        let read = |sample: &'s Sample| Some((second(sample.at), sample.vertices.get(id)?));
        Self::of(samples.iter().filter_map(read).collect())
    }

    /// The position of the first interval that begins at this second or later.
    pub fn position(&self, second: f64) -> usize {
        self.intervals
            .partition_point(|interval| interval.start < second)
    }

    /// The interval in which this second lies.
    pub fn during(&self, second: f64) -> Option<&Interval> {
        let after = self
            .intervals
            .partition_point(|interval| interval.end < second);
        self.intervals
            .get(after)
            .filter(|interval| interval.start <= second)
    }

    /// The same, looked for first at the position where it is if this series was read when another one was.
    pub fn during_at(&self, second: f64, position: usize) -> Option<&Interval> {
        let here = self.intervals.get(position);
        here.filter(|interval| interval.start < second && second < interval.end)
            .or_else(|| self.during(second))
    }

    /// Seconds from the first reading to the last.
    pub fn span(&self) -> f64 {
        match (self.intervals.first(), self.intervals.last()) {
            (Some(first), Some(last)) => last.end - first.start,
            _ => 0.0,
        }
    }

    /// Growth per second of what waits, negative while it shrinks.
    pub fn pending_slope(&self) -> Option<f64> {
        let mut growth = Sum::default();
        for interval in &self.intervals {
            growth.add(interval.pending_growth, interval.seconds);
        }
        growth.per_second()
    }

    /// All means, in one walk.
    pub fn means(&self) -> Means {
        means(&self.intervals)
    }
}

/// Means over the time of a series, each of the intervals in which it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Means {
    /// Records read per second.
    pub read: Option<Rate>,
    /// Records written per second.
    pub written: Option<Rate>,
    /// Busy share, mean over time and subtasks.
    pub busy: Option<Ratio>,
    /// Share of time under backpressure.
    pub backpressured: Option<Ratio>,
    /// Idle share.
    pub idle: Option<Ratio>,
}

/// The means of these intervals.
pub fn means<'i>(intervals: impl IntoIterator<Item = &'i Interval>) -> Means {
    let (mut read, mut written) = (Sum::default(), Sum::default());
    let (mut busy, mut backpressured, mut idle) = (Sum::default(), Sum::default(), Sum::default());
    for interval in intervals {
        let seconds = interval.seconds;
        let time = |share: Option<f64>| share.map(|share| share * seconds);
        read.add(interval.records_in, seconds);
        written.add(interval.records_out, seconds);
        busy.add(time(interval.busy), seconds);
        backpressured.add(time(interval.backpressured), seconds);
        idle.add(time(interval.idle), seconds);
    }
    Means {
        read: read.per_second().and_then(Rate::new),
        written: written.per_second().and_then(Rate::new),
        busy: busy.share(),
        backpressured: backpressured.share(),
        idle: idle.share(),
    }
}

/// A sum over the time in which its parts are known.
#[derive(Default)]
struct Sum {
    value: f64,
    seconds: f64,
}

impl Sum {
    fn add(&mut self, value: Option<f64>, seconds: f64) {
        if let Some(value) = value {
            self.value += value;
            self.seconds += seconds;
        }
    }

    fn per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then_some(self.value / self.seconds)
    }

    fn share(&self) -> Option<Ratio> {
        Ratio::new(self.per_second()?.clamp(0.0, 1.0))
    }
}

/// Whether any counter, or what waits, moved.
fn moved(last: &VertexReading, new: &VertexReading) -> bool {
    let counters = |r: &VertexReading| {
        [
            r.records_in,
            r.records_out,
            r.accumulated_busy_ms,
            r.accumulated_backpressured_ms,
            r.accumulated_idle_ms,
            r.pending_records,
        ]
    };
    let known = |counters: &[Option<f64>]| counters.iter().any(Option::is_some);
    let (before, after) = (counters(last), counters(new));
    // Without any counter there is no telling; gauges count then, and they are read anew each time.
    before != after || !known(&after)
}

/// What happened between two readings; `None` if a counter ran backwards or no time passed.
fn between((t1, r1): &(f64, &VertexReading), (t2, r2): &(f64, &VertexReading)) -> Option<Interval> {
    let wall = t2 - t1;
    if wall <= 0.0 || r2.parallelism == 0 {
        return None;
    }
    let records_in = counted(r1.records_in, r2.records_in)?;
    let records_out = counted(r1.records_out, r2.records_out)?;
    let busy = counted(r1.accumulated_busy_ms, r2.accumulated_busy_ms)?;
    let backpressured = counted(
        r1.accumulated_backpressured_ms,
        r2.accumulated_backpressured_ms,
    )?;
    let idle = counted(r1.accumulated_idle_ms, r2.accumulated_idle_ms)?;
    let subtasks = f64::from(r2.parallelism);
    let total = busy
        .zip(backpressured)
        .zip(idle)
        .map(|((a, b), c)| a + b + c);
    let own = total
        .map(|ms| ms / 1000.0 / subtasks)
        .filter(|s| CLOCKS_AGREE.contains(&(s / wall)));
    let seconds = own.unwrap_or(wall);
    let share = |ms: Option<f64>, gauge: Option<f64>| {
        let counted = ms.map(|ms| ms / 1000.0 / subtasks / seconds);
        let share = counted.or_else(|| gauge.and_then(known).map(|ms| ms / 1000.0))?;
        Some(share.clamp(0.0, 1.0))
    };
    Some(Interval {
        start: *t1,
        end: *t2,
        seconds,
        records_in,
        records_out,
        busy: share(busy, r2.busy_avg_ms_per_s.or(r2.busy_ms_per_s)),
        backpressured: share(backpressured, r2.backpressured_ms_per_s),
        idle: share(idle, r2.idle_ms_per_s),
        pending_growth: r1
            .pending_records
            .and_then(known)
            .zip(r2.pending_records.and_then(known))
            .map(|(a, b)| b - a),
    })
}

/// By how much a counter grew: `Some(None)` if it was not read both times, `None` if it ran backwards.
#[expect(
    clippy::option_option,
    reason = "the outer one ends the interval with `?`"
)]
fn counted(before: Option<f64>, after: Option<f64>) -> Option<Option<f64>> {
    match before.and_then(known).zip(after.and_then(known)) {
        Some((before, after)) if after < before => None,
        both => Some(both.map(|(before, after)| after - before)),
    }
}

/// A reading that is a quantity.
fn known(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// Time that all subtasks have been at work, if all three parts of it were read.
fn task_ms(reading: &VertexReading) -> Option<f64> {
    let parts = [
        reading.accumulated_busy_ms,
        reading.accumulated_backpressured_ms,
        reading.accumulated_idle_ms,
    ];
    parts.into_iter().map(|part| part.and_then(known)).sum()
}

/// Busiest over mean subtask, between 1 and the number of subtasks; 1 if it cannot be told.
fn skew<'r>(readings: impl Iterator<Item = &'r VertexReading>) -> f64 {
    let ratio = |r: &VertexReading| {
        let (most, average) = (known(r.busy_ms_per_s?)?, known(r.busy_avg_ms_per_s?)?);
        (average >= SKEW_NEEDS_BUSY_MS)
            .then(|| (most / average).clamp(1.0, f64::from(r.parallelism.max(1))))
    };
    mean(readings.filter_map(ratio)).unwrap_or(1.0)
}

/// The mean of the finite values; `None` if there are none.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values.into_iter().filter(|value| value.is_finite()) {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

/// How sure a mean is: half the width of its confidence interval, as a share of the mean.
///
/// `t(confidence, n' - 1) * s / sqrt(n') / mean`, where `n' = n (1 - r) / (1 + r)` counts how many of
/// the `n` values are worth something, `r` being the correlation of each value with the next (0 if
/// negative). For 10, 12, 11, 9 and one-sided confidence 0.9: mean 10.5, s = 1.29, r = 0, t = 1.64, so
/// 1.64 * 1.29 / 2 / 10.5 = 0.10. `None` for fewer than two values or mean zero.
pub fn relative_half_width(values: &[f64], confidence: f64) -> Option<Ratio> {
    let mean = mean(values.iter().copied())?;
    let n = count(values.len());
    if n < 2.0 || mean == 0.0 {
        return None;
    }
    let (mut squares, mut products, mut last) = (0.0, 0.0, 0.0);
    for value in values {
        let deviation = value - mean;
        squares += deviation * deviation;
        products += last * deviation;
        last = deviation;
    }
    if squares <= (mean * 1e-9).powi(2) {
        return Some(Ratio::ZERO);
    }
    let correlation = (products / squares).clamp(0.0, 0.9);
    let worth = (n * (1.0 - correlation) / (1.0 + correlation)).max(2.0);
    let deviation = (squares / (n - 1.0)).sqrt();
    let quantile = student(confidence, worth - 1.0)?;
    Ratio::new((quantile * deviation / worth.sqrt() / mean).abs())
}

fn student(confidence: f64, freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(confidence)).filter(|quantile| quantile.is_finite())
}

/// A straight line through values over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The value it has at the end.
    pub level: f64,
    /// By how much it grows in a second.
    pub slope: f64,
    /// How sure the level is: half the width of its confidence interval, as a share.
    pub doubt: Ratio,
}

/// The trend of values at certain seconds, oldest first; `None` if there is no clear one.
///
/// The line with the smallest squares. It counts when Student's test makes the slope 999 to 1 and the line
/// changes by more than a twentieth of the mean, over two minutes at least. At the end of n values its variance is about 4 / n of theirs
/// around it. 100, 111, 119, 131, 140 at 0, 40, 80, 120, 160 s: slope 0.25, level 140.2.
pub fn trend(values: &[(f64, f64)], confidence: f64) -> Option<Trend> {
    const FEWEST: usize = 5;
    const CHANCE: f64 = 0.999;
    const LEAST: f64 = 0.05;
    const SECONDS: f64 = 120.0;
    let (last, first) = (values.last()?.0, values.first()?.0);
    let n = count(values.len());
    let centre = mean(values.iter().map(|(at, _)| *at))?;
    let average = mean(values.iter().map(|(_, value)| *value))?;
    let width: f64 = values.iter().map(|(at, _)| (at - centre).powi(2)).sum();
    if values.len() < FEWEST || last - first < SECONDS || average <= 0.0 {
        return None;
    }
    let product = |(at, value): &(f64, f64)| (at - centre) * (value - average);
    let slope = values.iter().map(product).sum::<f64>() / width;
    if (slope * (last - first)).abs() < LEAST * average {
        return None;
    }
    let off = |(at, value): &(f64, f64)| (value - average - slope * (at - centre)).powi(2);
    let variance = values.iter().map(off).sum::<f64>() / (n - 2.0);
    let error = (variance / width).sqrt();
    if slope.abs() <= 3.0 * error || slope.abs() <= student(CHANCE, n - 2.0)? * error {
        return None;
    }
    let level = (average + slope * (last - centre)).max(0.0);
    let sure = student(confidence, n - 2.0)? * (4.0 * variance / n).sqrt();
    Some(Trend {
        level,
        slope,
        doubt: Ratio::new(if level > 0.0 { sure / level } else { 0.0 })?,
    })
}

/// Where the newest level begins: the position from which on the values stand at another level than
/// just before, 0 if there is no clear change.
///
/// A level is at least two values; it is compared with as many values before it. A change counts when
/// the means differ by more than a quarter of the larger and Student's test makes it 999 to 1. Of
/// several changes the latest counts. In 100, 104, 98, 401, 396, 405 the means of the halves are 101
/// and 401, the standard error is 3.1, so t = 97, far beyond the 7.2 needed: the level begins at 3.
pub fn newest_level(values: &[f64]) -> usize {
    const LEVEL: usize = 2;
    let last = values.len().saturating_sub(LEVEL);
    let changes = |split: &usize| {
        let (before, after) = values.split_at_checked(*split).unwrap_or_default();
        let before = before
            .get(before.len().saturating_sub(after.len())..)
            .unwrap_or_default();
        differ_clearly(before, after)
    };
    (LEVEL..=last).rev().find(changes).unwrap_or(0)
}

fn differ_clearly(before: &[f64], after: &[f64]) -> bool {
    const CONFIDENCE: f64 = 0.999;
    let (Some(m1), Some(m2)) = (mean(before.iter().copied()), mean(after.iter().copied())) else {
        return false;
    };
    let (difference, larger) = ((m1 - m2).abs(), m1.max(m2));
    if difference <= 0.25 * larger {
        return false;
    }
    let squares =
        |values: &[f64], mean: f64| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let (n1, n2) = (count(before.len()), count(after.len()));
    let freedom = n1 + n2 - 2.0;
    // A spread of a hundredth is assumed at least: two equal values prove no certainty.
    let variance =
        ((squares(before, m1) + squares(after, m2)) / freedom).max((0.01 * larger).powi(2));
    let error = (variance * (1.0 / n1 + 1.0 / n2)).sqrt();
    // No quantile at this confidence is below 3; looking it up takes a while.
    if difference <= 3.0 * error {
        return false;
    }
    student(CONFIDENCE, freedom).is_some_and(|needed| difference > needed * error)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of samples are small")]
pub(crate) const fn count(n: usize) -> f64 {
    n as f64
}
