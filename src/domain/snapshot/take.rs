//! Taking a snapshot: from what is asked for to where it lies.
//!
//! The rule: at most one request to Flink is recorded at a time, and what it brought is counted once.

use std::time::Duration;

use flink_crds::{
    FlinkJobState, FlinkStateSnapshot, FlinkVersion, SavepointFormatType, SnapshotState,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::draft::Draft;
use super::terms::{is_of_format, text};
use super::{
    FORMAT_UNSUPPORTED, SnapshotKind, SnapshotObserved, SnapshotProgress, SnapshotRequest,
    SnapshotStep, Target, backoff, state_of,
};
use crate::domain::observed::elapsed;
use crate::domain::{Component, Reason, Sighting, Waiting};

/// Flink remembers a request for five minutes after its end. One that it does not know after this time
/// may have been carried out and forgotten.
const REMEMBERED: Duration = Duration::from_mins(4);

/// Go on with a snapshot that is wanted.
pub fn decide(draft: &mut Draft, snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) {
    match state_of(snapshot) {
        SnapshotState::TriggerPending => wanted(draft, snapshot, observed),
        SnapshotState::InProgress => under_way(draft, snapshot, observed),
        SnapshotState::Completed | SnapshotState::Failed | SnapshotState::Abandoned => {}
    }
}

fn wanted(draft: &mut Draft, snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) {
    draft.enter(SnapshotState::TriggerPending);
    draft.status.failures.get_or_insert_default();
    if !observed.violations.is_empty() {
        let violations = observed.violations.iter().map(ToString::to_string);
        return wrong(draft, &violations.collect::<Vec<_>>().join("\n"));
    }
    let spec = &snapshot.spec;
    if let Some(savepoint) = &spec.savepoint
        && savepoint.already_exists_or_default()
    {
        return match savepoint.path.as_deref().filter(|path| !path.is_empty()) {
            Some(path) => {
                draft.status.trigger_timestamp = Some(observed.now.to_string());
                completed(draft, Some(path.to_owned()));
            }
            None => wrong(
                draft,
                "spec.savepoint.path is missing: with alreadyExists it names the savepoint",
            ),
        };
    }
    if spec.savepoint.is_none() && spec.checkpoint.is_none() {
        return wrong(
            draft,
            "neither spec.savepoint nor spec.checkpoint is set: write one of them",
        );
    }
    let named = spec.job_reference.as_ref();
    if named.is_none_or(|named| named.kind.is_none() || named.name.is_none()) {
        return wrong(
            draft,
            "spec.jobReference.kind and .name are needed: name the job to take the snapshot of",
        );
    }
    if let Some(left) = delay_left(draft, observed) {
        let text = format!("trying again after {} failure(s)", failures(draft));
        return draft.wait(Waiting::Backoff(text), left);
    }
    match &observed.target {
        Sighting::Unknown(why) => draft.wait(Waiting::Sight(why.clone()), observed.pace.progress),
        Sighting::Absent => abandon(draft, snapshot, "was not found"),
        Sighting::Seen(target) => ask(draft, snapshot, observed, target),
    }
}

/// What is left of the delay after a failure.
fn delay_left(draft: &Draft, observed: &SnapshotObserved) -> Option<Duration> {
    let failures = failures(draft);
    let failed_at: Timestamp = draft.status.result_timestamp.as_deref()?.parse().ok()?;
    let left = backoff(failures).saturating_sub(elapsed(failed_at, observed.now));
    (failures > 0 && !left.is_zero()).then_some(left)
}

fn failures(draft: &Draft) -> i32 {
    draft.status.failures.unwrap_or_default()
}

fn ask(
    draft: &mut Draft,
    snapshot: &FlinkStateSnapshot,
    observed: &SnapshotObserved,
    target: &Target,
) {
    if target.changing {
        let text = "the job is being deployed, upgraded or stopped";
        return draft.wait(Waiting::JobState(text.to_owned()), observed.pace.progress);
    }
    if let Some(why) = target.state.why_unknown() {
        return draft.wait(Waiting::Sight(why.to_owned()), observed.pace.progress);
    }
    let Some(job) = target.job.clone().filter(|_| target.runs()) else {
        return abandon(draft, snapshot, "is not running");
    };
    let kind = SnapshotKind::of(&snapshot.spec);
    if kind == SnapshotKind::Checkpoint && target.version < Some(FlinkVersion::V1_17) {
        return wrong(
            draft,
            "Flink takes checkpoints on demand since 1.17: take a savepoint, or use a newer Flink",
        );
    }
    if kind == SnapshotKind::Savepoint && directory(snapshot, target).is_none() {
        let text = "there is no directory for the savepoint: set spec.savepoint.path here, or \
                    execution.checkpointing.savepoint-dir (state.savepoints.dir before Flink 1.20) \
                    of the job";
        return failed(draft, snapshot, observed, text, false);
    }
    draft.enter(SnapshotState::InProgress);
    draft.status.trigger_id = Some(observed.fresh_trigger.clone());
    draft.status.trigger_timestamp = Some(observed.now.to_string());
    draft.status.result_timestamp = None;
    take(draft, snapshot, observed, target, job);
}

/// Ask Flink, under the recorded id.
fn take(
    draft: &mut Draft,
    snapshot: &FlinkStateSnapshot,
    observed: &SnapshotObserved,
    target: &Target,
    job: String,
) {
    let request = SnapshotRequest {
        address: target.address.clone(),
        job,
        trigger: draft.status.trigger_id.clone().unwrap_or_default(),
        kind: SnapshotKind::of(&snapshot.spec),
        directory: directory(snapshot, target),
        format: format(draft, snapshot, target),
    };
    draft.step(SnapshotStep::Take(request));
    draft.wait(Waiting::Savepoint, observed.pace.progress);
}

/// Where a savepoint goes: as asked for, else where those of the job go.
fn directory(snapshot: &FlinkStateSnapshot, target: &Target) -> Option<String> {
    let own = snapshot.spec.savepoint.as_ref();
    own.and_then(|savepoint| savepoint.path.clone())
        .or_else(|| target.directory.clone())
}

/// The format asked for; the native one where none was chosen and the canonical one was found impossible.
fn format(draft: &Draft, snapshot: &FlinkStateSnapshot, target: &Target) -> String {
    let Some(savepoint) = &snapshot.spec.savepoint else {
        return target.checkpoint_type.clone();
    };
    let impossible = is_of_format(&draft.status);
    match savepoint.format_type {
        None if impossible => text(&SavepointFormatType::Native),
        Some(SavepointFormatType::Native) => text(&SavepointFormatType::Native),
        _ => text(&SavepointFormatType::Canonical),
    }
}

fn under_way(draft: &mut Draft, snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) {
    let target = match &observed.target {
        Sighting::Unknown(why) => {
            return draft.wait(Waiting::Sight(why.clone()), observed.pace.progress);
        }
        Sighting::Absent => return abandon(draft, snapshot, "was not found"),
        Sighting::Seen(target) => target,
    };
    match &observed.progress {
        Sighting::Seen(SnapshotProgress::InProgress) => {
            draft.wait(Waiting::Savepoint, observed.pace.progress);
        }
        Sighting::Seen(SnapshotProgress::Completed(path)) => {
            let nameless = path.is_none();
            completed(draft, path.clone());
            if nameless {
                let text = "The checkpoint is complete, but Flink no longer knows where it lies: \
                            raise web.checkpoints.history of the job to have the path recorded";
                draft.warn(Component::Snapshot, Reason::CheckpointError, text);
            }
        }
        Sighting::Seen(SnapshotProgress::Failed {
            cause,
            format_unsupported,
        }) => failed(draft, snapshot, observed, cause, *format_unsupported),
        Sighting::Absent => forgotten(draft, snapshot, observed, target),
        Sighting::Unknown(why) => {
            // Without a JobManager the request is gone as well.
            let ended = |state: &FlinkJobState| *state != FlinkJobState::Running;
            if !target.changing && (target.job.is_none() || target.state.seen().is_some_and(ended))
            {
                return abandon(draft, snapshot, "is not running");
            }
            draft.wait(Waiting::Sight(why.clone()), observed.pace.progress);
        }
    }
}

/// Flink does not know the request: it never arrived, its JobManager is another one now, or it ended too
/// long ago.
fn forgotten(
    draft: &mut Draft,
    snapshot: &FlinkStateSnapshot,
    observed: &SnapshotObserved,
    target: &Target,
) {
    if target.changing || target.state.is_unknown() {
        let text = "the job is being deployed, upgraded or stopped";
        return draft.wait(Waiting::JobState(text.to_owned()), observed.pace.progress);
    }
    let Some(job) = target.job.clone().filter(|_| target.runs()) else {
        return abandon(draft, snapshot, "is not running");
    };
    let asked: Option<Timestamp> = draft
        .status
        .trigger_timestamp
        .as_deref()
        .and_then(|text| text.parse().ok());
    let young = asked.is_some_and(|asked| elapsed(asked, observed.now) < REMEMBERED);
    if young {
        return take(draft, snapshot, observed, target, job);
    }
    let text = format!(
        "Flink no longer knows request {}: its JobManager was replaced, or the request ended while nobody \
         looked. A {} it may have written stays where it is",
        draft.status.trigger_id.clone().unwrap_or_default(),
        SnapshotKind::of(&snapshot.spec).as_str(),
    );
    failed(draft, snapshot, observed, &text, false);
}

/// An attempt failed: try again later, if that is allowed and can help.
pub fn failed(
    draft: &mut Draft,
    snapshot: &FlinkStateSnapshot,
    observed: &SnapshotObserved,
    cause: &str,
    format_unsupported: bool,
) {
    let (reason, chosen) = match &snapshot.spec.savepoint {
        Some(savepoint) => (Reason::SavepointError, savepoint.format_type.is_some()),
        None => (Reason::CheckpointError, false),
    };
    let text = if format_unsupported {
        format!("{FORMAT_UNSUPPORTED}: {cause}. Set formatType: NATIVE")
    } else {
        cause.to_owned()
    };
    let again = draft.status.error.as_deref() == Some(&text);
    draft.warn(Component::Snapshot, reason, &text);
    let failures = failures(draft).saturating_add(1);
    draft.status.failures = Some(failures);
    draft.status.trigger_id = None;
    let limit = snapshot.spec.backoff_limit_or_default();
    let retry = if format_unsupported {
        // One attempt in the format that works, if the choice was left open.
        !chosen && !again
    } else {
        limit < 0 || failures <= limit
    };
    if retry {
        draft.enter(SnapshotState::TriggerPending);
        draft.status.result_timestamp = Some(observed.now.to_string());
        draft.wait(Waiting::Backoff(text), backoff(failures));
    } else {
        draft.enter(SnapshotState::Failed);
    }
}

/// The spec can never be carried out.
fn wrong(draft: &mut Draft, text: &str) {
    draft.warn(Component::Snapshot, Reason::ValidationError, text);
    draft.enter(SnapshotState::Failed);
}

fn completed(draft: &mut Draft, path: Option<String>) {
    draft.enter(SnapshotState::Completed);
    draft.status.path = path;
    draft.status.error = None;
}

/// There is no job to take it of any more.
pub fn abandon(draft: &mut Draft, snapshot: &FlinkStateSnapshot, why: &str) {
    let reference = snapshot.spec.job_reference.clone().unwrap_or_default();
    let kind = reference.kind.map(|kind| text(&kind)).unwrap_or_default();
    let text = format!(
        "Secondary resource {} ({kind}) for {} {} {why}",
        reference.name.unwrap_or_default(),
        SnapshotKind::of(&snapshot.spec).as_str(),
        snapshot.name_any(),
    );
    draft.warn(Component::Snapshot, Reason::SnapshotAbandoned, &text);
    draft.enter(SnapshotState::Abandoned);
}
