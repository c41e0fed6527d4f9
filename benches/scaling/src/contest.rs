//! One contestant on one workload: second by second, what it costs and how far it falls behind.

use flink_scaler::{picture::Point, simulate::Job};
use jiff::{SignedDuration, Timestamp};

use crate::{policy::Contestant, workload::Workload};

/// What a run is judged by.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// Slots times seconds; a slot stands for a core.
    pub core_seconds: f64,
    /// Seconds in which a record waited longer than it may.
    pub slo_seconds: f64,
    /// Seconds in which one waited longer than five minutes.
    pub late_seconds: f64,
    /// The longest that a record waited.
    pub max_lag: f64,
    /// Seconds the job did not run.
    pub down_seconds: f64,
    /// Rescales.
    pub rescales: u32,
    /// Rescales in the other direction than the one before, within an hour.
    pub reversals: u32,
    /// Second of the last rescale.
    pub last_rescale: f64,
    /// Subtasks of every vertex at the end.
    pub final_parallelism: Vec<u32>,
    /// The way it went.
    pub trace: Vec<Point>,
}

/// How many points a trace has.
const POINTS: u32 = 600;

/// Rescales in the other direction count as reversals within so many seconds.
const REVERSAL: f64 = 3600.0;

/// When all runs begin, in virtual time.
pub fn start() -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_second(1_800_000_000)?)
}

/// Lets a contestant run a workload.
pub fn run(
    workload: &Workload,
    seed: u64,
    contestant: &mut dyn Contestant,
) -> anyhow::Result<Score> {
    let mut job = Job::new(workload.seeded(seed), start()?);
    let mut score = Score::default();
    let every = contestant.every().max(1);
    let each = (workload.lasts / POINTS).max(1);
    let mut last: Option<(f64, bool)> = None;
    let mut parallelism = job.parallelism().to_vec();
    for second in 1..=workload.lasts {
        job.pass(SignedDuration::from_secs(1));
        if second % every == 0 {
            contestant.look(&mut job)?;
        }
        let lag = job.lag_seconds();
        score.core_seconds += f64::from(job.slots());
        score.slo_seconds += f64::from(u8::from(lag > workload.slo));
        score.late_seconds += f64::from(u8::from(lag > 300.0));
        score.max_lag = score.max_lag.max(lag);
        score.down_seconds += f64::from(u8::from(job.running_since().is_none()));
        if job.parallelism() != parallelism {
            let up = total(job.parallelism()) > total(&parallelism);
            score.rescales += 1;
            score.last_rescale = job.seconds();
            let reversed =
                last.is_some_and(|(at, before)| before != up && job.seconds() - at < REVERSAL);
            score.reversals += u32::from(reversed);
            last = Some((job.seconds(), up));
            parallelism = job.parallelism().to_vec();
        }
        if second % each == 0 {
            let rates = workload.model.loads.values();
            score.trace.push(Point {
                second: job.seconds(),
                rate: rates.map(|load| load.mean(job.seconds())).sum(),
                lag: Some(lag),
                slots: f64::from(job.slots()),
            });
        }
    }
    score.final_parallelism = parallelism;
    Ok(score)
}

fn total(parallelism: &[u32]) -> u32 {
    parallelism.iter().sum()
}

/// What a run costs, in seconds of the oracle's mean number of cores. A second in which the objective
/// is missed counts as ten of them, a rescale as a minute: the records that wait, and the attention it takes.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    /// Of a second beyond the objective.
    pub slo: f64,
    /// Of a rescale.
    pub rescale: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            slo: 10.0,
            rescale: 60.0,
        }
    }
}

impl Weights {
    /// The cost of a run beside the oracle's mean cores.
    pub fn cost(&self, score: &Score, oracle_cores: f64) -> f64 {
        score.core_seconds
            + oracle_cores
                * (self.slo * score.slo_seconds + self.rescale * f64::from(score.rescales))
    }
}
