//! After a rescale: whether it did harm, the way back, and what follows from that.
//!
//! The rule: back once, to what there was before, then nothing for [`FREEZE`], with the reason; what failed is not tried
//! again as long as it is remembered. Harm is
//!
//! | what | how much |
//! | --- | --- |
//! | the sources read less, with more subtasks | less than 0.9 of what they read before and are still asked for, and records wait |
//! | the job starts again and again | [`RESTARTS`] times |
//! | memory is short | after fewer subtasks |
//! | nothing is gained | by a second try |
//!
//! within half an hour, or two windows if that is more. Tests are in `tests/it/roll_back.rs`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Context, effect::twice_in_vain, later};
use crate::{
    evaluate::Evaluation,
    history::{Failed, Flow, Outcome, Scaling},
    parallelism::Fitted,
    reason::{Block, Limit, Reason, VertexReason},
    settings::Part,
    topology::Vertex,
    tracking::signed,
    verdict::{Action, Verdict},
};

/// After going back nothing is changed for so long.
pub(super) const FREEZE: SignedDuration = SignedDuration::from_hours(1);

/// A rescale is watched for at least so long.
const WATCHED: SignedDuration = SignedDuration::from_mins(30);

/// A job that has started again so often since a rescale does not stand it.
const RESTARTS: u32 = 3;

/// Less than this share of what was read before is clearly less ...
const LESS: f64 = 0.9;

/// ... if it is also less than this share of what is asked for ...
const BEHIND: f64 = 0.97;

/// ... and more waits than is read in so many seconds. Where next to nothing does, less is read because less comes.
const WAITING: f64 = 10.0;

/// Whether the sources do less than they did, and than they should. `waiting` is in records, if all of them tell it.
fn reads_less(before: Flow, now: Flow, waiting: Option<f64>) -> bool {
    let possible = before.read.min(now.asked);
    let (read, asked) = (now.read.get(), now.asked.get());
    let behind = waiting.is_none_or(|records| records > WAITING * read);
    read < LESS * possible.get() && read < BEHIND * asked && behind
}

