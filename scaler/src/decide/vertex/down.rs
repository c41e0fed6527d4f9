//! A vertex that may be scaled down: when that is worth it.
//!
//! The rule: not before it outweighs a rescale there and back, and not while the load rises. Tests are in
//! `tests/it/vectors.rs` and `tests/it/weaknesses/spare.rs`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Outcome, Place, Subject, later};
use crate::{
    history::Delayed,
    reason::VertexReason,
    settings::{Part, Profile},
    topology::{Vertex, VertexId},
    tracking::{self, signed},
    units::Rate,
};

/// How many times the work that a rescale interrupts counts when it is weighed against wasted cores.
const OUTWEIGHS: f64 = 30.0;

/// Less must have been enough for at least so long, unless something else is set.
const SHORTEST_HOLD: SignedDuration = SignedDuration::from_mins(5);

/// And at most so long.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(1);

/// A rescale that has not been measured is weighed as if it took no longer than this ...
const UNMEASURED: SignedDuration = SignedDuration::from_mins(1);

/// ... or this, where Flink rescales in place.
const UNMEASURED_IN_PLACE: SignedDuration = SignedDuration::from_secs(20);

impl Subject<'_> {
    pub(super) fn down(
        &self,
        vertex: &Vertex,
        place: Place,
        wanted: u32,
        delayed: &mut BTreeMap<VertexId, Delayed>,
    ) -> Outcome {
        if let Some(reason) = self.too_risky() {
            delayed.remove(&vertex.id);
            return Outcome::stay(vertex, reason);
        }
        let now = self.context.situation.now;
        let interval = self.hold_time(vertex, wanted);
        if interval == SignedDuration::ZERO && !self.down {
            return Outcome::stay(vertex, VertexReason::Unclear);
        }
        let mut recommended = (wanted, place == Place::Above);
        if interval > SignedDuration::ZERO {
            let waiting = delayed.entry(vertex.id.clone()).or_default();
            waiting.push(now, wanted, place == Place::Above);
            let start = now.saturating_sub(interval).unwrap_or(now);
            if let Some(since) = waiting.since().filter(|since| *since > start) {
                let until = later(since, interval);
                return Outcome::stay(vertex, VertexReason::ScaleDownDelayed { until });
            }
            if !self.down {
                return Outcome::stay(vertex, VertexReason::Unclear);
            }
            waiting.forget_before(start);
            if let Some(largest) = waiting.largest_since(start) {
                recommended = (largest.parallelism, largest.outside_band);
            }
        }
        if self.evaluated.rising > Rate::ZERO {
            return Outcome::stay(vertex, VertexReason::LoadRising);
        }
        let (target, outside_band) = recommended;
        if target >= vertex.parallelism {
            return Outcome::stay(vertex, VertexReason::Stable);
        }
        let reason = match self.evaluated.target_rate {
            Some(Rate::ZERO) => VertexReason::NoLoad,
            _ if !outside_band => VertexReason::AlongWithOthers,
            _ => VertexReason::Underutilized,
        };
        Outcome {
            target,
            reason,
            outside_band,
        }
    }

    /// Why less is not dared, though the figures ask for it. Profile `apache` dares.
    fn too_risky(&self) -> Option<VertexReason> {
        if self.settings().profile == Profile::Apache {
            return None;
        }
        let utilization = self.evaluated.utilization?;
        if self.evaluated.draining {
            Some(VertexReason::CatchingUp)
        } else if utilization > self.settings().upper_utilization() {
            Some(VertexReason::BusyAgainstTarget)
        } else {
            None
        }
    }

    /// How long less must have been enough: `scale-down.interval`, doubled with profile `adaptive` for every time
    /// the vertex has lately been scaled down and, sooner than after that time, up again, at most sixteen times.
    fn hold_time(&self, vertex: &Vertex, wanted: u32) -> SignedDuration {
        let (set, profile) = (self.settings().scale_down_interval, self.settings().profile);
        let interval = match set {
            Some(set) => signed(set),
            None if self.settings().uses(Part::BreakEven) => self.break_even(vertex, wanted),
            None => LONGEST_HOLD,
        };
        if profile == Profile::Apache {
            return interval;
        }
        let changes = self.context.history.of(&vertex.id);
        let ups: Vec<(Timestamp, bool)> = changes.map(|(at, c)| (at, c.to > c.from)).collect();
        let mistakes = ups.windows(2).filter(|pair| {
            matches!(pair, [(down, false), (up, true)] if up.duration_since(*down) < interval)
        });
        interval.saturating_mul(1 << mistakes.count().min(4))
    }

    /// The time in which what is wasted outweighs a rescale there and back, as in the ski-rental problem: then less than twice
    /// of what is best in hindsight is lost, whatever comes. What a rescale interrupts is the work of the subtasks that are
    /// needed, and counts [`OUTWEIGHS`] times. If 4 of 8 are, and it takes 20 s, that is 30 * 20 * 4 = 2400 s of one
    /// subtask, which the other 4 waste in 600 s; if 7 of 8 are, the one more wastes it in 4200 s.
    fn break_even(&self, vertex: &Vertex, wanted: u32) -> SignedDuration {
        let spared = vertex.parallelism.saturating_sub(wanted).max(1);
        let unmeasured = if self.context.situation.in_place_possible {
            UNMEASURED_IN_PLACE
        } else {
            UNMEASURED
        };
        let takes = tracking::measured(self.settings(), self.context.history)
            .unwrap_or_else(|| self.context.restart.min(unmeasured));
        let seconds = OUTWEIGHS * takes.as_secs_f64() * f64::from(wanted) / f64::from(spared);
        SignedDuration::try_from_secs_f64(seconds)
            .unwrap_or(LONGEST_HOLD)
            .clamp(SHORTEST_HOLD, LONGEST_HOLD)
    }
}
