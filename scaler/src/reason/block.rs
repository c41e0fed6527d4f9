//! What forbids to rescale, as a value. Tests are in [`crate::report`].

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::Seconds;
use crate::{topology::VertexId, verdict::Frozen};

/// What forbids to rescale now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A person froze the job.
    Frozen(Frozen),
    /// Something else changes its parallelism too.
    Conflict(String),
    /// The job does not run.
    NotRunning,
    /// The job runs, but not all of its tasks do.
    TasksNotRunning,
    /// The job is restarting, or has done so too often of late.
    Restarting,
    /// Another change of the job is under way.
    ChangeInProgress(String),
    /// Checkpoints fail; a rescale would throw work away.
    CheckpointsFailing(String),
    /// Whether checkpoints succeed could not be read.
    CheckpointsUnknown(String),
    /// When the job started to run could not be read.
    StartUnknown,
    /// The job has not run long enough since it started.
    Stabilizing {
        /// When it will have.
        until: Timestamp,
    },
    /// The last rescale is too recent.
    TooSoon {
        /// When it will not be any more.
        until: Timestamp,
    },
    /// The last rescale does not show in the readings yet.
    AwaitingRescale {
        /// A vertex that has not got there.
        vertex: VertexId,
        /// What it will have.
        target: u32,
        /// What it has.
        seen: Option<u32>,
        /// When the rescale was decided.
        since: Timestamp,
    },
    /// The readings are of another graph than the job's.
    ReadingsDisagree {
        /// A vertex in which they differ.
        vertex: VertexId,
    },
    /// The job could not be read, or what was read contradicts itself; the text says what and why.
    Unreadable(String),
    /// The newest readings are old.
    Stale {
        /// Their age.
        age: SignedDuration,
    },
    /// Readings carry times that lie ahead.
    ClockWentBack {
        /// How far ahead.
        ahead: SignedDuration,
    },
    /// TaskManagers collect too much garbage or have too little heap left.
    MemoryPressure {
        /// Which of the two.
        what: &'static str,
        /// The share measured, in percent.
        percent: u32,
    },
    /// A period in which the user wants no rescale.
    ExcludedPeriod(String),
    /// `quota.cpu` or `quota.memory` leaves no room.
    QuotaReached {
        /// Of what: CPU or memory.
        what: &'static str,
        /// What all TaskManagers would have together.
        needed: String,
        /// What they may have.
        allowed: String,
    },
    /// The cluster has no room for the TaskManagers needed.
    ClusterFull {
        /// TaskManagers that would be added.
        needed: u32,
        /// How many there is room for.
        room: u32,
    },
}

impl Block {
    /// What forbids it as one word in CamelCase.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Frozen(_) => "Frozen",
            Self::Conflict(_) => "Conflict",
            Self::NotRunning => "NotRunning",
            Self::TasksNotRunning => "TasksNotRunning",
            Self::Restarting => "Restarting",
            Self::ChangeInProgress(_) => "ChangeInProgress",
            Self::CheckpointsFailing(_) => "CheckpointsFailing",
            Self::CheckpointsUnknown(_) => "CheckpointsUnknown",
            Self::StartUnknown => "StartUnknown",
            Self::Stabilizing { .. } => "Stabilizing",
            Self::TooSoon { .. } => "TooSoon",
            Self::AwaitingRescale { .. } => "AwaitingRescale",
            Self::ReadingsDisagree { .. } => "ReadingsDisagree",
            Self::Unreadable(_) => "Unreadable",
            Self::Stale { .. } => "Stale",
            Self::ClockWentBack { .. } => "ClockWentBack",
            Self::MemoryPressure { .. } => "MemoryPressure",
            Self::ExcludedPeriod(_) => "ExcludedPeriod",
            Self::QuotaReached { .. } => "ResourceQuotaReached",
            Self::ClusterFull { .. } => "ClusterFull",
        }
    }

    /// Whether the readings say nothing about the job as it is now, so that nothing is computed from
    /// them. Other vetoes only forbid to act.
    pub const fn spoils_readings(&self) -> bool {
        match self {
            Self::NotRunning
            | Self::TasksNotRunning
            | Self::Restarting
            | Self::StartUnknown
            | Self::Stabilizing { .. }
            | Self::TooSoon { .. }
            | Self::AwaitingRescale { .. }
            | Self::ReadingsDisagree { .. }
            | Self::Unreadable(_)
            | Self::Stale { .. }
            | Self::ClockWentBack { .. } => true,
            Self::Frozen(_)
            | Self::Conflict(_)
            | Self::ChangeInProgress(_)
            | Self::CheckpointsFailing(_)
            | Self::CheckpointsUnknown(_)
            | Self::MemoryPressure { .. }
            | Self::ExcludedPeriod(_)
            | Self::QuotaReached { .. }
            | Self::ClusterFull { .. } => false,
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen(Frozen { text, .. }) | Self::Conflict(text) => f.write_str(text),
            Self::NotRunning => f.write_str("the job is not running"),
            Self::TasksNotRunning => f.write_str("not all tasks are running"),
            Self::Restarting => {
                f.write_str("the job is restarting, or has done so too often of late")
            }
            Self::ChangeInProgress(what) => write!(f, "another change is in progress: {what}"),
            Self::CheckpointsFailing(why) => write!(f, "checkpoints are failing: {why}"),
            Self::CheckpointsUnknown(why) => {
                write!(f, "the state of checkpoints is unknown: {why}")
            }
            Self::StartUnknown => f.write_str("it is unknown since when the job runs"),
            Self::Stabilizing { until } => write!(f, "the job is stabilizing until {until:.0}"),
            Self::TooSoon { until } => write!(
                f,
                "the last rescale is too recent; next one after {until:.0}"
            ),
            Self::AwaitingRescale {
                vertex,
                target,
                seen,
                since,
            } => {
                write!(
                    f,
                    "waiting for the rescale of {since:.0} to show: vertex {vertex} "
                )?;
                match seen {
                    Some(seen) => write!(f, "has parallelism {seen}, not {target} yet"),
                    None => write!(f, "is not read yet, parallelism {target} is expected"),
                }
            }
            Self::ReadingsDisagree { vertex } => {
                write!(f, "readings and job graph disagree about vertex {vertex}")
            }
            Self::Unreadable(why) => write!(f, "the job cannot be read: {why}"),
            Self::Stale { age } => write!(f, "the newest readings are {} old", Seconds(*age)),
            Self::ClockWentBack { ahead } => {
                write!(
                    f,
                    "readings lie {} in the future; a clock was set back",
                    Seconds(*ahead)
                )
            }
            Self::MemoryPressure { what, percent } => {
                write!(f, "memory is short: {what} at {percent} %")
            }
            Self::ExcludedPeriod(text) => write!(f, "inside the excluded period {text}"),
            Self::QuotaReached {
                what,
                needed,
                allowed,
            } => write!(
                f,
                "the TaskManagers would need {needed} {what}, the quota is {allowed}; raise job.autoscaler.quota"
            ),
            Self::ClusterFull { needed, room } => write!(
                f,
                "{needed} more TaskManagers are needed, the cluster has room for {room}"
            ),
        }
    }
}
