//! What keeps a parallelism from being what the load asks for, as a value. Tests are in [`crate::report`].

use std::fmt;

/// What kept a parallelism from being what the load asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `vertex.min-parallelism`.
    MinParallelism(u32),
    /// `vertex.max-parallelism`.
    MaxParallelism(u32),
    /// `vertex.parallelism-bounds`.
    VertexBounds(u32),
    /// `schedules`, at this time.
    Schedule(u32),
    /// The job's max parallelism: its number of key groups.
    KeyGroups(u32),
    /// The partitions of what a source reads.
    Partitions(u32),
    /// `scale-up.max-factor`.
    ScaleUpFactor,
    /// `scale-down.max-factor`.
    ScaleDownFactor,
    /// Alignment to key groups or partitions.
    Alignment(u32),
    /// Beyond so many subtasks a further one gains less than a tenth of what the first does.
    Contention(u32),
    /// One key has so many records, in percent, that further subtasks gain nothing.
    HotKey {
        /// Its share of all records.
        percent: u32,
    },
    /// So many subtasks were tried, and taken back.
    Failed(u32),
    /// The TaskManagers that quotas and the cluster leave.
    TaskManagers(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinParallelism(n) => write!(f, "vertex.min-parallelism {n}"),
            Self::MaxParallelism(n) => write!(f, "vertex.max-parallelism {n}"),
            Self::VertexBounds(n) => write!(f, "vertex.parallelism-bounds {n}"),
            Self::Schedule(n) => write!(f, "the schedule's {n}"),
            Self::KeyGroups(n) => write!(f, "the job's max parallelism {n}"),
            Self::Partitions(n) => write!(f, "{n} partitions"),
            Self::ScaleUpFactor => f.write_str("scale-up.max-factor"),
            Self::ScaleDownFactor => f.write_str("scale-down.max-factor"),
            Self::Failed(n) => write!(f, "{n} subtasks, which were tried and taken back"),
            Self::TaskManagers(n) => write!(f, "quotas or the cluster to {n} TaskManagers"),
            Self::Alignment(n) => write!(f, "alignment to {n} key groups or partitions"),
            Self::Contention(n) => write!(f, "subtasks get in each other's way beyond {n}"),
            Self::HotKey { percent } => {
                write!(f, "one key with some {percent} % of the records")
            }
        }
    }
}
