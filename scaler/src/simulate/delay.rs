//! How old the oldest record is that waits.

/// What came to a source, second by second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals {
    /// All that came up to the end of each second.
    totals: Vec<f64>,
}

impl Arrivals {
    /// Counts what came in one more second.
    pub fn push(&mut self, records: f64) {
        let before = self.totals.last().copied().unwrap_or(0.0);
        self.totals.push(before + records);
    }

    /// Seconds since the oldest of so many waiting records came. With 10 a second for a minute and 100
    /// that wait it is 10.
    #[expect(clippy::cast_precision_loss, reason = "no run has so many seconds")]
    pub fn age(&self, waiting: f64) -> f64 {
        let total = self.totals.last().copied().unwrap_or(0.0);
        let read = total - waiting;
        // Less than a record is an error of rounding.
        if waiting < 1.0 {
            return 0.0;
        }
        let since = self.totals.partition_point(|came| *came <= read);
        let before = since
            .checked_sub(1)
            .and_then(|at| self.totals.get(at))
            .copied()
            .unwrap_or(0.0);
        let within = self
            .totals
            .get(since)
            .map_or(0.0, |after| (read - before).max(0.0) / (after - before));
        (self.totals.len() as f64 - since as f64 - within).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_waiting_record_tells_the_age() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.age(0.0).abs() < 1e-9);
        for _ in 0..60 {
            arrivals.push(10.0);
        }
        for (waiting, age) in [(0.0, 0.0), (5.0, 0.5), (100.0, 10.0), (900.0, 60.0)] {
            assert!((arrivals.age(waiting) - age).abs() < 1e-9, "{waiting}");
        }
        arrivals.push(0.0);
        assert!((arrivals.age(10.0) - 2.0).abs() < 1e-9);
    }
}
