//! How exceptions of a job are told, by the operator's configuration.

use crate::config::{ConfigError, FlinkConfig, options};

/// How exceptions of a job are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionEvents {
    /// The most that one pass tells; none are looked for if it is 0.
    pub limit: usize,
    /// Lines of the stack trace, after the first.
    pub lines: usize,
}

impl ExceptionEvents {
    /// Read from the operator's own configuration; what cannot be read is as by default.
    pub fn read(operator: &FlinkConfig) -> Self {
        let read = |option, default| {
            let number: Result<i32, ConfigError> = operator.get(option);
            number.map_or(default, |n| usize::try_from(n).unwrap_or_default())
        };
        Self {
            limit: read(&options::EVENTS_EXCEPTIONS_LIMIT, 10),
            lines: read(&options::EVENTS_EXCEPTIONS_STACKTRACE_LINES, 5),
        }
    }
}
