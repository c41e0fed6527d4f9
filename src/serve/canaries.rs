//! Canaries: resources that are changed every so often to see whether changes still get their passes.
//!
//! The rule: pure bookkeeping; the time is handed in, and who changes them is [`crate::canaries`].
//! A canary is late when a change of it, or the attempt to make one, came to nothing for longer than the timeout.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::metrics::Resource;

/// The label that makes a resource a canary, with the value `true`.
pub const LABEL: &str = "flink.apache.org/canary";

/// All canaries. Every clone is the same.
#[derive(Clone, Default)]
pub struct Canaries(Arc<Mutex<BTreeMap<Resource, Canary>>>);

struct Canary {
    /// The newest generation known of.
    wanted: i64,
    /// The newest that had its pass.
    passed: i64,
    /// Since when the outcome of a change is waited for, or none is.
    waits: Option<Instant>,
    /// When it was last changed or began to be one.
    changed: Instant,
    /// Why it could not be changed.
    refusal: Option<String>,
}

impl Canaries {
    /// There is this generation of a canary, whoever told of it.
    pub fn wanted(&self, canary: &Resource, generation: i64, now: Instant) {
        self.with(|canaries| {
            let known = canaries.entry(canary.clone()).or_insert(Canary {
                wanted: i64::MIN,
                passed: i64::MIN,
                waits: None,
                changed: now,
                refusal: None,
            });
            if generation > known.wanted.max(known.passed) {
                known.wanted = generation;
                known.changed = now;
                known.waits.get_or_insert(now);
            }
        });
    }

    /// This generation had its pass.
    pub fn passed(&self, canary: &Resource, generation: i64) {
        self.of(canary, |known| {
            known.passed = known.passed.max(generation);
            if known.passed >= known.wanted && known.refusal.is_none() {
                known.waits = None;
            }
        });
    }

    /// It was changed; this is its generation now.
    pub fn changed(&self, canary: &Resource, generation: i64, now: Instant) {
        self.of(canary, |known| {
            known.changed = now;
            if known.refusal.take().is_some() && known.passed >= known.wanted {
                known.waits = None;
            }
        });
        self.wanted(canary, generation, now);
    }

    /// It could not be changed.
    pub fn refused(&self, canary: &Resource, reason: String, now: Instant) {
        self.of(canary, |known| {
            known.refusal = Some(reason);
            known.waits.get_or_insert(now);
        });
    }

    /// It is no canary any more.
    pub fn forget(&self, canary: &Resource) {
        self.with(|canaries| canaries.remove(canary));
    }

    /// Nobody looks after this namespace any more.
    pub fn forget_namespace(&self, namespace: &str) {
        self.with(|canaries| canaries.retain(|canary, _| canary.namespace != namespace));
    }

    /// Another process leads: nothing is expected of this one.
    pub fn rest(&self, now: Instant) {
        self.with(|canaries| {
            for canary in canaries.values_mut() {
                canary.passed = canary.wanted;
                canary.waits = None;
                canary.refusal = None;
                canary.changed = now;
            }
        });
    }

    /// Those whose next change is due.
    pub fn due(&self, now: Instant, timeout: Duration) -> Vec<Resource> {
        let due = |canary: &Canary| {
            let rests =
                canary.waits.is_none() && now.saturating_duration_since(canary.changed) >= timeout;
            rests || canary.refusal.is_some()
        };
        self.with(|canaries| {
            let all = canaries.iter().filter(|(_, canary)| due(canary));
            all.map(|(name, _)| name.clone()).collect()
        })
    }

    /// Those that are late, with what is waited for.
    pub fn late(&self, now: Instant, timeout: Duration) -> BTreeMap<Resource, String> {
        self.with(|canaries| {
            let late = canaries.iter().filter_map(|(name, canary)| {
                let waits = now.saturating_duration_since(canary.waits?);
                (waits > timeout).then(|| (name.clone(), complaint(name, canary, waits)))
            });
            late.collect()
        })
    }

    fn of(&self, canary: &Resource, act: impl FnOnce(&mut Canary)) {
        self.with(|canaries| canaries.get_mut(canary).map(act));
    }

