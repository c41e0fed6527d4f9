//! One pass over a `FlinkDeployment`: what is asked for and what is seen in, a plan out.
//!
//! The rule: this file holds the order of concerns and nothing else. Total, pure, microseconds.
//! Stories are in `tests/scenarios/`, faults and crashes in `tests/it/world/`.

mod delete;
mod deploy;
mod exceptions;
mod ingress;
mod needs;
mod pending;
mod recover;
mod rescale;
mod scaler;
mod snapshots;
mod suspend;
mod track;
mod upgrade;

use std::time::Duration;

use flink_crds::{FlinkDeploymentStatus, FlinkJobState, JobState, ReconciliationState};

pub use exceptions::told_until;
pub use needs::needs;
pub use scaler::sampling_pace;
pub use snapshots::recorded_trigger;

use super::change::{SpecChange, change_of};
use super::draft::Draft;
use super::error_form::error_field;
use super::{Component, Desired, Observed, Plan, Reason, Step, Waiting};
use super::{conditions, lifecycle};

/// Look at the result of what was just recorded at once.
const AT_ONCE: Duration = Duration::ZERO;

/// Decide what one `FlinkDeployment` needs now.
pub fn decide(desired: &Desired, status: &FlinkDeploymentStatus, observed: &Observed) -> Plan {
    let mut draft = Draft::of(desired, status);
    concerns(&mut draft, desired, observed);
    if !desired.identity.deleting {
        if draft.deployed().is_some() {
            ingress::keep(&mut draft, desired, observed);
        }
        snapshots::proceed(&mut draft, desired, observed);
    }
    if draft.status.observed_generation != status.observed_generation {
        advise(&mut draft, desired);
    }
    let waiting = draft.look_again();
    if waiting.is_none() && desired.identity.finalized {
        draft.look_again_in(desired.settings.reconcile_interval);
    }
    draft.keep_refusals();
    draft.status.lifecycle_state = Some(lifecycle::lifecycle_of(&draft.status));
    conditions::set(&mut draft, desired, observed);
    draft.finish(desired)
}

fn concerns(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if desired.identity.deleting {
        return delete::decide(draft, desired, observed);
    }
    if !desired.identity.finalized {
        return draft.step(Step::AddFinalizer);
    }
    if refuse(draft, desired) {
        return;
    }
    let before = draft.job_state();
    track::fold(draft, desired, observed);
    exceptions::tell(draft, desired, observed);
    if pending::proceed(draft, desired, observed) {
        return;
    }
    let Some(recorded) = draft.deployed() else {
        return deploy::first(draft, desired, observed);
    };
    let suspended = recorded
        .job()
        .is_some_and(|job| job.state == Some(JobState::Suspended));
    match (draft.reconciliation(), suspended) {
        (ReconciliationState::Upgrading | ReconciliationState::RollingBack, true) => {
            deploy::restore(draft, desired, observed);
        }
        (ReconciliationState::Upgrading | ReconciliationState::RollingBack, false) => {
            upgrade::stop(draft, desired, observed, &recorded);
        }
        (ReconciliationState::Deployed | ReconciliationState::RolledBack, _) => {
            changes(draft, desired, observed, before);
        }
    }
}

/// Report what is wrong with the spec, or no longer do. Returns whether there is nothing else to manage.
fn refuse(draft: &mut Draft, desired: &Desired) -> bool {
    let Some(text) = desired.violation_text() else {
        let told = error_field(&draft.status, "type").unwrap_or_default();
        let mistakes = [Reason::ValidationError, Reason::UnsupportedFlinkVersion];
        if mistakes.iter().any(|mistake| mistake.to_string() == told) {
            draft.heal();
        }
        return false;
    };
    let reason = if desired.violations.iter().any(|v| v.unsupported_version) {
        Reason::UnsupportedFlinkVersion
    } else {
        Reason::ValidationError
    };
    draft.fail(Component::Operator, reason, &text);
    if draft.deployed().is_none() {
        draft.wait(Waiting::Person(text), desired.settings.reconcile_interval);
        return true;
    }
    false
}

/// A new generation was taken up: say what is odd about it, once.
fn advise(draft: &mut Draft, desired: &Desired) {
    for text in &desired.advice {
        draft.warn(Component::Operator, Reason::UnknownConfiguration, text);
    }
    if !desired.manages_ingress && desired.spec.ingress.is_some() {
        let text = "spec.ingress is set, and this operator manages no Ingresses \
                    (kubernetes.operator.ingress.manage: false)";
        draft.warn(Component::Operator, Reason::IngressManagement, text);
    }
}

/// The resource is at rest: act on what changed, or look after what runs.
fn changes(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    before: Option<FlinkJobState>,
) {
    let Some(recorded) = draft.deployed() else {
        return;
    };
    if scaler::reset(draft, desired, &recorded) {
        return;
    }
    let change = change_of(recorded.spec(), &desired.spec);
    match change.effect {
        SpecChange::None | SpecChange::Ignore => {
            if desired.violations.is_empty() {
                draft.status.observed_generation = Some(desired.identity.generation);
            }
            if scaler::give_back_memory(draft, desired, observed, &recorded)
                || rescale::after_start(draft, desired, observed, &recorded, before)
            {
                return;
            }
            recover::look_after(draft, desired, observed, &recorded);
            snapshots::look_after(draft, desired, observed);
            scaler::consult(draft, desired, observed);
        }
        _ if snapshots::in_the_way(draft, desired, observed) => {}
        SpecChange::Scale if rescale::in_place(draft, desired, observed, &change) => {}
        SpecChange::Scale | SpecChange::Upgrade | SpecChange::SavepointRedeploy => {
            upgrade::begin(draft, desired, observed, &recorded, &change);
        }
    }
}
