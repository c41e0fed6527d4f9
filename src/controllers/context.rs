//! What every pass shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use crate::act::Actor;
use crate::config::Defaults;
use crate::observe::Observer;
use crate::telemetry::Metrics;

use super::retry::Retries;

/// Shared by all passes. Nothing in it is memory: a restart with an empty context decides the same.
pub struct Context {
    /// Reads.
    pub observer: Observer,
    /// Writes.
    pub actor: Actor,
    /// The operator's default configuration, replaced when its files change.
    pub defaults: RwLock<Arc<Defaults>>,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Delays after failures.
    pub retries: Retries,
    /// Resource versions we wrote last, to recognise a watch that lags behind.
    pub written: Mutex<HashMap<String, String>>,
}

impl Context {
    /// Put the parts together.
    pub fn new(observer: Observer, actor: Actor, defaults: Defaults, metrics: Metrics) -> Self {
        Self {
            observer,
            actor,
            defaults: RwLock::new(Arc::new(defaults)),
            metrics,
            retries: Retries::default(),
            written: Mutex::default(),
        }
    }

    /// The defaults in force.
    pub fn defaults(&self) -> Arc<Defaults> {
        self.defaults.read().map_or_else(
            |poisoned| Arc::clone(&poisoned.into_inner()),
            |defaults| Arc::clone(&defaults),
        )
    }
}
