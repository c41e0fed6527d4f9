//! One vertex: what it should have, and why.

mod down;

use std::{cmp::Ordering, collections::BTreeMap};

use super::{
    Context,
    bounds::bounds,
    effect::{SECOND_STEP, ineffective, tries_again},
    later,
    limits::Limited,
};
use crate::{
    capacity::{Need, factor},
    curve::{Curve, Curves, Growth},
    evaluate::Evaluated,
    history::{Delayed, History},
    parallelism::{Factors, Fitted, Rule, fit},
    reason::VertexReason,
    scalability,
    schedule::Agenda,
    settings::{Part, Settings},
    topology::{Vertex, VertexId},
    units::{Capacity, Rate, Ratio},
    verdict::VertexVerdict,
};

/// Records arrive in bursts if the rate may be off by more than this share for it.
const BURSTY: f64 = 0.25;

/// Then a vertex gets at most so many times its capacity at once.
const BURST_STEP: f64 = 2.0;

/// One vertex about to be decided.
pub(super) struct Subject<'a> {
    pub context: &'a Context<'a>,
    pub position: usize,
    pub evaluated: &'a Evaluated,
    /// Whether the job has a large backlog.
    pub backlog: bool,
    /// Whether the evidence allows to scale down.
    pub down: bool,
    /// What a vertex downstream leaves of the target rate.
    pub limited: Option<&'a Limited>,
    /// How its capacity grows with its subtasks.
    pub growth: Growth,
}

/// A target with its reason.
struct Outcome {
    target: u32,
    reason: VertexReason,
    outside_band: bool,
}

impl Outcome {
    const fn stay(vertex: &Vertex, reason: VertexReason) -> Self {
        Self {
            target: vertex.parallelism,
            reason,
            outside_band: false,
        }
    }
}

/// Where a capacity lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Below,
    Inside,
    Above,
    /// Outside by the figures, but not with the certainty asked for.
    Unclear,
}

