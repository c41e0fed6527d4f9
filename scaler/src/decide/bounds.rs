//! What a vertex' parallelism must keep to: the bounds of all vertices, those of its own, and schedules.
//!
//! The rule: schedules narrow the bounds and never widen them, and key groups and partitions come before all.
//! Other bounds force no vertex to where they begin; a schedule does, at once, and says so. Tests are in
//! `tests/it/schedules.rs`.

use super::Context;
use crate::{
    curve::Growth,
    parallelism::{Bounds, Origin, Rule, align},
    reason::{Limit, VertexReason},
    schedule::Agenda,
    settings::Settings,
    topology::{ShipStrategy, Vertex},
    verdict::VertexVerdict,
};

/// What the parallelism of this vertex must keep to.
pub(crate) fn bounds(
    (settings, agenda): (&Settings, &Agenda<'_>),
    vertex: &Vertex,
    partitions: Option<u32>,
) -> Bounds {
    let mut bounds = lasting(settings, vertex, partitions);
    let (min, max) = (bounds.min, bounds.max);
    if let Some(ceiling) = agenda.ceiling(vertex).filter(|ceiling| *ceiling < max) {
        bounds.max = ceiling.max(min);
        bounds.max_by = Origin::Schedule;
    }
    if let Some(floor) = agenda.floor(vertex).filter(|floor| *floor > min) {
        bounds.min = floor.min(max);
        bounds.min_by = Origin::Schedule;
        if bounds.max < bounds.min {
            (bounds.max, bounds.max_by) = (bounds.min, Origin::Schedule);
        }
    }
    bounds
}

/// The same without schedules.
fn lasting(settings: &Settings, vertex: &Vertex, partitions: Option<u32>) -> Bounds {
    let mut all = settings.vertex_parallelism_bounds.iter();
    let own = all.find(|own| own.matches(vertex));
    let pick = |own: Option<u32>, all: u32| own.map_or((all, Origin::All), |n| (n, Origin::Vertex));
    let (min, min_by) = pick(own.and_then(|own| own.min), settings.vertex_min_parallelism);
    let (max, max_by) = pick(own.and_then(|own| own.max), settings.vertex_max_parallelism);
    Bounds {
        min,
        min_by,
        max,
        max_by,
        max_parallelism: vertex.max_parallelism,
        partitions: partitions.filter(|_| vertex.inputs.is_empty()),
        keyed: vertex
            .inputs
            .iter()
            .any(|input| input.ship == ShipStrategy::Hash),
        rule: Rule::of(settings),
    }
}

/// Brings the targets inside what the schedules ask for now. Returns how many vertices that changes.
pub(super) fn keep_to_schedule(context: &Context<'_>, verdicts: &mut [VertexVerdict]) -> usize {
    let vertices = context.topology.vertices().iter();
    let kept = vertices.zip(verdicts).map(|(vertex, verdict)| {
        let fixed = matches!(
            verdict.reason,
            VertexReason::Excluded | VertexReason::Finished
        );
        if !fixed {
            keep_vertex(context, vertex, verdict);
        }
        usize::from(verdict.changes() && matches!(verdict.reason, VertexReason::Schedule { .. }))
    });
    kept.sum()
}

fn keep_vertex(context: &Context<'_>, vertex: &Vertex, verdict: &mut VertexVerdict) {
    let agenda = &context.agenda;
    let bounds = bounds((context.settings, agenda), vertex, verdict.partitions);
    let wanted = verdict.target;
    if let Some(asked) = agenda.floor(vertex).filter(|asked| *asked > wanted) {
        let own = lasting(context.settings, vertex, verdict.partitions);
        let given = asked.min(own.max).min(own.cap());
        let kept = (given < asked).then(|| match own.partitions {
            _ if own.max == given => own.most(),
            Some(partitions) if partitions == given => Limit::Partitions(partitions),
            _ => Limit::KeyGroups(own.max_parallelism),
        });
        let target = align(vertex.parallelism, given, 1, bounds.max, &own);
        let target = target.max(given).max(wanted);
        settle(verdict, target, (true, asked, kept));
    } else if let Some(asked) = agenda.ceiling(vertex).filter(|asked| *asked < wanted) {
        // A lower bound, or a floor, counts before a ceiling.
        let given = bounds.max.max(bounds.min).min(bounds.cap());
        let kept = (given > asked).then(|| bounds.least());
        settle(verdict, given.min(wanted), (false, asked, kept));
    }
}

/// Gives the vertex this target. One that is where it ends up anyway only says so, if nothing else is to be said.
fn settle(
    verdict: &mut VertexVerdict,
    target: u32,
    (floor, asked, kept): (bool, u32, Option<Limit>),
) {
    let quiet = matches!(
        verdict.reason,
        VertexReason::Stable | VertexReason::AtFloor(_) | VertexReason::AtLimit(_)
    );
    if target == verdict.target && (kept.is_none() || !quiet) {
        return;
    }
    verdict.reason = VertexReason::Schedule { floor, asked, kept };
    verdict.limit = Some(Limit::Schedule(asked));
    if target == verdict.target {
        return;
    }
    verdict.target = target;
    verdict.outside_band = target != verdict.current;
    verdict.expected_rate = verdict
        .true_rate
        .map(|rate| Growth::EVEN.expected(rate, verdict.current, target));
}
