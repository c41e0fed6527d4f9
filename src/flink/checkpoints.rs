//! Checkpoints: statistics, and taking one on demand.

use std::ops::RangeInclusive;

use serde_json::json;

use super::cause::Failure;
use super::client::{Call, FlinkClient, escaped};
use super::{RestError, wire};

const STATUS: &str = "GET /jobs/:job/checkpoints/:trigger";
/// Flink's answer, with 404, for a job that takes none.
const NOT_ENABLED: &str = "Checkpointing has not been enabled";
/// What Flink writes instead of a path for a checkpoint kept in the JobManager's memory.
const NOT_ADDRESSABLE: &str = "<checkpoint-not-externally-addressable>";

/// Checkpoints of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointStatistics {
    /// How many.
    pub counts: CheckpointCounts,
    /// The newest completed checkpoint.
    pub completed: Option<Checkpoint>,
    /// The newest completed savepoint.
    pub savepoint: Option<Checkpoint>,
    /// The newest failed one.
    pub failed: Option<Checkpoint>,
    /// The one the job last started from.
    pub restored: Option<Restored>,
    /// The newest ones of any state, newest first.
    pub history: Vec<Checkpoint>,
}

impl CheckpointStatistics {
    /// Where the newest state of the job is: of restored, completed and savepoint the one with the
    /// highest id.
    pub fn newest(&self) -> Option<&Location> {
        let restored = self
            .restored
            .iter()
            .map(|restored| (restored.id, &restored.location));
        let taken = [&self.completed, &self.savepoint].into_iter().flatten();
        restored
            .chain(taken.map(|checkpoint| (checkpoint.id, &checkpoint.location)))
            .max_by_key(|(id, _)| *id)
            .map(|(_, location)| location)
    }

    /// Where the savepoint is that was triggered in this time (milliseconds since the epoch), if there is
    /// exactly one.
    pub fn only_savepoint_of(&self, triggered: &RangeInclusive<i64>) -> Option<&str> {
        let mut found = self.history.iter().filter(|checkpoint| {
            checkpoint.is_savepoint
                && checkpoint.state == CheckpointState::Completed
                && triggered.contains(&checkpoint.triggered_ms)
        });
        match (found.next(), found.next()) {
            (Some(only), None) => only.location.path(),
            _ => None,
        }
    }

    /// When the oldest checkpoint now in progress was triggered, in milliseconds since the epoch.
    pub fn pending_since_ms(&self) -> Option<i64> {
        self.history
            .iter()
            .filter(|checkpoint| checkpoint.state == CheckpointState::InProgress)
            .map(|checkpoint| checkpoint.triggered_ms)
            .min()
    }
}

/// Numbers of checkpoints since the JobManager started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointCounts {
    /// Restores.
    pub restored: u64,
    /// Triggered.
    pub total: u64,
    /// Under way.
    pub in_progress: u64,
    /// Completed.
    pub completed: u64,
    /// Failed.
    pub failed: u64,
}

/// One checkpoint or savepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number; grows with each one.
    pub id: u64,
    /// How it stands.
    pub state: CheckpointState,
    /// It is a savepoint.
    pub is_savepoint: bool,
    /// Where it is.
    pub location: Location,
    /// Flink has deleted its files.
    pub discarded: bool,
    /// When it was triggered, in milliseconds since the epoch.
    pub triggered_ms: i64,
    /// When the last task acknowledged it, in milliseconds since the epoch.
    pub acknowledged_ms: i64,
    /// From trigger to end, in milliseconds.
    pub duration_ms: i64,
    /// Size of the state, in bytes.
    pub state_size: i64,
    /// Why it failed.
    pub failure: Option<String>,
}

/// How a checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointState {
    /// Under way.
    InProgress,
    /// Usable.
    Completed,
    /// Given up.
    Failed,
}

/// Where the state of a checkpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In durable storage, at this path.
    Path(String),
    /// In the memory of the JobManager; it ends with it.
    NotAddressable,
    /// Not told; there is none unless it is completed.
    Unknown,
}

impl Location {
    /// The path, if there is one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Path(path) => Some(path),
            Self::NotAddressable | Self::Unknown => None,
        }
    }

    fn of(path: Option<String>) -> Self {
        match path {
            Some(path) if path == NOT_ADDRESSABLE => Self::NotAddressable,
            Some(path) if !path.is_empty() => Self::Path(path),
            _ => Self::Unknown,
        }
    }
}

/// The checkpoint a job started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its number.
    pub id: u64,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// It was a savepoint.
    pub is_savepoint: bool,
    /// Where it is.
    pub location: Location,
}

/// How a checkpoint asked for by us stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointProgress {
    /// Under way.
    InProgress,
    /// Complete, with this number.
    Completed(u64),
    /// Given up.
    Failed(Failure),
}

