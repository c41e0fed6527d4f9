//! The only place that asks what time it is, or for a random number.
//!
//! The rule: everything else is handed both, so that tests can choose them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::FreshIds;

/// Time and identities of one process.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    fresh: Arc<dyn Fn() -> u128 + Send + Sync>,
}

impl Clock {
    /// The machine's clock and the operating system's randomness.
    pub fn system() -> Self {
        Self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
            now: Arc::new(Timestamp::now),
            fresh: Arc::new(random),
        }
    }

    /// A clock that a test winds.
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        fresh: impl Fn() -> u128 + Send + Sync + 'static,
    ) -> Self {
        Self {
            now: Arc::new(now),
            fresh: Arc::new(fresh),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Identities for one pass.
    pub fn fresh_ids(&self) -> FreshIds {
        let hex = || format!("{:032x}", (self.fresh)());
        FreshIds {
            job: hex(),
            trigger: hex(),
            deploy: hex(),
        }
    }
}

/// 128 random bits from the standard library's own source of hash seeds, which is the system's.
fn random() -> u128 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || u128::from(RandomState::new().build_hasher().finish());
    (half() << 64) | half()
}
