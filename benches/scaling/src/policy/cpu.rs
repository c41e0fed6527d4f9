//! A HorizontalPodAutoscaler on CPU: `ceil(current * used / target)`, with Kubernetes' defaults.

use std::collections::VecDeque;

use anyhow::Result;
use flink_scaler::simulate::Job;

use super::{Contestant, all_to};

/// Used share that is aimed at.
const TARGET: f64 = 0.7;

/// Deviations below this share are left alone.
const TOLERANCE: f64 = 0.1;

/// The largest recommendation of so many seconds counts for scaling down.
const DOWN_SECONDS: f64 = 300.0;

/// The rule and what it remembers.
#[derive(Debug, Default)]
pub struct Cpu {
    recommended: VecDeque<(f64, u32)>,
}

impl Contestant for Cpu {
    fn every(&self) -> u32 {
        15
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        let Some(sample) = job.sample() else {
            return Ok(());
        };
        let slots = job.slots();
        // The CPU of the busiest vertex: as if every vertex had pods of its own.
        let used = sample
            .vertices
            .values()
            .filter_map(|reading| reading.busy_avg_ms_per_s);
        let used = used.fold(0.0, f64::max) / 1000.0;
        let ratio = used / TARGET;
        let wanted = if (ratio - 1.0).abs() <= TOLERANCE {
            slots
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small and positive"
            )]
            let wanted = (f64::from(slots) * ratio).ceil() as u32;
            wanted.max(1)
        };
        let now = job.seconds();
        self.recommended.push_back((now, wanted));
        while self
            .recommended
            .front()
            .is_some_and(|(at, _)| now - at > DOWN_SECONDS)
        {
            self.recommended.pop_front();
        }
        let largest = self
            .recommended
            .iter()
            .map(|(_, n)| *n)
            .max()
            .unwrap_or(wanted);
        let target = if wanted < slots {
            largest.min(slots)
        } else {
            wanted
        };
        // At most doubled, or four more, in one step.
        let target = target.min((slots * 2).max(slots + 4));
        if target != slots {
            all_to(job, target);
        }
        Ok(())
    }
}
