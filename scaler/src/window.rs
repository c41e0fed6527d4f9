//! The samples of the recent past, bounded in time and number.
//!
//! The rule: all samples in a window are of the same run of the same job at the same parallelism; a
//! sample that is not begins a new window. So nothing after this file compares before with after a
//! restart. Its stored form is in [`crate::store`]. Tests are below.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{sample::Sample, settings::Settings};

/// Most samples kept; more often than every second for half an hour tells nothing more.
const MAX_SAMPLES: usize = 2_000;

/// Most readings kept, over all samples: some 100 MB. With ten thousand vertices 40 samples.
const MAX_READINGS: usize = 400_000;

/// Fewest samples kept when there are too many readings.
const MIN_SAMPLES: usize = 8;

/// The samples of the recent past, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    keep: SignedDuration,
    samples: VecDeque<Sample>,
}

impl Window {
    /// An empty window that keeps samples for this long.
    pub const fn new(keep: SignedDuration) -> Self {
        Self {
            keep,
            samples: VecDeque::new(),
        }
    }

    /// An empty window for these settings.
    pub fn for_settings(settings: &Settings) -> Self {
        Self::new(Self::length(settings))
    }

    /// How long samples are needed: the metrics window, and a little more, since readings that have not
    /// moved are passed over.
    pub fn length(settings: &Settings) -> SignedDuration {
        let window =
            SignedDuration::try_from(settings.metrics_window).unwrap_or(SignedDuration::MAX);
        window.saturating_add(SignedDuration::from_mins(2))
    }

    /// Keeps samples for this long from now on.
    pub const fn set_keep(&mut self, keep: SignedDuration) {
        self.keep = keep;
    }

    /// Takes a sample in and drops what is too old. If the job was restarted, rescaled or replaced
    /// since the last one, the window begins anew. A sample older than the newest takes the place of
    /// all that are newer: a clock was set back.
    pub fn push(&mut self, sample: Sample) {
        self.samples.retain(|kept| kept.at < sample.at);
        if self
            .samples
            .back()
            .is_some_and(|last| !same_run(last, &sample))
        {
            self.samples.clear();
        }
        let now = sample.at;
        self.samples.push_back(sample);
        self.trim(now);
    }

    /// Takes a sample in as [`push`](Self::push) does, unless it comes sooner than `apart` after the newest one of
    /// the same run. Flink renews its metrics only when it is asked and answers with what it had before, so that of
    /// two questions in quick succession the second is told of all that happened since long before the first.
    pub fn push_apart(&mut self, sample: Sample, apart: SignedDuration) {
        let too_soon = self.latest().is_some_and(|last| {
            let since = sample.at.duration_since(last.at);
            (SignedDuration::ZERO..apart).contains(&since) && same_run(last, &sample)
        });
        if !too_soon {
            self.push(sample);
        }
    }

    /// Drops what is too old, and thins what is too much; the newest sample stays.
    pub fn trim(&mut self, now: Timestamp) {
        while self.samples.len() > 1
            && self
                .samples
                .front()
                .is_some_and(|s| now.duration_since(s.at) > self.keep)
        {
            self.samples.pop_front();
        }
        let readings = self.samples.back().map_or(1, |s| s.vertices.len().max(1));
        while self.samples.len() > MAX_SAMPLES
            || (self.samples.len() > MIN_SAMPLES && self.samples.len() * readings > MAX_READINGS)
        {
            self.thin();
        }
    }

    /// Drops every second sample of the older half, so that the newest stay dense.
    pub(crate) fn thin(&mut self) {
        let half = self.samples.len() / 2;
        let mut position = 0;
        self.samples.retain(|_| {
            position += 1;
            position > half || position % 2 == 1
        });
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        self.samples.iter()
    }

