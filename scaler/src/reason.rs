//! Why: every cause of a decision as a value. Its `Display` is the sentence a person reads in the event,
//! the condition and the report.
//!
//! The rule: a decision carries its cause; nobody has to guess it from numbers. Tests are in [`crate::report`].

mod block;
mod limit;
mod missing;
mod words;

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{
    topology::{GraphError, VertexId},
    units::Rate,
};

pub use block::Block;
pub use limit::Limit;
pub use missing::Missing;

/// Why the job as a whole is left as it is, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The autoscaler is off.
    Off,
    /// The settings cannot be used.
    Settings(String),
    /// The job graph cannot be used.
    Graph(GraphError),
    /// Something forbids to decide now.
    Blocked(Block),
    /// There are not enough readings yet.
    Collecting {
        /// Time the usable readings cover.
        have: SignedDuration,
        /// Time they must cover.
        need: SignedDuration,
    },
    /// The load has just changed; what it is now shows in a moment.
    LoadChanging {
        /// Time since the change.
        since: SignedDuration,
        /// Time needed.
        need: SignedDuration,
    },
    /// Every vertex is inside its band, or may not be changed.
    Balanced,
    /// A change would be small and nothing is outside its band.
    WithinBand,
    /// Vertices need more but cannot have it, or would gain nothing by it.
    CannotScale {
        /// How many.
        vertices: usize,
    },
    /// Less would do, but has not for long enough.
    ScaleDownDelayed {
        /// When the first of them will have.
        until: Timestamp,
    },
    /// A vertex that is full becomes faster by itself, as after a start with cold caches; it is waited for.
    WarmingUp,
    /// Vertices could do with less, but all share slots, and as many slots or TaskManagers would be needed as now.
    SavesNoSlot,
    /// What waits is being worked off; nothing is scaled down before that is done.
    CatchingUp,
    /// Vertices could do with less, but more and more comes in.
    LoadRising,
    /// Of vertices something needed is not known.
    Unknown {
        /// How many.
        vertices: usize,
    },
    /// The readings scatter too much to tell.
    Unclear {
        /// Of how many vertices.
        vertices: usize,
    },
    /// What is wanted has been asked for already and has not come about; slots are missing as a rule.
    AlreadyRequested,
    /// The last rescale did harm, or nothing; back to what there was before.
    RollBack {
        /// What it did.
        why: String,
    },
    /// A rescale was taken back; nothing is changed for a while.
    AfterRollBack {
        /// When that ends.
        until: Timestamp,
        /// What it did.
        why: String,
    },
    /// Schedules ask for another parallelism.
    Schedule {
        /// Of how many vertices.
        vertices: usize,
    },
    /// These vertices are outside their bands.
    OutsideBand {
        /// How many get more subtasks.
        up: usize,
        /// How many get fewer.
        down: usize,
    },
}

