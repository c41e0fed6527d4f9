//! What every vertex is asked to do and what it can do: target rate, catch-up rate, capacity.
//!
//! The rule: both profiles answer the same questions with the same type; what cannot be answered is
//! `None` and says in [`Evaluated::missing`] why. Tests are in `tests/it/`.

pub mod adaptive;
pub mod apache;
pub mod flow;

use crate::{
    history::Flow,
    reason::Missing,
    units::{Capacity, Rate, Ratio, Records},
};

/// One vertex, evaluated.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent observations, not one state"
)]
pub struct Evaluated {
    /// What comes in if nothing upstream holds back, in records/s.
    pub target_rate: Option<Rate>,
    /// By how much that grows in a second, where it clearly does, in records/s.
    pub rising: Rate,
    /// What is expected to come within the next minutes, where the same hour of earlier days says so and it is more.
    pub forecast: Option<Rate>,
    /// Whether it becomes faster by itself, as after a start with cold caches.
    pub warming: bool,
    /// What comes in on top of that to work off what waits in the time set.
    pub catch_up: Rate,
    /// What it can process at its parallelism, fully busy.
    pub capacity: Option<Capacity>,
    /// Busy share: of the busiest subtask, or as the settings say.
    pub utilization: Option<Ratio>,
    /// Share of time held back by what is downstream.
    pub backpressure: Option<Ratio>,
    /// Sources: records that wait.
    pub lag: Option<Records>,
    /// How far target rate and capacity may be off, as a share of their quotient. Zero with profile
    /// `apache`, which takes averages at their word.
    pub doubt: Ratio,
    /// How far the target rate may be off beyond that, because records arrive in bursts.
    pub bursts: Ratio,
    /// The same where it is asked whether it does too little: that is no doubt if others wait for it.
    pub bursts_up: Ratio,
    /// The busy share at which it can do no more, where that was just seen to be less than all.
    pub full_at: Option<Ratio>,
    /// The share of its records that goes to its fullest subtask beyond an even spread, as if to one key.
    pub hot: Ratio,
    /// Whether a source upstream is held back and does not say what waits: the target rate is a guess
    /// upwards.
    pub demand_unknown: bool,
    /// Whether what waits upstream is being worked off at this moment.
    pub draining: bool,
    /// Whether it was full over the whole window while what waits upstream grew: then only how much it lacks can be in doubt.
    pub falls_behind: bool,
    /// What could not be known, if something was.
    pub missing: Option<Missing>,
    /// Sources: partitions of what they read.
    pub partitions: Option<u32>,
}

impl Evaluated {
    /// Nothing known.
    pub const fn unknown(missing: Missing) -> Self {
        Self {
            target_rate: None,
            rising: Rate::ZERO,
            forecast: None,
            warming: false,
            catch_up: Rate::ZERO,
            capacity: None,
            utilization: None,
            backpressure: None,
            lag: None,
            doubt: Ratio::ZERO,
            bursts: Ratio::ZERO,
            bursts_up: Ratio::ZERO,
            full_at: None,
            hot: Ratio::ZERO,
            demand_unknown: false,
            draining: false,
            falls_behind: false,
            missing: Some(missing),
            partitions: None,
        }
    }
}

/// The job, evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The vertices by their position.
    pub vertices: Vec<Evaluated>,
    /// Whether more waits in front of a source than `backlog-processing.lag-threshold`: nothing is scaled down
    /// then, and only what cannot keep up is scaled up.
    pub backlog: bool,
    /// What all sources together read and are asked for, where profile `adaptive` knows it of each.
    pub flow: Option<Flow>,
    /// How rates flow, to see what a limit downstream does upstream.
    pub ratios: flow::Ratios,
}