    /// The newest sample.
    pub fn latest(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// Whether both samples are of the same run. A vertex that could not be read once does not end a run,
/// and neither does an unknown start.
pub(crate) fn same_run(last: &Sample, new: &Sample) -> bool {
    if let (Some(before), Some(after)) = (last.job_running_since, new.job_running_since)
        && before != after
    {
        return false;
    }
    let (mut only_last, mut both, mut only_new) = (0usize, 0usize, 0usize);
    for (id, reading) in &new.vertices {
        match last.vertices.get(id) {
            Some(old) if old.parallelism != reading.parallelism => return false,
            Some(_) => both += 1,
            None => only_new += 1,
        }
    }
    only_last += last.vertices.len() - both;
    only_last == 0 || only_new == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample::VertexReading, topology::VertexId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn sample(second: i64, since: i64, vertices: &[(&str, u32)]) -> Sample {
        let mut sample = Sample::at(at(second));
        sample.job_running_since = Some(at(since));
        sample.vertices = vertices
            .iter()
            .map(|(id, parallelism)| {
                let reading = VertexReading {
                    parallelism: *parallelism,
                    ..VertexReading::default()
                };
                (VertexId::new(*id).unwrap(), reading)
            })
            .collect();
        sample
    }

    fn seconds(window: &Window) -> Vec<i64> {
        window
            .samples()
            .map(|s| s.at.as_second() - 1_800_000_000)
            .collect()
    }

    fn filled(samples: impl IntoIterator<Item = Sample>) -> Window {
        let mut window = Window::new(SignedDuration::from_secs(100));
        samples.into_iter().for_each(|s| window.push(s));
        window
    }

    #[test]
    fn what_is_too_old_is_dropped_but_never_the_newest() {
        let mut window = filled([0, 50, 100, 150].map(|s| sample(s, 0, &[("a", 1)])));
        assert_eq!(seconds(&window), [50, 100, 150]);
        window.trim(at(86_400));
        assert_eq!(seconds(&window), [150]);
    }

    #[test]
    fn a_restart_a_rescale_and_another_graph_begin_a_new_window() {
        let before = || {
            [
                sample(0, 0, &[("a", 1), ("b", 1)]),
                sample(1, 0, &[("a", 1), ("b", 1)]),
            ]
        };
        for after in [
            sample(2, 2, &[("a", 1), ("b", 1)]),
            sample(2, 0, &[("a", 1), ("b", 2)]),
            sample(2, 0, &[("a", 1), ("c", 1)]),
        ] {
            let window = filled(before().into_iter().chain([after]));
            assert_eq!(seconds(&window), [2]);
        }
    }

    #[test]
    fn a_sample_that_follows_at_once_is_left_out_unless_the_run_is_another() {
        let apart = SignedDuration::from_secs(5);
        let mut window = filled([]);
        for second in [0, 1, 4, 5, 6, 12] {
            window.push_apart(sample(second, 0, &[("a", 1)]), apart);
        }
        assert_eq!(seconds(&window), [0, 5, 12]);
        window.push_apart(sample(13, 0, &[("a", 2)]), apart);
        assert_eq!(seconds(&window), [13]);
        window.push_apart(sample(8, 0, &[("a", 2)]), apart);
        assert_eq!(seconds(&window), [8], "a clock set back");
    }

    #[test]
    fn a_vertex_that_could_not_be_read_once_does_not_end_the_run() {
        let window = filled([
            sample(0, 0, &[("a", 1), ("b", 1)]),
            sample(1, 0, &[("a", 1)]),
            sample(2, 0, &[("a", 1), ("b", 1)]),
        ]);
        assert_eq!(seconds(&window), [0, 1, 2]);
    }

    #[test]
    fn a_clock_set_back_drops_the_future() {
        let window = filled([0, 10, 20, 5].map(|s| sample(s, 0, &[("a", 1)])));
        assert_eq!(seconds(&window), [0, 5]);
    }

    #[test]
    fn the_number_of_samples_is_bounded_and_the_newest_stay_dense() {
        let mut window = Window::new(SignedDuration::from_hours(10));
        for second in 0..5_000 {
            window.push(sample(second, 0, &[("a", 1)]));
        }
        assert!(window.len() <= MAX_SAMPLES);
        assert_eq!(seconds(&window)[window.len() - 3..], [4_997, 4_998, 4_999]);
        assert_eq!(seconds(&window)[0], 0);
    }
}
