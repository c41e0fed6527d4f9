//! What follows from a pass that failed: when to try again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::act;

/// Consecutive failures by resource, for doubling delays.
#[derive(Default)]
pub struct Retries {
    failures: Mutex<HashMap<String, u32>>,
}

/// Delay after the first failure, factor, and longest delay (the Java operator's defaults, capped).
const FIRST: Duration = Duration::from_secs(5);
const FACTOR: f64 = 1.5;
const LONGEST: Duration = Duration::from_mins(2);

impl Retries {
    /// A pass succeeded.
    pub fn forget(&self, key: &str) {
        if let Ok(mut failures) = self.failures.lock() {
            failures.remove(key);
        }
    }

    /// A pass failed: when to try again.
    pub fn after(&self, key: &str, error: &act::Error) -> Duration {
        match error {
            act::Error::Conflict => return Duration::from_millis(50),
            act::Error::NotLeader => return Duration::from_secs(2),
            _ => {}
        }
        let count = self.failures.lock().map_or(1, |mut failures| {
            let count = failures.entry(key.to_owned()).or_default();
            *count = count.saturating_add(1);
            *count
        });
        delay(count)
    }
}

/// Delay after the `count`-th failure in a row.
fn delay(count: u32) -> Duration {
    let doublings = i32::try_from(count.saturating_sub(1).min(30)).unwrap_or(30);
    FIRST.mul_f64(FACTOR.powi(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_below_the_cap() {
        assert_eq!(delay(1), FIRST);
        assert_eq!(delay(2), Duration::from_millis(7500));
        assert_eq!(delay(1_000_000), LONGEST);
    }

    #[test]
    fn a_conflict_is_retried_at_once_and_not_counted() {
        let retries = Retries::default();
        for _ in 0..10 {
            assert!(retries.after("a", &act::Error::Conflict) < Duration::from_secs(1));
        }
        let error = || act::Error::Build(Vec::new());
        assert_eq!(retries.after("a", &error()), FIRST);
        assert!(retries.after("a", &error()) > FIRST);
        retries.forget("a");
        assert_eq!(retries.after("a", &error()), FIRST);
    }
}
