//! What Flink counts at one vertex, and how it reports it: counters exactly, gauges averaged over the last minute.

use std::collections::VecDeque;

use crate::sample::VertexReading;

/// Gauges look back so far, in seconds.
const GAUGE_SECONDS: f64 = 60.0;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    seconds: f64,
    records: f64,
    busy: f64,
    held: f64,
}

/// The counters of one vertex. Times are sums over subtasks, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Meters {
    records_in: f64,
    records_out: f64,
    busy_ms: f64,
    held_ms: f64,
    idle_ms: f64,
    seconds: f64,
    minute: VecDeque<Bucket>,
}

impl Meters {
    /// A tick: records read and written, share of it busy, and whether the rest was held back or idle.
    pub fn count(
        &mut self,
        tick: f64,
        subtasks: f64,
        (read, written): (f64, f64),
        (busy, held): (f64, bool),
    ) {
        self.records_in += read;
        self.records_out += written;
        self.seconds += tick;
        let rest = 1.0 - busy;
        let (held, idle) = if held { (rest, 0.0) } else { (0.0, rest) };
        self.busy_ms += busy * tick * 1000.0 * subtasks;
        self.held_ms += held * tick * 1000.0 * subtasks;
        self.idle_ms += idle * tick * 1000.0 * subtasks;
        if self
            .minute
            .back()
            .is_none_or(|bucket| bucket.seconds >= 5.0)
        {
            self.minute.push_back(Bucket::default());
        }
        if let Some(bucket) = self.minute.back_mut() {
            bucket.seconds += tick;
            bucket.records += read;
            bucket.busy += busy * tick;
            bucket.held += held * tick;
        }
        while self.minute.len() > 13 {
            self.minute.pop_front();
        }
    }

    /// Records read per second, of late.
    pub fn rate_of_last_minute(&self) -> f64 {
        let (records, seconds) = self
            .minute
            .iter()
            .fold((0.0, 0.0), |(r, s), b| (r + b.records, s + b.seconds));
        if seconds > 0.0 {
            records / seconds
        } else {
            0.0
        }
    }

    /// What Flink reports. Its meter of records divides by the whole minute even right after a start.
    pub fn reading(&self, subtasks: u32) -> VertexReading {
        let sum = |value: fn(&Bucket) -> f64| self.minute.iter().map(value).sum::<f64>();
        let seconds = sum(|bucket| bucket.seconds);
        let gauge = |value: f64| (seconds > 0.0).then(|| (value / seconds * 1000.0).round());
        let busy = gauge(sum(|bucket| bucket.busy));
        VertexReading {
            parallelism: subtasks,
            records_in: Some(self.records_in.floor()),
            records_out: Some(self.records_out.floor()),
            busy_ms_per_s: busy,
            busy_avg_ms_per_s: busy,
            busy_min_ms_per_s: busy,
            accumulated_busy_ms: Some(self.busy_ms.floor()),
            backpressured_ms_per_s: gauge(sum(|bucket| bucket.held)),
            accumulated_backpressured_ms: Some(self.held_ms.floor()),
            idle_ms_per_s: gauge(seconds - sum(|bucket| bucket.busy + bucket.held)),
            accumulated_idle_ms: Some(self.idle_ms.floor()),
            pending_records: None,
            records_in_per_second: Some(sum(|bucket| bucket.records) / GAUGE_SECONDS),
            partitions: None,
        }
    }
}
