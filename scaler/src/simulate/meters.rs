//! What Flink counts at one vertex, and how it reports it: counters exactly, gauges averaged over the last minute.

use std::collections::VecDeque;

use crate::sample::VertexReading;

/// Gauges look back so far, in seconds.
const GAUGE_SECONDS: f64 = 60.0;

/// Gauges move on so often, in seconds.
const BUCKET_SECONDS: f64 = 5.0;

/// What one vertex did in one tick.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Done {
    /// Records read.
    pub read: f64,
    /// Records written.
    pub written: f64,
    /// Busy share, mean over subtasks.
    pub busy: f64,
    /// Busy share of the busiest subtask.
    pub busiest: f64,
    /// Busy share of the least busy subtask.
    pub laziest: f64,
    /// Whether the rest of the time went by held back; otherwise idle.
    pub held: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    seconds: f64,
    records: f64,
    busy: f64,
    busiest: f64,
    laziest: f64,
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
    minute: VecDeque<Bucket>,
}

impl Meters {
    /// Counts a tick of so many seconds.
    pub fn count(&mut self, tick: f64, subtasks: f64, done: &Done) {
        self.records_in += done.read;
        self.records_out += done.written;
        let rest = 1.0 - done.busy;
        let (held, idle) = if done.held { (rest, 0.0) } else { (0.0, rest) };
        let ms = tick * 1000.0 * subtasks;
        self.busy_ms += done.busy * ms;
        self.held_ms += held * ms;
        self.idle_ms += idle * ms;
        if self
            .minute
            .back()
            .is_none_or(|bucket| bucket.seconds >= BUCKET_SECONDS)
        {
            self.minute.push_back(Bucket::default());
        }
        if let Some(bucket) = self.minute.back_mut() {
            bucket.seconds += tick;
            bucket.records += done.read;
            bucket.busy += done.busy * tick;
            bucket.busiest += done.busiest * tick;
            bucket.laziest += done.laziest * tick;
            bucket.held += held * tick;
        }
        while self.minute.len() > 13 {
            self.minute.pop_front();
        }
    }

    /// Records read per second, of late.
    pub fn rate_of_last_minute(&self) -> f64 {
        let seconds = self.sum(|bucket| bucket.seconds);
        if seconds > 0.0 {
            self.sum(|bucket| bucket.records) / seconds
        } else {
            0.0
        }
    }

    fn sum(&self, value: fn(&Bucket) -> f64) -> f64 {
        self.minute.iter().map(value).sum()
    }

    /// What Flink reports. Its meter of records divides by the whole minute even right after a start.
    pub fn reading(&self, subtasks: u32) -> VertexReading {
        let seconds = self.sum(|bucket| bucket.seconds);
        let gauge = |value: f64| (seconds > 0.0).then(|| (value / seconds * 1000.0).round());
        VertexReading {
            parallelism: subtasks,
            records_in: Some(self.records_in.floor()),
            records_out: Some(self.records_out.floor()),
            busy_ms_per_s: gauge(self.sum(|bucket| bucket.busiest)),
            busy_avg_ms_per_s: gauge(self.sum(|bucket| bucket.busy)),
            busy_min_ms_per_s: gauge(self.sum(|bucket| bucket.laziest)),
            accumulated_busy_ms: Some(self.busy_ms.floor()),
            backpressured_ms_per_s: gauge(self.sum(|bucket| bucket.held)),
            accumulated_backpressured_ms: Some(self.held_ms.floor()),
            idle_ms_per_s: gauge(seconds - self.sum(|bucket| bucket.busy + bucket.held)),
            accumulated_idle_ms: Some(self.idle_ms.floor()),
            pending_records: None,
            records_in_per_second: Some(self.sum(|bucket| bucket.records) / GAUGE_SECONDS),
            partitions: None,
        }
    }
}
