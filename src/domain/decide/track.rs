//! Folding what was seen into the status: JobManager, job, stability, errors that healed.
//!
//! The rule: what could not be read leaves the status as it is.

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::{
    FlinkJobState, JobManagerDeploymentStatus as Jm, JobState, ReconciliationState, UpgradeMode,
};

use super::pending::counts_on_metadata;
use crate::domain::draft::Draft;
use crate::domain::recorded::LAST_STATE_PATH;
use crate::domain::{Component, Desired, Job, Observed, PodFailure, Reason, Sighting};

/// Volumes and nodes usually turn up in this time; before it, their lack is no error.
const TRANSIENT: Duration = Duration::from_mins(2);
/// A JobManager that has just taken over may not list its job yet.
const JOB_APPEARS: Duration = Duration::from_mins(1);

/// Fold the look into the draft's status.
pub fn fold(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    let Some(recorded) = draft.deployed() else {
        return;
    };
    let suspended = recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Suspended));
    let at_rest = matches!(
        draft.reconciliation(),
        ReconciliationState::Deployed | ReconciliationState::RolledBack
    );
    let expected = at_rest && !suspended && !desired.identity.deleting;
    job_manager(draft, observed, expected);
    if recorded.job().is_some() && (!suspended || counts_on_metadata(&draft.status, &recorded)) {
        job(draft, desired, observed, at_rest);
        ended(draft, observed);
    }
    cluster_info(draft, desired, observed);
    state_size(draft, observed);
    if at_rest && !suspended {
        stable(draft, recorded.job().is_some());
        heal(draft, recorded.job().is_some());
    }
}

fn job_manager(draft: &mut Draft, observed: &Observed, expected: bool) {
    let next = match &observed.job_manager {
        Sighting::Unknown(_) => return,
        Sighting::Absent => Jm::Missing,
        Sighting::Seen(jm) if !expected || jm.deleting => return,
        Sighting::Seen(_) if observed.jobs.seen().is_some() => Jm::Ready,
        Sighting::Seen(jm) => {
            let present = draft.job_manager();
            if let Some((reason, message)) = failure(observed) {
                draft.status.job_manager_deployment_status = Some(Jm::Error);
                draft.job_lost_sight();
                return draft.fail(
                    Component::JobManagerDeployment,
                    Reason::Container(reason),
                    &message,
                );
            }
            match (present, jm.available > 0) {
                (Jm::Ready, true) => Jm::Ready,
                (_, true) => Jm::DeployedNotReady,
                (_, false) => Jm::Deploying,
            }
        }
    };
    let present = draft.job_manager();
    draft.status.job_manager_deployment_status = Some(next);
    if next == Jm::Missing && expected {
        draft.job_lost_sight();
        let ended = draft
            .job_state()
            .is_some_and(flink_crds::FlinkJobState::is_globally_terminal);
        if !matches!(present, Jm::Missing | Jm::Error) && !ended {
            draft.fail(
                Component::JobManagerDeployment,
                Reason::Missing,
                "Missing JobManager deployment",
            );
        }
    } else if next == Jm::Deploying {
        draft.job_lost_sight();
    }
}

/// What keeps the JobManager from starting, once it is clear that it does not heal by itself.
fn failure(observed: &Observed) -> Option<(String, String)> {
    let jm = observed.job_manager.seen()?;
    if let Some((reason, message)) = &jm.replica_failure {
        return Some((reason.clone(), message.clone()));
    }
    let PodFailure {
        reason,
        message,
        transient,
        since,
    } = observed.pods.seen()?.failure.as_ref()?;
    let age = since
        .or(jm.created_at)
        .map(|since| observed.now.duration_since(since));
    let healing =
        *transient && age.is_none_or(|age| Duration::try_from(age).unwrap_or_default() < TRANSIENT);
    (!healing).then(|| (reason.clone(), message.clone()))
}

fn job(draft: &mut Draft, desired: &Desired, observed: &Observed, at_rest: bool) {
    let Some(id) = draft.job_id() else { return };
    match observed.job(&id) {
        Sighting::Seen(seen)
            if seen.state.is_globally_terminal() && observed.checkpoints.is_unknown() =>
        {
            // Taken in together with its last checkpoint or not at all: nobody may ever be there again to be asked.
            draft.job().start_time = Some(seen.start_ms.to_string());
            draft.look_again_in(desired.settings.progress_interval);
        }
        Sighting::Seen(seen) => {
            let seen = seen.clone();
            let failed = seen.state == FlinkJobState::Failed;
            if failed && desired.settings.ha_deployed && came_back(draft, &seen) {
                // It began with what Flink's metadata said, which went as it failed.
                draft.job().upgrade_savepoint_path = Some(LAST_STATE_PATH.to_owned());
            }
            job_seen(draft, observed, &seen);
        }
        Sighting::Absent => job_missing(draft, observed, &id, at_rest),
        Sighting::Unknown(_) => {}
    }
}

/// Whether a job that began before was begun anew by a JobManager that came back by itself.
fn came_back(draft: &Draft, seen: &Job) -> bool {
    let began = draft.began();
    began.is_some_and(|began| began != seen.start_ms.to_string())
}

