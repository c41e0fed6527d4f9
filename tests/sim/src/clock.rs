//! The time of a simulated world.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// A clock that several parts share.
#[derive(Clone, Debug)]
pub enum SimClock {
    /// Follows tokio's clock, which tests can pause; then time passes as fast as timers allow.
    Tokio {
        /// The time at `start`.
        base: Timestamp,
        /// When the clock was made.
        start: tokio::time::Instant,
    },
    /// Stands still until wound; milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl SimClock {
    /// A clock that shows `base` now and follows tokio's.
    pub fn tokio(base: Timestamp) -> Self {
        Self::Tokio {
            base,
            start: tokio::time::Instant::now(),
        }
    }

    /// A clock that shows `base` until it is wound.
    pub fn manual(base: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(base.as_millisecond())))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Tokio { base, start } => *base + start.elapsed(),
            Self::Manual(millis) => {
                Timestamp::from_millisecond(millis.load(Ordering::SeqCst)).unwrap_or_default()
            }
        }
    }

    /// Wind a manual clock; one that follows tokio's is wound by `tokio::time::advance`.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(millis) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            millis.fetch_add(by, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_manual_clock_stands_still() {
        let clock = SimClock::manual(base());
        assert_eq!(clock.now(), base());
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now().to_string(), "2026-01-01T00:01:30Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tokio_clock_follows_paused_time() {
        let clock = SimClock::tokio(base());
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.now().to_string(), "2026-01-01T01:00:00Z");
    }
}
