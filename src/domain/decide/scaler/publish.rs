//! What the autoscaler says, in the status.
//!
//! The rule: the status is written on news only; what changes at every look is left as it was when the
//! decision was new.

use std::collections::BTreeMap;

use flink_crds::{AutoscalerStatus, ScalingSummary, TaskManagersNeeded, VertexRecommendation};
use flink_scaler::history::{Outcome, Scaling};
use flink_scaler::{Action, Block, JobGraph, Reason, TaskManagers, Verdict, VertexVerdict};

use super::{conflict, frozen, initial, signed};
use crate::domain::draft::Draft;
use crate::domain::{Desired, Observed};

/// Write the verdict to the status if what it says is new. Returns the vertices as they were told before, if it is.
pub(super) fn publish(
    draft: &mut Draft,
    desired: &Desired,
    observed: &Observed,
    (verdict, graph): (&Verdict, &JobGraph),
    hosts: Option<&TaskManagers>,
) -> Option<Vec<VertexRecommendation>> {
    let present = draft.status.autoscaler.clone().unwrap_or_default();
    let mode = desired.scaler.effective_mode().as_str();
    let blind = matches!(
        verdict.action,
        Action::Hold(Reason::Blocked(Block::Unreadable(_)))
    );
    // What was known before the job could not be read is worth more than nothing.
    let vertices: Vec<VertexRecommendation> = if blind {
        present.vertices.clone()
    } else {
        verdict.vertices.iter().map(vertex).collect()
    };
    let state = verdict.action.word();
    let targets = |vertices: &[VertexRecommendation]| -> Vec<(Option<String>, Option<i32>)> {
        vertices.iter().map(|v| (v.id.clone(), v.target)).collect()
    };
    let until = match &verdict.action {
        Action::Hold(reason) => reason.until(),
        Action::Advise | Action::Scale { .. } => None,
    };
    let conflict = conflict(desired, observed);
    let next_start = match conflict {
        None => initial::recommended(&present, desired, verdict),
        Some(_) => BTreeMap::new(),
    };
    let schedules = desired.scaler.scheduled(observed.now, &verdict.history);
    let schedule = (!schedules.is_empty()).then(|| schedules.join("; "));
    let frozen = frozen(desired, observed).map(|frozen| frozen.text);
    let last_scaling = if blind {
        present.last_scaling.clone()
    } else {
        verdict.history.last().map(|last| summary(last, graph))
    };
    // Most texts hold figures that differ at every look; those that name an instant change with it only.
    let dated = until.is_some();
    let same = present.mode.as_deref() == Some(mode)
        && present.state.as_deref() == Some(state)
        && (!dated || present.reason == Some(verdict.headline()))
        && present.next_start == next_start
        && present.schedule == schedule
        && present.frozen == frozen
        && present.conflict == conflict
        && present.last_scaling == last_scaling
        && targets(&present.vertices) == targets(&vertices);
    if same {
        return None;
    }
    let blocked: Vec<String> = verdict.blocked_by.iter().map(ToString::to_string).collect();
    draft.status.autoscaler = Some(AutoscalerStatus {
        mode: Some(mode.to_owned()),
        state: Some(state.to_owned()),
        last_decision_time: Some(observed.now.to_string()),
        reason: Some(verdict.headline()),
        task_managers: match hosts {
            Some(hosts) if !vertices.is_empty() => Some(needed(hosts, &verdict.vertices)),
            _ => present.task_managers.filter(|_| blind),
        },
        vertices,
        overrides: present.overrides,
        next_start,
        schedule,
        frozen,
        conflict,
        memory: present.memory,
        next_memory: present.next_memory,
        refused_memory: present.refused_memory,
        blocked_by: (!blocked.is_empty()).then(|| blocked.join("; ")),
        next_evaluation_time: until.map(|until| until.to_string()),
        last_scaling,
    });
    Some(present.vertices)
}

fn needed(hosts: &TaskManagers, vertices: &[VertexVerdict]) -> TaskManagersNeeded {
    TaskManagersNeeded {
        current: Some(signed(hosts.needed(vertices, |vertex| vertex.current))),
        target: Some(signed(hosts.needed(vertices, |vertex| vertex.target))),
        cpu: hosts.cpu,
    }
}

fn vertex(verdict: &VertexVerdict) -> VertexRecommendation {
    VertexRecommendation {
        id: Some(verdict.id.to_string()),
        name: Some(verdict.name.clone()),
        current: Some(signed(verdict.current)),
        target: Some(signed(verdict.target)),
        lower: verdict.lower.map(signed),
        upper: verdict.upper.map(signed),
        uncapped: verdict.uncapped.map(signed),
        reason: Some(verdict.reason.to_string()),
        reason_code: Some(verdict.reason.word().to_owned()),
        limit: verdict.limit.map(|limit| limit.to_string()),
        lag: verdict.lag.map(|lag| rounded(lag.get())),
        load: verdict.utilization.map(|ratio| rounded(ratio.get())),
        true_rate: verdict.true_rate.map(|rate| rounded(rate.get())),
        target_rate: verdict.target_rate.map(|rate| rounded(rate.get())),
    }
}

/// Three digits after the point are more than the readings are worth.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A rescale and what became of it.
fn summary(scaling: &Scaling, graph: &JobGraph) -> ScalingSummary {
    let changes = scaling.vertices.iter().map(|(id, change)| {
        let vertex = graph.vertices.iter().find(|vertex| vertex.id == *id);
        let name = vertex.map_or(id.as_str(), |vertex| vertex.name.as_str());
        format!("{name} {} -> {}", change.from, change.to)
    });
    let (outcome, restart) = match scaling.outcome {
        Outcome::Open => ("Open", None),
        Outcome::Seen { restart, .. } => ("Reached", restart),
        Outcome::GivenUp => ("GivenUp", None),
    };
    ScalingSummary {
        time: Some(scaling.at.to_string()),
        changes: Some(changes.collect::<Vec<_>>().join(", ")),
        outcome: Some(outcome.to_owned()),
        restart_seconds: restart.map(|restart| restart.as_secs()),
    }
}
