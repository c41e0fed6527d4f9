//! What a vertex that can take no more means for those upstream: they need no more than it takes.
//!
//! The rule: it keeps vertices from being scaled up in vain; it never scales one down. Tests are in
//! `tests/it/adaptive.rs`.

use jiff::SignedDuration;

use super::{
    Context, scaled_rate,
    vertex::{bounds, ineffective},
};
use crate::{
    capacity::{Need, need},
    evaluate::{Evaluated, Evaluation},
    settings::{Profile, Settings},
    topology::VertexId,
    units::{Capacity, Rate, Ratio},
};

/// What a limit downstream leaves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limited {
    /// The rate that still comes in.
    rate: Rate,
    /// The vertex that takes no more.
    pub by: VertexId,
}

impl Limited {
    /// What the vertex needs for the rate that is left.
    pub fn need(
        &self,
        evaluated: &Evaluated,
        settings: &Settings,
        backlog: bool,
        restart: SignedDuration,
    ) -> Option<Need> {
        let left = self.rate.over(evaluated.target_rate?)?;
        Some(need(
            settings,
            self.rate,
            evaluated.catch_up.times(left),
            backlog,
            restart,
        ))
    }
}

/// For every vertex by position, what is left of its target rate; `None` where nothing limits it.
///
/// A vertex at its bound with capacity C for a target rate T lets through C / T of what its sources
/// would give. A sink that is excluded, does 300/s and should do 900/s: its sources come down to a
/// third, and every vertex between needs a third.
pub(super) fn of(context: &Context<'_>, evaluation: &Evaluation) -> Vec<Option<Limited>> {
    let vertices = context.topology.vertices();
    let none = || vec![None; vertices.len()];
    if context.settings.profile == Profile::Apache {
        return none();
    }
    let own: Vec<Option<Ratio>> = (0..vertices.len())
        .map(|at| passes(context, evaluation, at))
        .collect();
    if own.iter().all(Option::is_none) {
        return none();
    }
    // From the sinks up: the tightest share anywhere downstream.
    let mut tightest: Vec<Option<(Ratio, usize)>> = (0..)
        .zip(&own)
        .map(|(at, own)| own.map(|o| (o, at)))
        .collect();
    for position in (0..vertices.len()).rev() {
        let downstream = context.topology.outputs(position).iter();
        let downstream = downstream.filter_map(|edge| tightest.get(edge.to).copied().flatten());
        let here = tightest.get(position).copied().flatten();
        let least = here
            .into_iter()
            .chain(downstream)
            .min_by_key(|(share, _)| *share);
        if let Some(slot) = tightest.get_mut(position) {
            *slot = least;
        }
    }
    let source = |position: usize| {
        let rate = evaluation.vertices.get(position)?.target_rate?;
        let share = tightest
            .get(position)
            .copied()
            .flatten()
            .map_or(Ratio::ONE, |(share, _)| share);
        Some(rate.times(share))
    };
    let sources: Vec<Option<Rate>> = (0..vertices.len())
        .map(|at| source(at).filter(|_| context.topology.is_source(at)))
        .collect();
    let left = evaluation.ratios.carry(&sources);
    (0..)
        .zip(left)
        .map(|(position, rate)| {
            let by = tightest.get(position).copied().flatten()?.1;
            let by = vertices.get(by).filter(|_| by != position)?.id.clone();
            Some(Limited { rate: rate?, by })
        })
        .collect()
}

/// The share of its target rate that a vertex lets through at the most subtasks it may have; `None` if all.
fn passes(context: &Context<'_>, evaluation: &Evaluation, position: usize) -> Option<Ratio> {
    let vertex = context.topology.vertices().get(position)?;
    let evaluated = evaluation.vertices.get(position)?;
    let Capacity::Limited(capacity) = evaluated.capacity? else {
        return None;
    };
    let target = evaluated
        .target_rate
        .filter(|_| evaluated.missing.is_none())?;
    let bounds = bounds(context.settings, vertex, evaluated.partitions);
    let stays = context.excluded(&vertex.id) || ineffective(context, vertex, evaluated).is_some();
    let most = if stays {
        vertex.parallelism
    } else {
        bounds.max.max(vertex.parallelism).min(bounds.cap())
    };
    let at_most = scaled_rate(capacity, vertex.parallelism, most);
    at_most.over(target).filter(|share| *share < Ratio::ONE)
}
