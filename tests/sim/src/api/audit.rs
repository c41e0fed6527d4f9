//! What clients asked for: verbs by resource, and every write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// One change a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// When.
    pub at: Timestamp,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'static str,
    /// Group and resource with subresource, such as `flink.apache.org/flinkdeployments/status`.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name; empty for a collection or a generated one.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u16,
}

/// Requests of clients so far; what a test does directly is not among them.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    verbs: BTreeMap<String, BTreeSet<&'static str>>,
    counts: BTreeMap<(&'static str, String), u64>,
    writes: Vec<Write>,
}

impl Audit {
    pub(super) fn note(&mut self, verb: &'static str, resource: &str) {
        self.verbs
            .entry(resource.to_owned())
            .or_default()
            .insert(verb);
        *self.counts.entry((verb, resource.to_owned())).or_default() += 1;
    }

    pub(super) fn note_write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Verbs used, by group and resource; what the operator's role must grant.
    pub fn verbs(&self) -> &BTreeMap<String, BTreeSet<&'static str>> {
        &self.verbs
    }

    /// Number of requests by verb and resource.
    pub fn count(&self, verb: &'static str, resource: &str) -> u64 {
        self.counts
            .get(&(verb, resource.to_owned()))
            .copied()
            .unwrap_or_default()
    }

    /// Every write, oldest first.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Forget everything, to see what follows.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
