//! Whether scaling a vertex up brought anything.
//!
//! The rule: one step that brings nothing may be bad luck, as where capacity dips before it grows on; so a vertex that
//! falls behind gets a second, larger one. Two are a verdict: it is taken back, and more is not tried. Tests are in
//! `tests/it/vectors.rs` and `tests/it/nexmark.rs`.

use super::Context;
use crate::{
    evaluate::{Evaluated, Evaluation},
    history::Change,
    reason::VertexReason,
    settings::Part,
    topology::Vertex,
    units::Rate,
};

/// A step after which a vertex can do less by more than this share did harm.
const HARM: f64 = 0.1;

/// A second step leads to at most so many times the subtasks.
pub(super) const SECOND_STEP: f64 = 2.0;

/// What was hoped to be gained by a step up, and what was.
struct Gain {
    hoped: f64,
    seen: f64,
    /// What it could do before.
    before: f64,
}

impl Gain {
    /// Of a step up after which the vertex could do `now`.
    fn of(change: &Change, now: Rate) -> Option<Self> {
        let before = change.true_rate?.get();
        let hoped = change.expected_rate?.get() - before;
        let seen = now.get() - before;
        (change.to > change.from && hoped > 0.0).then_some(Self {
            hoped,
            seen,
            before,
        })
    }

    /// Clearly less than nothing.
    fn did_harm(&self) -> bool {
        self.seen < -HARM * self.before
    }

    /// Less than `scaling.effectiveness.threshold` of it. From 90/s to 180/s hoped for and 94/s seen: 4 of 90.
    fn in_vain(&self, context: &Context<'_>) -> bool {
        self.seen / self.hoped < context.settings.effectiveness_threshold
    }
}

/// The last step up of a vertex in vain, and whether the one before it was in vain too.
fn in_vain(context: &Context<'_>, vertex: &Vertex, evaluated: &Evaluated) -> Option<(Gain, bool)> {
    if !context.settings.detects_ineffective() {
        return None;
    }
    let mut changes = context
        .history
        .of(&vertex.id)
        .rev()
        .map(|(_, change)| change);
    let last = changes
        .next()
        .filter(|last| last.to == vertex.parallelism)?;
    let gain = Gain::of(last, evaluated.capacity?.rate()?)?;
    let before = changes.next().filter(|before| before.to == last.from);
    let twice = before
        .and_then(|before| Gain::of(before, last.true_rate?))
        .is_some_and(|gain| gain.in_vain(context));
    Some((gain, twice)).filter(|(gain, _)| gain.in_vain(context))
}

/// Whether a vertex of which the last step up was in vain gets a second one.
pub(super) fn tries_again(context: &Context<'_>, vertex: &Vertex, evaluated: &Evaluated) -> bool {
    let mut failed = context.history.failed.iter();
    context.settings.uses(Part::SecondTry)
        && !failed.any(|failed| failed.vertices.contains_key(&vertex.id))
        && in_vain(context, vertex, evaluated)
            .is_some_and(|(gain, twice)| !twice && !gain.did_harm())
}

/// Why the vertex is not scaled up again, if it is not; a second try comes before that.
pub(super) fn ineffective(
    context: &Context<'_>,
    vertex: &Vertex,
    evaluated: &Evaluated,
) -> Option<VertexReason> {
    let (gain, _) = in_vain(context, vertex, evaluated)?;
    Some(VertexReason::Ineffective {
        expected: Rate::new(gain.hoped).unwrap_or(Rate::ZERO),
        actual: Rate::new(gain.seen).unwrap_or(Rate::ZERO),
    })
}

/// A vertex of which two steps up were in vain, the second with the last rescale.
pub(super) fn twice_in_vain(context: &Context<'_>, evaluation: &Evaluation) -> Option<String> {
    let last = context.history.last()?;
    let vertices = context.topology.vertices().iter().zip(&evaluation.vertices);
    let mut stuck = vertices.filter(|(vertex, evaluated)| {
        last.vertices.contains_key(&vertex.id)
            && in_vain(context, vertex, evaluated).is_some_and(|(_, twice)| twice)
    });
    let (vertex, _) = stuck.next()?;
    Some(format!(
        "{} does no more than with fewer subtasks, tried twice",
        vertex.name
    ))
}
