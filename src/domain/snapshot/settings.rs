//! Options about snapshots of a job, typed.
//!
//! The rule: a schedule that cannot be understood is none, as with the Java operator; `Desired` advises of it.

use std::time::Duration;

use flink_crds::CheckpointType;

use super::SnapshotKind;
use super::terms::text;
use crate::config::{Blackout, ConfigError, FlinkConfig, Schedule, flink, options};

/// Options about snapshots of a job.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one documented option of its own"
)]
pub struct SnapshotSettings {
    /// Snapshots are resources, where their kind is installed.
    pub resources: bool,
    /// When savepoints are taken.
    savepoints: Schedule,
    /// When checkpoints are taken.
    checkpoints: Schedule,
    /// When none are taken by schedule.
    pub blackout: Blackout,
    /// Type of checkpoints taken on demand.
    pub checkpoint_type: String,
    /// How long a failed savepoint is tried again, without resources.
    savepoint_grace: Duration,
    /// How long a failed checkpoint is tried again, without resources.
    checkpoint_grace: Duration,
    /// Old snapshots are removed.
    pub cleanup: bool,
    /// So many savepoints are kept.
    savepoints_kept: usize,
    /// So many checkpoint resources are kept: as many as Flink keeps files of.
    checkpoints_kept: usize,
    /// So long savepoints are kept.
    pub max_age: Duration,
    /// Deleting a snapshot resource of ours deletes its files.
    pub dispose: bool,
    /// A change of the job does not wait for a savepoint under way.
    pub ignore_pending: bool,
}

impl SnapshotSettings {
    /// Read them.
    pub fn read(config: &FlinkConfig) -> Result<Self, ConfigError> {
        let schedule = |option| config.get(option).ok().flatten().unwrap_or(Schedule::Off);
        let count = |number: i32| usize::try_from(number).unwrap_or_default().max(1);
        Ok(Self {
            resources: config.get(&options::SNAPSHOT_RESOURCE_ENABLED)?,
            savepoints: schedule(&options::PERIODIC_SAVEPOINT_INTERVAL),
            checkpoints: schedule(&options::PERIODIC_CHECKPOINT_INTERVAL),
            blackout: config
                .get(&options::PERIODIC_BLACKOUT_PERIODS)?
                .unwrap_or_default(),
            checkpoint_type: text::<CheckpointType>(&config.get(&options::CHECKPOINT_TYPE)?),
            savepoint_grace: config.get(&options::SAVEPOINT_TRIGGER_GRACE_PERIOD)?,
            checkpoint_grace: config.get(&options::CHECKPOINT_TRIGGER_GRACE_PERIOD)?,
            cleanup: config.get(&options::SAVEPOINT_CLEANUP_ENABLED)?,
            savepoints_kept: count(config.get(&options::SAVEPOINT_HISTORY_MAX_COUNT)?),
            checkpoints_kept: count(config.get(&flink::CHECKPOINTS_RETAINED)?),
            max_age: config.get(&options::SAVEPOINT_HISTORY_MAX_AGE)?,
            dispose: config.get(&options::SAVEPOINT_DISPOSE_ON_DELETE)?,
            ignore_pending: config.get(&options::UPGRADE_IGNORE_PENDING_SAVEPOINT)?,
        })
    }

    /// Hold count and age to the limits that the operator's own configuration sets for all jobs.
    #[must_use]
    pub fn within(mut self, operator: &FlinkConfig) -> Self {
        if let Ok(Some(most)) = operator.get(&options::SAVEPOINT_HISTORY_MAX_COUNT_THRESHOLD) {
            let most = usize::try_from(most).unwrap_or_default().max(1);
            self.savepoints_kept = self.savepoints_kept.min(most);
        }
        if let Ok(Some(longest)) = operator.get(&options::SAVEPOINT_HISTORY_MAX_AGE_THRESHOLD) {
            self.max_age = self.max_age.min(longest);
        }
        self
    }

    /// When snapshots of this kind are taken.
    pub fn schedule(&self, kind: SnapshotKind) -> &Schedule {
        match kind {
            SnapshotKind::Savepoint => &self.savepoints,
            SnapshotKind::Checkpoint => &self.checkpoints,
        }
    }

    /// How long a failed one is tried again, without resources.
    pub fn grace(&self, kind: SnapshotKind) -> Duration {
        match kind {
            SnapshotKind::Savepoint => self.savepoint_grace,
            SnapshotKind::Checkpoint => self.checkpoint_grace,
        }
    }

    /// How many are kept.
    pub fn kept(&self, kind: SnapshotKind) -> usize {
        match kind {
            SnapshotKind::Savepoint => self.savepoints_kept,
            SnapshotKind::Checkpoint => self.checkpoints_kept,
        }
    }
}
