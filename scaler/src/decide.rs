//! All vertices together: whether the job is rescaled, and to what.
//!
//! The rule: total. Whatever goes in, a verdict with its reason comes out, and nothing is rescaled on
//! what is unknown. The job moves as a whole: if one vertex is outside its band, all that would be
//! better off otherwise move with it; if none is, none moves. Tests are in `tests/it/`.

mod back;
mod bounds;
mod due;
mod effect;
mod limits;
mod overload;
mod quota;
mod vertex;

pub(crate) use bounds::bounds;
pub(crate) use vertex::{fitted, growth};

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    curve::{Curves, Growth, Point, TELLING},
    evaluate::{Evaluated, Evaluation, adaptive, apache},
    guard,
    history::{Change, History, Outcome, Scaling, Watch},
    reason::{Block, Missing, Reason, VertexReason},
    schedule::Agenda,
    season::{SOURCES, Seasons},
    settings::{Mode, Part, Profile, Settings},
    topology::{JobGraph, Topology, VertexId},
    tracking::{self, signed},
    units::{Capacity, Ratio},
    verdict::{Action, Situation, Verdict, VertexVerdict},
    window::Window,
};

/// When to ask again, if nothing says when it is worth it.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// As much comes as before if it is more than this share.
const AS_MUCH: f64 = 0.9;

/// What a decision is made from.
pub(crate) struct Context<'a> {
    settings: &'a Settings,
    topology: &'a Topology<'a>,
    history: &'a History,
    situation: &'a Situation,
    /// How long a rescale is expected to take.
    restart: SignedDuration,
    /// What the schedules ask for.
    agenda: Agenda<'a>,
}

/// What to do with the job now.
pub fn step(
    settings: &Settings,
    graph: &JobGraph,
    window: &Window,
    history: &History,
    situation: &Situation,
) -> Verdict {
    let refuse = |reason| Verdict {
        action: Action::Hold(reason),
        vertices: Vec::new(),
        blocked_by: Vec::new(),
        next_evaluation: later(situation.now, AGAIN),
        history: history.clone(),
    };
    if settings.effective_mode() == Mode::Off {
        return refuse(Reason::Off);
    }
    if let Some(error) = settings.check().first() {
        return refuse(Reason::Settings(error.to_string()));
    }
    let topology = match graph.topology() {
        Ok(topology) => topology,
        Err(error) => return refuse(Reason::Graph(error)),
    };
    let started = guard::started(window, situation);
    let history = tracking::settle(
        settings,
        &topology,
        window,
        history,
        (situation.now, started),
        situation.interruption,
    );
    let blocked_by = guard::blocks(settings, &topology, window, &history, situation);
    let restart = tracking::restart_time(settings, &history);
    let context = Context {
        settings,
        topology: &topology,
        history: &history,
        situation,
        restart,
        agenda: Agenda::of(settings, situation.now, restart),
    };
    if let Some(verdict) = context.unstable(&blocked_by) {
        return verdict;
    }
    if let Some(block) = blocked_by.iter().find(|block| block.spoils_readings()) {
        let verdict = context.hold(Reason::Blocked(block.clone()), context.untouched(None));
        return Verdict {
            blocked_by,
            ..verdict
        };
    }
    context.evaluated(window, started.unwrap_or(situation.now), blocked_by)
}

