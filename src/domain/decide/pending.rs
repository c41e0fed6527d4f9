//! Carrying an operation that was recorded to its end.
//!
//! The rule: at most one operation is under way; each pass looks whether it is done, and if not, asks
//! again in a way that cannot do it twice.

use std::time::Duration;

use flink_crds::{
    FlinkDeploymentStatus, FlinkJobState, PendingKind, PendingOperation, ReconciliationState,
    UpgradeMode,
};

use super::{AT_ONCE, deploy, rescale, snapshots, upgrade};
use crate::domain::draft::Draft;
use crate::domain::recorded::{LAST_STATE_PATH, Recorded};
use crate::domain::{
    Component, Deployment, Desired, JobManager, Observed, Reason, SavepointProgress,
    SavepointRequest, Sighting, Step, Waiting,
};

/// First and longest delay between attempts of a savepoint that Flink gave up.
const SAVEPOINT_RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(5));

/// The shortest time between two looks at a stop that is under way.
const SOON: Duration = Duration::from_secs(1);

/// The time after which Flink shows that a refused format has restarted the job, and the time that its restart is waited for.
const SHOWS: Duration = Duration::from_secs(5);
const RESTART: Duration = Duration::from_mins(1);

/// Carry on with what is pending. Returns whether that ends the pass.
pub fn proceed(draft: &mut Draft, desired: &Desired, observed: &Observed) -> bool {
    let Some(pending) = draft.status.pending.clone() else {
        return false;
    };
    match pending.kind {
        Some(PendingKind::Deploy) => deploying(draft, desired, observed, &pending),
        Some(PendingKind::StopWithSavepoint) => stopping(draft, desired, observed, &pending),
        Some(PendingKind::Cancel) => cancelling(draft, desired, observed, &pending),
        Some(PendingKind::DeleteCluster) => deleting(draft, desired, observed),
        Some(PendingKind::Rescale) => return rescale::proceed(draft, desired, observed, &pending),
        Some(PendingKind::Savepoint) | None => {
            draft.status.pending = None;
            return false;
        }
    }
    true
}

fn deploying(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    pending: &PendingOperation,
) {
    let Some(recorded) = draft.deployed() else {
        draft.status.pending = None;
        return draft.look_again_in(AT_ONCE);
    };
    match &observed.job_manager {
        Sighting::Unknown(why) => sight(draft, desired, why),
        Sighting::Seen(jm) if is_this(jm, pending) && jm.accompanied => {
            deploy::deployed(draft, desired, observed, &recorded);
        }
        Sighting::Seen(jm) if is_this(jm, pending) => make(draft, desired, pending),
        Sighting::Seen(jm) if !jm.ours => {
            let text = format!(
                "Deployment {0} exists and does not belong to this FlinkDeployment. Rename the \
                 FlinkDeployment, or delete the Deployment with: kubectl -n {1} delete deployment {0}",
                desired.identity.name, desired.identity.namespace
            );
            let failure = (Component::JobManagerDeployment, Reason::Error);
            draft.wait_for_a_person(failure, &text, desired.settings.reconcile_interval);
        }
        Sighting::Seen(jm) => {
            if !jm.deleting {
                draft.step(Step::DeleteCluster);
            }
            draft.wait(Waiting::Deletion, desired.settings.progress_interval);
        }
        Sighting::Absent => clear_ground(draft, desired, observed, pending),
    }
}

/// The Deployment we are waiting for, and not one that an older plan made.
fn is_this(jm: &JobManager, pending: &PendingOperation) -> bool {
    jm.ours && !jm.deleting && jm.deploy_id.is_some() && jm.deploy_id == pending.trigger_id
}

/// No JobManager is there: make sure that nothing old is left that would disturb the new one.
fn clear_ground(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    pending: &PendingOperation,
) {
    let Some(recorded) = draft.deployed() else {
        return;
    };
    if desired.violations.is_empty()
        && draft.status.observed_generation != Some(desired.identity.generation)
    {
        // Nothing was made yet, so a newer spec takes its place.
        draft.status.pending = None;
        return deploy::restore(draft, desired, observed);
    }
    match &observed.pods {
        Sighting::Unknown(why) => return sight(draft, desired, why),
        Sighting::Seen(pods) if pods.count > 0 => {
            return draft.wait(Waiting::Deletion, desired.settings.progress_interval);
        }
        Sighting::Seen(_) | Sighting::Absent => {}
    }
    let mode = deploy::recorded_mode(&recorded);
    let ha = desired.settings.ha_deployed || desired.settings.ha_desired;
    let counted_on = draft.restore_path().as_deref() == Some(LAST_STATE_PATH);
    let lost = observed.ha.is_absent() || counted_on && !observed.has_checkpoint();
    match &observed.ha {
        Sighting::Unknown(why) if ha => return sight(draft, desired, why),
        Sighting::Seen(_) if mode != UpgradeMode::LastState => draft.step(Step::DeleteHaMetadata),
        Sighting::Absent | Sighting::Seen(_) if mode == UpgradeMode::LastState && lost => {
            let text = "HA metadata is not available to restore from last state. It is possible \
                 that the job has finished or terminally failed, or the configmaps have been \
                 deleted. Manual restore required.";
            let failure = (Component::JobManagerDeployment, Reason::RestoreFailed);
            let again = desired.settings.reconcile_interval;
            return draft.wait_for_a_person(failure, text, again);
        }
        _ => {}
    }
    make(draft, desired, pending);
}

