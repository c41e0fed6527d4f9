//! Starting a cluster: the first time, after a stop, and again after a loss.
//!
//! The rule: the spec, the job's id, what it restores from and a mark for the deployment are in the
//! status before anything is made; `pending.rs` then makes it and recognises it by the mark.

use flink_crds::{JobState, PendingKind, ReconciliationState, UpgradeMode};

use super::{AT_ONCE, scaler, upgrade};
use crate::domain::draft::Draft;
use crate::domain::recorded::{LAST_STATE_PATH, Recorded};
use crate::domain::{Component, Desired, Observed, Reason, Sighting, Waiting};

/// Nothing was ever deployed.
pub fn first(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if desired.job_state() == JobState::Suspended {
        draft.status.observed_generation = Some(desired.identity.generation);
        return;
    }
    let initial = desired
        .spec
        .job
        .as_ref()
        .and_then(|job| job.initial_savepoint_path.clone());
    let mode = if initial.is_some() {
        UpgradeMode::Savepoint
    } else {
        UpgradeMode::Stateless
    };
    if desired.is_application() {
        draft.job().upgrade_savepoint_path = initial;
    }
    begin(draft, desired, observed, mode);
}

/// The old job is down; bring up what is asked for now, or rest if that is a suspended job.
pub fn restore(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    let Some(recorded) = draft.deployed() else {
        return;
    };
    let redeploys = upgrade::redeploys(&recorded, desired);
    if redeploys {
        // Whatever path was named when the old job was stopped.
        draft.job().upgrade_savepoint_path = upgrade::initial_path(desired);
    }
    if taken_over(draft, desired, observed, &recorded) {
        return;
    }
    let mode = if redeploys {
        UpgradeMode::Savepoint
    } else {
        recorded_mode(&recorded)
    };
    if desired.job_state() == JobState::Suspended {
        draft.record(
            desired,
            observed.now,
            &desired.spec,
            ReconciliationState::Deployed,
            JobState::Suspended,
            Some(mode),
        );
        draft.mark_stable();
        return draft.look_again_in(AT_ONCE);
    }
    let drops_state = desired.upgrade_mode() == UpgradeMode::Stateless && desired.is_application();
    let mode = if drops_state && !redeploys {
        UpgradeMode::Stateless
    } else {
        mode
    };
    begin(draft, desired, observed, mode);
}

/// The mode in which the recorded job was stopped.
pub fn recorded_mode(recorded: &Recorded) -> UpgradeMode {
    recorded
        .job()
        .and_then(|job| job.upgrade_mode)
        .unwrap_or_default()
}

/// Another operator deployed this generation and stopped before it could say so.
fn taken_over(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> bool {
    let Sighting::Seen(job_manager) = &observed.job_manager else {
        return false;
    };
    let same = job_manager.ours
        && !job_manager.deleting
        && job_manager.deploy_id.is_none()
        && job_manager.generation.is_some()
        && job_manager.generation == draft.status.observed_generation
        && draft.job_manager() == flink_crds::JobManagerDeploymentStatus::Missing;
    if same {
        deployed(draft, desired, observed, recorded);
    }
    same
}

/// Record a deployment that is about to be made.
pub fn begin(draft: &mut Draft, desired: &Desired, observed: &Observed, mode: UpgradeMode) {
    if let Some(scaler) = &mut draft.status.autoscaler {
        scaler.memory.clone_from(&desired.memory);
        scaler.next_memory = None;
    }
    let spec = scaler::at_start(draft, desired, observed);
    begin_spec(draft, desired, observed, mode, &spec);
}

/// The same for a given spec, such as the deployed one after a loss.
pub fn begin_spec(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    mode: UpgradeMode,
    spec: &flink_crds::FlinkDeploymentSpec,
) {
    let generation = draft.status.observed_generation;
    draft.record(
        desired,
        observed.now,
        spec,
        ReconciliationState::Upgrading,
        JobState::Suspended,
        spec.job.is_some().then_some(mode),
    );
    if !desired.violations.is_empty() {
        draft.status.observed_generation = generation;
    }
    if spec.job.is_some() {
        restore_point(draft, desired, observed, mode);
    }
    draft.begin(PendingKind::Deploy, observed.now, |pending| {
        pending.trigger_id = Some(observed.fresh.deploy.clone());
    });
    draft.tell(
        Component::JobManagerDeployment,
        Reason::Submit,
        "Starting deployment",
    );
    draft.look_again_in(AT_ONCE);
}

/// Settle which state the new job starts from, and under which id.
fn restore_point(draft: &mut Draft, desired: &Desired, observed: &Observed, mode: UpgradeMode) {
    let fresh = desired
        .settings
        .fixed_job_id
        .clone()
        .unwrap_or_else(|| observed.fresh.job.clone());
    let job = draft.job();
    // The one that is about to start has not begun yet.
    job.start_time = None;
    match mode {
        UpgradeMode::Stateless => job.upgrade_savepoint_path = None,
        UpgradeMode::Savepoint => {}
        UpgradeMode::LastState => {
            if observed.has_checkpoint() {
                job.upgrade_savepoint_path = Some(LAST_STATE_PATH.to_owned());
            }
        }
    }
    // Last-state finds its state in the metadata kept under the job's own id.
    if mode != UpgradeMode::LastState || job.job_id.is_none() {
        job.job_id = Some(fresh);
    }
}

/// The recorded spec now runs.
pub fn deployed(draft: &mut Draft, desired: &Desired, observed: &Observed, recorded: &Recorded) {
    let generation = draft.status.observed_generation;
    draft.status.pending = None;
    draft.record(
        desired,
        observed.now,
        recorded.spec(),
        ReconciliationState::Deployed,
        JobState::Running,
        None,
    );
    draft.status.observed_generation = generation;
    draft.status.job_manager_deployment_status =
        Some(flink_crds::JobManagerDeploymentStatus::Deploying);
    if recorded.job().is_some() {
        draft.job().state = Some(flink_crds::FlinkJobState::Reconciling);
    }
    draft.wait(Waiting::JobManager, desired.settings.progress_interval);
}
