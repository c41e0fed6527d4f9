//! Moving a running job from the deployed spec to the one asked for.
//!
//! The rule: the table in `suspend.rs` says how to stop; here that is recorded, announced and begun.

use flink_crds::{JobState, PendingKind, ReconciliationState, UpgradeMode};

use super::suspend::{Stop, Suspension, suspension};
use super::{AT_ONCE, deploy, pending, recover};
use crate::domain::change::{Change, SpecChange};
use crate::domain::draft::Draft;
use crate::domain::recorded::{LAST_STATE_PATH, Recorded};
use crate::domain::{Component, Desired, Observed, Reason};

/// The spec changed while at rest.
pub fn begin(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
    change: &Change,
) {
    let suspended = recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Suspended));
    if suspended {
        return from_suspended(draft, desired, observed);
    }
    if change.effect == SpecChange::SavepointRedeploy {
        announce(draft, change);
        return redeploy(draft, desired, observed);
    }
    if !desired.is_application() {
        announce(draft, change);
        draft.suspend_recorded(UpgradeMode::LastState);
        return deploy::restore(draft, desired, observed);
    }
    if stop_with(draft, desired, observed, recorded) {
        announce(draft, change);
    }
}

/// A stop was decided on before, but how it goes on is open; or a person was asked what to start from, and says it.
pub fn stop(draft: &mut Draft, desired: &Desired, observed: &Observed, recorded: &Recorded) {
    if redeploys(recorded, desired) {
        return redeploy(draft, desired, observed);
    }
    stop_with(draft, desired, observed, recorded);
}

/// Nothing runs: take the new spec over, and start it if that is wanted now.
fn from_suspended(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    let reconciliation = draft.status.reconciliation_status.get_or_insert_default();
    reconciliation.state = Some(ReconciliationState::Upgrading);
    deploy::restore(draft, desired, observed);
}

/// Drop the present state and start from the path the user names.
fn redeploy(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    draft.job().upgrade_savepoint_path = initial_path(desired);
    draft.suspend_recorded(UpgradeMode::Savepoint);
    draft.tell(
        Component::JobManagerDeployment,
        Reason::Suspended,
        SUSPENDING,
    );
    pending::begin_stop(draft, desired, observed, PendingKind::DeleteCluster);
}

const SUSPENDING: &str = "Suspending existing deployment.";

/// The redeploy nonce differs from the recorded one: the job is to start from `initialSavepointPath`.
pub fn redeploys(recorded: &Recorded, desired: &Desired) -> bool {
    let nonce =
        |job: Option<&flink_crds::JobSpec>| job.and_then(|job| job.savepoint_redeploy_nonce);
    let asked = nonce(desired.spec.job.as_ref());
    asked.is_some() && asked != nonce(recorded.job())
}

/// The path that the user names.
pub fn initial_path(desired: &Desired) -> Option<String> {
    desired
        .spec
        .job
        .as_ref()
        .and_then(|job| job.initial_savepoint_path.clone())
}

/// Stop the job as the table says. Returns whether that was begun.
fn stop_with(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> bool {
    let (stop, mode) = match suspension(draft, desired, observed, recorded) {
        Suspension::Stop(stop, mode) => (stop, mode),
        Suspension::Wait(waiting) => {
            draft.wait(waiting, desired.settings.progress_interval);
            recover::while_waiting(draft, desired, observed, recorded);
            return false;
        }
        Suspension::Refuse(reason, text) => {
            let failure = (Component::JobManagerDeployment, reason);
            draft.wait_for_a_person(failure, text, desired.settings.reconcile_interval);
            return false;
        }
    };
    if stop != Stop::Nothing {
        draft.tell(
            Component::JobManagerDeployment,
            Reason::Suspended,
            SUSPENDING,
        );
    }
    match stop {
        Stop::Nothing => {
            draft.suspend_recorded(mode);
            draft.look_again_in(AT_ONCE);
        }
        Stop::Savepoint => {
            draft.set_recorded_mode(mode);
            pending::begin_stop(draft, desired, observed, PendingKind::StopWithSavepoint);
        }
        Stop::Cancel => {
            draft.set_recorded_mode(mode);
            pending::begin_stop(draft, desired, observed, PendingKind::Cancel);
        }
        Stop::DeleteCluster | Stop::Discard => {
            draft.suspend_recorded(mode);
            if mode == UpgradeMode::LastState && observed.has_checkpoint() {
                // From here on a start without it is a loss: the job may yet fail, and Flink then deletes it.
                draft.job().upgrade_savepoint_path = Some(LAST_STATE_PATH.to_owned());
            }
            pending::begin_stop(draft, desired, observed, PendingKind::DeleteCluster);
        }
    }
    true
}

/// Tell what changed.
pub fn announce(draft: &mut Draft, change: &Change) {
    draft.tell(
        Component::JobManagerDeployment,
        Reason::SpecChanged,
        format!(
            "{} change(s) detected (Diff: FlinkDeploymentSpec[{}]), starting reconciliation.",
            change.effect,
            change.fields.join(", ")
        ),
    );
}
