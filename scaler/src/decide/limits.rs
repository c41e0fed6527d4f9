//! What a vertex that can take no more means for the others: upstream they need no more than it takes, downstream no more
//! than it gives.
//!
//! The rule: it keeps vertices from being scaled up in vain; it never scales one down. Tests are in
//! `tests/it/weaknesses/`.

use jiff::SignedDuration;

use super::{
    Context,
    bounds::bounds,
    effect::{ineffective, tries_again},
};
use crate::{
    capacity::{Need, need},
    curve::Growth,
    evaluate::Evaluation,
    settings::{Part, Settings},
    topology::VertexId,
    units::{Capacity, Rate, Ratio},
};

/// What a limit elsewhere leaves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limited {
    /// The rate that still comes in.
    rate: Rate,
    /// What still comes on top to work off what waits.
    catch_up: Rate,
    /// The vertex that takes no more.
    pub by: VertexId,
}

impl Limited {
    /// What the vertex needs for what is left.
    pub fn need(&self, settings: &Settings, backlog: bool, restart: SignedDuration) -> Need {
        need(settings, self.rate, self.catch_up, backlog, restart)
    }
}

/// For every vertex by position, what is left of its target rate; `None` where nothing limits it.
///
/// A vertex at its bound with capacity C, asked for a rate T with catching up, lets through C / T of what
/// its sources would give; catching up is given up first. A sink that is excluded, does 300/s and should do
/// 900/s: its sources come down to a third, and every vertex before and behind it needs a third.
pub(super) fn of(
    context: &Context<'_>,
    evaluation: &Evaluation,
    growths: &[Growth],
) -> Vec<Option<Limited>> {
    let vertices = context.topology.vertices();
    let none = || vec![None; vertices.len()];
    if !context.settings.uses(Part::Bottleneck) {
        return none();
    }
    let own: Vec<Option<Ratio>> = (0..vertices.len())
        .map(|at| passes(context, evaluation, growths.get(at)?, at))
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
    // What a source gives when it is let through: its rate first, then what waits.
    let sources = (0..vertices.len()).map(|position| {
        let evaluated = evaluation.vertices.get(position)?;
        let rate = evaluated
            .target_rate
            .filter(|_| context.topology.is_source(position))?;
        let share = tightest
            .get(position)
            .copied()
            .flatten()
            .map_or(Ratio::ONE, |(share, _)| share);
        let all = rate.plus(evaluated.catch_up).times(share);
        let rate = rate.min(all);
        Some((
            rate,
            Rate::new(all.get() - rate.get()).unwrap_or(Rate::ZERO),
        ))
    });
    let (rates, catch_ups): (Vec<_>, Vec<_>) = sources.map(Option::unzip).unzip();
    // Then down again: what a vertex does not let through arrives nowhere.
    let mut limiting: Vec<Option<(Ratio, usize)>> = Vec::with_capacity(vertices.len());
    for (position, own) in tightest.iter().enumerate() {
        let upstream = context.topology.inputs(position).iter();
        let upstream = upstream.filter_map(|edge| limiting.get(edge.from).copied().flatten());
        let least = upstream.chain(*own).min_by_key(|(share, _)| *share);
        limiting.push(least);
    }
    let rates = evaluation.ratios.carry(&rates);
    let catch_ups = evaluation.ratios.carry(&catch_ups);
    (0..)
        .zip(rates.into_iter().zip(catch_ups))
        .map(|(position, (rate, catch_up))| {
            let by = limiting.get(position).copied().flatten()?.1;
            let by = vertices.get(by).filter(|_| by != position)?.id.clone();
            Some(Limited {
                rate: rate?,
                catch_up: catch_up?,
                by,
            })
        })
        .collect()
}

/// The share of what it is asked for that a vertex lets through at the most subtasks it may have; `None` if all.
fn passes(
    context: &Context<'_>,
    evaluation: &Evaluation,
    growth: &Growth,
    position: usize,
) -> Option<Ratio> {
    let vertex = context.topology.vertices().get(position)?;
    let evaluated = evaluation.vertices.get(position)?;
    let Capacity::Limited(capacity) = evaluated.capacity? else {
        return None;
    };
    let target = evaluated
        .target_rate
        .filter(|_| evaluated.missing.is_none())?;
    let bounds = bounds(
        (context.settings, &context.agenda),
        vertex,
        evaluated.partitions,
    );
    let again = tries_again(context, vertex, evaluated);
    let in_vain = !again && ineffective(context, vertex, evaluated).is_some();
    let stays = context.excluded(&vertex.id) || in_vain;
    let most = if stays {
        vertex.parallelism
    } else {
        bounds.max.max(vertex.parallelism).min(bounds.cap())
    };
    let most = if again {
        most
    } else {
        most.min(growth.most(vertex.parallelism))
    };
    growth
        .expected(capacity, vertex.parallelism, most)
        .over(target.plus(evaluated.catch_up))
        .filter(|share| *share < Ratio::ONE)
}
