//! How to stop a job so that nothing is lost, and what it restarts from.
//!
//! The rule: a pure table over what is certain; what is not certain gives [`Suspension::Wait`].
//! Its rows are the scenarios in `tests/scenarios/suspend_*.txt`.

use flink_crds::{FlinkJobState, JobManagerDeploymentStatus, UpgradeMode};

use crate::domain::draft::Draft;
use crate::domain::recorded::{LAST_STATE_PATH, Recorded};
use crate::domain::{Desired, Observed, Reason, Sighting, Waiting};

/// What to do with the running job.
#[derive(Debug, PartialEq, Eq)]
pub enum Suspension {
    /// Stop it this way; the next start restores in this mode.
    Stop(Stop, UpgradeMode),
    /// Not now.
    Wait(Waiting),
    /// It cannot be done without a person.
    Refuse(Reason, &'static str),
}

/// Ways to stop a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has ended already.
    Nothing,
    /// Stop with a savepoint.
    Savepoint,
    /// Cancel it, keeping its last checkpoint.
    Cancel,
    /// Delete the cluster; Flink's high-availability metadata stays and knows the last checkpoint.
    DeleteCluster,
    /// Delete the cluster and its metadata: the state is given up, as asked.
    Discard,
}

pub(super) const UNKNOWN_CHECKPOINT: &str = "Job is in terminal state but last checkpoint is unknown, \
     possibly due to a failed restore from it. Manual restore required.";
const NOT_ADDRESSABLE: &str =
    "Latest checkpoint not externally addressable, Manual restore required.";
const LOST: &str = "JobManager deployment is missing and HA metadata is not available to make \
     stateful upgrades. It is possible that the job has finished or terminally failed, or the \
     configmaps have been deleted. Manual restore required.";

const ENDED_UNSEEN: &str = "The job has ended, and its JobManager was replaced before it could be asked where its last \
     savepoint or checkpoint lies. Manual restore required: name it in job.initialSavepointPath and change \
     job.savepointRedeployNonce.";

/// The table. `recorded` is what is deployed.
pub fn suspension(
    draft: &Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> Suspension {
    let facts = Facts::of(draft, desired, observed, recorded);
    if desired.upgrade_mode() == UpgradeMode::Stateless {
        return Suspension::Stop(Stop::Discard, UpgradeMode::Stateless);
    }
    if let Some(state) = facts.terminal
        && (state == FlinkJobState::Canceled
            || observed.ha.is_absent()
            || observed.jobs.seen().is_some())
    {
        return ended(draft, observed);
    }
    if facts.state == Some(FlinkJobState::Cancelling) {
        return Suspension::Wait(Waiting::Cancellation);
    }
    let chosen = match desired.upgrade_mode() {
        UpgradeMode::Savepoint => savepoint(&facts, desired),
        _ => last_state(&facts, desired, observed),
    };
    chosen.unwrap_or_else(|| unavailable(&facts, desired, observed, recorded))
}

/// What is certain about the running job.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of the table, each named for what it says"
)]
struct Facts {
    /// The job's state as Flink tells it now.
    state: Option<FlinkJobState>,
    /// It ended, in this state.
    terminal: Option<FlinkJobState>,
    /// The new spec names another Flink version.
    version_changed: bool,
    /// The JobManager serves, but could not be asked.
    blind: Option<String>,
    /// Deleting nothing more than the JobManager is not enough to keep the state, or the user prefers cancelling.
    cancel_allowed: bool,
    job_manager: JobManagerDeploymentStatus,
    never_started: bool,
    /// Flink keeps nothing of the job, though it began: it has ended, and what it saved is not known from here.
    dropped: bool,
    absent: bool,
}

impl Facts {
    fn of(draft: &Draft, desired: &Desired, observed: &Observed, recorded: &Recorded) -> Self {
        let sight = draft.job_now(observed);
        let state = sight.seen().copied();
        let remembered = draft
            .job_state()
            .filter(|state| state.is_globally_terminal());
        let serving = observed
            .job_manager
            .seen()
            .is_some_and(|jm| jm.available > 0);
        let blind = match (&sight, &observed.job_manager) {
            (_, Sighting::Unknown(why)) => Some(why.clone()),
            (Sighting::Unknown(why), _) if serving => Some(why.clone()),
            _ => None,
        };
        let cancellable = state.is_some_and(flink_crds::FlinkJobState::is_cancellable);
        Self {
            state,
            terminal: state
                .filter(|state| state.is_globally_terminal())
                .or(remembered),
            version_changed: recorded.spec().flink_version != desired.spec.flink_version,
            blind,
            cancel_allowed: cancellable
                && (observed.ha.is_absent() || desired.settings.cancel_for_last_state),
            job_manager: draft.job_manager(),
            never_started: observed
                .job_manager
                .seen()
                .is_some_and(|jm| jm.never_started),
            dropped: draft.is_dropped(observed),
            absent: observed.job_manager.is_absent(),
        }
    }

    fn running(&self) -> bool {
        self.state == Some(FlinkJobState::Running)
    }

    fn cancellable(&self) -> bool {
        self.state
            .is_some_and(flink_crds::FlinkJobState::is_cancellable)
    }

    fn state_text(&self) -> String {
        self.state
            .map_or_else(|| "not known".to_owned(), |state| state.to_string())
    }
}

