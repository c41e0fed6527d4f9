//! `spec.job.autoscalerResetNonce`: forgetting what the autoscaler knows of a job.
//!
//! The rule: the nonce is recorded after all is forgotten, so that a death in between forgets once more. It starts nothing
//! itself. Parallelism that was imposed is forgotten too, and the next pass brings the job back to its spec's; tuned
//! memory stays until the job is next started. Stories are in `tests/scenarios/autoscale_reset*.txt`.

use flink_crds::{AutoscalerStatus, TunedMemory};

use super::{AT_ONCE, wanted};
use crate::domain::draft::{Draft, take_down};
use crate::domain::recorded::Recorded;
use crate::domain::{Component, Desired, Reason, Step};

/// Forget, if the nonce is another than the recorded one. Returns whether that ends the pass.
pub fn reset(draft: &mut Draft, desired: &Desired, recorded: &Recorded) -> bool {
    let asked = desired
        .spec
        .job
        .as_ref()
        .and_then(|job| job.autoscaler_reset_nonce);
    let known = recorded.job().and_then(|job| job.autoscaler_reset_nonce);
    if asked.is_none() || asked == known || !desired.violations.is_empty() {
        return false;
    }
    draft.afterwards(move |status| {
        take_down(status, |spec| {
            if let Some(job) = &mut spec.job {
                job.autoscaler_reset_nonce = asked;
            }
        });
    });
    draft.look_again_in(AT_ONCE);
    if !wanted(desired) {
        return true;
    }
    let present = draft
        .status
        .autoscaler
        .take()
        .or_else(|| desired.adopted.clone());
    draft.status.autoscaler = Some(forgotten(present.unwrap_or_default()));
    draft.step(Step::ForgetScaler);
    draft.tell(
        Component::Operator,
        Reason::AutoscalerReset,
        "The autoscaler forgets what it knows of this job, as spec.job.autoscalerResetNonce asks: its readings, its \
         rescales, what it learned, and what it imposed.",
    );
    true
}

/// What stays: what is so now, and the memory that the job runs with.
fn forgotten(present: AutoscalerStatus) -> AutoscalerStatus {
    let AutoscalerStatus {
        mode,
        frozen,
        conflict,
        memory,
        ..
    } = present;
    // Nothing tuned, on the same basis: what the next start takes.
    let next_memory = memory.as_ref().map(|memory| TunedMemory {
        basis: memory.basis.clone(),
        ..TunedMemory::default()
    });
    AutoscalerStatus {
        mode,
        frozen,
        conflict,
        memory,
        next_memory,
        ..AutoscalerStatus::default()
    }
}
