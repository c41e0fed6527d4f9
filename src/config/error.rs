//! What can be wrong with a configuration. One rule: every message names the key, the value and the
//! remedy, because it ends up in an event or an admission answer that a person has to act on.

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that its option cannot read.
    #[error("{key}: '{value}' is not {expected}")]
    Invalid {
        /// The key as it was written, which may be an alias.
        key: String,
        /// The value as it was written.
        value: String,
        /// What would have been accepted, with an example.
        expected: String,
    },
    /// An option without a default that must be set.
    #[error("{key} is not set; give it {expected}")]
    Missing {
        /// The key.
        key: String,
        /// What would be accepted, with an example.
        expected: String,
    },
    /// Two keys of which one is the beginning of the other; nested YAML cannot hold both.
    #[error(
        "'{shorter}' and '{longer}' cannot both be set, because the configuration file of Flink 2 is \
         nested and '{shorter}' would be a value and a section; {remedy}"
    )]
    Overlap {
        /// The key that is the beginning of the other.
        shorter: String,
        /// The longer key.
        longer: String,
        /// What to do.
        remedy: String,
    },
    /// A field of the spec, not a configuration key, that cannot be used.
    #[error("{path}: {problem}")]
    Field {
        /// JSON path of the field, for example `spec.jobManager.resource.memory`.
        path: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl ConfigError {
    /// A value that `key` cannot read.
    pub fn invalid(key: &str, value: &str, expected: &str) -> Self {
        Self::Invalid {
            key: key.into(),
            value: value.into(),
            expected: expected.into(),
        }
    }

    /// A field of the spec that cannot be used.
    pub fn field(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            path: path.into(),
            problem: problem.into(),
        }
    }
}
