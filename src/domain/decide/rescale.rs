//! Changing the parallelism of a running job: asked for by people, an autoscaler of pods, or ours.
//!
//! The rule: one rescale at a time; nothing is decided again until its effect is seen.

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::{
    FlinkDeploymentSpec, FlinkJobState, FlinkVersion, JobState, PendingKind, PendingOperation,
    ReconciliationState,
};

use super::{AT_ONCE, upgrade};
use crate::domain::change::{Change, SpecChange, change_of};
use crate::domain::draft::Draft;
use crate::domain::parallelism::overrides_in;
use crate::domain::recorded::Recorded;
use crate::domain::{Component, Desired, Observed, Reason, Sighting, Step, Vertex, Waiting};

/// After this long a rescale that cannot get its slots is reported and no longer waited for.
const PATIENCE: Duration = Duration::from_mins(10);

/// Rescale in place, if Flink can and nothing else changed. Returns whether that ends the pass.
pub fn in_place(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    change: &Change,
) -> bool {
    let Some(recorded) = draft.deployed() else {
        return false;
    };
    let running = draft
        .job_id()
        .and_then(|id| observed.job(&id).seen().map(|job| job.state))
        == Some(FlinkJobState::Running);
    let able = desired.rescales_in_place()
        && running
        && keeps_all_overrides(recorded.spec(), &desired.spec);
    if !able {
        return false;
    }
    if let Some(why) = observed.vertices.why_unknown() {
        draft.wait(
            Waiting::Sight(why.to_owned()),
            desired.settings.progress_interval,
        );
        return true;
    }
    upgrade::announce(draft, change);
    draft.tell(
        Component::Job,
        Reason::Scaling,
        "In-place scaling triggered",
    );
    draft.record(
        desired,
        observed.now,
        &desired.spec,
        ReconciliationState::Deployed,
        JobState::Running,
        recorded.job().and_then(|job| job.upgrade_mode),
    );
    draft.mark_stable();
    let job = draft.job_id();
    draft.begin(PendingKind::Rescale, observed.now, |pending| {
        pending.job_id = job;
    });
    draft.look_again_in(AT_ONCE);
    true
}

/// Flink 2.0 to 2.3 starts an application without the parallelism that its configuration imposes on vertices (FLINK-38770);
/// without the adaptive scheduler nothing can be done about that.
pub fn starts_without_overrides(desired: &Desired) -> bool {
    let version = desired.spec.flink_version;
    let affected = Some(FlinkVersion::V2_0) <= version && version <= Some(FlinkVersion::V2_3);
    affected && desired.is_application() && !desired.settings.adaptive_scheduler
}

/// The job was in this state before, and may have just started. Flink 2 starts an application without the parallelism
/// that its configuration imposes on vertices, so that is asked for in place; where it is in force already, the next pass
/// finds nothing to do. Returns whether that ends the pass.
pub fn after_start(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
    before: Option<FlinkJobState>,
) -> bool {
    let starting = matches!(
        before,
        None | Some(
            FlinkJobState::Reconciling | FlinkJobState::Initializing | FlinkJobState::Created
        )
    );
    let forgets = recorded.spec().flink_version >= Some(FlinkVersion::V2_0)
        && desired.settings.adaptive_scheduler
        && !overrides_in(recorded.spec()).is_empty();
    let started = starting && draft.job_state() == Some(FlinkJobState::Running);
    if !started || !forgets || !desired.is_application() {
        return false;
    }
    let job = draft.job_id();
    draft.begin(PendingKind::Rescale, observed.now, |pending| {
        pending.job_id = job;
    });
    draft.look_again_in(AT_ONCE);
    true
}

/// Taking an override back needs the job's own default, which only a new start knows.
fn keeps_all_overrides(old: &FlinkDeploymentSpec, new: &FlinkDeploymentSpec) -> bool {
    let replicas =
        |spec: &FlinkDeploymentSpec| spec.task_manager.as_ref().and_then(|tm| tm.replicas);
    if replicas(new).is_some() {
        return true;
    }
    let after = overrides_in(new);
    replicas(old).is_none()
        && overrides_in(old)
            .keys()
            .all(|vertex| after.contains_key(vertex))
}

/// Subtasks that the recorded spec wants for each vertex.
fn targets(
    desired: &Desired,
    spec: &FlinkDeploymentSpec,
    vertices: &BTreeMap<String, Vertex>,
) -> BTreeMap<String, u32> {
    let uniform = spec
        .task_manager
        .as_ref()
        .and_then(|tm| tm.replicas)
        .and_then(|replicas| u32::try_from(replicas).ok())
        .map(|replicas| replicas.saturating_mul(desired.settings.slots));
    let overrides = overrides_in(spec);
    vertices
        .iter()
        .map(|(id, vertex)| {
            let wanted = uniform
                .or_else(|| overrides.get(id).copied())
                .unwrap_or(vertex.parallelism);
            (id.clone(), wanted.clamp(1, vertex.max_parallelism.max(1)))
        })
        .collect()
}

/// A rescale is under way. Returns whether that ends the pass.
pub fn proceed(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    pending: &PendingOperation,
) -> bool {
    let Some(recorded) = draft.deployed() else {
        return false;
    };
    let overtaken = change_of(recorded.spec(), &desired.spec).effect >= SpecChange::Scale;
    let ended = draft
        .job_state()
        .is_some_and(flink_crds::FlinkJobState::is_globally_terminal);
    if overtaken || ended || observed.job_manager.is_absent() {
        draft.status.pending = None;
        return false;
    }
    let Sighting::Seen(vertices) = &observed.vertices else {
        let why = observed
            .vertices
            .why_unknown()
            .unwrap_or("the job has no vertices");
        draft.wait(
            Waiting::Sight(why.to_owned()),
            desired.settings.progress_interval,
        );
        return true;
    };
    let targets = targets(desired, recorded.spec(), vertices);
    let done = vertices
        .iter()
        .all(|(id, vertex)| vertex.running && targets.get(id) == Some(&vertex.parallelism));
    if done {
        draft.status.pending = None;
        return false;
    }
    if draft.pending_for(observed) > PATIENCE {
        draft.status.pending = None;
        let lacking: Vec<String> = vertices
            .iter()
            .filter(|(id, vertex)| targets.get(*id) != Some(&vertex.parallelism))
            .map(|(id, vertex)| {
                format!("{id} runs {} of {:?}", vertex.parallelism, targets.get(id))
            })
            .collect();
        draft.warn(
            Component::Job,
            Reason::Scaling,
            format!(
                "The new parallelism is not reached after {} min, probably for lack of slots: {}",
                PATIENCE.as_secs() / 60,
                lacking.join(", ")
            ),
        );
        return false;
    }
    if let Some(job) = pending.job_id.clone() {
        draft.step(Step::Rescale {
            job,
            upper: targets,
        });
    }
    draft.wait(Waiting::Rescale, desired.settings.progress_interval);
    true
}
