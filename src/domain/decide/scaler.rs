//! Asking the scaler while a job is at rest: publish what it says, record what it wants.
//!
//! The rule: the verdict is the scaler's; here it only becomes overrides in the status, from which the
//! next pass rescales like on any other change of the spec. The status is written only on news.

mod give_back;
mod held;
mod initial;
mod publish;
mod reset;
mod resources;

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::FlinkJobState;
use flink_scaler::Reason::Blocked;
use flink_scaler::{
    Action, Block, Decision, DecisionLog, Frozen, History, JobGraph, Mode, Situation, Verdict,
    VertexId,
};
use jiff::SignedDuration;

use super::{AT_ONCE, rescale};
use crate::domain::draft::Draft;
use crate::domain::{
    Component, Desired, FREEZE, Observed, Reason, ScalerMemory, ScalerView, Sighting, Step,
};

pub use give_back::give_back_memory;
pub use initial::at_start;
pub use reset::reset;

/// Longest time between two samples.
const PACE: Duration = Duration::from_secs(10);

/// A job that failed more often in ten minutes has another trouble than its parallelism.
const FAILURES: usize = 2;

/// Whether the autoscaler looks after this resource.
pub fn wanted(desired: &Desired) -> bool {
    desired.is_application() && desired.scaler.effective_mode() != Mode::Off
}

/// Time between two samples.
pub fn sampling_pace(desired: &Desired) -> Duration {
    PACE.min(desired.settings.reconcile_interval)
}

/// Whether it may change the job, now or at its next start.
pub fn acts(desired: &Desired) -> bool {
    matches!(desired.scaler.effective_mode(), Mode::Auto | Mode::Initial)
}

/// At rest: ask the scaler.
pub fn consult(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if !wanted(desired) {
        if draft.status.autoscaler.take().is_some() {
            draft.step(Step::ForgetScaler);
            draft.look_again_in(AT_ONCE);
        }
        return;
    }
    if draft.status.autoscaler.is_none() {
        draft.status.autoscaler.clone_from(&desired.adopted);
    }
    draft.look_again_in(sampling_pace(desired));
    if draft.has_steps() || draft.status.pending.is_some() {
        return;
    }
    let view = match &observed.scaler {
        Sighting::Seen(view) => view,
        Sighting::Absent => return,
        Sighting::Unknown(why) => return blind(draft, desired, observed, why),
    };
    let situation = situation(draft, desired, observed, view);
    let verdict = flink_scaler::step(
        &desired.scaler,
        &view.graph,
        &view.window,
        &view.history,
        &situation,
    );
    let told = told_conflict(draft);
    let before = publish::publish(
        draft,
        desired,
        observed,
        (&verdict, &view.graph),
        situation.task_managers.as_ref(),
    );
    let news = before.is_some();
    if let Some(conflict) = told_conflict(draft).filter(|now| told.as_ref() != Some(now)) {
        draft.warn(Component::Job, Reason::ScalingConflict, conflict);
    }
    let decision = Decision::of(observed.now, &verdict);
    let told = is_told(desired, &view.decisions, &decision, news);
    if let Some(before) = before.filter(|_| !told) {
        held::tell(draft, &before, &verdict);
    }
    if let Action::Scale { overrides, .. } = &verdict.action {
        if let Some(report) = verdict.scaling_report(None) {
            draft.tell(Component::Job, Reason::ScalingReport, report);
        }
        impose(draft, overrides);
        resources::tune_memory(draft, desired, view, overrides);
        draft.look_again_in(AT_ONCE);
    }
    let tells = !told && tell_of_what_is_not_done(draft, desired, &verdict);
    let mut decisions = view.decisions.clone();
    if news || tells {
        decisions.push(decision);
    }
    keep(
        draft,
        desired,
        observed,
        (view, verdict.history.clone(), decisions),
    );
    draft.verdict = Some(Box::new(verdict));
}

/// The job runs but cannot be read: say so, once for as long as it stays so, and leave it as it is.
fn blind(draft: &mut Draft, desired: &Desired, observed: &Observed, why: &str) {
    let verdict = Verdict::unreadable(why, observed.now);
    let news = publish::publish(
        draft,
        desired,
        observed,
        (&verdict, &JobGraph::default()),
        None,
    );
    if news.is_some() {
        draft.warn(Component::Job, Reason::AutoscalerError, verdict.headline());
    }
    draft.verdict = Some(Box::new(verdict));
}

/// `spec.taskManager.replicas` says how many subtasks there are, so vertices are left alone.
fn replicas_are_set(desired: &Desired) -> bool {
    let task_manager = desired.spec.task_manager.as_ref();
    task_manager.is_some_and(|tm| tm.replicas.is_some())
}

/// What else changes the job's parallelism, so that ours would be undone, or would undo it: a person set it up, so
/// it goes first. Or a Flink that would start the job anew with the parallelism it has.
fn conflict(desired: &Desired, observed: &Observed) -> Option<String> {
    if !acts(desired) {
        return None;
    }
    let (what, remedy) = if let Some(hpa) = observed.hpa.seen() {
        let namespace = &desired.identity.namespace;
        (
            format!("HorizontalPodAutoscaler {hpa} scales this FlinkDeployment too"),
            format!("Delete it with kubectl -n {namespace} delete hpa {hpa}"),
        )
    } else if replicas_are_set(desired) {
        (
            "spec.taskManager.replicas is set, by a person or a HorizontalPodAutoscaler".to_owned(),
            "Remove it".to_owned(),
        )
    } else if rescale::starts_without_overrides(desired) {
        (
            "this Flink starts applications without the parallelism of single vertices (FLINK-38770)".to_owned(),
            "Set jobmanager.scheduler: adaptive".to_owned(),
        )
    } else {
        return None;
    };
    Some(format!(
        "{what}, so the autoscaler only recommends. {remedy}, or set job.autoscaler.mode: recommend"
    ))
}

