//! Mode `initial`: what is recommended is kept until the job starts for another reason, and taken then.
//!
//! The rule: it never causes a start. A start that the operator makes by itself, after a loss or a failure, is of
//! what ran before and takes nothing. Stories are in `tests/scenarios/autoscale_initial*.txt`.

use std::collections::BTreeMap;

use flink_crds::{AutoscalerStatus, FlinkDeploymentSpec};
use flink_scaler::{Action, Mode, Verdict};

use super::{frozen, ids, replicas_are_set, texts};
use crate::domain::draft::Draft;
use crate::domain::parallelism::imposed;
use crate::domain::{Component, Desired, Observed, Reason};

/// What the next start takes, after this verdict: kept while nothing better is known, dropped when the job was
/// judged and has what it needs, and when what it needs cannot be had.
pub(super) fn recommended(
    present: &AutoscalerStatus,
    desired: &Desired,
    verdict: &Verdict,
) -> BTreeMap<String, i32> {
    if desired.scaler.effective_mode() != Mode::Initial {
        return BTreeMap::new();
    }
    match &verdict.action {
        Action::Advise if !verdict.may_be_had() => BTreeMap::new(),
        Action::Advise => texts(&verdict.overrides(&ids(&desired.own_overrides))),
        Action::Hold(reason) if reason.settles() => BTreeMap::new(),
        Action::Hold(_) | Action::Scale { .. } => present.next_start.clone(),
    }
}

/// The spec to start the job with, what was recommended taken into it and into the status.
pub fn at_start(draft: &mut Draft, desired: &Desired, observed: &Observed) -> FlinkDeploymentSpec {
    let takes = desired.scaler.effective_mode() == Mode::Initial
        && desired.violations.is_empty()
        && frozen(desired, observed).is_none()
        && !replicas_are_set(desired);
    let scaler = draft.status.autoscaler.as_mut().filter(|_| takes);
    let Some(scaler) = scaler.filter(|scaler| !scaler.next_start.is_empty()) else {
        return desired.spec.clone();
    };
    scaler.overrides = std::mem::take(&mut scaler.next_start);
    let overrides = scaler.overrides.clone();
    let vertices: Vec<String> = overrides
        .iter()
        .map(|(id, parallelism)| format!("{id}:{parallelism}"))
        .collect();
    draft.tell(
        Component::Job,
        Reason::Scaling,
        format!(
            "This start takes the recommended parallelism (job.autoscaler.mode: initial): {}",
            vertices.join(", ")
        ),
    );
    imposed(&desired.spec, desired.own_overrides.clone(), &overrides)
}
