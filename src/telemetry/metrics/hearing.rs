//! How the listeners do.
//!
//! The rule: the names of listeners are those of the configuration and the program, a closed set.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::export::{counter, gauge};
use super::{Error, Metrics, table};

/// How a notice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// The listener has it.
    Delivered,
    /// The listener failed, or its receiver refuses it for good.
    Failed,
    /// The listener panicked.
    Panicked,
    /// There was no place left for it, or no time before the end.
    Dropped,
}

impl Hearing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Dropped => "dropped",
        }
    }
}

/// The series of all listeners.
pub(super) struct Listeners {
    notices: IntCounterVec,
    retries: IntCounterVec,
    waiting: IntGaugeVec,
}

impl Listeners {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            notices: counter(registry, &table::LISTENER_NOTICES)?,
            retries: counter(registry, &table::LISTENER_RETRIES)?,
            waiting: gauge(registry, &table::LISTENER_WAITING)?,
        })
    }
}

impl Metrics {
    /// So many notices for a listener ended.
    pub fn heard(&self, listener: &str, how: Hearing, count: u64) {
        let labels = [listener, how.as_str()];
        let notices = &self.inner.listeners.notices;
        notices.with_label_values(&labels).inc_by(count);
    }

    /// A listener tried again.
    pub fn tried_again(&self, listener: &str) {
        let retries = &self.inner.listeners.retries;
        retries.with_label_values(&[listener]).inc();
    }

    /// How many notices wait for a listener now.
    pub fn waits_for(&self, listener: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let waiting = &self.inner.listeners.waiting;
        waiting.with_label_values(&[listener]).set(count);
    }
}
