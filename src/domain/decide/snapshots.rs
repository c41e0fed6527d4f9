//! Snapshots of a running job: asked for by a nonce, by a schedule, or taken by an upgrade.
//!
//! The rule: that a snapshot is wanted is recorded in the status first, in the fields of the Java operator;
//! it is made under a name or trigger id that follows from the record, so that a process that dies in
//! between makes it once. At most one of a kind is recorded at a time.

mod history;
mod ledger;
mod legacy;

use flink_crds::{
    CheckpointSpec, FlinkStateSnapshotSpec, FlinkVersion, JobKind, JobReference,
    SavepointFormatType, SavepointSpec, SnapshotState, SnapshotTriggerType,
};

use ledger::Trigger;
pub use legacy::recorded_trigger;

use super::AT_ONCE;
use crate::config::Schedule;
use crate::domain::draft::Draft;
use crate::domain::snapshot::{FORMAT_UNSUPPORTED, SnapshotKind, SnapshotView, labels};
use crate::domain::{Component, Desired, NewSnapshot, Observed, Reason, Sighting, Step, Waiting};

const KINDS: [SnapshotKind; 2] = [SnapshotKind::Savepoint, SnapshotKind::Checkpoint];

/// Carry on with what is recorded, whatever else the pass does.
pub fn proceed(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    for kind in KINDS {
        match ledger::trigger(&draft.status, kind) {
            Some(trigger) if trigger.id.is_some() => {
                legacy::proceed(draft, desired, observed, kind, &trigger);
            }
            Some(trigger) => make(draft, desired, observed, kind, &trigger),
            None => {}
        }
    }
}

/// The job is at rest: record what is due, and let go of what is old.
pub fn look_after(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if !draft.job_runs() || !desired.is_application() {
        return;
    }
    for kind in KINDS {
        if ledger::trigger(&draft.status, kind).is_none() {
            let asked = by_nonce(draft, desired, observed, kind);
            if !asked {
                by_schedule(draft, desired, observed, kind);
            }
        }
    }
    if desired.settings.snapshots.cleanup {
        history::clean(draft, desired, observed);
    }
}

/// A change of the job waits for a savepoint that is being written, unless the user wants otherwise.
pub fn in_the_way(draft: &mut Draft, desired: &Desired, observed: &Observed) -> bool {
    if desired.settings.snapshots.ignore_pending {
        return false;
    }
    let kind = SnapshotKind::Savepoint;
    let recorded = ledger::trigger(&draft.status, kind).is_some_and(|trigger| trigger.id.is_some());
    let being_written = |view: &SnapshotView| {
        view.kind == kind && view.state == SnapshotState::InProgress && !view.deleting
    };
    let views = observed.snapshots.seen();
    let under_way = recorded || views.is_some_and(|views| views.iter().any(being_written));
    if under_way && draft.job_runs() {
        draft.wait(Waiting::Savepoint, desired.settings.progress_interval);
        return true;
    }
    false
}

/// A savepoint was taken by an upgrade: it belongs to the job's snapshots.
pub fn taken_by_upgrade(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    path: &str,
    format: &str,
) {
    let format = format_type(format);
    let kind = SnapshotKind::Savepoint;
    let savepoint = ledger::savepoint(
        observed.now,
        path,
        SnapshotTriggerType::Upgrade,
        format,
        None,
    );
    let mut trigger = Trigger::new(observed.now, SnapshotTriggerType::Upgrade);
    trigger.format = Some(format);
    if as_resources(desired, observed) {
        ledger::record(draft, kind, Some(&trigger));
        ledger::last(draft, savepoint);
    } else {
        ledger::remember(draft, savepoint);
        close(draft, desired, kind, &trigger);
    }
}

/// The format that a savepoint of an upgrade has to have, if that was seen and is not what the user chose.
pub fn needed_format(draft: &Draft, desired: &Desired, observed: &Observed) -> Option<String> {
    let native =
        !desired.settings.savepoint_format_chosen && canonical_is_impossible(draft, observed);
    native.then(|| "NATIVE".to_owned())
}

/// Whether it was seen that the job's state cannot be written in the canonical format.
fn canonical_is_impossible(draft: &Draft, observed: &Observed) -> bool {
    let views = observed.snapshots.seen();
    ledger::native_only(&draft.status)
        || views.is_some_and(|views| views.iter().any(|view| view.format_unsupported))
}