/// The job ended by itself: it restarts from its last checkpoint or savepoint.
fn ended(draft: &Draft, observed: &Observed) -> Suspension {
    if let Sighting::Seen(checkpoints) = &observed.checkpoints {
        if checkpoints.latest_not_addressable {
            return Suspension::Refuse(Reason::CheckpointNotFound, NOT_ADDRESSABLE);
        }
    } else if observed.jobs.seen().is_some()
        && let Some(why) = observed.checkpoints.why_unknown()
    {
        return Suspension::Wait(Waiting::Sight(why.to_owned()));
    }
    if draft.restore_path().as_deref() == Some(LAST_STATE_PATH) {
        return Suspension::Refuse(Reason::UpgradeFailed, UNKNOWN_CHECKPOINT);
    }
    Suspension::Stop(Stop::Nothing, UpgradeMode::Savepoint)
}

/// Rows for `upgradeMode: savepoint`; `None` goes on as if the job were unavailable.
fn savepoint(facts: &Facts, desired: &Desired) -> Option<Suspension> {
    if facts.running() {
        return Some(Suspension::Stop(Stop::Savepoint, UpgradeMode::Savepoint));
    }
    if let Some(why) = &facts.blind {
        return Some(Suspension::Wait(Waiting::Sight(why.clone())));
    }
    if facts.version_changed && facts.cancellable() {
        return Some(Suspension::Stop(Stop::Cancel, UpgradeMode::Savepoint));
    }
    if !desired.settings.last_state_fallback {
        return Some(Suspension::Wait(Waiting::JobState(format!(
            "a savepoint needs a RUNNING job, this one is {}, and falling back to last-state is off \
             (kubernetes.operator.job.upgrade.last-state-fallback.enabled)",
            facts.state_text()
        ))));
    }
    None
}

/// Rows for `upgradeMode: last-state`.
fn last_state(facts: &Facts, desired: &Desired, observed: &Observed) -> Option<Suspension> {
    let savepoint = Suspension::Stop(Stop::Savepoint, UpgradeMode::Savepoint);
    if facts.version_changed {
        // The metadata of one Flink version means nothing to another.
        return Some(
            if facts.running() && desired.settings.savepoint_directory.is_some() {
                savepoint
            } else if facts.cancellable() {
                Suspension::Stop(Stop::Cancel, UpgradeMode::Savepoint)
            } else if facts.never_started || facts.absent {
                return None;
            } else {
                Suspension::Wait(Waiting::JobState(format!(
                    "changing Flink's version needs a job that can be cancelled, this one is {}",
                    facts.state_text()
                )))
            },
        );
    }
    if facts.running()
        && let Some(max_age) = desired.settings.max_checkpoint_age
    {
        match checkpoint_age(observed, max_age) {
            Age::Fresh => {}
            Age::Pending => {
                let text = "the newest checkpoint is too old, a younger one is being written";
                return Some(Suspension::Wait(Waiting::JobState(text.to_owned())));
            }
            Age::Unknown(why) => return Some(Suspension::Wait(Waiting::Sight(why))),
            Age::Old => return Some(savepoint),
        }
    }
    if facts.cancel_allowed {
        return Some(Suspension::Stop(Stop::Cancel, UpgradeMode::Savepoint));
    }
    None
}

enum Age {
    Fresh,
    Pending,
    Old,
    Unknown(String),
}

fn checkpoint_age(observed: &Observed, max_age: std::time::Duration) -> Age {
    let Sighting::Seen(checkpoints) = &observed.checkpoints else {
        return Age::Unknown(
            observed
                .checkpoints
                .why_unknown()
                .unwrap_or("no checkpoint statistics")
                .to_owned(),
        );
    };
    let limit = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
    let young = |at: Option<i64>| at.is_some_and(|at| observed.now.as_millisecond() - at <= limit);
    if young(checkpoints.latest_completed_ms) {
        Age::Fresh
    } else if young(checkpoints.pending_ms) {
        Age::Pending
    } else {
        Age::Old
    }
}

/// Neither stopping nor cancelling will do: what else keeps the state?
fn unavailable(
    facts: &Facts,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> Suspension {
    let ha = desired.settings.ha_deployed && desired.settings.ha_desired;
    let explicit = desired.upgrade_mode() == UpgradeMode::LastState;
    match &observed.ha {
        Sighting::Unknown(why) if ha => return Suspension::Wait(Waiting::Sight(why.clone())),
        Sighting::Seen(metadata)
            if ha
                && !facts.version_changed
                && (metadata.has_checkpoint || !facts.never_started) =>
        {
            if (!explicit || facts.dropped)
                && let Some(why) = &facts.blind
            {
                return Suspension::Wait(Waiting::Sight(why.clone()));
            }
            if facts.dropped && facts.state.is_none() {
                return Suspension::Refuse(Reason::UpgradeFailed, ENDED_UNSEEN);
            }
            return Suspension::Stop(Stop::DeleteCluster, UpgradeMode::LastState);
        }
        _ => {}
    }
    if let Some(why) = &facts.blind {
        return Suspension::Wait(Waiting::Sight(why.clone()));
    }
    let mode = super::deploy::recorded_mode(recorded);
    if facts.never_started && mode != UpgradeMode::LastState {
        // Nothing ran since the last start: what that start restored from still holds.
        return Suspension::Stop(Stop::DeleteCluster, mode);
    }
    let lost = matches!(
        facts.job_manager,
        JobManagerDeploymentStatus::Missing | JobManagerDeploymentStatus::Error
    );
    if lost && (facts.absent || facts.never_started) && !observed.ha.is_unknown() {
        return Suspension::Refuse(Reason::UpgradeFailed, LOST);
    }
    Suspension::Wait(Waiting::JobState(format!(
        "the job is {} and there is no way to stop it that keeps its state yet",
        facts.state_text()
    )))
}