impl Context<'_> {
    fn evaluated(&self, window: &Window, started: Timestamp, blocked_by: Vec<Block>) -> Verdict {
        let now = self.situation.now;
        let (evaluation, down) = match self.settings.profile {
            Profile::Apache => {
                let evaluation = apache::evaluate(self.settings, self.topology, window, now);
                let full_at = apache::full_at(self.settings, window, started, now);
                if now < full_at || window.len() < 2 {
                    let need = signed(self.settings.metrics_window);
                    let have = need
                        .saturating_sub(full_at.duration_since(now))
                        .max(SignedDuration::ZERO);
                    let vertices = self.untouched(Some(&evaluation));
                    let held = self.hold(Reason::Collecting { have, need }, vertices);
                    return self.unless_scheduled(held, blocked_by);
                }
                (evaluation, true)
            }
            Profile::Adaptive => {
                let stable = later(started, signed(self.settings.stabilization()));
                let (evaluation, evidence) = adaptive::evaluate(
                    self.settings,
                    self.topology,
                    window,
                    self.history,
                    (stable, now),
                );
                if let adaptive::Evidence::Thin {
                    have,
                    need,
                    changed,
                } = evidence
                {
                    let reason = if changed {
                        Reason::LoadChanging { since: have, need }
                    } else {
                        Reason::Collecting { have, need }
                    };
                    let held = self.hold(reason, self.untouched(Some(&evaluation)));
                    return self.unless_scheduled(held, blocked_by);
                }
                (evaluation, evidence == adaptive::Evidence::Full)
            }
        };
        let shares = shares_slots(self.topology, window);
        self.decided(&evaluation, (down, shares), blocked_by)
    }

    /// The decision on a full evaluation. `down` tells whether the evidence allows to scale down, `shares`
    /// whether all vertices share slots.
    fn decided(
        &self,
        evaluation: &Evaluation,
        (down, shares): (bool, bool),
        blocked_by: Vec<Block>,
    ) -> Verdict {
        if let Some(verdict) = self.after_rescale(evaluation, down, &blocked_by) {
            return verdict;
        }
        let mut delayed = self.history.delayed.clone();
        let curves = self.learned(evaluation);
        let seasons = self.seen(evaluation);
        let growths: Vec<Growth> = self
            .topology
            .vertices()
            .iter()
            .zip(&evaluation.vertices)
            .map(|(vertex, evaluated)| growth(self.settings, &curves, vertex, evaluated))
            .collect();
        let limited = limits::of(self, evaluation, &growths);
        let mut vertices: Vec<VertexVerdict> = Vec::with_capacity(evaluation.vertices.len());
        for (position, evaluated) in evaluation.vertices.iter().enumerate() {
            let subject = vertex::Subject {
                context: self,
                position,
                evaluated,
                backlog: evaluation.backlog,
                down,
                limited: limited.get(position).and_then(Option::as_ref),
                growth: growths.get(position).copied().unwrap_or(Growth::EVEN),
            };
            vertices.extend(subject.verdict(&mut delayed));
        }
        let outside = |vertex: &&VertexVerdict| vertex.changes() && vertex.outside_band;
        let (up, fewer): (Vec<_>, Vec<_>) = vertices
            .iter()
            .filter(outside)
            .partition(|vertex| vertex.target > vertex.current);
        let (up, fewer) = (up.len(), fewer.len());
        let in_vain = up == 0
            && shares
            && self.settings.uses(Part::Slots)
            && self.hosts(&vertices, |v| self.for_its_own_sake(v))
                >= self.hosts(&vertices, |v| v.current);
        if up + fewer == 0 || in_vain {
            let reason = if up + fewer == 0 {
                why_not(&vertices)
            } else {
                Reason::SavesNoSlot
            };
            vertices.iter_mut().for_each(stay);
            let history = History {
                delayed,
                due: BTreeMap::new(),
                curves,
                seasons,
                ..self.history.clone()
            };
            let held = Verdict {
                history,
                ..self.hold(reason, vertices)
            };
            return self.unless_scheduled(held, blocked_by);
        }
        for vertex in vertices
            .iter_mut()
            .filter(|v| v.changes() && v.reason == VertexReason::Unclear)
        {
            vertex.reason = VertexReason::AlongWithOthers;
        }
        bounds::keep_to_schedule(self, &mut vertices);
        let reason = Reason::OutsideBand { up, down: fewer };
        let history = History {
            delayed,
            due: self.remembered(&vertices),
            curves,
            seasons,
            ..self.history.clone()
        };
        let verdict = Verdict {
            history,
            ..self.hold(reason.clone(), vertices)
        };
        let mut verdict = self.acted(verdict, reason, blocked_by);
        if let (Action::Scale { .. }, Some(scaling)) =
            (&verdict.action, verdict.history.scalings.last_mut())
        {
            scaling.watch.before = evaluation.flow;
        }
        verdict
    }

    /// What the vertex would have if only it were looked at. One that is inside its band, and is asked for as much as when it was
    /// scaled up, keeps what it has: a lower number is another opinion on the same load, and no saving to begin a rescale for.
    fn for_its_own_sake(&self, vertex: &VertexVerdict) -> u32 {
        let last = self.history.of(&vertex.id).next_back();
        let up = last.filter(|(_, change)| change.to > change.from && change.to == vertex.current);
        let comes = up.and_then(|(_, change)| vertex.target_rate?.over(change.target_rate?));
        let as_much = comes.is_some_and(|share| share.get() > AS_MUCH);
        if as_much && !vertex.outside_band {
            vertex.current
        } else {
            vertex.target
        }
    }

    /// What vertices that share slots run in: TaskManagers, or slots if nothing is known of those.
    fn hosts(&self, vertices: &[VertexVerdict], of: impl Fn(&VertexVerdict) -> u32) -> Option<u32> {
        let hosts = self.situation.task_managers.as_ref();
        let slots = hosts.map_or(1, |hosts| hosts.slots.max(1));
        Some(vertices.iter().map(of).max()?.div_ceil(slots))
    }

    /// The load asks for nothing; a schedule may, whatever is known of the load.
    fn unless_scheduled(&self, mut held: Verdict, blocked_by: Vec<Block>) -> Verdict {
        let vertices = bounds::keep_to_schedule(self, &mut held.vertices);
        if vertices == 0 {
            return Verdict { blocked_by, ..held };
        }
        self.acted(held, Reason::Schedule { vertices }, blocked_by)
    }

    /// What is known of capacities, with what was measured now. A vertex that is hardly busy shows little.
    fn learned(&self, evaluation: &Evaluation) -> Curves {
        let mut curves = self.history.curves.clone();
        if self.settings.profile == Profile::Apache {
            return curves;
        }
        for (vertex, evaluated) in self.topology.vertices().iter().zip(&evaluation.vertices) {
            let busy = evaluated.utilization.map_or(0.0, Ratio::get);
            let telling =
                !evaluated.warming && busy >= TELLING * evaluated.full_at.map_or(1.0, Ratio::get);
            let measured = evaluated
                .capacity
                .and_then(Capacity::rate)
                .filter(|_| telling);
            if measured.is_none() && evaluated.full_at.is_none() {
                continue;
            }
            let curve = curves.entry(vertex.id.clone()).or_default();
            curve.full_at = evaluated.full_at;
            if let Some(capacity) = measured {
                curve.observe(Point {
                    at: self.situation.now,
                    parallelism: vertex.parallelism,
                    capacity,
                });
            }
        }
        curves
    }

    /// What came to the sources so far, with what comes now.
    fn seen(&self, evaluation: &Evaluation) -> Seasons {
        let mut seasons = self.history.seasons.clone();
        if !self.settings.uses(Part::Forecast) {
            return seasons;
        }
        let is_source = |id: &VertexId| self.topology.find(id).is_some_and(|v| v.inputs.is_empty());
        seasons.retain(|id, _| is_source(id));
        for (vertex, evaluated) in self.topology.vertices().iter().zip(&evaluation.vertices) {
            let room = seasons.len() < SOURCES || seasons.contains_key(&vertex.id);
            let source = vertex.inputs.is_empty() && !vertex.finished;
            if let Some(rate) = evaluated.target_rate.filter(|_| source && room) {
                let season = seasons.entry(vertex.id.clone()).or_default();
                season.observe(self.situation.now, rate);
            }
        }
        seasons
    }

    /// What follows when something should change: advice, a veto, or the rescale.
    fn acted(&self, mut verdict: Verdict, reason: Reason, mut blocked_by: Vec<Block>) -> Verdict {
        let hosts = self.situation.task_managers.as_ref();
        blocked_by.extend(quota::apply(self.settings, hosts, &mut verdict.vertices));
        if self.relieves(&mut verdict.vertices) {
            blocked_by.retain(|block| !matches!(block, Block::CheckpointsFailing(_)));
        }
        let wanted = verdict.recommended();
        let requested =
            |(id, n): (&VertexId, &u32)| self.situation.applied_overrides.get(id) == Some(n);
        verdict.blocked_by = blocked_by;
        if self.settings.effective_mode() != Mode::Auto {
            verdict.action = Action::Advise;
        } else if let Some(block) = verdict.blocked_by.first() {
            verdict.action = Action::Hold(Reason::Blocked(block.clone()));
        } else if wanted.iter().all(requested) {
            verdict.action = Action::Hold(Reason::AlreadyRequested);
        } else {
            let overrides = verdict.overrides(&self.situation.user_overrides);
            verdict.history = self.scaled(&verdict);
            verdict.action = Action::Scale { overrides, reason };
        }
        verdict
    }

    /// The history with this rescale. Scale-downs that waited have had their say.
    fn scaled(&self, verdict: &Verdict) -> History {
        let change = |vertex: &VertexVerdict| Change {
            from: vertex.current,
            to: vertex.target,
            true_rate: vertex.true_rate,
            expected_rate: vertex.expected_rate,
            target_rate: vertex.target_rate,
        };
        let mut history = History {
            delayed: BTreeMap::new(),
            due: BTreeMap::new(),
            ..verdict.history.clone()
        };
        let changing = verdict.vertices.iter().filter(|vertex| vertex.changes());
        history.scalings.push(Scaling {
            at: self.situation.now,
            vertices: changing
                .map(|vertex| (vertex.id.clone(), change(vertex)))
                .collect(),
            outcome: Outcome::Open,
            watch: Watch::default(),
        });
        let count = usize::try_from(self.settings.history_max_count).unwrap_or(usize::MAX);
        history.trim(
            self.situation.now,
            signed(self.settings.history_max_age),
            count,
        );
        history
    }

    fn excluded(&self, id: &VertexId) -> bool {
        let vertex = self.topology.find(id);
        vertex.is_some_and(|vertex| self.settings.excludes(vertex))
    }

    fn hold(&self, reason: Reason, vertices: Vec<VertexVerdict>) -> Verdict {
        Verdict {
            next_evaluation: self.next_evaluation(&reason),
            action: Action::Hold(reason),
            vertices,
            blocked_by: Vec::new(),
            history: self.history.clone(),
        }
    }

    /// When the reason may have gone.
    fn next_evaluation(&self, reason: &Reason) -> Timestamp {
        let now = self.situation.now;
        let soon = later(now, AGAIN);
        match reason {
            Reason::Blocked(Block::Stabilizing { until } | Block::TooSoon { until }) => {
                soon.max(*until)
            }
            Reason::Collecting { have, need } | Reason::LoadChanging { since: have, need } => soon
                .min(later(
                    now,
                    need.saturating_sub(*have).max(SignedDuration::from_secs(1)),
                )),
            _ => soon,
        }
    }

    /// Every vertex as it is, with the figures there are.
    fn untouched(&self, evaluation: Option<&Evaluation>) -> Vec<VertexVerdict> {
        let nothing = Evaluated::unknown(Missing::Readings);
        let of = |position: usize| {
            let evaluated = evaluation
                .and_then(|e| e.vertices.get(position))
                .unwrap_or(&nothing);
            let subject = vertex::Subject {
                context: self,
                position,
                evaluated,
                backlog: evaluation.is_some_and(|evaluation| evaluation.backlog),
                down: false,
                limited: None,
                growth: Growth::EVEN,
            };
            subject.untouched(VertexReason::Unknown(Missing::Readings))
        };
        (0..self.topology.vertices().len()).filter_map(of).collect()
    }
}

