//! What moved between two readings of a vertex.
//!
//! The rule: a number comes from counters over time that really passed between two readings. What was
//! not read, stood still because Flink had not refreshed it, or ran backwards is left out, never guessed.
//! Tests are in `estimate/tests.rs`.

use jiff::Timestamp;

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
    /// The series of one vertex in these samples, seconds counted from the first of them.
    pub fn of_vertex(id: &VertexId, samples: &[Sample]) -> Self {
        let origin = samples.first().map(|first| first.at).unwrap_or_default();
        let second = |at: Timestamp| at.duration_since(origin).as_secs_f64();
        let mut series = SeriesBuilder::new(samples.len());
        for sample in samples {
            if let Some(reading) = sample.vertices.get(id) {
                series.push(second(sample.at), reading);
            }
        }
        series.finish()
    }

    /// What this is of each interval in which it is known.
    pub fn values<T>(&self, of: impl FnMut(&Interval) -> Option<T>) -> Vec<T> {
        let mut values = Vec::with_capacity(self.intervals.len());
        values.extend(self.intervals.iter().filter_map(of));
        values
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

    /// What waits over what waited at the beginning, by the second at which it was read; as long as all of it is known.
    pub fn queue(&self) -> Vec<(f64, f64)> {
        let start = self.intervals.first().map(|first| (first.start, 0.0));
        let mut waits = 0.0;
        let grown = self.intervals.iter().map_while(|interval| {
            waits += interval.pending_growth?;
            Some((interval.end, waits))
        });
        start.into_iter().chain(grown).collect()
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

/// A series under way: each reading is looked at once, when it comes.
#[derive(Debug, Clone)]
pub struct SeriesBuilder {
    intervals: Vec<Interval>,
    /// The last reading that differed from the one before.
    last: Option<(f64, Counters)>,
    /// Whether a reading was the same as the one before.
    repeated: bool,
    /// Whether every reading has the time its tasks have been at work.
    own_clock: bool,
    /// Busiest over mean subtask: sum and number of readings.
    skew: (f64, f64),
}

impl SeriesBuilder {
    /// For so many readings, or more.
    pub fn new(readings: usize) -> Self {
        Self {
            intervals: Vec::with_capacity(readings),
            last: None,
            repeated: false,
            own_clock: true,
            skew: (0.0, 0.0),
        }
    }

    /// Takes in what was read at this second, the last so far.
    pub fn push(&mut self, second: f64, reading: &VertexReading) {
        let counters = Counters::of(reading);
        if let Some((start, last)) = &self.last {
            // Without any counter there is no telling; gauges count then, and they are read anew each time.
            if counters == *last && counters != Counters::default() {
                self.repeated = true;
                return;
            }
            let interval = last.between(&counters, (*start, second), reading);
            self.intervals.extend(interval);
        }
        self.own_clock &= counters.has_clock();
        if let Some(skew) = skew(reading) {
            self.skew = (self.skew.0 + skew, self.skew.1 + 1.0);
        }
        self.last = Some((second, counters));
    }

    /// The series.
    pub fn finish(mut self) -> Series {
        if self.repeated && !self.own_clock && self.intervals.len() > 1 {
            // Nobody knows how old the first reading already was.
            self.intervals.remove(0);
        }
        let (sum, count) = self.skew;
        Series {
            intervals: self.intervals,
            pending: self
                .last
                .and_then(|(_, counters)| Records::new(counters.pending?)),
            skew: if count > 0.0 { sum / count } else { 1.0 },
        }
    }
}

/// What only grows, and what waits, as far as they are quantities.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counters {
    records_in: Option<f64>,
    records_out: Option<f64>,
    busy: Option<f64>,
    backpressured: Option<f64>,
    idle: Option<f64>,
    pending: Option<f64>,
}

impl Counters {
    fn of(reading: &VertexReading) -> Self {
        Self {
            records_in: known(reading.records_in),
            records_out: known(reading.records_out),
            busy: known(reading.accumulated_busy_ms),
            backpressured: known(reading.accumulated_backpressured_ms),
            idle: known(reading.accumulated_idle_ms),
            pending: known(reading.pending_records),
        }
    }

    /// Whether the time that all subtasks have been at work was read.
    const fn has_clock(&self) -> bool {
        self.busy.is_some() && self.backpressured.is_some() && self.idle.is_some()
    }

    /// What happened until the counters stood at `after`; `None` if one ran backwards or no time passed.
    fn between(
        &self,
        after: &Self,
        (start, end): (f64, f64),
        reading: &VertexReading,
    ) -> Option<Interval> {
        let wall = end - start;
        if wall <= 0.0 || reading.parallelism == 0 {
            return None;
        }
        let records_in = counted(self.records_in, after.records_in)?;
        let records_out = counted(self.records_out, after.records_out)?;
        let busy = counted(self.busy, after.busy)?;
        let backpressured = counted(self.backpressured, after.backpressured)?;
        let idle = counted(self.idle, after.idle)?;
        let subtasks = f64::from(reading.parallelism);
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
            let share = counted.or_else(|| known(gauge).map(|ms| ms / 1000.0))?;
            Some(share.clamp(0.0, 1.0))
        };
        Some(Interval {
            start,
            end,
            seconds,
            records_in,
            records_out,
            busy: share(busy, reading.busy_avg_ms_per_s.or(reading.busy_ms_per_s)),
            backpressured: share(backpressured, reading.backpressured_ms_per_s),
            idle: share(idle, reading.idle_ms_per_s),
            pending_growth: self.pending.zip(after.pending).map(|(a, b)| b - a),
        })
    }
}

/// By how much a counter grew: `Some(None)` if it was not read both times, `None` if it ran backwards.
#[expect(
    clippy::option_option,
    reason = "the outer one ends the interval with `?`"
)]
fn counted(before: Option<f64>, after: Option<f64>) -> Option<Option<f64>> {
    let grown = before.zip(after).map(|(before, after)| after - before);
    grown.is_none_or(|grown| grown >= 0.0).then_some(grown)
}

/// A reading that is a quantity.
fn known(value: Option<f64>) -> Option<f64> {
    value.filter(|value| (0.0..=f64::MAX).contains(value))
}

/// Busiest over mean subtask, between 1 and the number of subtasks; `None` if it cannot be told.
fn skew(reading: &VertexReading) -> Option<f64> {
    let (most, average) = known(reading.busy_ms_per_s).zip(known(reading.busy_avg_ms_per_s))?;
    (average >= SKEW_NEEDS_BUSY_MS)
        .then(|| (most / average).clamp(1.0, f64::from(reading.parallelism.max(1))))
}
