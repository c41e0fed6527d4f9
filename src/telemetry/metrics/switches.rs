//! Which metrics are exported, as the Java operator's options say.
//!
//! The rule: everything is counted; what is switched off is left out of the scrape.

use std::collections::BTreeSet;
use std::time::Duration;

use super::table::{self, Declaration};

/// What is exported, and what counts as slow.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, and any may be off"
)]
pub struct Switches {
    /// Queues, passes and their errors.
    pub controllers: bool,
    /// Requests to the Kubernetes API.
    pub client: bool,
    /// Counts of resources and what they use.
    pub resources: bool,
    /// Lifecycle states and the time between them.
    pub lifecycle: bool,
    /// These times for each namespace rather than for the operator as a whole.
    pub lifecycle_by_namespace: bool,
    /// Requests to the Kubernetes API that take longer count as slow.
    pub slow: Duration,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            controllers: true,
            client: true,
            resources: true,
            lifecycle: true,
            lifecycle_by_namespace: true,
            slow: Duration::from_secs(5),
        }
    }
}

const CONTROLLERS: &[&Declaration] = &[
    &table::RECONCILES,
    &table::RECONCILE_TIME,
    &table::RECONCILE_ERRORS,
    &table::RECONCILES_RUNNING,
    &table::QUEUE_DEPTH,
    &table::QUEUE_LONGEST,
    &table::QUEUE_WAIT,
];

const CLIENT: &[&Declaration] = &[&table::API_REQUESTS, &table::API_TIME, &table::API_SLOW];

const RESOURCES: &[&Declaration] = &[
    &table::COUNT,
    &table::JOB_MANAGER,
    &table::FLINK_VERSION,
    &table::FLINK_MINOR_VERSION,
    &table::CPU,
    &table::MEMORY,
    &table::STATE_SIZE,
    &table::CHECKPOINT_COUNT,
    &table::CHECKPOINT_STATE,
    &table::SAVEPOINT_COUNT,
    &table::SAVEPOINT_STATE,
    &table::BLUE_GREEN_STATE,
    &table::BLUE_GREEN_JOB,
];

const LIFECYCLE: &[&Declaration] = &[
    &table::LIFECYCLE,
    &table::STATE_TIME,
    &table::TRANSITION_TIME,
];

impl Switches {
    /// Names that are not exported.
    pub(super) fn off(&self) -> BTreeSet<String> {
        let groups = [
            (self.controllers, CONTROLLERS),
            (self.client, CLIENT),
            (self.resources, RESOURCES),
            (self.lifecycle, LIFECYCLE),
        ];
        let off = groups.into_iter().filter(|(on, _)| !on);
        off.flat_map(|(_, group)| group)
            .flat_map(|declaration| declaration.names())
            .collect()
    }
}