fn make(draft: &mut Draft, desired: &Desired, pending: &PendingOperation) {
    let Some(recorded) = draft.deployed() else {
        return;
    };
    draft.step(Step::Deploy(Box::new(Deployment {
        deploy_id: pending.trigger_id.clone().unwrap_or_default(),
        generation: draft.status.observed_generation.unwrap_or_default(),
        spec: Box::new(recorded.spec().clone()),
        config: desired.deploy_config.clone(),
        job_id: recorded.job().and_then(|_| draft.job_id()),
        restore_path: recorded.job().and_then(|_| draft.restore_path()),
        log_files: desired.log_files.clone(),
    })));
    draft.wait(Waiting::JobManager, desired.settings.progress_interval);
}

fn sight(draft: &mut Draft, desired: &Desired, why: &str) {
    draft.wait(
        Waiting::Sight(why.to_owned()),
        desired.settings.progress_interval,
    );
}

fn stopping(draft: &mut Draft, desired: &Desired, observed: &Observed, pending: &PendingOperation) {
    let job = pending.job_id.clone().unwrap_or_default();
    match &observed.savepoint {
        Sighting::Seen(SavepointProgress::Completed(path)) => {
            let path = path.clone();
            draft.job().state = Some(FlinkJobState::Finished);
            let format = request(desired, pending, &job).format;
            snapshots::taken_by_upgrade(draft, desired, observed, &path, &format);
            stopped(draft, Some(path));
        }
        Sighting::Seen(SavepointProgress::InProgress) => {
            draft.wait(Waiting::Savepoint, soon(draft, desired, observed));
        }
        Sighting::Seen(SavepointProgress::Failed {
            cause,
            format_unsupported,
        }) => {
            savepoint_failed(
                draft,
                desired,
                observed,
                pending,
                cause,
                *format_unsupported,
            );
        }
        Sighting::Absent => not_asked(draft, desired, observed, pending, &job),
        Sighting::Unknown(why) => {
            if observed.job_manager.is_absent() {
                // The JobManager is gone and with it the request; the table chooses anew.
                return again(draft);
            }
            sight(draft, desired, why);
        }
    }
}

/// When to ask Flink again how a stop stands: from its end until it is known the job is down for nothing, and a JobManager that is
/// lost then takes the answer with it.
fn soon(draft: &Draft, desired: &Desired, observed: &Observed) -> Duration {
    let grown = draft.pending_for(observed) / 4;
    grown.max(SOON).min(desired.settings.progress_interval)
}

/// Flink does not know the request: it never arrived, or the JobManager was replaced since.
fn not_asked(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    pending: &PendingOperation,
    job: &str,
) {
    match observed.job(job) {
        Sighting::Seen(seen) if seen.state == FlinkJobState::Running => {
            draft.step(Step::StopWithSavepoint(request(desired, pending, job)));
            draft.wait(Waiting::Savepoint, soon(draft, desired, observed));
        }
        Sighting::Seen(seen) if seen.state.is_globally_terminal() => {
            if let Some(why) = observed.checkpoints.why_unknown() {
                return sight(draft, desired, why);
            }
            // The stop had its effect; `track` took the path from the job's last savepoint.
            let path = draft.restore_path();
            if let Some(path) = &path {
                let format = request(desired, pending, job).format;
                snapshots::taken_by_upgrade(draft, desired, observed, path, &format);
            }
            stopped(draft, path);
        }
        Sighting::Seen(_) | Sighting::Absent => again(draft),
        Sighting::Unknown(why) => sight(draft, desired, &why),
    }
}

/// The request as recorded.
fn request(desired: &Desired, pending: &PendingOperation, job: &str) -> SavepointRequest {
    SavepointRequest {
        job: job.to_owned(),
        trigger: pending.trigger_id.clone().unwrap_or_default(),
        directory: desired.settings.savepoint_directory.clone(),
        drain: desired.settings.drain,
        format: pending
            .format
            .clone()
            .unwrap_or_else(|| desired.settings.savepoint_format.clone()),
    }
}

