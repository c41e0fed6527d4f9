//! What the job's TaskManagers are made of: for the engine's quotas, and tuned together with a rescale.
//!
//! The rule: what is tuned waits for the next start of the job, which it does not cause, unless what the job has
//! been tuned to is too small for what it is rescaled to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flink_crds::TunedMemory;
use flink_scaler::memory::{Tuning, Usage, network_bytes, outgrown, tune};
use flink_scaler::{TaskManagers, VertexId};

use crate::domain::draft::Draft;
use crate::domain::memory::refused;
use crate::domain::{Component, Desired, Reason, ScalerView};

/// The TaskManagers as a decision needs them.
pub(super) fn task_managers(desired: &Desired, view: &ScalerView) -> TaskManagers {
    let latest = view.window.latest();
    TaskManagers {
        cpu: desired.task_manager.cpu,
        memory: desired.task_manager.memory,
        slots: desired.settings.slots,
        slots_used: latest
            .and_then(|sample| sample.slots_total?.checked_sub(sample.slots_available?)),
        room: view.room,
        slot_groups: view.slot_groups.clone(),
    }
}

/// With a rescale to `targets`: say which memory suits it, and record it for the next start if tuning is on.
pub(super) fn tune_memory(
    draft: &mut Draft,
    desired: &Desired,
    view: &ScalerView,
    targets: &BTreeMap<VertexId, u32>,
) {
    let Ok(topology) = view.graph.topology() else {
        return;
    };
    if !desired.violations.is_empty() {
        return;
    }
    let on = desired.scaler.memory_tuning_enabled;
    let pools = desired.task_manager.pools.as_ref();
    let wanted = pools
        .zip(Usage::of(&view.window, &desired.scaler))
        .and_then(|(pools, usage)| tune(&desired.scaler, pools, &usage, &topology, targets));
    // What cannot be reckoned fits into nothing.
    let network = pools.map_or(u64::MAX, |pools| network_bytes(&topology, targets, pools));
    let present = desired.memory.as_ref();
    let basis = &desired.task_manager.basis;
    let known = draft.status.autoscaler.as_ref();
    let bad = |tuning: &&Tuning| refused(known, basis, &tuning.overrides);
    let applied = wanted.as_ref().filter(|_| on);
    let (applied, again) = (
        applied.filter(|tuning| !bad(tuning)),
        applied.is_some_and(|tuning| bad(&tuning)),
    );
    let needed = present.is_some_and(|memory| outgrown(&memory.overrides, applied, network));
    if let Some(tuning) = &wanted {
        let later = on && desired.rescales_in_place() && !needed;
        let note = match (again, later) {
            (true, _) => AGAIN,
            (false, true) => LATER,
            (false, false) => "",
        };
        draft.tell(
            Component::Operator,
            Reason::MemoryTuning,
            recommendation(tuning, on) + note,
        );
    }
    if !on && !needed {
        return;
    }
    let next = applied.cloned().unwrap_or_default();
    let next = TunedMemory {
        basis: Some(basis.clone()),
        required: needed.then_some(true),
        overrides: next.overrides,
        removals: next.removals.into_iter().map(str::to_owned).collect(),
    };
    let none = TunedMemory::default();
    let changes = present.unwrap_or(&none).overrides != next.overrides;
    let scaler = draft.status.autoscaler.get_or_insert_default();
    scaler.next_memory = changes.then_some(next);
}

const LATER: &str = "\nA rescale in place keeps its TaskManagers, so it takes effect at the next upgrade of the job.";

const AGAIN: &str = "\nIt is not applied: the job did not come up with about as much before \
     (status.autoscaler.refusedMemory).";

/// The Java operator's text.
fn recommendation(tuning: &Tuning, on: bool) -> String {
    let mut text = format!(
        "Memory tuning recommends the following configuration (automatic tuning is {}):",
        if on { "enabled" } else { "disabled" }
    );
    for (key, value) in &tuning.overrides {
        let _ = write!(text, "\n{key}: {value}");
    }
    let _ = write!(
        text,
        "\nRemove the following config entries if present: [{}]",
        tuning.removals.join(", ")
    );
    text
}
