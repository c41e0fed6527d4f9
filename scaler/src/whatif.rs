//! What if: which parallelism a rate needs, and what a parallelism would do with the load.
//!
//! The rule: the same evaluation, the same need and the same limits as a decision, from the same readings; only
//! what a decision waits for (evidence, stability, time) is left out, since nothing is done. Largest steps do not
//! count either: the answer is where steps lead to. Tests are in `tests/it/whatif.rs`.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};

use crate::{
    capacity::{factor, need},
    curve::Growth,
    decide::{bounds, fitted, growth},
    evaluate::{Evaluated, Evaluation, adaptive, apache},
    guard,
    history::History,
    parallelism::{Factors, Fitted},
    pattern::VertexPattern,
    reason::{Limit, Missing},
    scalability,
    schedule::Agenda,
    settings::{Profile, Settings, SettingsError},
    topology::{GraphError, JobGraph, Topology, Vertex, VertexId},
    tracking::{self, signed},
    units::{Capacity, Rate, Ratio, Records},
    verdict::Situation,
    window::Window,
};

/// What is known of the job.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// Its graph.
    pub graph: &'a JobGraph,
    /// Its readings; the newest counts as now.
    pub window: &'a Window,
    /// What was done to it.
    pub history: &'a History,
}

/// What is asked. Nothing at all asks how the job does as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// What comes in at all sources together, in records/s; `None` is what comes in now. Sources share it as they
    /// do now.
    pub rate: Option<Rate>,
    /// The parallelism; `None` asks for the one that is needed.
    pub parallelism: Option<Asked>,
}

/// A parallelism to try.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// This one for every vertex.
    All(u32),
    /// These; other vertices as they are.
    Each(Vec<(VertexPattern, u32)>),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The job graph cannot be used.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// There are no two readings to compare.
    #[error("there are fewer than two readings of the job; ask again when it has run for a minute")]
    NoReadings,
    /// No vertex is meant.
    #[error("no vertex is called '{asked}'; the job has {vertices}")]
    NoSuchVertex {
        /// What was asked for.
        asked: VertexPattern,
        /// What there is.
        vertices: String,
    },
    /// A rate cannot be carried down the graph.
    #[error(
        "nothing is known to come in at any source, so how a rate would spread is unknown; ask while the job has load"
    )]
    NoLoad,
}

/// How the job would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// When the newest reading was taken.
    pub read_at: Timestamp,
    /// What the sources are asked for, together.
    pub rate: Option<Rate>,
    /// The most that the sources could be asked for with every vertex busy at most fully; `None` if no limit shows.
    pub carries: Option<Rate>,
    /// The vertex that sets this limit.
    pub bottleneck: Option<VertexId>,
    /// What waits at the sources now; `None` if none of them says.
    pub lag: Option<Records>,
    /// How long a rescale is expected to interrupt the job; `None` if none is needed.
    pub restart: Option<SignedDuration>,
    /// What becomes of what waits.
    pub backlog: Backlog,
    /// The vertices, in topological order.
    pub vertices: Vec<VertexAnswer>,
}

/// What becomes of what waits at the sources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Backlog {
    /// It is gone after so long, the interruption by the rescale included.
    Gone(SignedDuration),
    /// It grows by this every second.
    Grows(Rate),
    /// It stays: all that can be carried comes in anew.
    Stays,
    /// Rate or capacity is not known.
    Unknown,
}

