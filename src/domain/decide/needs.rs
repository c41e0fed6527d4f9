//! Which reads a pass will look at, from the status alone.
//!
//! The rule: what is not asked for stays [`Unknown`](crate::domain::Sighting::Unknown), so forgetting
//! a need makes a decision wait, never destroy.

use flink_crds::{
    FlinkDeploymentStatus, FlinkJobState, JobManagerDeploymentStatus as Jm, JobState, PendingKind,
    ReconciliationState, UpgradeMode,
};

use super::super::change::{SpecChange, change_of};
use super::super::recorded::last_reconciled;
use super::super::{Desired, Need, Needs};
use super::pending::counts_on_metadata;
use super::{recorded_trigger, scaler};

/// The optional reads that [`decide`](super::decide) needs for this status.
pub fn needs(desired: &Desired, status: &FlinkDeploymentStatus) -> Needs {
    let mut needs = Needs::new();
    let Some(recorded) = last_reconciled(status) else {
        if desired.identity.deleting {
            needs.extend([Need::Pods, Need::Ha]);
        }
        return needs;
    };
    let suspended = recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Suspended));
    let phase = status
        .reconciliation_status
        .as_ref()
        .and_then(|r| r.state)
        .unwrap_or_default();
    let job_state = status.job_status.as_ref().and_then(|job| job.state);
    let kind = status.pending.as_ref().and_then(|pending| pending.kind);
    let at_rest = matches!(
        phase,
        ReconciliationState::Deployed | ReconciliationState::RolledBack
    );

    if !suspended || desired.identity.deleting || counts_on_metadata(status, &recorded) {
        needs.insert(Need::Rest);
        needs.insert(Need::CheckpointsWhenTerminal);
        if desired.exceptions.limit > 0 {
            needs.insert(Need::Exceptions);
        }
    }
    if status.job_manager_deployment_status != Some(Jm::Ready) || !at_rest {
        needs.insert(Need::Pods);
    }
    let change = change_of(recorded.spec(), &desired.spec).effect;
    let changing = !at_rest || change >= SpecChange::Scale || kind.is_some();
    let running = job_state == Some(FlinkJobState::Running);
    if desired.identity.deleting || changing || !running {
        needs.extend([Need::Ha, Need::Pods]);
    }
    if recorded_trigger(status).is_some() {
        needs.insert(Need::Snapshot);
    }
    if kind == Some(PendingKind::StopWithSavepoint) {
        needs.insert(Need::Savepoint);
    }
    if changing
        && desired.upgrade_mode() == UpgradeMode::LastState
        && desired.settings.max_checkpoint_age.is_some()
    {
        needs.insert(Need::Checkpoints);
    }
    if running && !changing {
        // The size of its state is told.
        needs.insert(Need::Checkpoints);
    }
    if running && (kind == Some(PendingKind::Rescale) || change == SpecChange::Scale) {
        needs.insert(Need::Vertices);
    }
    if scaler::wanted(desired) && running && !changing {
        needs.insert(Need::Scaler);
        if scaler::acts(desired) {
            needs.insert(Need::Hpa);
        }
    }
    needs
}
