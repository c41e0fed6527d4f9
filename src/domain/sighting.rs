//! A reading of the world that can be missing for two very different reasons.
//!
//! The rule: *blind is not empty*. Nothing destructive may follow from [`Sighting::Unknown`];
//! `tests/it/scenarios.rs` and the world test hold `decide` to it.

/// What one read of the world gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting<T> {
    /// It is there, and looks like this.
    Seen(T),
    /// It was looked for, and is certainly not there.
    Absent,
    /// It could not be read, or was not looked at; the text says why.
    Unknown(String),
}

impl<T> Sighting<T> {
    /// A reading that no one asked for in this pass.
    pub fn not_read() -> Self {
        Self::Unknown("not read in this pass".to_owned())
    }

    /// The value, if it was seen.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Certainly not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Could not be read.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Why it is unknown.
    pub fn why_unknown(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Seen(_) | Self::Absent => None,
        }
    }

    /// The same sighting of something derived from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Sighting<U> {
        match self {
            Self::Seen(value) => Sighting::Seen(f(value)),
            Self::Absent => Sighting::Absent,
            Self::Unknown(why) => Sighting::Unknown(why),
        }
    }
}