impl Reason {
    /// The instant at which it ends by itself, if that is fixed.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Blocked(Block::Stabilizing { until } | Block::TooSoon { until })
            | Self::ScaleDownDelayed { until }
            | Self::AfterRollBack { until, .. } => Some(*until),
            Self::Blocked(Block::Frozen(frozen)) => frozen.until,
            _ => None,
        }
    }

    /// Whether the job was judged and is right as it is, or can be no better: what was recommended before no longer
    /// holds. Otherwise too little is known to say so.
    pub const fn settles(&self) -> bool {
        match self {
            Self::Balanced
            | Self::WithinBand
            | Self::CannotScale { .. }
            | Self::ScaleDownDelayed { .. }
            | Self::SavesNoSlot
            | Self::AfterRollBack { .. }
            | Self::LoadRising
            | Self::CatchingUp => true,
            Self::Off
            | Self::Settings(_)
            | Self::Graph(_)
            | Self::Blocked(_)
            | Self::Collecting { .. }
            | Self::LoadChanging { .. }
            | Self::WarmingUp
            | Self::Unknown { .. }
            | Self::Unclear { .. }
            | Self::AlreadyRequested
            | Self::RollBack { .. }
            | Self::Schedule { .. }
            | Self::OutsideBand { .. } => false,
        }
    }

    /// The reason as one word in CamelCase, the same whatever the figures are.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Settings(_) => "InvalidSettings",
            Self::Graph(_) => "InvalidGraph",
            Self::Blocked(block) => block.word(),
            Self::Collecting { .. } => "Collecting",
            Self::LoadChanging { .. } => "LoadChanging",
            Self::Balanced => "Balanced",
            Self::WithinBand => "WithinBand",
            Self::CannotScale { .. } => "CannotScale",
            Self::ScaleDownDelayed { .. } => "ScaleDownDelayed",
            Self::SavesNoSlot => "SavesNoSlot",
            Self::WarmingUp => "WarmingUp",
            Self::CatchingUp => "CatchingUp",
            Self::LoadRising => "LoadRising",
            Self::Unknown { .. } => "Unknown",
            Self::Unclear { .. } => "Unclear",
            Self::AlreadyRequested => "AlreadyRequested",
            Self::RollBack { .. } => "RollBack",
            Self::AfterRollBack { .. } => "RolledBack",
            Self::Schedule { .. } => "Schedule",
            Self::OutsideBand { .. } => "OutsideBand",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("the autoscaler is off"),
            Self::Settings(error) => write!(f, "the settings cannot be used: {error}"),
            Self::Graph(error) => write!(f, "{error}"),
            Self::Blocked(block) => write!(f, "{block}"),
            Self::Collecting { have, need } => write!(
                f,
                "collecting readings: {} of {}",
                Seconds(*have),
                Seconds(*need)
            ),
            Self::LoadChanging { since, need } => write!(
                f,
                "the load changed {} ago; it is measured for {} before anything is done",
                Seconds(*since),
                Seconds(*need)
            ),
            Self::Balanced => f.write_str("every vertex has the parallelism it needs"),
            Self::WithinBand => f.write_str("utilization is inside its bounds everywhere"),
            Self::CannotScale { vertices: 1 } => f.write_str("1 vertex needs more but cannot be scaled up"),
            Self::CannotScale { vertices } => write!(f, "{vertices} vertices need more but cannot be scaled up"),
            Self::ScaleDownDelayed { until } => write!(f, "less is enough; scaled down if it stays so until {until:.0}"),
            Self::SavesNoSlot => f.write_str(
                "some vertices can do with less, but no slot, or no TaskManager, would be saved by it",
            ),
            Self::WarmingUp => f.write_str("the job becomes faster by itself; what it can do will show"),
            Self::CatchingUp => f.write_str("what waits is being worked off"),
            Self::LoadRising => f.write_str("the load rises; nothing is scaled down meanwhile"),
            Self::Unknown { vertices } => write!(f, "too little is known about {}", Vertices(*vertices)),
            Self::Unclear { vertices } => write!(f, "the readings of {} scatter too much to tell", Vertices(*vertices)),
            Self::AlreadyRequested => f.write_str(
                "the parallelism wanted has been requested already and is not reached; the cluster may lack slots",
            ),
            Self::RollBack { why } => write!(f, "the last rescale is taken back: {why}"),
            Self::AfterRollBack { until, why } => write!(
                f,
                "a rescale was taken back ({why}); nothing is changed until {until:.0}"
            ),
            Self::Schedule { vertices } => {
                write!(f, "a schedule asks for another parallelism of {}", Vertices(*vertices))
            }
            Self::OutsideBand { up, down } => match (up, down) {
                (up, 0) => write!(f, "{} cannot carry the load", Vertices(*up)),
                (0, down) => write!(f, "{} can do with less", Vertices(*down)),
                (up, down) => write!(
                    f,
                    "{} cannot carry the load, {} can do with less",
                    Vertices(*up),
                    Vertices(*down)
                ),
            },
        }
    }
}

