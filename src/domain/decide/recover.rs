//! Looking after what runs while the spec stays the same: lost JobManagers, failed and finished jobs.
//!
//! The rule: only what is certainly gone is made again, and only from the state it had.

use flink_crds::{FlinkJobState, JobState, UpgradeMode};

use super::deploy;
use super::suspend::UNKNOWN_CHECKPOINT;
use crate::domain::draft::Draft;
use crate::domain::recorded::{LAST_STATE_PATH, Recorded};
use crate::domain::{Component, Desired, Observed, Reason, Sighting, Step, Waiting};

/// Nothing changed: look after the deployed spec.
pub fn look_after(draft: &mut Draft, desired: &Desired, observed: &Observed, recorded: &Recorded) {
    if recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Suspended))
    {
        return;
    }
    if restart_failed(draft, desired, observed, recorded)
        || recover_lost(draft, desired, observed, recorded)
        || retire(draft, desired, observed)
    {
        return;
    }
    if draft.job_manager() != flink_crds::JobManagerDeploymentStatus::Ready {
        let delay = match draft.job_manager() {
            flink_crds::JobManagerDeploymentStatus::DeployedNotReady => desired.settings.rest_delay,
            _ => desired.settings.progress_interval,
        };
        return draft.wait(Waiting::JobManager, delay);
    }
    let steady = !desired.is_application()
        || matches!(
            draft.job_state(),
            Some(FlinkJobState::Running | FlinkJobState::Finished)
        );
    if !steady {
        draft.look_again_in(desired.settings.progress_interval);
    }
}

/// An upgrade has to wait: a lost JobManager is still made again, from the deployed spec.
pub fn while_waiting(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) {
    if draft.reconciliation() == flink_crds::ReconciliationState::Deployed {
        recover_lost(draft, desired, observed, recorded);
    }
}

fn restart_failed(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> bool {
    if draft.job_state() != Some(FlinkJobState::Failed) || !desired.settings.restart_failed {
        return false;
    }
    let stateless = desired.upgrade_mode() == UpgradeMode::Stateless;
    if !stateless {
        if let Some(why) = observed.checkpoints.why_unknown() {
            draft.wait(
                Waiting::Sight(why.to_owned()),
                desired.settings.progress_interval,
            );
            return true;
        }
        if draft.restore_path().as_deref() == Some(LAST_STATE_PATH) {
            let failure = (Component::Job, Reason::RestoreFailed);
            let again = desired.settings.reconcile_interval;
            draft.wait_for_a_person(failure, UNKNOWN_CHECKPOINT, again);
            return true;
        }
    }
    draft.tell(
        Component::Job,
        Reason::RestartFailedJob,
        "Restarting failed job",
    );
    let mode = if stateless {
        UpgradeMode::Stateless
    } else {
        UpgradeMode::Savepoint
    };
    deploy::begin_spec(draft, desired, observed, mode, recorded.spec());
    true
}

fn recover_lost(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> bool {
    let ended = draft
        .job_state()
        .is_some_and(flink_crds::FlinkJobState::is_globally_terminal);
    if !observed.job_manager.is_absent() || ended || !desired.settings.recovery {
        return false;
    }
    let stateless = recorded.job().is_none() || desired.upgrade_mode() == UpgradeMode::Stateless;
    let mode = match &observed.ha {
        Sighting::Unknown(why) => {
            draft.wait(
                Waiting::Sight(why.clone()),
                desired.settings.progress_interval,
            );
            return true;
        }
        Sighting::Seen(_) if desired.settings.ha_deployed && !draft.is_dropped(observed) => {
            UpgradeMode::LastState
        }
        _ if stateless => UpgradeMode::Stateless,
        _ => {
            let text = if desired.settings.ha_deployed {
                "HA metadata is not available to recover the lost JobManager. It is possible that \
                 the job has finished or terminally failed, or the configmaps have been deleted. \
                 Manual restore required."
            } else {
                "Missing JobManager deployment: high availability is off, so the last checkpoint is \
                 not known and the job cannot be started again with its state. Manual restore \
                 required."
            };
            let failure = (Component::JobManagerDeployment, Reason::RestoreFailed);
            draft.wait_for_a_person(failure, text, desired.settings.reconcile_interval);
            return true;
        }
    };
    draft.warn(
        Component::JobManagerDeployment,
        Reason::RecoverDeployment,
        "Recovering lost deployment",
    );
    deploy::begin_spec(draft, desired, observed, mode, recorded.spec());
    true
}

/// The JobManager of a job that ended is kept for a while, so that people can look at it.
fn retire(draft: &mut Draft, desired: &Desired, observed: &Observed) -> bool {
    let ended = draft
        .job_state()
        .is_some_and(flink_crds::FlinkJobState::is_globally_terminal);
    if !ended || observed.job_manager.seen().is_none_or(|jm| jm.deleting) {
        return false;
    }
    let updated = draft
        .status
        .job_status
        .as_ref()
        .and_then(|job| job.update_time.as_deref())
        .and_then(|text| text.parse::<i64>().ok());
    let ttl = i64::try_from(desired.settings.shutdown_ttl.as_millis()).unwrap_or(i64::MAX);
    let due = updated.is_some_and(|at| observed.now.as_millisecond().saturating_sub(at) > ttl);
    if due {
        draft.step(Step::DeleteCluster);
        draft.look_again_in(desired.settings.progress_interval);
    }
    due
}