fn savepoint_failed(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    pending: &PendingOperation,
    cause: &str,
    format_unsupported: bool,
) {
    let native = pending.format.as_deref() == Some("NATIVE");
    if format_unsupported && !native && desired.settings.savepoint_format_chosen {
        // Asking again would restart the job again and end the same way.
        let text = format!(
            "The job's state cannot be written as a CANONICAL savepoint: {cause}. Set \
             kubernetes.operator.savepoint.format.type: NATIVE, or remove the key."
        );
        draft.fail(Component::Job, Reason::SavepointError, &text);
        if pending.generation == Some(desired.identity.generation) {
            return draft.wait(Waiting::Person(text), desired.settings.reconcile_interval);
        }
        return again(draft);
    }
    let attempts = pending.attempts.saturating_add(1);
    let format = if format_unsupported {
        Some("NATIVE".to_owned())
    } else {
        pending.format.clone()
    };
    let delay = backoff(attempts);
    let text = format!("Savepoint for the upgrade failed (attempt {attempts}): {cause}");
    draft.fail(Component::Job, Reason::SavepointError, &text);
    if !format_unsupported && draft.pending_for(observed) < delay {
        return draft.wait(Waiting::Backoff(text), delay);
    }
    if format_unsupported && restarts(draft, observed) {
        // The refusal restarts the job; once it runs again the other format can be asked for.
        return draft.wait(Waiting::Backoff(text), soon(draft, desired, observed));
    }
    let job = pending.job_id.clone();
    let generation = Some(desired.identity.generation);
    draft.begin(PendingKind::StopWithSavepoint, observed.now, |next| {
        next.job_id = job;
        next.trigger_id = Some(observed.fresh.trigger.clone());
        next.attempts = attempts;
        next.generation = generation;
        next.format = format;
    });
    draft.look_again_in(AT_ONCE);
}

/// Whether the job, which a refused savepoint has thrown out, is on its way back to running.
fn restarts(draft: &Draft, observed: &Observed) -> bool {
    let pending = draft.pending_for(observed);
    let runs = draft.job_now(observed).seen() == Some(&FlinkJobState::Running);
    pending < SHOWS || !runs && pending < RESTART
}

fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or_default()
        .min(10);
    SAVEPOINT_RETRY
        .0
        .saturating_mul(1 << doublings)
        .min(SAVEPOINT_RETRY.1)
}

/// The job is down: record where its state lies.
fn stopped(draft: &mut Draft, path: Option<String>) {
    draft.job().upgrade_savepoint_path = path;
    draft.status.pending = None;
    draft.suspend_recorded(UpgradeMode::Savepoint);
    draft.look_again_in(AT_ONCE);
}

/// Let the table of `suspend.rs` choose anew.
fn again(draft: &mut Draft) {
    draft.status.pending = None;
    draft.look_again_in(AT_ONCE);
}

fn cancelling(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    pending: &PendingOperation,
) {
    let job = pending.job_id.clone().unwrap_or_default();
    match observed.job(&job) {
        Sighting::Seen(seen) if seen.state.is_globally_terminal() => {
            if let Some(why) = observed.checkpoints.why_unknown() {
                return sight(draft, desired, why);
            }
            let path = draft.restore_path();
            stopped(draft, path);
        }
        Sighting::Seen(seen) => {
            if seen.state.is_cancellable() {
                draft.step(Step::Cancel { job });
            }
            draft.job().state = Some(FlinkJobState::Cancelling);
            draft.wait(Waiting::Cancellation, soon(draft, desired, observed));
        }
        Sighting::Absent => again(draft),
        Sighting::Unknown(why) => {
            if observed.job_manager.is_absent() {
                return again(draft);
            }
            sight(draft, desired, &why);
        }
    }
}

/// A JobManager that was deleted because it had never started did start before it was gone, and a checkpoint was
/// completed: that is what the job goes on from.
fn saved_meanwhile(recorded: &Recorded, desired: &Desired, observed: &Observed) -> bool {
    let settings = &desired.settings;
    let keeps_state = desired.is_application()
        && desired.upgrade_mode() != UpgradeMode::Stateless
        && !upgrade::redeploys(recorded, desired);
    keeps_state
        && settings.ha_deployed
        && settings.ha_desired
        && recorded.spec().flink_version == desired.spec.flink_version
        && observed.has_checkpoint()
}