fn job_seen(draft: &mut Draft, observed: &Observed, seen: &Job) {
    let before = draft.job_state();
    let job = draft.job();
    job.job_name = Some(seen.name.clone());
    job.start_time = Some(seen.start_ms.to_string());
    if before == Some(seen.state) {
        return;
    }
    job.state = Some(seen.state);
    job.update_time = Some(seen.modified_ms.max(seen.start_ms).to_string());
    let from = before.map_or_else(|| "unknown".to_owned(), |state| state.to_string());
    let message = format!("Job status changed from {from} to {}", seen.state);
    draft.tell(Component::Job, Reason::JobStatusChanged, message);
    if seen.state == FlinkJobState::Failed {
        let cause = observed
            .failure
            .as_deref()
            .unwrap_or("Flink gives no cause");
        draft.fail(Component::Job, Reason::Error, cause);
    }
}

fn job_missing(draft: &mut Draft, observed: &Observed, id: &str, at_rest: bool) {
    let ended = draft
        .job_state()
        .is_some_and(flink_crds::FlinkJobState::is_globally_terminal);
    if ended || !at_rest {
        return;
    }
    draft.job().state = Some(FlinkJobState::Reconciling);
    let since = draft
        .status
        .reconciliation_status
        .as_ref()
        .and_then(|r| r.reconciliation_timestamp)
        .unwrap_or_default();
    let patience = i64::try_from(JOB_APPEARS.as_millis()).unwrap_or(i64::MAX);
    let started = observed
        .job_manager
        .seen()
        .and_then(|jm| jm.created_at)
        .map_or(since, |created| created.as_millisecond().max(since));
    if observed.now.as_millisecond() - started > patience {
        let text = format!(
            "Job Not Found: the JobManager lists no job {id}. Its log tells why: \
             kubectl logs deployment/<name> in the namespace of the resource"
        );
        draft.fail(Component::Job, Reason::Missing, &text);
    }
}

/// A job that ended leaves its last checkpoint or savepoint to start from. One that has none never came so
/// far as to restore: what it was to start from still holds.
fn ended(draft: &mut Draft, observed: &Observed) {
    let terminal = draft
        .job_state()
        .is_some_and(flink_crds::FlinkJobState::is_globally_terminal);
    let Sighting::Seen(checkpoints) = &observed.checkpoints else {
        return;
    };
    if terminal
        && !checkpoints.latest_not_addressable
        && let Some(latest) = &checkpoints.latest
    {
        draft.job().upgrade_savepoint_path = Some(latest.clone());
    }
    // Cancelled by someone else: it rests until the spec says otherwise.
    let asked =
        draft.status.pending.is_some() || draft.reconciliation() == ReconciliationState::Upgrading;
    if draft.job_state() == Some(FlinkJobState::Canceled)
        && !asked
        && !checkpoints.latest_not_addressable
    {
        draft.suspend_recorded(UpgradeMode::Savepoint);
    }
}

fn cluster_info(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if let Some(info) = &observed.cluster {
        let map: &mut BTreeMap<String, String> = draft.status.cluster_info.get_or_insert_default();
        map.insert("flink-version".to_owned(), info.version.clone());
        map.insert("flink-revision".to_owned(), info.revision.clone());
        let Some(count) = info.task_managers else {
            return;
        };
        if let Some((cpu, memory)) = desired.footprint(count) {
            map.insert("total-cpu".to_owned(), cpu);
            map.insert("total-memory".to_owned(), memory);
        }
        draft.true_task_managers(count);
    }
}

/// The size of the newest checkpoint, which differs a little each time: what is told is right to a tenth, or to a
/// mebibyte, so that a job at rest does not have its status written for it.
fn state_size(draft: &mut Draft, observed: &Observed) {
    let Some(info) = &mut draft.status.cluster_info else {
        return;
    };
    let seen = observed.checkpoints.seen();
    let Some(size) = seen.and_then(|checkpoints| checkpoints.state_size) else {
        return;
    };
    let told = info
        .get("state-size")
        .and_then(|text| text.parse::<i64>().ok());
    if !told.is_some_and(|told| is_near(told, size)) {
        info.insert("state-size".to_owned(), size.to_string());
    }
}

fn is_near(told: i64, size: i64) -> bool {
    const MEBIBYTE: i64 = 1024 * 1024;
    told.saturating_sub(size).saturating_abs() <= MEBIBYTE.max(told / 10)
}

/// A running (or duly finished) job proves its spec.
fn stable(draft: &mut Draft, application: bool) {
    let proven = if application {
        matches!(
            draft.job_state(),
            Some(FlinkJobState::Running | FlinkJobState::Finished)
        )
    } else {
        draft.job_manager() == Jm::Ready
    };
    if proven {
        draft.mark_stable();
    }
}

fn heal(draft: &mut Draft, application: bool) {
    let healthy = draft.job_manager() == Jm::Ready
        && (!application
            || matches!(
                draft.job_state(),
                Some(FlinkJobState::Running | FlinkJobState::Finished)
            ));
    if healthy {
        draft.heal();
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn the_size_of_state_is_told_anew_when_it_is_off_by_a_tenth_and_a_mebibyte() {
        const MIB: i64 = 1024 * 1024;
        assert!(is_near(0, MIB) && !is_near(0, MIB + 1));
        assert!(is_near(100 * MIB, 110 * MIB) && is_near(100 * MIB, 90 * MIB));
        assert!(!is_near(100 * MIB, 111 * MIB) && !is_near(100 * MIB, 89 * MIB));
    }
}