impl Context<'_> {
    /// Records that wait in front of all sources; `None` if one of them does not say.
    fn waiting(&self, evaluation: &Evaluation) -> Option<f64> {
        let vertices = (0..).zip(&evaluation.vertices);
        let sources = vertices.filter(|(position, _)| self.topology.is_source(*position));
        sources.map(|(_, source)| Some(source.lag?.get())).sum()
    }

    /// The way back if memory is short or the sources read less since the last rescale, `full` telling whether the
    /// evidence is; nothing at all for a while after that.
    pub(super) fn after_rescale(
        &self,
        evaluation: &Evaluation,
        full: bool,
        blocked_by: &[Block],
    ) -> Option<Verdict> {
        if let Some((until, failed)) = self.frozen() {
            let why = failed.why.clone();
            let vertices = self.untouched(Some(evaluation));
            return Some(Verdict {
                blocked_by: blocked_by.to_vec(),
                ..self.hold(Reason::AfterRollBack { until, why }, vertices)
            });
        }
        let flow = evaluation.flow.filter(|_| full);
        let why = self
            .pressed(blocked_by)
            .or_else(|| self.slower(flow?, self.waiting(evaluation)))
            .or_else(|| self.in_vain(evaluation).filter(|_| full))?;
        // Short memory is the reason to act here, not one against it.
        let short = |block: &&Block| matches!(block, Block::MemoryPressure { .. });
        let others = blocked_by.iter().filter(|block| !short(block));
        self.roll_back(Some(evaluation), why, others.cloned().collect())
    }

    /// The way back if the job starts again and again, as long as it runs at this moment.
    pub(super) fn unstable(&self, blocked_by: &[Block]) -> Option<Verdict> {
        let young =
            |block: &Block| matches!(block, Block::Stabilizing { .. } | Block::TooSoon { .. });
        let restarts = self.watched()?.watch.restarts;
        if restarts < RESTARTS || !blocked_by.iter().all(young) {
            return None;
        }
        let why = format!("the job has started {restarts} times by itself since");
        self.roll_back(None, why, Vec::new())
    }

    /// The last rescale, if it is still watched.
    fn watched(&self) -> Option<&Scaling> {
        let last = self.history.last()?;
        let seen = matches!(last.outcome, Outcome::Seen { .. });
        let long = WATCHED.max(signed(self.settings.metrics_window).saturating_mul(2));
        let young = self.situation.now.duration_since(last.at) <= long;
        let watches = self.settings.uses(Part::RollBack) && !last.watch.back;
        Some(last).filter(|_| seen && young && watches)
    }

    /// Since when and until when nothing is changed because of what failed.
    fn frozen(&self) -> Option<(Timestamp, &Failed)> {
        let failed = self.history.failed.last()?;
        let until = later(failed.at, FREEZE);
        let holds = self.settings.uses(Part::RollBack) && self.situation.now < until;
        holds.then_some((until, failed))
    }

    /// Short memory after fewer subtasks.
    fn pressed(&self, blocked_by: &[Block]) -> Option<String> {
        let last = self.watched()?;
        let fewer = !last.vertices.is_empty() && last.vertices.values().all(|c| c.to < c.from);
        let short = |block: &&Block| matches!(block, Block::MemoryPressure { .. });
        let block = blocked_by.iter().find(short).filter(|_| fewer)?;
        Some(block.to_string())
    }

    /// Sources that read less than before and than they are asked for, although there are more subtasks. With fewer the
    /// load may have fallen as well, and where it has not, they are scaled up like any others.
    fn slower(&self, now: Flow, waiting: Option<f64>) -> Option<String> {
        let last = self.watched()?;
        let before = last.watch.before?;
        if !last.vertices.values().any(|change| change.to > change.from) {
            return None;
        }
        reads_less(before, now, waiting).then(|| {
            format!(
                "the sources read {} records/s, before {}",
                now.read, before.read
            )
        })
    }

    /// A second try that brought no more than the first.
    fn in_vain(&self, evaluation: &Evaluation) -> Option<String> {
        let tries = self.watched().is_some() && self.settings.uses(Part::SecondTry);
        twice_in_vain(self, evaluation).filter(|_| tries)
    }

    fn roll_back(
        &self,
        evaluation: Option<&Evaluation>,
        why: String,
        blocked_by: Vec<Block>,
    ) -> Option<Verdict> {
        let last = self.watched()?;
        let mut vertices = self.untouched(evaluation);
        let mut failed = Failed {
            at: self.situation.now,
            vertices: BTreeMap::default(),
            why: why.clone(),
        };
        for vertex in &mut vertices {
            let change = last.vertices.get(&vertex.id);
            let still = change.filter(|change| change.to == vertex.current);
            let lasting = matches!(
                vertex.reason,
                VertexReason::Excluded | VertexReason::Finished
            );
            if let Some(change) = still.filter(|_| !lasting) {
                let id = vertex.id.clone();
                failed.vertices.insert(id, (change.from, change.to));
                vertex.target = change.from;
                vertex.expected_rate = change.true_rate;
                vertex.outside_band = true;
                vertex.reason = VertexReason::TakenBack;
            }
        }
        if failed.vertices.is_empty() {
            return None;
        }
        let reason = Reason::RollBack { why };
        let mut verdict = self.acted(self.hold(reason.clone(), vertices), reason, blocked_by);
        if matches!(verdict.action, Action::Scale { .. }) {
            if let Some(scaling) = verdict.history.scalings.last_mut() {
                scaling.watch.back = true;
            }
            verdict.history.failed.push(failed);
        }
        Some(verdict)
    }

    /// What is left of a number of subtasks where what has failed is not tried again: not so many, or not so few.
    pub(super) fn not_what_failed(&self, vertex: &Vertex, fitted: Fitted) -> Fitted {
        if !self.settings.uses(Part::RollBack) {
            return fitted;
        }
        let now = vertex.parallelism;
        let failed = self.history.failed.iter();
        failed
            .filter_map(|failed| failed.vertices.get(&vertex.id))
            .fold(fitted, |fitted, (from, to)| {
                let wanted = fitted.parallelism;
                let kept = if to > from && wanted > now {
                    wanted.min((to - 1).max(now))
                } else if to < from && wanted < now {
                    wanted.max(to.saturating_add(1).min(now))
                } else {
                    wanted
                };
                let limit = Some(Limit::Failed(*to)).filter(|_| kept != wanted);
                Fitted {
                    parallelism: kept,
                    limit: limit.or(fitted.limit),
                    ..fitted
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Rate;

    #[test]
    fn less_is_read_only_where_something_waits_or_nobody_knows() {
        let flow = |read: f64, asked: f64| Flow {
            read: Rate::new(read).unwrap(),
            asked: Rate::new(asked).unwrap(),
        };
        // As a job read Kafka: what had piled up was just read, and the load had just fallen.
        let (before, now) = (flow(2989.0, 2989.0), flow(1825.0, 2400.0));
        assert!(!reads_less(before, now, Some(0.0)));
        assert!(!reads_less(before, now, Some(18_000.0)));
        assert!(reads_less(before, now, Some(19_000.0)));
        assert!(reads_less(before, now, None));
        assert!(!reads_less(before, flow(2400.0, 2400.0), None));
    }
}