/// Whether the job takes as many slots as its largest vertex has subtasks: then fewer of a smaller one save nothing.
fn shares_slots(topology: &Topology<'_>, window: &Window) -> bool {
    let used = window
        .latest()
        .and_then(|sample| sample.slots_total?.checked_sub(sample.slots_available?));
    let running = topology.vertices().iter().filter(|vertex| !vertex.finished);
    used.is_some() && used == running.map(|vertex| vertex.parallelism).max()
}

/// Why nothing changes, the most pressing first.
fn why_not(vertices: &[VertexVerdict]) -> Reason {
    let count = |is: fn(&VertexReason) -> bool| vertices.iter().filter(|v| is(&v.reason)).count();
    let stuck = count(|reason| {
        matches!(
            reason,
            VertexReason::AtLimit(_)
                | VertexReason::LimitedByVertex(_)
                | VertexReason::Ineffective { .. }
        )
    });
    let unknown = count(|reason| matches!(reason, VertexReason::Unknown(_)));
    let unclear = count(|reason| matches!(reason, VertexReason::Unclear));
    let delayed = vertices.iter().filter_map(|vertex| match vertex.reason {
        VertexReason::ScaleDownDelayed { until } => Some(until),
        _ => None,
    });
    if stuck > 0 {
        Reason::CannotScale { vertices: stuck }
    } else if unknown > 0 {
        Reason::Unknown { vertices: unknown }
    } else if unclear > 0 {
        Reason::Unclear { vertices: unclear }
    } else if count(|reason| *reason == VertexReason::WarmingUp) > 0 {
        Reason::WarmingUp
    } else if count(|reason| *reason == VertexReason::CatchingUp) > 0 {
        Reason::CatchingUp
    } else if let Some(until) = delayed.min() {
        Reason::ScaleDownDelayed { until }
    } else if count(|reason| *reason == VertexReason::LoadRising) > 0 {
        Reason::LoadRising
    } else if vertices.iter().any(VertexVerdict::changes) {
        Reason::WithinBand
    } else {
        Reason::Balanced
    }
}

/// Nothing is outside its band: what would be a little better stays as it is.
fn stay(vertex: &mut VertexVerdict) {
    if vertex.changes() {
        vertex.target = vertex.current;
        vertex.expected_rate = vertex.true_rate;
        if vertex.reason == VertexReason::AlongWithOthers {
            vertex.reason = VertexReason::Stable;
        }
        vertex.limit = None;
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}
