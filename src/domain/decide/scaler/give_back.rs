//! Giving a job the memory of its spec back if it does not come up with what was tuned.
//!
//! The rule: memory with which the job ran once is proven, and whatever stops the job later is not its fault. What is
//! not proven is dropped from the status alone; the next pass then sees another spec, and restarts the job from the
//! state it had as on any upgrade. Stories are in `tests/scenarios/autoscale_memory_refused*.txt`.

use std::time::Duration;

use flink_crds::{FlinkJobState, JobManagerDeploymentStatus as Jm, JobState};

use super::AT_ONCE;
use crate::domain::draft::Draft;
use crate::domain::memory::carries;
use crate::domain::recorded::{Recorded, last_stable};
use crate::domain::{Component, Desired, Observed, Reason};

/// Reasons of a container that ran and ended. Others, such as an image that cannot be pulled, say nothing of memory.
const ENDED: [&str; 2] = ["CrashLoopBackOff", "OOMKilled"];

/// Drop tuned memory with which the deployed job never ran and does not come up. Returns whether that was done.
pub fn give_back_memory(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
) -> bool {
    // With a spec that is refused the deployed one is kept as it is.
    let Some(memory) = desired
        .memory
        .as_ref()
        .filter(|memory| desired.violations.is_empty() && carries(recorded.spec(), memory))
    else {
        return false;
    };
    let starts = recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Running));
    let proven = last_stable(&draft.status).is_some_and(|stable| carries(stable.spec(), memory));
    if !starts || proven {
        return false;
    }
    let Some(why) = why_not_up(draft, desired, observed) else {
        return false;
    };
    let Some(scaler) = &mut draft.status.autoscaler else {
        return false;
    };
    scaler.next_memory = None;
    scaler.refused_memory = scaler.memory.take();
    draft.warn(
        Component::Operator,
        Reason::MemoryTuning,
        format!(
            "The job does not come up with the memory that was tuned: {why}. It is started again with the memory of \
             the spec, and not tuned to about as much or less until the spec changes."
        ),
    );
    draft.look_again_in(AT_ONCE);
    true
}

/// Why the job is taken not to come up; `None` while it still may.
fn why_not_up(draft: &Draft, desired: &Desired, observed: &Observed) -> Option<String> {
    if draft.job_state() == Some(FlinkJobState::Failed) {
        let cause = observed.failure.as_deref();
        let cause = cause.and_then(|text| text.lines().next());
        return Some(format!(
            "it failed, {}",
            cause.unwrap_or("Flink gives no cause")
        ));
    }
    let failure = observed.pods.seen().and_then(|pods| pods.failure.as_ref());
    if let Some(failure) = failure.filter(|failure| ENDED.contains(&failure.reason.as_str()))
        && draft.job_manager() == Jm::Error
    {
        return Some(format!("{} {}", failure.reason, failure.message));
    }
    let waits = matches!(
        draft.job_state(),
        Some(
            FlinkJobState::Created
                | FlinkJobState::Initializing
                | FlinkJobState::Restarting
                | FlinkJobState::Failing
        )
    );
    let since = draft
        .status
        .reconciliation_status
        .as_ref()?
        .reconciliation_timestamp?;
    let waited = observed.now.as_millisecond().saturating_sub(since);
    let waited = Duration::from_millis(u64::try_from(waited).unwrap_or_default());
    let limit = desired.settings.readiness_timeout;
    (waits && waited > limit).then(|| {
        format!(
            "its tasks do not run after {} s (kubernetes.operator.deployment.readiness.timeout)",
            limit.as_secs()
        )
    })
}
