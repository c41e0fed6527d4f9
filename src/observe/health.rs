//! Whether a job is steady enough to be rescaled: its checkpoints, and how often it failed of late.
//!
//! The rule: a rescale starts again from the newest checkpoint, so there has to be a new one. Tests are below;
//! what follows from it is in `tests/scenarios/autoscale_only_what_is_steady.txt`.

use std::time::Duration;

use flink_scaler::CheckpointHealth;
use jiff::{SignedDuration, Timestamp};

use crate::config::{FlinkConfig, flink};
use crate::flink::{Checkpoint, CheckpointState, CheckpointStatistics, FlinkClient, RestError};

/// After so many intervals without a new checkpoint something is wrong with them.
const INTERVALS: i32 = 3;

/// But not before, however short the interval.
const AT_LEAST: SignedDuration = SignedDuration::from_mins(1);

/// What Flink says of a checkpoint that took too long, whatever the cause.
const EXPIRED: &str = "expired before completing";

/// How far back failures of the job count.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// Failures asked for.
const FAILURES: u32 = 5;

/// How often checkpoints are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// Time between two; `None` if the configuration has none, though the job's code may.
    interval: Option<Duration>,
    /// Smallest pause between two.
    pause: Duration,
}

impl Rhythm {
    /// From the configuration of the cluster.
    pub fn of(config: &FlinkConfig) -> Self {
        let interval = config.get(&flink::CHECKPOINT_INTERVAL);
        Self {
            interval: interval
                .ok()
                .flatten()
                .filter(|interval| !interval.is_zero()),
            pause: config.get(&flink::CHECKPOINT_MIN_PAUSE).unwrap_or_default(),
        }
    }

    /// Longest time without a new one that is in order, when the last took `lasted`.
    fn patience(&self, lasted: SignedDuration) -> Option<SignedDuration> {
        let every = SignedDuration::try_from(self.interval?.max(self.pause)).ok()?;
        let patience = every.saturating_add(lasted).saturating_mul(INTERVALS);
        Some(patience.max(AT_LEAST))
    }
}

/// How the checkpoints of a job that runs `since` are doing: they fail as long as the newest that ended is a
/// failed one, and are overdue if there is none for several intervals or it failed for taking too long.
pub fn of(
    read: &Result<Option<CheckpointStatistics>, RestError>,
    rhythm: &Rhythm,
    (since, now): (Option<Timestamp>, Timestamp),
) -> CheckpointHealth {
    let statistics = match read {
        Ok(Some(statistics)) => statistics,
        Ok(None) => return CheckpointHealth::Disabled,
        Err(error) => return CheckpointHealth::Unknown(error.to_string()),
    };
    let taken = [&statistics.completed, &statistics.savepoint];
    let good = taken.into_iter().flatten().max_by_key(|good| good.id);
    match &statistics.failed {
        Some(failed) if good.is_none_or(|good| failed.id > good.id) => {
            let why = failed.failure.as_deref().unwrap_or("Flink gives no cause");
            let text = format!("checkpoint {}: {why}", failed.id);
            match since
                .max(good.and_then(ended))
                .filter(|_| why.contains(EXPIRED))
            {
                Some(since) => CheckpointHealth::Overdue { since, why: text },
                None => CheckpointHealth::Failing(text),
            }
        }
        _ => overdue(good, rhythm, (since, now)),
    }
}

fn overdue(
    newest: Option<&Checkpoint>,
    rhythm: &Rhythm,
    (since, now): (Option<Timestamp>, Timestamp),
) -> CheckpointHealth {
    let lasted = newest.map_or(SignedDuration::ZERO, |newest| {
        SignedDuration::from_millis(newest.duration_ms.max(0))
    });
    let (Some(patience), Some(from)) = (rhythm.patience(lasted), since.max(newest.and_then(ended)))
    else {
        return CheckpointHealth::Ok;
    };
    let waited = now.duration_since(from);
    if waited <= patience {
        return CheckpointHealth::Ok;
    }
    let every = rhythm.interval.unwrap_or_default().as_secs_f64();
    CheckpointHealth::Overdue {
        since: from,
        why: format!(
            "none has completed for {} min, though one is due every {every} s",
            waited.as_mins()
        ),
    }
}

/// When a checkpoint was complete.
fn ended(checkpoint: &Checkpoint) -> Option<Timestamp> {
    Timestamp::from_millisecond(checkpoint.acknowledged_ms).ok()
}