impl Subject<'_> {
    fn vertex(&self) -> Option<&Vertex> {
        self.context.topology.vertices().get(self.position).copied()
    }

    fn settings(&self) -> &Settings {
        self.context.settings
    }

    /// The vertex as it is, for this reason unless there is a lasting one.
    pub fn untouched(&self, reason: VertexReason) -> Option<VertexVerdict> {
        let vertex = self.vertex()?;
        let reason = self.untouchable(vertex).unwrap_or(reason);
        let need = self
            .evaluated
            .need(self.settings(), self.backlog, self.context.restart);
        Some(self.filled(vertex, Outcome::stay(vertex, reason), need, None))
    }

    /// The decision. What waits for its time is kept in `delayed`.
    pub fn verdict(&self, delayed: &mut BTreeMap<VertexId, Delayed>) -> Option<VertexVerdict> {
        let vertex = self.vertex()?;
        let need = self
            .evaluated
            .need(self.settings(), self.backlog, self.context.restart);
        let known = need.zip(self.evaluated.capacity);
        let aimed_at = |(need, capacity): (Need, Capacity)| {
            Some((
                need,
                capacity,
                self.one_step(factor(need.aimed_at, capacity)?),
            ))
        };
        let cause = self
            .untouchable(vertex)
            .or(self.evaluated.missing.map(VertexReason::Unknown));
        let (None, Some((need, capacity, factor))) = (&cause, known.and_then(aimed_at)) else {
            delayed.remove(&vertex.id);
            let reason = cause.unwrap_or(VertexReason::Unknown(crate::reason::Missing::Capacity));
            return Some(self.filled(vertex, Outcome::stay(vertex, reason), need, None));
        };
        let range = || self.range(vertex, Some(need));
        let fitted = self
            .context
            .as_before(vertex, self.fitted(vertex, factor), range);
        let place = self.place(vertex, &need, capacity);
        let outcome = self.outcome(vertex, (&need, capacity, place), fitted, delayed);
        Some(self.filled(vertex, outcome, Some(need), Some(fitted)))
    }

    /// Why the vertex is never scaled, if it is not.
    fn untouchable(&self, vertex: &Vertex) -> Option<VertexReason> {
        if vertex.finished {
            Some(VertexReason::Finished)
        } else if self.context.excluded(&vertex.id) {
            Some(VertexReason::Excluded)
        } else {
            None
        }
    }

    /// The whole number for this factor, in one step.
    fn fitted(&self, vertex: &Vertex, factor: Ratio) -> Fitted {
        let settings = self.settings();
        let factors = Factors {
            down: self.largest_loss(vertex),
            up: settings.scale_up_max_factor,
        };
        let (history, partitions) = (self.context.history, self.evaluated.partitions);
        let fitted = fitted(
            (settings, &self.context.agenda, history),
            vertex,
            &self.growth,
            partitions,
            (factor, factors),
        );
        self.context.not_what_failed(vertex, fitted)
    }

    /// The share of its subtasks that the vertex may lose at once. A second step would be a second interruption that tells
    /// nothing new where it was seen what a subtask does; where it was not, or records arrive in bursts, the first step shows it.
    fn largest_loss(&self, vertex: &Vertex) -> f64 {
        let settings = self.settings();
        let curve = self.context.history.curves.get(&vertex.id);
        let seen = curve.is_some_and(|curve| !curve.points.is_empty());
        let bursty = self.evaluated.bursts.get() > BURSTY;
        let free = settings.scale_down_max_factor.is_none() && settings.uses(Part::AtOnce);
        if free && seen && !bursty {
            1.0
        } else {
            settings.largest_loss()
        }
    }

    /// Where records arrive in bursts nobody knows how large the next is: more comes step by step.
    fn one_step(&self, factor: Ratio) -> Ratio {
        if self.evaluated.bursts.get() > BURSTY {
            Ratio::new(BURST_STEP).map_or(factor, |step| factor.min(step))
        } else {
            factor
        }
    }

    /// Where the capacity lies, given how far the figures may be off. With profile `apache` they are
    /// taken at their word. Bursts are no doubt in that a vertex is slow which others wait for, and one that is full while a
    /// queue grows is slow beyond doubt.
    fn place(&self, vertex: &Vertex, need: &Need, capacity: Capacity) -> Place {
        let doubted = |capacity: Capacity, doubt: f64| match capacity {
            Capacity::Limited(rate) => {
                Rate::new(rate.get() * doubt).map_or(capacity, Capacity::Limited)
            }
            Capacity::Unlimited => capacity,
        };
        let Evaluated { doubt, .. } = *self.evaluated;
        let down = 1.0 + doubt.together(self.evaluated.bursts).get();
        let up = 1.0 + doubt.together(self.evaluated.bursts_up).get();
        let before = self.context.outside_before(vertex);
        if capacity < need.scale_up {
            let certain = self.evaluated.falls_behind || before == Some(Ordering::Greater);
            if certain || doubted(capacity, up) < need.scale_up {
                Place::Below
            } else {
                Place::Unclear
            }
        } else if capacity > need.scale_down {
            let certain = before == Some(Ordering::Less);
            if certain || doubted(capacity, 1.0 / down) > need.scale_down {
                Place::Above
            } else {
                Place::Unclear
            }
        } else {
            Place::Inside
        }
    }

    fn outcome(
        &self,
        vertex: &Vertex,
        (need, capacity, place): (&Need, Capacity, Place),
        fitted: Fitted,
        delayed: &mut BTreeMap<VertexId, Delayed>,
    ) -> Outcome {
        if let Some(target) = self.second_try(vertex, need, capacity, place) {
            delayed.remove(&vertex.id);
            return Outcome {
                target,
                reason: VertexReason::SecondTry,
                outside_band: true,
            };
        }
        if fitted.parallelism == vertex.parallelism {
            delayed.remove(&vertex.id);
            let reason = match (place, fitted.limit) {
                (Place::Inside | Place::Unclear, _) | (_, None) => VertexReason::Stable,
                (Place::Below, Some(limit)) => VertexReason::AtLimit(limit),
                (Place::Above, Some(limit)) => VertexReason::AtFloor(limit),
            };
            return Outcome::stay(vertex, reason);
        }
        if place == Place::Unclear && fitted.parallelism < vertex.parallelism {
            return Outcome::stay(vertex, VertexReason::Unclear);
        }
        if fitted.parallelism > vertex.parallelism {
            delayed.remove(&vertex.id);
            self.up(vertex, need, capacity, place, fitted.parallelism)
        } else {
            self.down(vertex, place, fitted.parallelism, delayed)
        }
    }

    /// As many as it would need if it scaled evenly, at most twice as many, where a first step brought nothing.
    fn second_try(
        &self,
        vertex: &Vertex,
        need: &Need,
        capacity: Capacity,
        place: Place,
    ) -> Option<u32> {
        let due = place == Place::Below && !self.evaluated.warming;
        if !due || !tries_again(self.context, vertex, self.evaluated) {
            return None;
        }
        let factor = factor(need.aimed_at, capacity)?.min(Ratio::new(SECOND_STEP)?);
        let evenly = Subject {
            growth: Growth::EVEN,
            ..*self
        };
        let target = evenly.fitted(vertex, factor).parallelism;
        Some(target).filter(|target| *target > vertex.parallelism)
    }

    fn up(
        &self,
        vertex: &Vertex,
        need: &Need,
        capacity: Capacity,
        place: Place,
        wanted: u32,
    ) -> Outcome {
        if self.evaluated.warming {
            return Outcome::stay(vertex, VertexReason::WarmingUp);
        }
        if let Some(reason) = ineffective(self.context, vertex, self.evaluated) {
            return Outcome::stay(vertex, reason);
        }
        let mut target = wanted;
        if let Some(limited) = self.limited {
            let need = limited.need(self.settings(), self.backlog, self.context.restart);
            let enough = factor(need.aimed_at, capacity);
            let enough = enough.map_or(wanted, |factor| self.fitted(vertex, factor).parallelism);
            target = wanted.min(enough.max(vertex.parallelism));
            if target < wanted && target == vertex.parallelism {
                return Outcome::stay(vertex, VertexReason::LimitedByVertex(limited.by.clone()));
            }
        }
        let steady = |rate: Rate| rate.at_utilization(self.settings().upper_utilization());
        let carries = self
            .evaluated
            .target_rate
            .and_then(steady)
            .map(Capacity::Limited);
        let foreseen = self.foreseen(capacity).filter(|_| place == Place::Below);
        let reason = match place {
            Place::Inside => VertexReason::AlongWithOthers,
            // Not enough to begin a rescale, but to be part of one.
            Place::Unclear => VertexReason::Unclear,
            _ if target < wanted => match self.limited {
                Some(limited) => VertexReason::LimitedByVertex(limited.by.clone()),
                None => VertexReason::Overutilized,
            },
            _ if self.evaluated.demand_unknown => VertexReason::DemandUnknown,
            _ if foreseen.is_some() => VertexReason::Forecast {
                rate: foreseen.unwrap_or(Rate::ZERO),
            },
            _ if carries.is_some_and(|carries| capacity >= carries) && capacity < need.scale_up => {
                VertexReason::Backlog
            }
            _ => VertexReason::Overutilized,
        };
        Outcome {
            target,
            reason,
            outside_band: place == Place::Below,
        }
    }

    /// What earlier days say will come, if without that nothing would be done.
    fn foreseen(&self, capacity: Capacity) -> Option<Rate> {
        let forecast = self.evaluated.forecast?;
        let (settings, restart) = (self.settings(), self.context.restart);
        let now = self.evaluated.need_now(settings, self.backlog, restart)?;
        (capacity >= now.scale_up).then_some(forecast)
    }

    /// The verdict with every figure.
    fn filled(
        &self,
        vertex: &Vertex,
        outcome: Outcome,
        need: Option<Need>,
        fitted: Option<Fitted>,
    ) -> VertexVerdict {
        let evaluated = self.evaluated;
        let true_rate = evaluated.capacity.and_then(Capacity::rate);
        let expected = |rate| {
            self.growth
                .expected(rate, vertex.parallelism, outcome.target)
        };
        let (lower, upper) = self.range(vertex, need).unzip();
        VertexVerdict {
            id: vertex.id.clone(),
            name: vertex.name.clone(),
            current: vertex.parallelism,
            target: outcome.target,
            lower,
            upper,
            uncapped: fitted.map(|fitted| fitted.uncapped),
            limit: fitted.and_then(|fitted| fitted.limit),
            outside_band: outcome.outside_band,
            expected_rate: true_rate.map(expected),
            true_rate,
            target_rate: evaluated.target_rate,
            catch_up_rate: evaluated.target_rate.map(|_| evaluated.catch_up),
            scale_up_threshold: need.and_then(|need| need.scale_up.rate()),
            scale_down_threshold: need.and_then(|need| need.scale_down.rate()),
            utilization: evaluated.utilization,
            backpressure: evaluated.backpressure,
            lag: evaluated.lag,
            max_parallelism: vertex.max_parallelism,
            partitions: evaluated.partitions,
            reason: outcome.reason,
        }
    }

    /// Fewest and most subtasks that may be right, within the bounds, before alignment.
    fn range(&self, vertex: &Vertex, need: Option<Need>) -> Option<(u32, u32)> {
        let factor = factor(need?.aimed_at, self.evaluated.capacity?)?;
        let doubt = self.evaluated.doubt.together(self.evaluated.bursts);
        let doubt = Ratio::new(1.0 + doubt.get())?;
        let mut bounds = bounds(
            (self.settings(), &self.context.agenda),
            vertex,
            self.evaluated.partitions,
        );
        bounds.rule = Rule::Current(crate::settings::Alignment::Off);
        let free = Factors {
            down: 1.0,
            up: f64::MAX,
        };
        let at = |factor| fit(vertex.parallelism, factor, free, &bounds).parallelism;
        Some((at(factor.over(doubt)?), at(factor.times(doubt))))
    }
}

/// How the vertex' capacity grows with its subtasks.
pub(crate) fn growth(
    settings: &Settings,
    curves: &Curves,
    vertex: &Vertex,
    evaluated: &Evaluated,
) -> Growth {
    if !settings.uses(Part::Curve) {
        return Growth::EVEN;
    }
    match curves.get(&vertex.id) {
        Some(known) => known.growth(evaluated.hot),
        None => Curve::default().growth(evaluated.hot),
    }
}

/// The whole number of subtasks for so many times the present capacity, what was learned of past rescales included.
pub(crate) fn fitted(
    (settings, agenda, history): (&Settings, &Agenda<'_>, &History),
    vertex: &Vertex,
    growth: &Growth,
    partitions: Option<u32>,
    (factor, factors): (Ratio, Factors),
) -> Fitted {
    let share = scalability::coefficient(settings, history, &vertex.id);
    let factor = factor.over(share).unwrap_or(factor);
    let now = vertex.parallelism;
    let bounds = bounds((settings, agenda), vertex, partitions);
    let fitted = fit(now, growth.subtasks(now, factor), factors, &bounds);
    Fitted {
        limit: fitted.limit.or_else(|| growth.limit(now, factor)),
        ..fitted
    }
}
