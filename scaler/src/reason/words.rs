//! Reasons of vertices as one word, for machines. Tests are in [`crate::report`].

use super::VertexReason;

impl VertexReason {
    /// The reason as one word in CamelCase, the same whatever the figures are.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Stable => "Stable",
            Self::Overutilized => "Overutilized",
            Self::Backlog => "Backlog",
            Self::Forecast { .. } => "Forecast",
            Self::DemandUnknown => "DemandUnknown",
            Self::Underutilized => "Underutilized",
            Self::AlongWithOthers => "AlongWithOthers",
            Self::Schedule { .. } => "Schedule",
            Self::NoLoad => "NoLoad",
            Self::CatchingUp => "CatchingUp",
            Self::WarmingUp => "WarmingUp",
            Self::LoadRising => "LoadRising",
            Self::BusyAgainstTarget => "BusyAgainstTarget",
            Self::LimitedByVertex(_) => "LimitedByBottleneck",
            Self::Excluded => "Excluded",
            Self::Finished => "Finished",
            Self::Unknown(_) => "InsufficientData",
            Self::Unclear => "Unclear",
            Self::SecondTry => "SecondTry",
            Self::TakenBack => "RollBack",
            Self::Ineffective { .. } => "Ineffective",
            Self::ScaleDownDelayed { .. } => "Cooldown",
            Self::AtLimit(_) => "LimitedByMax",
            Self::AtFloor(_) => "LimitedByMin",
        }
    }
}