/// Why a vertex gets what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VertexReason {
    /// Its utilization is inside the bounds.
    Stable,
    /// More comes in than it can carry at the utilization allowed.
    Overutilized,
    /// It could keep up, but not work off what waits in the time set.
    Backlog,
    /// At this hour of earlier days more came than it can carry.
    Forecast {
        /// What is expected.
        rate: Rate,
    },
    /// Its source is held back, so the demand is not known in full; this is a step towards it.
    DemandUnknown,
    /// Less would do.
    Underutilized,
    /// Its utilization is inside the bounds, but the job is rescaled anyway, and this suits it better.
    AlongWithOthers,
    /// A schedule asks for it.
    Schedule {
        /// Whether the bound is a floor; otherwise a ceiling.
        floor: bool,
        /// The bound as it is written.
        asked: u32,
        /// What keeps the vertex from meeting it.
        kept: Option<Limit>,
    },
    /// Nothing comes in.
    NoLoad,
    /// It is working off what waits; it is left alone until that is done.
    CatchingUp,
    /// It becomes faster by itself, as after a start with cold caches.
    WarmingUp,
    /// Less would do, but more and more comes in.
    LoadRising,
    /// It is busy though little seems to come in; it is not scaled down.
    BusyAgainstTarget,
    /// More would be right, but a vertex upstream or downstream can take no more.
    LimitedByVertex(VertexId),
    /// It may not be scaled.
    Excluded,
    /// Its subtasks have finished.
    Finished,
    /// Something needed is not known.
    Unknown(Missing),
    /// The readings scatter too much to tell.
    Unclear,
    /// More brought nothing once; a larger step is tried before it is left at that.
    SecondTry,
    /// The last rescale did harm, or nothing; it gets back what it had.
    TakenBack,
    /// The last scale-up brought too little.
    Ineffective {
        /// Gain expected.
        expected: Rate,
        /// Gain seen.
        actual: Rate,
    },
    /// Less would do, but has not for long enough.
    ScaleDownDelayed {
        /// When it will have.
        until: Timestamp,
    },
    /// It needs more, but a limit leaves it where it is.
    AtLimit(Limit),
    /// Less would do, but a limit leaves it where it is.
    AtFloor(Limit),
}

impl fmt::Display for VertexReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stable => f.write_str("utilization is inside its bounds"),
            Self::Overutilized => {
                f.write_str("more comes in than it carries at the utilization allowed")
            }
            Self::Backlog => f.write_str("too slow to work off what waits in the time set"),
            Self::Forecast { rate } => write!(
                f,
                "{rate} records/s are expected shortly, as at this hour of earlier days"
            ),
            Self::DemandUnknown => f.write_str(
                "its source is held back, demand is not known in full; a step towards it",
            ),
            Self::Underutilized => f.write_str("less is enough"),
            Self::AlongWithOthers => f.write_str("changed along with others"),
            Self::Schedule { floor, asked, kept } => {
                let side = if *floor { "least" } else { "most" };
                write!(f, "a schedule asks for at {side} {asked}")?;
                kept.map_or(Ok(()), |kept| write!(f, ", kept from it by {kept}"))
            }
            Self::NoLoad => f.write_str("nothing comes in"),
            Self::CatchingUp => f.write_str("working off what waits"),
            Self::WarmingUp => f.write_str("becoming faster by itself"),
            Self::LoadRising => f.write_str("less is enough, but the load rises; not scaled down"),
            Self::BusyAgainstTarget => {
                f.write_str("busy although little seems to come in; not scaled down")
            }
            Self::LimitedByVertex(id) => write!(
                f,
                "vertex {id} cannot take more, so more would not help here"
            ),
            Self::Excluded => f.write_str("excluded by job.autoscaler.vertex.exclude.ids"),
            Self::Finished => f.write_str("finished"),
            Self::Unknown(missing) => write!(f, "left alone: {missing}"),
            Self::SecondTry => f.write_str(
                "falls behind, and the last step brought nothing; a larger one is tried once",
            ),
            Self::TakenBack => f.write_str("back to what it had before the last rescale"),
            Self::Unclear => f.write_str("readings scatter too much to tell"),
            Self::Ineffective { expected, actual } => write!(
                f,
                "the last scale-up brought {actual} records/s more, not {expected}; not scaled up again"
            ),
            Self::ScaleDownDelayed { until } => write!(
                f,
                "less is enough; scaled down if it stays so until {until:.0}"
            ),
            Self::AtLimit(limit) => write!(f, "needs more, but kept by {limit}"),
            Self::AtFloor(limit) => write!(f, "less is enough, but kept by {limit}"),
        }
    }
}

/// A length of time as people say it.
pub(crate) struct Seconds(pub SignedDuration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            s if s.abs() < 120 => write!(f, "{s} s"),
            s if s.abs() < 7200 => write!(f, "{} min", s / 60),
            s => write!(f, "{} h", s / 3600),
        }
    }
}

struct Vertices(usize);

impl fmt::Display for Vertices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 vertex"),
            n => write!(f, "{n} vertices"),
        }
    }
}