/// The conflict that the status tells of.
fn told_conflict(draft: &Draft) -> Option<String> {
    draft.status.autoscaler.as_ref()?.conflict.clone()
}

/// Whether the same was told within `job.autoscaler.scaling.event.interval`; without one, news is told only.
fn is_told(desired: &Desired, decisions: &DecisionLog, decision: &Decision, news: bool) -> bool {
    let interval = desired.scaler.event_interval;
    if interval.is_zero() {
        return !news;
    }
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    decisions.has_lately(decision, interval)
}

/// Tell what the autoscaler would do, and why it does not. Returns whether there was anything to tell.
fn tell_of_what_is_not_done(draft: &mut Draft, desired: &Desired, verdict: &Verdict) -> bool {
    let because_of = match &verdict.action {
        Action::Advise => advising(desired),
        Action::Hold(Blocked(Block::Frozen(_))) => format!("annotation {FREEZE}"),
        Action::Hold(Blocked(Block::Conflict(_))) => {
            "job.autoscaler.mode:auto (ScalingConflict)".to_owned()
        }
        Action::Hold(Blocked(block @ Block::QuotaReached { .. })) => {
            draft.warn(
                Component::Operator,
                Reason::ResourceQuotaReached,
                block.to_string(),
            );
            return true;
        }
        Action::Hold(Blocked(block @ Block::MemoryPressure { .. })) => {
            let text = format!("Nothing is rescaled: {block}");
            draft.warn(Component::Job, Reason::MemoryPressure, text);
            return true;
        }
        Action::Hold(_) | Action::Scale { .. } => return false,
    };
    let report = verdict.scaling_report(Some(&because_of));
    let tells = report.is_some();
    if let Some(report) = report {
        draft.tell(Component::Job, Reason::ScalingReport, report);
    }
    tells
}

/// The setting because of which nothing is done.
fn advising(desired: &Desired) -> String {
    match desired.scaler.mode {
        Some(Mode::Auto) | None => "job.autoscaler.scaling.enabled:false".to_owned(),
        Some(_) => format!("job.autoscaler.mode:{}", desired.scaler.effective_mode()),
    }
}

fn situation(
    draft: &Draft,
    desired: &Desired,
    observed: &Observed,
    view: &ScalerView,
) -> Situation {
    let state = draft.job_state();
    let running = state == Some(FlinkJobState::Running);
    let since = view
        .window
        .latest()
        .and_then(|sample| sample.job_running_since);
    let mut situation = Situation::running(observed.now, since.unwrap_or(observed.now));
    situation.running_since = since;
    situation.job_state_running = running;
    situation.all_tasks_running = running;
    situation.restarting = view.failures > FAILURES
        || matches!(
            state,
            Some(FlinkJobState::Restarting | FlinkJobState::Failing)
        );
    situation.change_in_progress = view
        .savepoint_in_progress
        .then(|| "a savepoint is being written".to_owned());
    situation.interruption = view.interruption;
    situation.checkpoints_ok = view.checkpoints.clone();
    situation.in_place_possible = desired.rescales_in_place();
    situation.user_overrides = ids(&desired.own_overrides);
    situation.applied_overrides = imposed(draft);
    situation.frozen = frozen(desired, observed);
    situation.conflict = conflict(desired, observed);
    situation.task_managers = Some(resources::task_managers(desired, view));
    situation
}

/// A person's word that nothing is to be done now.
fn frozen(desired: &Desired, observed: &Observed) -> Option<Frozen> {
    desired.freeze.as_ref()?.at(observed.now)
}

/// The overrides in force, as the status has them.
fn imposed(draft: &Draft) -> BTreeMap<VertexId, u32> {
    let scaler = draft.status.autoscaler.iter();
    scaler
        .flat_map(|scaler| &scaler.overrides)
        .filter_map(|(id, n)| Some((VertexId::new(id).ok()?, u32::try_from(*n).ok()?)))
        .collect()
}

fn ids(overrides: &BTreeMap<String, u32>) -> BTreeMap<VertexId, u32> {
    overrides
        .iter()
        .filter_map(|(id, n)| Some((VertexId::new(id).ok()?, *n)))
        .collect()
}

fn impose(draft: &mut Draft, overrides: &BTreeMap<VertexId, u32>) {
    let scaler = draft.status.autoscaler.get_or_insert_default();
    scaler.overrides = texts(overrides);
}

/// Overrides as the status has them.
fn texts(overrides: &BTreeMap<VertexId, u32>) -> BTreeMap<String, i32> {
    overrides
        .iter()
        .map(|(id, n)| (id.to_string(), signed(*n)))
        .collect()
}

fn signed(parallelism: u32) -> i32 {
    i32::try_from(parallelism).unwrap_or(i32::MAX)
}

fn keep(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    (view, history, decisions): (&ScalerView, History, DecisionLog),
) {
    let stale = view.store_after.is_none_or(|moment| observed.now >= moment);
    let store = stale || history.scalings != view.history.scalings;
    let overrides = imposed(draft);
    draft.step(Step::KeepScaler(Box::new(ScalerMemory {
        window: view.window.clone(),
        history,
        decisions,
        graph: view.graph.clone(),
        options: desired.scaler_options.clone(),
        overrides,
        memory: desired.memory.clone(),
        store,
    })));
}
