//! What every pass shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::act::Actor;
use crate::config::Defaults;
use crate::observe::Observer;
use crate::serve::Canaries;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Resource;

use super::retry::Retries;

/// The operator's default configuration, which may change while it runs. Clones share it.
#[derive(Clone)]
pub struct SharedDefaults(Arc<RwLock<Arc<Defaults>>>);

impl From<Defaults> for SharedDefaults {
    fn from(defaults: Defaults) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(defaults))))
    }
}

impl SharedDefaults {
    /// Those in force.
    pub fn get(&self) -> Arc<Defaults> {
        let defaults = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&defaults)
    }

    /// Others from now on.
    pub fn replace(&self, defaults: Defaults) {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(defaults);
    }
}

/// Shared by all passes. Nothing in it is memory: a restart with an empty context decides the same.
pub struct Context {
    /// Reads.
    pub observer: Observer,
    /// Writes.
    pub actor: Actor,
    /// The operator's default configuration, replaced when its files change.
    pub defaults: SharedDefaults,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Resources that show whether changes get their passes.
    pub canaries: Canaries,
    /// Delays after failures.
    pub retries: Retries,
    /// Resource versions we wrote last, to recognise a watch that lags behind.
    pub written: Mutex<HashMap<String, String>>,
}

impl Context {
    /// Put the parts together.
    pub fn new(
        observer: Observer,
        actor: Actor,
        defaults: SharedDefaults,
        metrics: Metrics,
    ) -> Self {
        Self {
            observer,
            actor,
            defaults,
            metrics,
            canaries: Canaries::default(),
            retries: Retries::default(),
            written: Mutex::default(),
        }
    }

    /// With these canaries.
    #[must_use]
    pub fn with_canaries(self, canaries: Canaries) -> Self {
        Self { canaries, ..self }
    }

    /// A resource is gone: nothing of it is kept.
    pub fn forget(&self, resource: &Resource) {
        self.metrics.forget(resource);
        self.canaries.forget(resource);
        let key = key(resource);
        self.retries.forget(&key);
        if let Ok(mut written) = self.written.lock() {
            written.remove(&key);
        }
    }

    /// The defaults in force.
    pub fn defaults(&self) -> Arc<Defaults> {
        self.defaults.get()
    }
}

/// A resource in memory and in the log.
pub fn key(resource: &Resource) -> String {
    format!(
        "{}/{}/{}",
        resource.kind.as_str(),
        resource.namespace,
        resource.name
    )
}