impl FlinkClient {
    /// Statistics of the job's checkpoints; `None` if the job takes none.
    pub async fn checkpoints(&self, job: &str) -> Result<Option<CheckpointStatistics>, RestError> {
        let target = format!("/jobs/{}/checkpoints", escaped(job));
        match self
            .call(Call::get("GET /jobs/:job/checkpoints", target))
            .await
        {
            Ok(answer) => Ok(Some(statistics(answer))),
            Err(error) if error.is_not_found() && error.message.contains(NOT_ENABLED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Take a checkpoint (Flink 1.17 and up): `trigger` is our id of the request (32 hex digits),
    /// `kind` `CONFIGURED`, `FULL` or `INCREMENTAL`. Poll [`checkpoint`](Self::checkpoint).
    pub async fn trigger_checkpoint(
        &self,
        job: &str,
        trigger: &str,
        kind: &str,
    ) -> Result<(), RestError> {
        let target = format!("/jobs/{}/checkpoints", escaped(job));
        let body = json!({ "checkpointType": kind, "triggerId": trigger });
        self.call_without_answer(Call::post("POST /jobs/:job/checkpoints", target, body))
            .await
    }

    /// How the checkpoint with this trigger id stands; [`NotFound`](super::Category::NotFound) if
    /// Flink does not know the id.
    pub async fn checkpoint(
        &self,
        job: &str,
        trigger: &str,
    ) -> Result<CheckpointProgress, RestError> {
        let target = format!("/jobs/{}/checkpoints/{}", escaped(job), escaped(trigger));
        let answer: wire::Operation<wire::CheckpointResult> =
            self.call(Call::get(STATUS, target)).await?;
        match (answer.status.id.as_str(), answer.operation) {
            ("IN_PROGRESS", _) => Ok(CheckpointProgress::InProgress),
            (
                "COMPLETED",
                Some(wire::CheckpointResult {
                    checkpoint_id: Some(id),
                    ..
                }),
            ) => Ok(CheckpointProgress::Completed(id)),
            (
                "COMPLETED",
                Some(wire::CheckpointResult {
                    failure_cause: Some(cause),
                    ..
                }),
            ) => Ok(CheckpointProgress::Failed(Failure::of(cause))),
            (status, _) => Err(self.without_result(STATUS, status)),
        }
    }

    /// Where the checkpoint with this number is that was found complete. Flink remembers only the newest ones
    /// (`web.checkpoints.history`): [`NotFound`](super::Category::NotFound) for one it has forgotten. Its statistics
    /// are renewed from time to time (`web.refresh-interval`): absent as long as they are older than the end of the
    /// checkpoint.
    pub async fn checkpoint_location(
        &self,
        job: &str,
        id: u64,
    ) -> Result<Option<Location>, RestError> {
        let target = format!("/jobs/{}/checkpoints/details/{id}", escaped(job));
        let answer: Result<wire::Checkpoint, _> = self
            .call(Call::get("GET /jobs/:job/checkpoints/details/:id", target))
            .await;
        match answer.map(Checkpoint::from) {
            Ok(checkpoint) if checkpoint.state == CheckpointState::InProgress => Ok(None),
            Ok(checkpoint) => Ok(Some(checkpoint.location)),
            Err(error) if error.is_not_found() => {
                let statistics = self.checkpoints(job).await?.unwrap_or_default();
                let newest = statistics.history.iter().map(|known| known.id).max();
                if newest.is_some_and(|newest| newest >= id) {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(error),
        }
    }
}

fn statistics(answer: wire::Checkpoints) -> CheckpointStatistics {
    let wire::Checkpoints {
        counts,
        latest,
        history,
    } = answer;
    CheckpointStatistics {
        counts: CheckpointCounts {
            restored: counts.restored,
            total: counts.total,
            in_progress: counts.in_progress,
            completed: counts.completed,
            failed: counts.failed,
        },
        completed: latest.completed.map(Checkpoint::from),
        savepoint: latest.savepoint.map(Checkpoint::from),
        failed: latest.failed.map(Checkpoint::from),
        restored: latest.restored.map(|restored| Restored {
            id: restored.id,
            at_ms: restored.restore_timestamp,
            is_savepoint: restored.is_savepoint,
            location: Location::of(restored.external_path),
        }),
        history: history.into_iter().map(Checkpoint::from).collect(),
    }
}

impl From<wire::Checkpoint> for Checkpoint {
    fn from(checkpoint: wire::Checkpoint) -> Self {
        Self {
            id: checkpoint.id,
            state: match checkpoint.status.as_str() {
                "COMPLETED" => CheckpointState::Completed,
                "IN_PROGRESS" => CheckpointState::InProgress,
                _ => CheckpointState::Failed,
            },
            is_savepoint: checkpoint.is_savepoint,
            location: Location::of(checkpoint.external_path),
            discarded: checkpoint.discarded,
            triggered_ms: checkpoint.trigger_timestamp,
            acknowledged_ms: checkpoint.latest_ack_timestamp,
            duration_ms: checkpoint.end_to_end_duration,
            state_size: checkpoint.state_size,
            failure: checkpoint.failure_message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(id: u64, path: &str) -> Checkpoint {
        Checkpoint {
            id,
            state: CheckpointState::Completed,
            is_savepoint: false,
            location: Location::of(Some(path.to_owned())),
            discarded: false,
            triggered_ms: 0,
            acknowledged_ms: 0,
            duration_ms: 0,
            state_size: 0,
            failure: None,
        }
    }

    #[test]
    fn the_newest_state_has_the_highest_id() {
        let mut statistics = CheckpointStatistics {
            completed: Some(checkpoint(11, "/chk-11")),
            savepoint: Some(checkpoint(9, "/sp-9")),
            ..CheckpointStatistics::default()
        };
        assert_eq!(
            statistics.newest().and_then(Location::path),
            Some("/chk-11")
        );
        statistics.restored = Some(Restored {
            id: 12,
            at_ms: 0,
            is_savepoint: true,
            location: Location::Path("/sp-12".to_owned()),
        });
        assert_eq!(statistics.newest().and_then(Location::path), Some("/sp-12"));
        assert_eq!(CheckpointStatistics::default().newest(), None);
    }

    #[test]
    fn a_checkpoint_in_memory_has_no_path() {
        assert_eq!(
            checkpoint(1, NOT_ADDRESSABLE).location,
            Location::NotAddressable
        );
        assert_eq!(Location::of(Some(String::new())), Location::Unknown);
    }
}
