//! Options that are lists of entries with a notation of their own.
//!
//! The rule: an entry is understood in full or refused; the others do not make up for it. What is wrong is kept, so
//! that [`Settings::check`](super::Settings::check) names each entry with its remedy. Tests are in
//! `settings/tests.rs`.

use super::value::{Value, list};
use crate::{pattern::VertexPattern, topology::Vertex};

/// One entry of a list.
pub trait Entry: Sized {
    /// What stands between entries.
    const SEPARATOR: char;
    /// What an entry is, with an example, to follow "is not".
    const EXPECTED: &'static str;

    /// Reads an entry; the error says what to write, to follow the text.
    fn read(text: &str) -> Result<Self, String>;
}

/// The entries of an option, and those that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<T> {
    good: Vec<T>,
    /// Text and remedy.
    bad: Vec<(String, String)>,
}

impl<T> Entries<T> {
    /// The entries that could be read, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.good.iter()
    }

    /// Those that could not, each with what to write, to follow the text.
    pub(super) fn mistakes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bad
            .iter()
            .map(|(text, remedy)| (text.as_str(), remedy.as_str()))
    }
}

impl<T: Entry> Value for Entries<T> {
    const TYPE: &'static str = "List<String>";
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(text: &str) -> Option<Self> {
        let mut entries = Self {
            good: Vec::new(),
            bad: Vec::new(),
        };
        for text in list(text, T::SEPARATOR)? {
            match T::read(&text) {
                Ok(entry) => entries.good.push(entry),
                Err(remedy) => entries.bad.push((text, remedy)),
            }
        }
        Some(entries)
    }
}

/// Fewest and most subtasks of some vertices, instead of those of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VertexBounds {
    /// Which vertices.
    pub pattern: VertexPattern,
    /// Fewest; `None` leaves what holds for all.
    pub min: Option<u32>,
    /// Most; `None` leaves what holds for all.
    pub max: Option<u32>,
}

impl VertexBounds {
    /// Whether they are of this vertex.
    pub fn matches(&self, vertex: &Vertex) -> bool {
        self.pattern.matches(vertex)
    }
}

impl Entry for VertexBounds {
    const SEPARATOR: char = ',';
    const EXPECTED: &'static str = "a list of bounds, such as 'Source: *=2-8,sink=-4'";

    fn read(text: &str) -> Result<Self, String> {
        let form = "is no bound; write pattern=min-max, pattern=min- or pattern=-max, such as sink=2-8, and quotes \
                    round a name with a comma";
        let form = || form.to_owned();
        // A name may hold an equals sign, a parallelism may not.
        let (pattern, range) = text.rsplit_once('=').ok_or_else(form)?;
        let pattern = VertexPattern::new(pattern).ok_or_else(form)?;
        let (min, max) = range.split_once('-').ok_or_else(form)?;
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => u32::parse(text).map(Some).ok_or_else(form),
        };
        let bounds = Self {
            pattern,
            min: number(min)?,
            max: number(max)?,
        };
        match (bounds.min, bounds.max) {
            (None, None) => Err(form()),
            (Some(0), _) | (_, Some(0)) => {
                Err("has 0, which is no parallelism; write 1 or more".to_owned())
            }
            (Some(min), Some(max)) if min > max => {
                Err(format!("has its bounds reversed; write {max}-{min}"))
            }
            _ => Ok(bounds),
        }
    }
}