    fn with<R>(&self, act: impl FnOnce(&mut BTreeMap<Resource, Canary>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn complaint(name: &Resource, canary: &Canary, waits: Duration) -> String {
    let (kind, namespace, name) = (name.kind.as_str(), &name.namespace, &name.name);
    let seconds = waits.as_secs();
    match &canary.refusal {
        Some(reason) => format!(
            "canary {kind} {namespace}/{name} could not be changed for {seconds} s: {reason}"
        ),
        None => {
            format!("canary {kind} {namespace}/{name} was changed and got no pass for {seconds} s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::ResourceType;

    const TIMEOUT: Duration = Duration::from_mins(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn canary() -> Resource {
        Resource::new(ResourceType::FlinkDeployment, "shop", "bird")
    }

    /// Generation 1 has its pass at once.
    fn alive() -> (Canaries, Instant) {
        let (canaries, now) = (Canaries::default(), Instant::now());
        canaries.wanted(&canary(), 1, now);
        canaries.passed(&canary(), 1);
        (canaries, now)
    }

    fn said(canaries: &Canaries, now: Instant) -> Vec<String> {
        canaries.late(now, TIMEOUT).into_values().collect()
    }

    #[test]
    fn a_change_that_gets_its_pass_is_followed_by_the_next_after_the_timeout() {
        let (canaries, now) = alive();
        assert!(canaries.due(now + 59 * SECOND, TIMEOUT).is_empty());
        assert_eq!(canaries.due(now + TIMEOUT, TIMEOUT), [canary()]);
        canaries.changed(&canary(), 2, now + TIMEOUT);
        assert!(
            canaries.due(now + 3 * TIMEOUT, TIMEOUT).is_empty(),
            "one at a time"
        );
        canaries.passed(&canary(), 2);
        assert!(said(&canaries, now + 9 * TIMEOUT).is_empty());
        assert_eq!(canaries.due(now + 2 * TIMEOUT, TIMEOUT), [canary()]);
    }

    #[test]
    fn a_change_without_a_pass_is_named_until_there_is_one() {
        let (canaries, now) = alive();
        canaries.changed(&canary(), 2, now);
        assert!(said(&canaries, now + TIMEOUT).is_empty());
        let late = said(&canaries, now + 61 * SECOND);
        assert_eq!(
            late,
            ["canary FlinkDeployment shop/bird was changed and got no pass for 61 s"]
        );
        canaries.wanted(&canary(), 3, now + 62 * SECOND);
        assert_eq!(
            said(&canaries, now + 63 * SECOND).len(),
            1,
            "still since the first"
        );
        canaries.passed(&canary(), 3);
        assert!(said(&canaries, now + 63 * SECOND).is_empty());
    }

    #[test]
    fn the_first_pass_of_a_new_canary_is_expected_too() {
        let (canaries, now) = (Canaries::default(), Instant::now());
        canaries.wanted(&canary(), 1, now);
        assert_eq!(said(&canaries, now + 61 * SECOND).len(), 1);
    }

    #[test]
    fn one_that_cannot_be_changed_is_tried_again_and_named_with_the_reason() {
        let (canaries, now) = alive();
        canaries.refused(&canary(), "forbidden".to_owned(), now);
        assert_eq!(canaries.due(now + SECOND, TIMEOUT), [canary()]);
        canaries.passed(&canary(), 1);
        canaries.refused(&canary(), "refused".to_owned(), now + 50 * SECOND);
        assert_eq!(
            said(&canaries, now + 61 * SECOND),
            ["canary FlinkDeployment shop/bird could not be changed for 61 s: refused"]
        );
        canaries.changed(&canary(), 2, now + 62 * SECOND);
        assert!(
            said(&canaries, now + 63 * SECOND).is_empty(),
            "it was changed now"
        );
        assert_eq!(
            said(&canaries, now + 123 * SECOND).len(),
            1,
            "and waits for its pass"
        );
    }

    #[test]
    fn a_pass_that_overtakes_the_answer_counts() {
        let (canaries, now) = alive();
        canaries.passed(&canary(), 2);
        canaries.changed(&canary(), 2, now);
        assert!(said(&canaries, now + 9 * TIMEOUT).is_empty());
    }

    #[test]
    fn nothing_is_expected_of_what_is_gone_or_while_another_leads() {
        let (canaries, now) = alive();
        canaries.changed(&canary(), 2, now);
        canaries.rest(now + 90 * SECOND);
        assert!(said(&canaries, now + 91 * SECOND).is_empty());
        canaries.changed(&canary(), 3, now + 91 * SECOND);
        canaries.forget(&canary());
        assert!(said(&canaries, now + 9 * TIMEOUT).is_empty());
        canaries.passed(&canary(), 3);
        assert!(canaries.due(now + 9 * TIMEOUT, TIMEOUT).is_empty());
    }
}
