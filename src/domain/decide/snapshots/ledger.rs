//! What the status holds about snapshots, in the Java operator's two sets of fields, read and written alike.
//!
//! The rule: times are milliseconds since the epoch; nothing recorded is the same as zero.

use flink_crds::{
    Checkpoint, CheckpointType, FlinkDeploymentStatus, Savepoint, SavepointFormatType,
    SnapshotTriggerType,
};
use jiff::Timestamp;

use crate::domain::draft::Draft;
use crate::domain::snapshot::SnapshotKind;

/// A snapshot that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// When it was wanted.
    pub at: i64,
    /// Why.
    pub why: SnapshotTriggerType,
    /// Flink's request for it, where snapshots are no resources.
    pub id: Option<String>,
    /// Format of a savepoint.
    pub format: Option<SavepointFormatType>,
}

impl Trigger {
    /// One that is wanted now.
    pub fn new(now: Timestamp, why: SnapshotTriggerType) -> Self {
        Self {
            at: now.as_millisecond(),
            why,
            id: None,
            format: None,
        }
    }
}

/// The snapshot that is recorded as wanted.
pub fn trigger(status: &FlinkDeploymentStatus, kind: SnapshotKind) -> Option<Trigger> {
    let job = status.job_status.as_ref()?;
    let (at, why, id, format) = match kind {
        SnapshotKind::Savepoint => {
            let info = job.savepoint_info.as_ref()?;
            let (at, why) = (info.trigger_timestamp, info.trigger_type);
            (at, why, &info.trigger_id, info.format_type)
        }
        SnapshotKind::Checkpoint => {
            let info = job.checkpoint_info.as_ref()?;
            (
                info.trigger_timestamp,
                info.trigger_type,
                &info.trigger_id,
                None,
            )
        }
    };
    Some(Trigger {
        at: at.filter(|at| *at > 0)?,
        why: why.unwrap_or(SnapshotTriggerType::Unknown),
        id: id.clone().filter(|id| !id.is_empty()),
        format,
    })
}

/// Record that a snapshot is wanted, or that none is.
pub fn record(draft: &mut Draft, kind: SnapshotKind, trigger: Option<&Trigger>) {
    let at = trigger.map(|trigger| trigger.at);
    let why = trigger.map(|trigger| trigger.why);
    let id = trigger.and_then(|trigger| trigger.id.clone());
    match kind {
        SnapshotKind::Savepoint => {
            let info = draft.job().savepoint_info.get_or_insert_default();
            info.trigger_timestamp = at;
            info.trigger_type = why;
            info.trigger_id = id;
            info.format_type = trigger.and_then(|trigger| trigger.format);
        }
        SnapshotKind::Checkpoint => {
            let info = draft.job().checkpoint_info.get_or_insert_default();
            info.trigger_timestamp = at;
            info.trigger_type = why;
            info.trigger_id = id;
        }
    }
}

/// Record that none is wanted any more. `native_only` is that savepoints of this job are known to need the native format,
/// which is remembered as an unknown format of none.
pub fn close(draft: &mut Draft, kind: SnapshotKind, native_only: bool) {
    record(draft, kind, None);
    if native_only && kind == SnapshotKind::Savepoint {
        let info = draft.job().savepoint_info.get_or_insert_default();
        info.format_type = Some(SavepointFormatType::Unknown);
    }
}

/// Whether savepoints of this job are known to need the native format.
pub fn native_only(status: &FlinkDeploymentStatus) -> bool {
    let job = status.job_status.as_ref();
    let info = job.and_then(|job| job.savepoint_info.as_ref());
    info.is_some_and(|info| info.format_type == Some(SavepointFormatType::Unknown))
}

/// When the last one by schedule was wanted.
pub fn last_periodic(status: &FlinkDeploymentStatus, kind: SnapshotKind) -> Option<Timestamp> {
    let job = status.job_status.as_ref()?;
    let at = match kind {
        SnapshotKind::Savepoint => {
            let info = job.savepoint_info.as_ref()?;
            info.last_periodic_savepoint_timestamp
        }
        SnapshotKind::Checkpoint => {
            let info = job.checkpoint_info.as_ref()?;
            info.last_periodic_checkpoint_timestamp
        }
    };
    let at = at.filter(|at| *at > 0)?;
    Timestamp::from_millisecond(at).ok()
}

/// One by schedule is wanted now.
pub fn set_last_periodic(draft: &mut Draft, kind: SnapshotKind, now: Timestamp) {
    let at = Some(now.as_millisecond());
    let job = draft.job();
    match kind {
        SnapshotKind::Savepoint => {
            let info = job.savepoint_info.get_or_insert_default();
            info.last_periodic_savepoint_timestamp = at;
        }
        SnapshotKind::Checkpoint => {
            let info = job.checkpoint_info.get_or_insert_default();
            info.last_periodic_checkpoint_timestamp = at;
        }
    }
}

/// A completed savepoint.
pub fn savepoint(
    at: Timestamp,
    path: &str,
    why: SnapshotTriggerType,
    format: SavepointFormatType,
    nonce: Option<i64>,
) -> Savepoint {
    Savepoint {
        time_stamp: Some(at.as_millisecond()),
        location: Some(path.to_owned()),
        trigger_type: Some(why),
        format_type: Some(format),
        trigger_nonce: nonce,
    }
}

/// Where the last savepoint is.
pub fn last_location(status: &FlinkDeploymentStatus) -> Option<String> {
    let info = status.job_status.as_ref()?.savepoint_info.as_ref()?;
    info.last_savepoint.as_ref()?.location.clone()
}

/// This is the last savepoint.
pub fn last(draft: &mut Draft, savepoint: Savepoint) {
    let info = draft.job().savepoint_info.get_or_insert_default();
    info.last_savepoint = Some(savepoint);
}

/// This is the last savepoint, and part of the history.
pub fn remember(draft: &mut Draft, savepoint: Savepoint) {
    let info = draft.job().savepoint_info.get_or_insert_default();
    info.savepoint_history
        .get_or_insert_default()
        .push(savepoint.clone());
    info.last_savepoint = Some(savepoint);
}

/// This is the last checkpoint taken on demand.
pub fn last_checkpoint(draft: &mut Draft, trigger: &Trigger, kind: &str, nonce: Option<i64>) {
    let checkpoint = Checkpoint {
        time_stamp: Some(trigger.at),
        trigger_type: Some(trigger.why),
        format_type: Some(match kind {
            "INCREMENTAL" => CheckpointType::Incremental,
            _ => CheckpointType::Full,
        }),
        trigger_nonce: nonce,
    };
    let info = draft.job().checkpoint_info.get_or_insert_default();
    info.last_checkpoint = Some(checkpoint);
}