/// Record that what was wanted is done with. A native format that nobody chose was the only one possible.
fn close(draft: &mut Draft, desired: &Desired, kind: SnapshotKind, trigger: &Trigger) {
    let native = trigger.format == Some(SavepointFormatType::Native);
    ledger::close(
        draft,
        kind,
        native && !desired.settings.savepoint_format_chosen,
    );
}

fn as_resources(desired: &Desired, observed: &Observed) -> bool {
    desired.settings.snapshots.resources && !observed.snapshots.is_absent()
}

/// The user changed the nonce of this kind.
fn by_nonce(draft: &mut Draft, desired: &Desired, observed: &Observed, kind: SnapshotKind) -> bool {
    let nonce = |job: Option<&flink_crds::JobSpec>| {
        job.and_then(|job| match kind {
            SnapshotKind::Savepoint => job.savepoint_trigger_nonce,
            SnapshotKind::Checkpoint => job.checkpoint_trigger_nonce,
        })
    };
    let asked = nonce(desired.spec.job.as_ref());
    let known = draft.deployed().and_then(|recorded| nonce(recorded.job()));
    if asked.is_none() || asked == known || !desired.violations.is_empty() {
        return false;
    }
    draft.rewrite(|job| match kind {
        SnapshotKind::Savepoint => job.savepoint_trigger_nonce = asked,
        SnapshotKind::Checkpoint => job.checkpoint_trigger_nonce = asked,
    });
    draft.mark_stable();
    begin(draft, desired, observed, kind, SnapshotTriggerType::Manual);
    true
}

fn by_schedule(draft: &mut Draft, desired: &Desired, observed: &Observed, kind: SnapshotKind) {
    let settings = &desired.settings.snapshots;
    if *settings.schedule(kind) == Schedule::Off || !supported(desired, kind) {
        return;
    }
    if settings.resources && observed.snapshots.is_unknown() {
        return draft.look_again_in(desired.settings.progress_interval);
    }
    let views: &[SnapshotView] = observed.snapshots.seen().map_or(&[], Vec::as_slice);
    let periodic = || {
        let of_kind = move |view: &&SnapshotView| {
            view.kind == kind && view.trigger == SnapshotTriggerType::Periodic
        };
        views.iter().filter(of_kind)
    };
    let recorded = ledger::last_periodic(&draft.status, kind);
    let last = periodic()
        .filter_map(|view| view.created)
        .chain(recorded)
        .chain(desired.identity.created)
        .max();
    let Some(due) = last.and_then(|last| settings.schedule(kind).due_after(last)) else {
        return;
    };
    if due > observed.now {
        let delay = std::time::Duration::try_from(due.duration_since(observed.now));
        return draft.look_again_in(delay.unwrap_or(desired.settings.reconcile_interval));
    }
    let unfinished = periodic().any(|view| !view.state.is_terminal());
    if unfinished || settings.blackout.contains(observed.now) {
        return;
    }
    begin(
        draft,
        desired,
        observed,
        kind,
        SnapshotTriggerType::Periodic,
    );
}

/// Flink takes checkpoints on demand since 1.17.
fn supported(desired: &Desired, kind: SnapshotKind) -> bool {
    kind == SnapshotKind::Savepoint
        || desired.settings.deployed_version >= Some(FlinkVersion::V1_17)
}

/// Record that a snapshot is wanted.
fn begin(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    kind: SnapshotKind,
    why: SnapshotTriggerType,
) {
    let manual = why == SnapshotTriggerType::Manual;
    if !supported(desired, kind) {
        let text = "Flink takes checkpoints on demand since 1.17: change savepointTriggerNonce \
                    instead, or use a newer Flink";
        return draft.warn(Component::Job, Reason::CheckpointError, text);
    }
    if kind == SnapshotKind::Savepoint && desired.settings.savepoint_directory.is_none() && manual {
        let text = "A savepoint needs a directory: set execution.checkpointing.savepoint-dir \
                    (state.savepoints.dir before Flink 1.20)";
        return draft.warn(Component::Job, Reason::SavepointError, text);
    }
    let Some(format) = format(draft, desired, observed, kind) else {
        if manual {
            let text = format!(
                "{FORMAT_UNSUPPORTED}, as the last attempt has shown. Set \
                 kubernetes.operator.savepoint.format.type: NATIVE, or remove the key"
            );
            draft.warn(Component::Job, Reason::SavepointError, text);
        }
        return;
    };
    let mut trigger = Trigger::new(observed.now, why);
    trigger.format = Some(format);
    if !as_resources(desired, observed) {
        trigger.id = Some(observed.fresh.trigger.clone());
    }
    ledger::record(draft, kind, Some(&trigger));
    if why == SnapshotTriggerType::Periodic {
        ledger::set_last_periodic(draft, kind, observed.now);
    }
    draft.look_again_in(AT_ONCE);
}