/// The cluster is being deleted; high-availability metadata goes with it unless it is needed.
fn deleting(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if let Some(why) = ended_meanwhile(draft, observed) {
        return sight(draft, desired, &why);
    }
    if !cluster_deleted(draft, desired, observed) {
        return;
    }
    let recorded = draft.deployed();
    if recorded.is_some_and(|recorded| saved_meanwhile(&recorded, desired, observed)) {
        draft.suspend_recorded(UpgradeMode::LastState);
    }
    let keep = draft
        .deployed()
        .is_none_or(|recorded| deploy::recorded_mode(&recorded) == UpgradeMode::LastState);
    if !keep && !ha_deleted(draft, desired, observed) {
        return;
    }
    draft.status.pending = None;
    draft.status.job_manager_deployment_status =
        Some(flink_crds::JobManagerDeploymentStatus::Missing);
    draft.look_again_in(AT_ONCE);
}

/// Whether the JobManager is being deleted, and Flink's metadata are counted on to name the last checkpoint.
pub fn counts_on_metadata(status: &FlinkDeploymentStatus, recorded: &Recorded) -> bool {
    let pending = status.pending.as_ref();
    pending.and_then(|pending| pending.kind) == Some(PendingKind::DeleteCluster)
        && recorded.job().is_some()
        && deploy::recorded_mode(recorded) == UpgradeMode::LastState
}

/// The job ended before its JobManager was gone, and Flink dropped the metadata that were counted on. `track` took its last
/// checkpoint instead; if nobody told it, a start without it is a loss.
/// Returns why that is not known yet, though somebody can be asked.
fn ended_meanwhile(draft: &mut Draft, observed: &Observed) -> Option<String> {
    let recorded = draft.deployed()?;
    if !counts_on_metadata(&draft.status, &recorded) {
        return None;
    }
    let job = draft.job_now(observed);
    let is_over = |state: &FlinkJobState| state.is_globally_terminal();
    let dropped = draft.is_dropped(observed);
    if observed.job_manager.seen().is_some_and(|jm| !jm.deleting) {
        let unread = match &job {
            Sighting::Unknown(why) if dropped => Some(why.as_str()),
            Sighting::Seen(state) if is_over(state) => observed.checkpoints.why_unknown(),
            _ => None,
        };
        if let Some(why) = unread {
            return Some(why.to_owned());
        }
    }
    let told = draft
        .job_state()
        .is_some_and(FlinkJobState::is_globally_terminal);
    if told && dropped && draft.restore_path().as_deref() != Some(LAST_STATE_PATH) {
        draft.suspend_recorded(UpgradeMode::Savepoint);
    } else if dropped && !told && job.seen().is_none_or(is_over) {
        draft.job().upgrade_savepoint_path = Some(LAST_STATE_PATH.to_owned());
    }
    None
}

/// Delete the JobManager; true once it and its pods are gone.
pub fn cluster_deleted(draft: &mut Draft, desired: &Desired, observed: &Observed) -> bool {
    match &observed.job_manager {
        Sighting::Unknown(why) => sight(draft, desired, why),
        Sighting::Seen(jm) if jm.ours => {
            if !jm.deleting {
                draft.step(Step::DeleteCluster);
            }
            draft.wait(Waiting::Deletion, desired.settings.progress_interval);
        }
        Sighting::Seen(_) => return true,
        Sighting::Absent => match &observed.pods {
            Sighting::Unknown(why) => sight(draft, desired, why),
            Sighting::Seen(pods) if pods.count > 0 => {
                draft.wait(Waiting::Deletion, desired.settings.progress_interval);
            }
            Sighting::Seen(_) | Sighting::Absent => return true,
        },
    }
    false
}

/// Delete the metadata; true once it is certainly gone.
pub fn ha_deleted(draft: &mut Draft, desired: &Desired, observed: &Observed) -> bool {
    match &observed.ha {
        Sighting::Absent => return true,
        Sighting::Seen(_) => {
            draft.step(Step::DeleteHaMetadata);
            draft.wait(Waiting::Deletion, AT_ONCE);
        }
        Sighting::Unknown(why) => sight(draft, desired, why),
    }
    false
}

/// Record a stop before it is begun.
pub fn begin_stop(draft: &mut Draft, desired: &Desired, observed: &Observed, kind: PendingKind) {
    let job = draft.job_id();
    let format = snapshots::needed_format(draft, desired, observed);
    draft.begin(kind, observed.now, |pending| {
        pending.job_id = job;
        pending.generation = Some(desired.identity.generation);
        if kind == PendingKind::StopWithSavepoint {
            pending.trigger_id = Some(observed.fresh.trigger.clone());
            pending.format = format;
        }
    });
    let reconciliation = draft.status.reconciliation_status.get_or_insert_default();
    reconciliation.state = Some(ReconciliationState::Upgrading);
    draft.look_again_in(AT_ONCE);
}
