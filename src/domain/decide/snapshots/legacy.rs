//! Snapshots kept in the status alone, where their resources are off or not installed.
//!
//! The rule: as everywhere, the trigger id is recorded before Flink is asked.

use std::time::Duration;

use flink_crds::{FlinkDeploymentStatus, SavepointFormatType, SnapshotTriggerType};
use jiff::Timestamp;

use super::ledger::{self, Trigger};
use crate::domain::draft::Draft;
use crate::domain::snapshot::{
    FORMAT_UNSUPPORTED, SnapshotKind, SnapshotProgress, SnapshotRequest,
};
use crate::domain::{Component, Desired, Observed, Reason, Sighting, Step, Waiting};

/// The request to Flink that is recorded, savepoints first.
pub fn recorded_trigger(status: &FlinkDeploymentStatus) -> Option<(SnapshotKind, String)> {
    let of = |kind| ledger::trigger(status, kind)?.id.map(|id| (kind, id));
    super::KINDS.into_iter().find_map(of)
}

/// See how the recorded request stands.
pub fn proceed(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    kind: SnapshotKind,
    trigger: &Trigger,
) {
    let looked_at = recorded_trigger(&draft.status).is_some_and(|(first, _)| first == kind);
    if !looked_at {
        // The other kind comes first; this one is looked at when that is done.
        return;
    }
    let soon = desired.settings.progress_interval;
    match &observed.snapshot {
        Sighting::Seen(SnapshotProgress::InProgress) => draft.wait(Waiting::Savepoint, soon),
        Sighting::Seen(SnapshotProgress::Completed(path)) => {
            let nonce = nonce(draft, kind, trigger);
            if let (SnapshotKind::Savepoint, Some(path)) = (kind, path) {
                let format = trigger.format.unwrap_or(SavepointFormatType::Canonical);
                let at = Timestamp::from_millisecond(trigger.at).unwrap_or(observed.now);
                let savepoint = ledger::savepoint(at, path, trigger.why, format, nonce);
                ledger::remember(draft, savepoint);
            } else {
                let kind = &desired.settings.snapshots.checkpoint_type;
                ledger::last_checkpoint(draft, trigger, kind, nonce);
            }
            super::close(draft, desired, kind, trigger);
        }
        Sighting::Seen(SnapshotProgress::Failed {
            cause,
            format_unsupported: true,
        }) if kind == SnapshotKind::Savepoint => wrong_format(draft, desired, cause),
        Sighting::Seen(SnapshotProgress::Failed { cause, .. }) => {
            failed(draft, desired, observed, (kind, trigger), cause);
        }
        Sighting::Absent => ask(draft, desired, observed, kind, trigger),
        Sighting::Unknown(_) if !draft.job_runs() && observed.job_manager.is_absent() => {
            // Who knew how it stands is gone.
            failed(
                draft,
                desired,
                observed,
                (kind, trigger),
                "the job does not run",
            );
        }
        Sighting::Unknown(_) => draft.look_again_in(soon),
    }
}

/// The nonce that asked for it.
fn nonce(draft: &Draft, kind: SnapshotKind, trigger: &Trigger) -> Option<i64> {
    let recorded = draft.deployed()?;
    let job = recorded.job()?;
    let nonce = match kind {
        SnapshotKind::Savepoint => job.savepoint_trigger_nonce,
        SnapshotKind::Checkpoint => job.checkpoint_trigger_nonce,
    };
    nonce.filter(|_| trigger.why == SnapshotTriggerType::Manual)
}

/// Flink does not know the request yet.
fn ask(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    kind: SnapshotKind,
    trigger: &Trigger,
) {
    let Some(job) = draft.job_id().filter(|_| draft.job_runs()) else {
        return failed(
            draft,
            desired,
            observed,
            (kind, trigger),
            "the job does not run",
        );
    };
    let format = match (kind, trigger.format) {
        (SnapshotKind::Checkpoint, _) => desired.settings.snapshots.checkpoint_type.clone(),
        (_, Some(SavepointFormatType::Native)) => "NATIVE".to_owned(),
        _ => "CANONICAL".to_owned(),
    };
    draft.step(Step::TakeSnapshot(SnapshotRequest {
        address: desired.address(),
        job,
        trigger: trigger.id.clone().unwrap_or_default(),
        kind,
        directory: desired.settings.savepoint_directory.clone(),
        format,
    }));
    draft.wait(Waiting::Savepoint, desired.settings.progress_interval);
}

/// Try again for a while, then give up and say so.
fn failed(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    (kind, trigger): (SnapshotKind, &Trigger),
    cause: &str,
) {
    let since = observed.now.as_millisecond().saturating_sub(trigger.at);
    let since = Duration::from_millis(u64::try_from(since).unwrap_or_default());
    if draft.job_runs() && since < desired.settings.snapshots.grace(kind) {
        let mut again = trigger.clone();
        again.id = Some(observed.fresh.trigger.clone());
        ledger::record(draft, kind, Some(&again));
        return draft.wait(Waiting::Savepoint, desired.settings.progress_interval);
    }
    let reason = match kind {
        SnapshotKind::Savepoint => Reason::SavepointError,
        SnapshotKind::Checkpoint => Reason::CheckpointError,
    };
    let text = format!("The {} failed: {cause}", kind.as_str());
    draft.warn(Component::Job, reason, text);
    super::close(draft, desired, kind, trigger);
}

/// The format cannot hold the state, and the attempt has restarted the job: it is not tried again.
fn wrong_format(draft: &mut Draft, desired: &Desired, cause: &str) {
    let remedy = if desired.settings.savepoint_format_chosen {
        "Set kubernetes.operator.savepoint.format.type: NATIVE, or remove the key"
    } else {
        "The next ones are taken in the NATIVE format"
    };
    let text = format!("{FORMAT_UNSUPPORTED}: {cause}. {remedy}");
    draft.warn(Component::Job, Reason::SavepointError, text);
    ledger::close(draft, SnapshotKind::Savepoint, true);
}