/// The format to ask for; none if the one the user chose was found impossible, since each attempt restarts
/// the job.
fn format(
    draft: &Draft,
    desired: &Desired,
    observed: &Observed,
    kind: SnapshotKind,
) -> Option<SavepointFormatType> {
    let format = format_type(&desired.settings.savepoint_format);
    if kind == SnapshotKind::Checkpoint || format == SavepointFormatType::Native {
        return Some(format);
    }
    let impossible = canonical_is_impossible(draft, observed);
    match (impossible, desired.settings.savepoint_format_chosen) {
        (false, _) => Some(format),
        (true, false) => Some(SavepointFormatType::Native),
        (true, true) => None,
    }
}

fn format_type(name: &str) -> SavepointFormatType {
    if name == "NATIVE" {
        SavepointFormatType::Native
    } else {
        SavepointFormatType::Canonical
    }
}

/// Make the resource of what is recorded, until it is seen.
fn make(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    kind: SnapshotKind,
    trigger: &Trigger,
) {
    let name = name(desired, kind, trigger);
    match &observed.snapshots {
        Sighting::Unknown(_) => draft.look_again_in(desired.settings.progress_interval),
        // The kind was removed since: there is nothing to make.
        Sighting::Absent => close(draft, desired, kind, trigger),
        Sighting::Seen(views) if views.iter().any(|view| view.name == name) => {
            close(draft, desired, kind, trigger);
        }
        Sighting::Seen(_) => {
            let spec = spec(draft, desired, kind, trigger);
            let mut labels = labels(&spec, trigger.why, SnapshotState::TriggerPending);
            // The operator that makes it is the one whose selector it must match.
            labels.extend(desired.selected_labels.clone());
            draft.step(Step::MakeSnapshot(Box::new(NewSnapshot {
                name,
                labels,
                spec,
            })));
            draft.look_again_in(desired.settings.progress_interval);
        }
    }
}

/// The same name for the same record.
fn name(desired: &Desired, kind: SnapshotKind, trigger: &Trigger) -> String {
    let why = match trigger.why {
        SnapshotTriggerType::Periodic => "periodic",
        SnapshotTriggerType::Upgrade => "upgrade",
        SnapshotTriggerType::Manual | SnapshotTriggerType::Unknown => "manual",
    };
    let (job, kind, at) = (&desired.identity.name, kind.as_str(), trigger.at);
    format!("{job}-{kind}-{why}-{at}")
}

fn spec(
    draft: &Draft,
    desired: &Desired,
    kind: SnapshotKind,
    trigger: &Trigger,
) -> FlinkStateSnapshotSpec {
    let written = (trigger.why == SnapshotTriggerType::Upgrade)
        .then(|| ledger::last_location(&draft.status))
        .flatten();
    let savepoint = || SavepointSpec {
        already_exists: Some(written.is_some()),
        path: written
            .clone()
            .or_else(|| desired.settings.savepoint_directory.clone()),
        format_type: trigger.format,
        dispose_on_delete: Some(desired.settings.snapshots.dispose),
    };
    FlinkStateSnapshotSpec {
        backoff_limit: Some(0),
        job_reference: Some(JobReference {
            kind: Some(JobKind::FlinkDeployment),
            name: Some(desired.identity.name.clone()),
        }),
        savepoint: (kind == SnapshotKind::Savepoint).then(savepoint),
        checkpoint: (kind == SnapshotKind::Checkpoint).then_some(CheckpointSpec {}),
    }
}
