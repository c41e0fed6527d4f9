//! The configuration of the operator and of the clusters it runs.
//!
//! A [`FlinkConfig`] is the flat map that Flink knows. [`options`] declares what the operator itself
//! reads. [`Defaults`] are what the operator was given at its start. One rule: everything here is a
//! function of its arguments; only [`load`] reads files.

mod autoscaler;
mod defaults;
pub mod deploy;
mod docs;
mod duration;
pub mod effective;
mod election;
mod enforced;
mod error;
mod flat;
pub mod flink;
mod layers;
pub mod listeners;
pub mod load;
pub mod memory;
mod option;
pub mod options;
mod quantity;
pub mod render;
mod schedule;
mod selector;
mod size;
pub mod split;
mod unknown;
mod vain;
mod value;
pub mod yaml;

pub use self::{
    autoscaler::AUTOSCALER_PREFIX,
    defaults::{Defaults, LOG4J_FILE, LOGBACK_FILE},
    deploy::{DeployKeys, GENERATION_ANNOTATION, LAST_STATE_PATH, with_deploy},
    docs::docs,
    effective::{effective, effective_session_job},
    election::Election,
    enforced::{Enforced, Overruled},
    error::ConfigError,
    flat::FlinkConfig,
    flink::HighAvailability,
    memory::{Process, process_memory},
    option::{ConfigOption, Row, Scope},
    options::Propagation,
    quantity::parse as quantity,
    schedule::{Blackout, Schedule},
    selector::LabelSelector,
    size::{MIB, Memory},
    unknown::{Unknown, invalid_values, is_ours, unknown_keys},
    vain::{Place, in_vain},
    value::{Interval, Pause, Value},
};
