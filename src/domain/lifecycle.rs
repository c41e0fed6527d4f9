//! The lifecycle state, derived from the status each time it is written.
//!
//! The rule: the same derivation as the Java operator's, so that dashboards and waiters go on working.

use flink_crds::{
    FlinkDeploymentStatus, FlinkJobState, JobManagerDeploymentStatus, JobState, LifecycleState,
    ReconciliationState,
};

use super::recorded::{last_reconciled, last_stable};

/// Texts in `status.error` that mark a lost JobManager as a failure only a person can mend.
pub const TERMINAL_ERRORS: [&str; 3] = [
    "It is possible that the job has finished or terminally failed, or the configmaps have been deleted.",
    "HA metadata is not available",
    "Manual restore required.",
];

/// The lifecycle state this status tells of.
pub fn lifecycle_of(status: &FlinkDeploymentStatus) -> LifecycleState {
    if let Some(ending @ (LifecycleState::Deleting | LifecycleState::Deleted)) =
        status.lifecycle_state
    {
        return ending;
    }
    let error = status.error.as_deref().unwrap_or_default();
    let Some(recorded) = last_reconciled(status) else {
        return if error.is_empty() {
            LifecycleState::Created
        } else {
            LifecycleState::Failed
        };
    };
    let reconciliation = status
        .reconciliation_status
        .as_ref()
        .and_then(|r| r.state)
        .unwrap_or_default();
    match reconciliation {
        ReconciliationState::Upgrading => return LifecycleState::Upgrading,
        ReconciliationState::RollingBack => return LifecycleState::RollingBack,
        ReconciliationState::Deployed | ReconciliationState::RolledBack => {}
    }
    if recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Suspended))
    {
        return LifecycleState::Suspended;
    }
    if status.job_status.as_ref().and_then(|job| job.state) == Some(FlinkJobState::Failed) {
        return LifecycleState::Failed;
    }
    let lost = matches!(
        status.job_manager_deployment_status,
        None | Some(JobManagerDeploymentStatus::Missing | JobManagerDeploymentStatus::Error)
    );
    if lost && TERMINAL_ERRORS.iter().any(|text| error.contains(text)) {
        return LifecycleState::Failed;
    }
    if reconciliation == ReconciliationState::RolledBack {
        return LifecycleState::RolledBack;
    }
    if last_stable(status).is_some_and(|stable| stable.same_as(&recorded)) {
        LifecycleState::Stable
    } else {
        LifecycleState::Deployed
    }
}
