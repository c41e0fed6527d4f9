//! What the autoscaler remembers of each job: at hand while the process lives, in a ConfigMap beyond that.
//!
//! The rule: a cache. An empty one is filled from the ConfigMap, so a restart loses at most the readings
//! since it was last written. `observe` reads it, `act` writes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use flink_scaler::{DecisionLog, History, Window};
use jiff::Timestamp;

/// Memories by namespace and name; clones share them.
#[derive(Clone, Default)]
pub struct ScalerMemories {
    by_resource: Arc<Mutex<HashMap<String, Remembered>>>,
}

/// What is remembered of one job.
#[derive(Clone)]
pub struct Remembered {
    /// The readings of the recent past.
    pub window: Window,
    /// What was done and what came of it.
    pub history: History,
    /// What it decided of late.
    pub decisions: DecisionLog,
    /// When this was last written to the ConfigMap.
    pub stored_at: Option<Timestamp>,
}

impl ScalerMemories {
    /// What is at hand of this resource.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Remembered> {
        let memories = self.by_resource.lock().ok()?;
        memories.get(&key(namespace, name)).cloned()
    }

    /// Remember.
    pub fn put(&self, namespace: &str, name: &str, remembered: Remembered) {
        if let Ok(mut memories) = self.by_resource.lock() {
            memories.insert(key(namespace, name), remembered);
        }
    }

    /// Forget.
    pub fn forget(&self, namespace: &str, name: &str) {
        if let Ok(mut memories) = self.by_resource.lock() {
            memories.remove(&key(namespace, name));
        }
    }
}

fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}