/// How one vertex would do.
#[derive(Debug, Clone, PartialEq)]
pub struct VertexAnswer {
    /// The vertex.
    pub id: VertexId,
    /// Its name.
    pub name: String,
    /// Its parallelism now.
    pub current: u32,
    /// Its parallelism in the answer.
    pub parallelism: u32,
    /// What the rate alone asks for, if that is the question.
    pub uncapped: Option<u32>,
    /// What keeps the parallelism from being that.
    pub limit: Option<Limit>,
    /// What it would be asked for.
    pub rate: Option<Rate>,
    /// What it could do with that parallelism; `None` if no limit shows or nothing is known.
    pub capacity: Option<Rate>,
    /// The busy share that makes; above 1 it cannot keep up.
    pub utilization: Option<Ratio>,
    /// What is not known, if something is.
    pub missing: Option<Missing>,
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::reason::Seconds;
        match self {
            Self::Gone(SignedDuration::ZERO) => f.write_str("nothing waits"),
            Self::Gone(after) => write!(f, "what waits is worked off in {}", Seconds(*after)),
            Self::Grows(rate) => write!(f, "what waits grows by {rate} records/s"),
            Self::Stays => {
                f.write_str("what waits is never worked off: all that can be carried comes in anew")
            }
            Self::Unknown => f.write_str("what becomes of what waits is unknown"),
        }
    }
}

/// Answers the question.
///
/// # Errors
/// What is missing for an answer, with the remedy.
pub fn answer(known: &Known<'_>, question: &Question) -> Result<Answer, Unanswerable> {
    if let Some(error) = known.settings.check().into_iter().next() {
        return Err(error.into());
    }
    let topology = known.graph.topology()?;
    let read_at = match known.window.latest() {
        Some(latest) if known.window.len() > 1 => latest.at,
        _ => return Err(Unanswerable::NoReadings),
    };
    let job = Job {
        known,
        topology: &topology,
        evaluation: evaluate(known, &topology, read_at),
        agenda: Agenda::of(
            known.settings,
            read_at,
            tracking::restart_time(known.settings, known.history),
        ),
    };
    let rates = job.rates(question.rate)?;
    let vertices = match &question.parallelism {
        None => job.needed(&rates),
        Some(asked) => job.tried(&rates, asked)?,
    };
    Ok(job.summed_up(read_at, vertices))
}

struct Job<'a> {
    known: &'a Known<'a>,
    topology: &'a Topology<'a>,
    evaluation: Evaluation,
    agenda: Agenda<'a>,
}

fn evaluate(known: &Known<'_>, topology: &Topology<'_>, now: Timestamp) -> Evaluation {
    match known.settings.profile {
        Profile::Apache => apache::evaluate(known.settings, topology, known.window, now),
        Profile::Adaptive => {
            let situation = Situation::running(now, Timestamp::MIN);
            let started = guard::started(known.window, &situation).unwrap_or(now);
            let stable = started
                .saturating_add(signed(known.settings.stabilization()))
                .unwrap_or(started);
            // Shortly after a start there is nothing else to go by.
            let stable = if stable < now { stable } else { started };
            adaptive::evaluate(
                known.settings,
                topology,
                known.window,
                known.history,
                (stable, now),
            )
            .0
        }
    }
}

