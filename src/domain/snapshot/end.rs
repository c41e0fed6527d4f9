//! The end of a snapshot resource, and of its files if they are to go with it.
//!
//! The rule: files are deleted by a running job of the same cluster; where there is none any more, people
//! are told what is left, and the deletion goes on.

use flink_crds::{FlinkStateSnapshot, SnapshotState};

use super::draft::Draft;
use super::{SnapshotObserved, SnapshotStep, state_of, take};
use crate::domain::{Component, Reason, Sighting, Waiting};

/// Whether deleting this resource deletes files.
pub fn disposes(snapshot: &FlinkStateSnapshot) -> bool {
    snapshot.spec.job_reference.is_some()
        && snapshot
            .spec
            .savepoint
            .as_ref()
            .is_some_and(flink_crds::SavepointSpec::dispose_on_delete_or_default)
}

/// The resource is being deleted.
pub fn decide(draft: &mut Draft, snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) {
    if state_of(snapshot) == SnapshotState::InProgress {
        // What comes of it decides about the files.
        take::decide(draft, snapshot, observed);
        if draft.status.state == Some(SnapshotState::InProgress) {
            return;
        }
    }
    let done = draft.status.state == Some(SnapshotState::Completed);
    let path = draft.status.path.clone().filter(|path| !path.is_empty());
    let Some(path) = path.filter(|_| done && disposes(snapshot)) else {
        return draft.step(SnapshotStep::RemoveFinalizer);
    };
    match &observed.target {
        Sighting::Unknown(why) => draft.wait(Waiting::Sight(why.clone()), observed.pace.progress),
        Sighting::Seen(target) if target.runs() => {
            draft.step(SnapshotStep::Dispose {
                address: target.address.clone(),
                path,
            });
            draft.step(SnapshotStep::RemoveFinalizer);
        }
        Sighting::Seen(_) => {
            let text = format!(
                "The files of the savepoint are deleted by the job, which does not run now. To keep them \
                 and go on at once, set spec.savepoint.disposeOnDelete: false ({path})"
            );
            draft.warn(Component::Snapshot, Reason::CleanupFailed, &text);
            draft.wait(Waiting::JobState(text), observed.pace.reconcile);
        }
        Sighting::Absent => {
            let text = format!(
                "The job of the savepoint is gone, so nobody can delete its files. They are left at {path}"
            );
            draft.warn(Component::Snapshot, Reason::CleanupFailed, &text);
            draft.step(SnapshotStep::RemoveFinalizer);
        }
    }
}