/// Whether a savepoint is being written, which a rescale would abort.
pub fn savepoint_in_progress(statistics: Option<&CheckpointStatistics>) -> bool {
    let mut history = statistics.iter().flat_map(|statistics| &statistics.history);
    history.any(|checkpoint| {
        checkpoint.is_savepoint && checkpoint.state == CheckpointState::InProgress
    })
}

/// How often the job failed of late. One that runs for long has not, and is not asked.
pub async fn recent_failures(
    client: &FlinkClient,
    job: &str,
    (since, now): (Option<Timestamp>, Timestamp),
) -> usize {
    if since.is_some_and(|since| now.duration_since(since) > RECENT) {
        return 0;
    }
    // What cannot be read adds nothing: a job that restarts now is seen by its state.
    let exceptions = client.exceptions(job, FAILURES).await.unwrap_or_default();
    let recent =
        |ms: i64| Timestamp::from_millisecond(ms).is_ok_and(|at| now.duration_since(at) <= RECENT);
    exceptions
        .iter()
        .filter(|exception| recent(exception.timestamp_ms))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::Location;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(NOW + second).unwrap()
    }

    /// A checkpoint that ended at this second, after five.
    fn checkpoint(id: u64, second: i64) -> Checkpoint {
        Checkpoint {
            id,
            state: CheckpointState::Completed,
            is_savepoint: false,
            location: Location::Unknown,
            discarded: false,
            triggered_ms: (NOW + second - 5) * 1000,
            acknowledged_ms: (NOW + second) * 1000,
            duration_ms: 5000,
            state_size: 0,
            failure: None,
        }
    }

    fn health(completed: Option<Checkpoint>, interval: &str, since: i64) -> CheckpointHealth {
        let statistics = CheckpointStatistics {
            completed,
            ..CheckpointStatistics::default()
        };
        let config: FlinkConfig = [(flink::CHECKPOINT_INTERVAL.key, interval)]
            .into_iter()
            .collect();
        of(
            &Ok(Some(statistics)),
            &Rhythm::of(&config),
            (Some(at(since)), at(0)),
        )
    }

    #[test]
    fn checkpoints_that_do_not_complete_for_three_intervals_are_overdue() {
        let overdue = |health| matches!(health, CheckpointHealth::Overdue { .. });
        // Three times a minute and five seconds.
        assert!(!overdue(health(Some(checkpoint(7, -195)), "1 min", -9000)));
        assert!(overdue(health(Some(checkpoint(7, -196)), "1 min", -9000)));
        // Since the job runs, if none ever did.
        assert!(!overdue(health(None, "1 min", -180)));
        assert!(overdue(health(None, "1 min", -181)));
        // Not within a minute, however often one is due.
        assert!(!overdue(health(None, "1 s", -60)));
        // Where the configuration does not say how often, nothing is due.
        assert!(!overdue(health(None, "0 s", -9000)));
        assert_eq!(
            health(Some(checkpoint(7, -660)), "1 min", -9000),
            CheckpointHealth::Overdue {
                since: at(-660),
                why: "none has completed for 11 min, though one is due every 60 s".to_owned()
            }
        );
    }

    #[test]
    fn a_failure_counts_until_something_newer_completes() {
        let read = |good: u64| {
            let statistics = CheckpointStatistics {
                savepoint: Some(checkpoint(good, -1)),
                failed: Some(Checkpoint {
                    failure: Some("expired".to_owned()),
                    ..checkpoint(5, -1)
                }),
                ..CheckpointStatistics::default()
            };
            of(&Ok(Some(statistics)), &Rhythm::default(), (None, at(0)))
        };
        assert_eq!(
            read(4),
            CheckpointHealth::Failing("checkpoint 5: expired".to_owned())
        );
        assert_eq!(read(6), CheckpointHealth::Ok);
    }

    #[test]
    fn only_a_savepoint_under_way_is_in_the_way() {
        let with = |state, is_savepoint| {
            let history = vec![Checkpoint {
                state,
                is_savepoint,
                ..checkpoint(1, 0)
            }];
            savepoint_in_progress(Some(&CheckpointStatistics {
                history,
                ..CheckpointStatistics::default()
            }))
        };
        assert!(with(CheckpointState::InProgress, true));
        assert!(!with(CheckpointState::InProgress, false));
        assert!(!with(CheckpointState::Completed, true));
        assert!(!savepoint_in_progress(None));
    }
}