impl Job<'_> {
    /// What every vertex would be asked for, by position.
    fn rates(&self, asked: Option<Rate>) -> Result<Vec<Option<Rate>>, Unanswerable> {
        let now: Vec<Option<Rate>> = self
            .evaluation
            .vertices
            .iter()
            .map(|vertex| vertex.target_rate)
            .collect();
        let Some(asked) = asked else {
            return Ok(now);
        };
        let sum = self.at_sources(&now).ok_or(Unanswerable::NoLoad)?;
        let times = asked.over(sum).ok_or(Unanswerable::NoLoad)?;
        let sources: Vec<Option<Rate>> = now
            .iter()
            .map(|rate| rate.map(|rate| rate.times(times)))
            .collect();
        Ok(self.evaluation.ratios.carry(&sources))
    }

    /// The sum over the sources; `None` if nothing is known of any.
    fn at_sources(&self, rates: &[Option<Rate>]) -> Option<Rate> {
        let known = (0..)
            .zip(rates)
            .filter_map(|(position, rate)| rate.filter(|_| self.topology.is_source(position)));
        known.reduce(Rate::plus)
    }

    /// The parallelism that is needed.
    fn needed(&self, rates: &[Option<Rate>]) -> Vec<VertexAnswer> {
        let fits = |position: usize, vertex: &Vertex, rate: Option<Rate>| {
            let evaluated = self.evaluation.vertices.get(position)?;
            let need = need(
                self.known.settings,
                rate?,
                Rate::ZERO,
                false,
                self.restart(),
            );
            let factor = factor(need.aimed_at, evaluated.capacity?)?;
            let free = Factors {
                down: 1.0,
                up: f64::MAX,
            };
            Some(fitted(
                (self.known.settings, &self.agenda, self.known.history),
                vertex,
                &self.growth(vertex, evaluated),
                evaluated.partitions,
                (factor, free),
            ))
        };
        let of = |(position, (vertex, rate)): (usize, (&&Vertex, &Option<Rate>))| {
            let fixed = vertex.finished || self.known.settings.excludes(vertex);
            let fitted = fits(position, vertex, *rate).filter(|_| !fixed);
            let parallelism = fitted.map_or(vertex.parallelism, |fitted| fitted.parallelism);
            self.outcome(position, vertex, *rate, (parallelism, fitted))
        };
        (0..)
            .zip(self.topology.vertices().iter().zip(rates))
            .map(of)
            .collect()
    }

    /// The parallelism that was asked about.
    fn tried(
        &self,
        rates: &[Option<Rate>],
        asked: &Asked,
    ) -> Result<Vec<VertexAnswer>, Unanswerable> {
        let vertices = self.topology.vertices();
        let mut wanted: BTreeMap<&VertexId, u32> = BTreeMap::new();
        match asked {
            Asked::All(parallelism) => {
                let running = vertices.iter().filter(|vertex| !vertex.finished);
                wanted.extend(running.map(|vertex| (&vertex.id, *parallelism)));
            }
            Asked::Each(each) => {
                for (pattern, parallelism) in each {
                    let before = wanted.len();
                    let meant = vertices.iter().filter(|vertex| pattern.matches(vertex));
                    let meant: Vec<_> = meant.map(|vertex| (&vertex.id, *parallelism)).collect();
                    if meant.is_empty() && wanted.len() == before {
                        let names = vertices.iter().map(|vertex| format!("'{}'", vertex.name));
                        return Err(Unanswerable::NoSuchVertex {
                            asked: pattern.clone(),
                            vertices: names.collect::<Vec<_>>().join(", "),
                        });
                    }
                    wanted.extend(meant);
                }
            }
        }
        let of = |(position, (vertex, rate)): (usize, (&&Vertex, &Option<Rate>))| {
            let parallelism = wanted.get(&vertex.id).copied();
            let parallelism = parallelism.unwrap_or(vertex.parallelism).max(1);
            self.outcome(position, vertex, *rate, (parallelism, None))
        };
        Ok((0..).zip(vertices.iter().zip(rates)).map(of).collect())
    }

    fn outcome(
        &self,
        position: usize,
        vertex: &Vertex,
        rate: Option<Rate>,
        (parallelism, fitted): (u32, Option<Fitted>),
    ) -> VertexAnswer {
        let evaluated = self.evaluation.vertices.get(position);
        let partitions = evaluated.and_then(|evaluated| evaluated.partitions);
        let bounds = bounds((self.known.settings, &self.agenda), vertex, partitions);
        // Subtasks beyond key groups or partitions stand idle.
        let working = |n: u32| n.min(bounds.cap());
        let idle = (working(parallelism) < parallelism).then(|| match bounds.partitions {
            Some(partitions) if partitions <= bounds.cap() => Limit::Partitions(partitions),
            _ => Limit::KeyGroups(bounds.max_parallelism),
        });
        let measured = evaluated.and_then(|evaluated| evaluated.capacity);
        let capacity = measured.and_then(Capacity::rate).map(|measured| {
            let (from, to) = (working(vertex.parallelism), working(parallelism));
            self.grown((vertex, evaluated), measured, from, to)
        });
        VertexAnswer {
            id: vertex.id.clone(),
            name: vertex.name.clone(),
            current: vertex.parallelism,
            parallelism,
            uncapped: fitted.map(|fitted| fitted.uncapped),
            limit: fitted.and_then(|fitted| fitted.limit).or(idle),
            utilization: rate
                .zip(capacity)
                .and_then(|(rate, capacity)| rate.over(capacity)),
            rate,
            capacity,
            missing: evaluated.map_or(Some(Missing::Readings), |evaluated| evaluated.missing),
        }
    }

    /// What it can do with `to` subtasks if it does `rate` with `from`, given what was learned of past rescales.
    fn grown(
        &self,
        (vertex, evaluated): (&Vertex, Option<&Evaluated>),
        rate: Rate,
        from: u32,
        to: u32,
    ) -> Rate {
        let growth = evaluated.map_or(Growth::EVEN, |evaluated| self.growth(vertex, evaluated));
        let grown = growth.expected(rate, from, to);
        if to <= from {
            return grown;
        }
        let share = scalability::coefficient(self.known.settings, self.known.history, &vertex.id);
        grown.times(share).max(rate)
    }

    fn growth(&self, vertex: &Vertex, evaluated: &Evaluated) -> Growth {
        growth(
            self.known.settings,
            &self.known.history.curves,
            vertex,
            evaluated,
        )
    }

    fn restart(&self) -> SignedDuration {
        tracking::restart_time(self.known.settings, self.known.history)
    }

    fn summed_up(&self, read_at: Timestamp, vertices: Vec<VertexAnswer>) -> Answer {
        let rates: Vec<Option<Rate>> = vertices.iter().map(|vertex| vertex.rate).collect();
        let rate = self.at_sources(&rates);
        let tightest = vertices
            .iter()
            .filter_map(|vertex| Some((vertex.capacity?.over(vertex.rate?)?, vertex)))
            .min_by_key(|(share, _)| *share);
        let carries = rate
            .zip(tightest)
            .map(|(rate, (share, _))| rate.times(share));
        let lags = self
            .evaluation
            .vertices
            .iter()
            .filter_map(|vertex| vertex.lag);
        let lag = lags.reduce(Records::plus);
        let changes = vertices
            .iter()
            .any(|vertex| vertex.parallelism != vertex.current);
        let restart = changes.then(|| self.restart());
        let backlog = if vertices.iter().any(|vertex| vertex.missing.is_some()) {
            Backlog::Unknown
        } else {
            backlog(rate, carries, lag, restart)
        };
        Answer {
            read_at,
            rate,
            carries,
            bottleneck: tightest.map(|(_, vertex)| vertex.id.clone()),
            lag,
            restart,
            backlog,
            vertices,
        }
    }
}

/// What becomes of what waits.
///
/// With 1000 records/s coming in, 1500 carried, 9000 waiting and a rescale of 20 s, 29,000 wait after it, of
/// which 500 are worked off a second: it takes 20 + 58 s.
fn backlog(
    rate: Option<Rate>,
    carries: Option<Rate>,
    lag: Option<Records>,
    restart: Option<SignedDuration>,
) -> Backlog {
    let Some(rate) = rate else {
        return Backlog::Unknown;
    };
    let stands = restart.map_or(0.0, |restart| restart.as_secs_f64());
    let waits = lag.map_or(0.0, Records::get) + rate.get() * stands;
    let Some(carries) = carries else {
        // No limit shows: it is gone as soon as the job runs.
        return gone(stands);
    };
    let spare = carries.get() - rate.get();
    if spare < 0.0 {
        Rate::new(-spare).map_or(Backlog::Unknown, Backlog::Grows)
    } else if waits <= 0.0 {
        gone(stands)
    } else if spare > 0.0 {
        gone(stands + waits / spare)
    } else {
        Backlog::Stays
    }
}

fn gone(seconds: f64) -> Backlog {
    SignedDuration::try_from_secs_f64(seconds).map_or(Backlog::Stays, Backlog::Gone)
}
