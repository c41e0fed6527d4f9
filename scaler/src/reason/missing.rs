//! What could not be known about a vertex, as a sentence. Tests are in `tests/it/`.

use std::fmt;

/// What could not be known about a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No two usable readings of it.
    Readings,
    /// Its counter of records read.
    RecordsIn,
    /// Its busy time.
    BusyTime,
    /// The target of what it reads from, or how much of it arrives here.
    UpstreamRate,
    /// What it can process.
    Capacity,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Readings => "no usable readings",
            Self::RecordsIn => "the number of records read is unknown",
            Self::BusyTime => "its busy time is unknown",
            Self::UpstreamRate => "the rate upstream is unknown",
            Self::Capacity => "its capacity is unknown",
        })
    }
}
