//! One pass over a `FlinkStateSnapshot`: what it asks for and what is seen in, a plan out.
//!
//! The rule: the trigger id is recorded before Flink is asked, so that asking again is asking once; a
//! snapshot that can no longer be taken says so, and can always be deleted. Tests are in
//! `tests/it/snapshots.rs`, with faults and deaths in `tests/it/world/`.

mod draft;
mod end;
mod settings;
mod take;
mod terms;

use std::time::Duration;

use flink_crds::{FlinkStateSnapshot, SnapshotState};
use kube::ResourceExt;

pub use settings::SnapshotSettings;
pub use terms::{
    FORMAT_UNSUPPORTED, Pace, SnapshotKind, SnapshotObserved, SnapshotPlan, SnapshotProgress,
    SnapshotRequest, SnapshotStep, SnapshotView, Target, labels,
};

use draft::Draft;

/// The finalizer of the Java operator, so that either can end what the other began.
pub const SNAPSHOT_FINALIZER: &str = "flinkstatesnapshots.flink.apache.org/finalizer";

/// Whether a pass over this snapshot has to look at the job at all.
pub fn needs_target(snapshot: &FlinkStateSnapshot) -> bool {
    let deleting = snapshot.metadata.deletion_timestamp.is_some();
    let state = state_of(snapshot);
    match (deleting, state) {
        (false, state) => !state.is_terminal() && finalized(snapshot),
        (true, SnapshotState::InProgress) => true,
        (true, SnapshotState::Completed) => end::disposes(snapshot),
        (true, _) => false,
    }
}

/// Decide what one snapshot needs now.
pub fn decide(snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) -> SnapshotPlan {
    let mut draft = Draft::of(snapshot, observed);
    if snapshot.metadata.deletion_timestamp.is_some() {
        if finalized(snapshot) {
            end::decide(&mut draft, snapshot, observed);
        }
    } else if finalized(snapshot) {
        take::decide(&mut draft, snapshot, observed);
    } else {
        draft.step(SnapshotStep::AddFinalizer);
    }
    draft.finish(snapshot, observed)
}

/// Flink refused a step of `plan` for good: the attempt has failed.
pub fn refused(
    snapshot: &FlinkStateSnapshot,
    plan: &SnapshotPlan,
    observed: &SnapshotObserved,
    cause: &str,
) -> SnapshotPlan {
    let mut present = snapshot.clone();
    present.status = Some(plan.status.clone());
    let mut draft = Draft::of(&present, observed);
    take::failed(&mut draft, &present, observed, cause, false);
    draft.finish(&present, observed)
}

fn finalized(snapshot: &FlinkStateSnapshot) -> bool {
    let ours = |name: &String| name == SNAPSHOT_FINALIZER;
    snapshot.finalizers().iter().any(ours)
}

fn state_of(snapshot: &FlinkStateSnapshot) -> SnapshotState {
    let status = snapshot.status.as_ref();
    status.and_then(|status| status.state).unwrap_or_default()
}

/// First and longest delay between attempts.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(30));

/// How long to wait after so many failures.
fn backoff(failures: i32) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1))
        .unwrap_or_default()
        .min(16);
    RETRY.0.saturating_mul(1 << doublings).min(RETRY.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_and_has_an_end() {
        let seconds = |failures| backoff(failures).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3)], [10, 20, 40]);
        assert_eq!(seconds(i32::MAX), 1_800);
    }
}
