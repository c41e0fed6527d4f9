//! The configuration of the operator and of the clusters it runs.
//!
//! A [`FlinkConfig`] is the flat map that Flink knows. [`options`] declares what the operator itself
//! reads. [`Defaults`] are what the operator was given at its start. One rule: everything here is a
//! function of its arguments; only [`load`] reads files.

mod defaults;
mod duration;
mod error;
mod flat;
pub mod load;
mod option;
pub mod options;
mod size;
pub mod split;
mod unknown;
mod value;

pub use self::{
    defaults::{Defaults, LOG4J_FILE, LOGBACK_FILE},
    error::ConfigError,
    flat::FlinkConfig,
    option::{ConfigOption, Row, Scope},
    options::Propagation,
    size::{MIB, Memory},
    unknown::{AUTOSCALER_PREFIX, Unknown, invalid_values, is_ours, unknown_keys},
    value::{Interval, Value},
};
