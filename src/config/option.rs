//! An option: its key, type, default and meaning, declared once. Parsing, the reference, the search
//! for unknown keys and the chart's schema all come from these declarations.

use std::{fmt, marker::PhantomData};

use super::value::Value;

/// Where an option takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In `spec.flinkConfiguration` of a resource and in the defaults; without an upgrade.
    Resource,
    /// In the operator's defaults, also those of a namespace or a Flink version.
    Operator,
    /// In the operator's defaults; read for the whole process.
    Process,
    /// In `spec.configuration` of a FlinkBlueGreenDeployment.
    BlueGreen,
}

/// An option of type `T`.
pub struct ConfigOption<T> {
    /// The key.
    pub key: &'static str,
    /// Older keys that are still read, the newest first.
    pub aliases: &'static [&'static str],
    /// The default as a user would write it; `None` if there is none.
    pub default: Option<&'static str>,
    /// Where it takes effect.
    pub scope: Scope,
    /// What it does, in a sentence.
    pub doc: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T: Value> ConfigOption<T> {
    /// An option without default and aliases.
    pub const fn new(key: &'static str, scope: Scope, doc: &'static str) -> Self {
        Self {
            key,
            aliases: &[],
            default: None,
            scope,
            doc,
            kind: PhantomData,
        }
    }

    /// The same option with a default.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The same option with older keys.
    #[must_use]
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The option without its type, as a row of the table.
    pub const fn row(&self) -> Row {
        Row {
            key: self.key,
            aliases: self.aliases,
            default: self.default,
            scope: self.scope,
            doc: self.doc,
            kind: T::TYPE,
            expected: T::EXPECTED,
            accepts: |text| T::parse(text).is_some(),
        }
    }
}

impl<T> fmt::Debug for ConfigOption<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

/// An option as the table holds it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The key.
    pub key: &'static str,
    /// Older keys that are still read.
    pub aliases: &'static [&'static str],
    /// The default as a user would write it.
    pub default: Option<&'static str>,
    /// Where it takes effect.
    pub scope: Scope,
    /// What it does.
    pub doc: &'static str,
    /// The name of its type.
    pub kind: &'static str,
    /// What a value must be, with an example.
    pub expected: &'static str,
    /// Whether a text is a value of this option.
    pub accepts: fn(&str) -> bool,
}
