//! Letting go of old snapshots, by count and by age.
//!
//! The rule: only what the operator took by schedule or for an upgrade; never the newest complete one, nor
//! the one the job would be started from. Files that stay are named.

use flink_crds::{Savepoint, SnapshotState, SnapshotTriggerType};
use jiff::Timestamp;

use super::KINDS;
use crate::domain::draft::Draft;
use crate::domain::observed::elapsed;
use crate::domain::snapshot::{SnapshotKind, SnapshotView};
use crate::domain::{Component, Desired, Observed, Reason, Step};

/// Let go of what is old.
pub fn clean(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if let Some(views) = observed.snapshots.seen() {
        for kind in KINDS {
            for view in old(draft, desired, observed.now, views, kind) {
                if kind == SnapshotKind::Savepoint
                    && !view.disposes
                    && let Some(path) = &view.path
                {
                    let text = format!(
                        "FlinkStateSnapshot {} leaves the history; its files stay at {path}, since \
                         kubernetes.operator.savepoint.dispose-on-delete is false",
                        view.name
                    );
                    draft.tell(Component::Snapshot, Reason::SnapshotRemoved, text);
                }
                draft.step(Step::DeleteSnapshot(view.name.clone()));
            }
        }
    }
    dispose_of_one(draft, desired, observed.now);
}

fn is_young(desired: &Desired, now: Timestamp, at: Option<Timestamp>) -> bool {
    at.is_none_or(|at| elapsed(at, now) <= desired.settings.snapshots.max_age)
}

fn old<'a>(
    draft: &Draft,
    desired: &Desired,
    now: Timestamp,
    views: &'a [SnapshotView],
    kind: SnapshotKind,
) -> Vec<&'a SnapshotView> {
    let ours = |view: &&SnapshotView| {
        view.kind == kind
            && view.state.is_terminal()
            && !view.deleting
            && matches!(
                view.trigger,
                SnapshotTriggerType::Periodic | SnapshotTriggerType::Upgrade
            )
    };
    let mut newest_first: Vec<&SnapshotView> = views.iter().filter(ours).collect();
    newest_first.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name)));
    let complete = |view: &&&SnapshotView| view.state == SnapshotState::Completed;
    let newest = newest_first.iter().find(complete).map(|view| &view.name);
    let needed = draft.restore_path();
    let kept = desired.settings.snapshots.kept(kind);
    let by_age = kind == SnapshotKind::Savepoint;
    newest_first
        .iter()
        .enumerate()
        .filter(|(place, view)| *place >= kept || (by_age && !is_young(desired, now, view.created)))
        .map(|(_, view)| *view)
        .filter(|view| Some(&view.name) != newest)
        .filter(|view| view.path.is_none() || view.path != needed)
        .collect()
}

/// Of savepoints recorded in the status the oldest that is too many or too old: its files first, then its
/// entry.
fn dispose_of_one(draft: &mut Draft, desired: &Desired, now: Timestamp) {
    let info = draft
        .status
        .job_status
        .as_ref()
        .and_then(|job| job.savepoint_info.as_ref());
    let history: &[Savepoint] = info
        .and_then(|info| info.savepoint_history.as_deref())
        .unwrap_or_default();
    let [oldest, _, ..] = history else { return };
    let at = oldest
        .time_stamp
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    let too_many = history.len() > desired.settings.snapshots.kept(SnapshotKind::Savepoint);
    let needed = draft.restore_path();
    let Some(path) = oldest.location.clone() else {
        return;
    };
    if (too_many || !is_young(desired, now, at)) && needed.as_ref() != Some(&path) {
        draft.step(Step::DisposeSavepoint(path.clone()));
        draft.afterwards(move |status| {
            let job = status.job_status.as_mut();
            let info = job.and_then(|job| job.savepoint_info.as_mut());
            if let Some(history) = info.and_then(|info| info.savepoint_history.as_mut()) {
                history.retain(|savepoint| savepoint.location.as_ref() != Some(&path));
            }
        });
    }
}
