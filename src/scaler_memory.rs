//! What the autoscaler remembers of each job: at hand while the process lives, in a ConfigMap beyond that.
//!
//! The rule: a cache. An empty one is filled from the ConfigMap, so a restart loses at most the readings
//! since it was last written. `observe` reads it, `act` writes it.

mod packed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use flink_scaler::{DecisionLog, History, Window};
use jiff::{SignedDuration, Timestamp};

pub use self::packed::{pack, texts};

/// Bytes a second that the readings of one job may cost the API server and its etcd.
const BYTES_A_SECOND: usize = 100;

/// Shortest and longest time until they are written again.
const AGAIN: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_mins(10));

/// How long after having written so many bytes the memory is written again, if nothing was decided meanwhile. Few
/// vertices are written every minute; ten thousand jobs of many are no burden to etcd, which keeps all versions of minutes.
pub fn written_again_after(bytes: usize) -> SignedDuration {
    let seconds = i64::try_from(bytes / BYTES_A_SECOND).unwrap_or(i64::MAX);
    SignedDuration::from_secs(seconds).clamp(AGAIN.0, AGAIN.1)
}

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
    /// When this is to be written to the ConfigMap again, though nothing is decided until then; `None` if it never was.
    pub store_after: Option<Timestamp>,
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
