//! The finalizer's path: a deletion ends when nothing of the cluster is left.
//!
//! The rule: a savepoint that was asked for is taken or a person decides; otherwise deletion never hangs.

use flink_crds::{FlinkJobState, LifecycleState, PendingKind, UpgradeMode};

use super::{pending, track};
use crate::domain::draft::Draft;
use crate::domain::{Component, Desired, Observed, Reason, Sighting, Step, Waiting};

/// The resource is being deleted.
pub fn decide(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if !desired.identity.finalized {
        return;
    }
    if draft.status.lifecycle_state != Some(LifecycleState::Deleting) {
        draft.tell(
            Component::Operator,
            Reason::Cleanup,
            "Cleaning up FlinkDeployment",
        );
        draft.status.lifecycle_state = Some(LifecycleState::Deleting);
    }
    if draft.deployed().is_some() {
        track::fold(draft, desired, observed);
        if desired.settings.savepoint_on_deletion && !saved(draft, desired, observed) {
            return;
        }
    }
    if pending::cluster_deleted(draft, desired, observed)
        && pending::ha_deleted(draft, desired, observed)
    {
        draft.step(Step::RemoveFinalizer);
    }
}

/// Take the last savepoint. Returns whether the deletion may go on.
fn saved(draft: &mut Draft, desired: &Desired, observed: &Observed) -> bool {
    if let Some(kind) = draft
        .status
        .pending
        .as_ref()
        .and_then(|pending| pending.kind)
    {
        if kind == PendingKind::StopWithSavepoint {
            pending::proceed(draft, desired, observed);
            return draft.status.pending.is_none() && !draft.has_steps();
        }
        return true;
    }
    let Some(job) = draft.job_id() else {
        return true;
    };
    let ended = draft
        .job_state()
        .is_none_or(flink_crds::FlinkJobState::is_globally_terminal);
    if ended || observed.job_manager.is_absent() {
        return true;
    }
    if observed
        .job(&job)
        .seen()
        .is_some_and(|job| job.state == FlinkJobState::Running)
    {
        draft.set_recorded_mode(UpgradeMode::Savepoint);
        pending::begin_stop(draft, desired, observed, PendingKind::StopWithSavepoint);
        return false;
    }
    let sight = match observed.job(&job) {
        Sighting::Seen(job) => job.state.to_string(),
        Sighting::Absent => "not listed by Flink".to_owned(),
        Sighting::Unknown(why) => format!("not known ({why})"),
    };
    let text = format!(
        "The deletion waits for a savepoint, which needs a RUNNING job; this one is {sight}. To \
         delete it without a savepoint, set kubernetes.operator.job.savepoint-on-deletion: false."
    );
    draft.fail(Component::Operator, Reason::CleanupFailed, &text);
    draft.wait(Waiting::JobState(text), desired.settings.progress_interval);
    false
}
