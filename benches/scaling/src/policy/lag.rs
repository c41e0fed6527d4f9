//! Scaling by lag as KEDA does it: `ceil(lag / threshold)`, at most the partitions.

use anyhow::Result;
use flink_scaler::simulate::Job;

use super::{Contestant, all_to};

/// A subtask may have as many records in front of it as the slowest vertex processes in so many seconds.
const SECONDS_EACH: f64 = 10.0;

/// Fewer are used only after so many seconds without need for more.
const COOL_DOWN: f64 = 300.0;

/// The rule and what it remembers.
#[derive(Debug, Default)]
pub struct Lag {
    needed: Option<(f64, u32)>,
}

impl Contestant for Lag {
    fn every(&self) -> u32 {
        30
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        let Some(sample) = job.sample() else {
            return Ok(());
        };
        let lag: f64 = sample
            .vertices
            .values()
            .filter_map(|r| r.pending_records)
            .sum();
        let slowest = job.model().stages.iter().map(|stage| stage.per_subtask(1));
        let threshold = slowest.fold(f64::MAX, f64::min) * SECONDS_EACH;
        let partitions = job
            .model()
            .stages
            .iter()
            .filter_map(|stage| stage.partitions)
            .max();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        let wanted = (lag / threshold).ceil() as u32;
        let wanted = wanted.clamp(1, partitions.unwrap_or(100));
        let (slots, now) = (job.slots(), job.seconds());
        let recent = self
            .needed
            .filter(|(at, n)| now - at < COOL_DOWN && *n > wanted);
        if recent.is_none() {
            self.needed = Some((now, wanted));
        }
        let target = if wanted < slots {
            recent.map_or(wanted, |(_, n)| n.min(slots))
        } else {
            wanted
        };
        if target != slots {
            all_to(job, target);
        }
        Ok(())
    }
}
