//! Which resources want a pass and since when, and which have one now.
//!
//! The rule: pure; the time is handed in. A resource whose pass is planned for later does not wait yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::fleet::{Resource, ResourceType};

/// The book of passes that are wanted or under way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeMap<Resource, Instant>,
    running: BTreeSet<Resource>,
}

/// How a kind's queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// Resources that wait for a pass.
    pub waiting: u32,
    /// How long the one waits that has waited longest.
    pub longest: Duration,
    /// Resources that have a pass now.
    pub running: u32,
}

impl Queue {
    /// A pass is wanted at this time; an earlier wish stands.
    pub fn wanted(&mut self, resource: &Resource, at: Instant) {
        let due = self.due.entry(resource.clone()).or_insert(at);
        *due = at.min(*due);
    }

    /// A pass begins; how long it was waited for.
    pub fn begun(&mut self, resource: &Resource, now: Instant) -> Option<Duration> {
        self.running.insert(resource.clone());
        let due = self.due.remove(resource)?;
        Some(now.saturating_duration_since(due))
    }

    /// The pass ended.
    pub fn ended(&mut self, resource: &Resource) {
        self.running.remove(resource);
    }

    /// The resource is gone and wants nothing any more.
    pub fn forget(&mut self, resource: &Resource) {
        self.due.remove(resource);
        self.running.remove(resource);
    }

    /// The resources of a namespace.
    pub fn of_namespace(&self, namespace: &str) -> Vec<Resource> {
        let all = self.due.keys().chain(&self.running);
        all.filter(|resource| resource.namespace == namespace)
            .cloned()
            .collect()
    }

    pub fn standing(&self, kind: ResourceType, now: Instant) -> Standing {
        let mut standing = Standing::default();
        for (_, due) in self.due.iter().filter(|(of, _)| of.kind == kind) {
            if *due <= now {
                standing.waiting = standing.waiting.saturating_add(1);
                let waits = now.saturating_duration_since(*due);
                standing.longest = standing.longest.max(waits);
            }
        }
        let running = self.running.iter().filter(|of| of.kind == kind).count();
        standing.running = u32::try_from(running).unwrap_or(u32::MAX);
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: ResourceType = ResourceType::FlinkDeployment;
    const SECOND: Duration = Duration::from_secs(1);

    fn job(name: &str) -> Resource {
        Resource::new(KIND, "shop", name)
    }

    #[test]
    fn what_is_planned_for_later_does_not_wait_yet() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.wanted(&job("a"), now + 60 * SECOND);
        assert_eq!(queue.standing(KIND, now), Standing::default());
        let later = queue.standing(KIND, now + 63 * SECOND);
        assert_eq!((later.waiting, later.longest), (1, 3 * SECOND));
        let other = queue.standing(ResourceType::FlinkStateSnapshot, now + 63 * SECOND);
        assert_eq!(
            other,
            Standing::default(),
            "each kind has a queue of its own"
        );
    }

    #[test]
    fn the_earliest_wish_counts() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.wanted(&job("a"), now + 60 * SECOND);
        queue.wanted(&job("a"), now);
        queue.wanted(&job("a"), now + 5 * SECOND);
        assert_eq!(queue.begun(&job("a"), now + 7 * SECOND), Some(7 * SECOND));
        assert_eq!(queue.standing(KIND, now + 60 * SECOND).waiting, 0);
    }

    #[test]
    fn a_wish_during_a_pass_waits_for_its_end() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        assert_eq!(queue.begun(&job("a"), now), None, "nobody asked for it");
        queue.wanted(&job("a"), now + SECOND);
        let standing = queue.standing(KIND, now + 2 * SECOND);
        assert_eq!((standing.running, standing.waiting), (1, 1));
        queue.ended(&job("a"));
        let standing = queue.standing(KIND, now + 2 * SECOND);
        assert_eq!((standing.running, standing.waiting), (0, 1));
        queue.forget(&job("a"));
        assert_eq!(queue.standing(KIND, now + 9 * SECOND), Standing::default());
    }
}
