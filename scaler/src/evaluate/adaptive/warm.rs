//! Whether a vertex becomes faster by itself, as after a start with cold caches.
//!
//! The rule: what a vertex does before it is warm is neither a reason for more subtasks nor learned. That it becomes faster
//! shows in a few minutes; until it can, one that does clearly less than was expected of it is taken to be cold. Tests
//! are in `tests/it/weaknesses/readings.rs`.

use jiff::{SignedDuration, Timestamp};

use super::{Job, OCCUPIED, capacity_in};
use crate::{
    estimate::{Means, Series},
    settings::Part,
    topology::Vertex,
    units::{Capacity, Rate},
};

/// In so short a time after the job became stable nothing can be said of a trend yet.
const YOUNG: SignedDuration = SignedDuration::from_mins(3);

/// Less than this share of what was expected is clearly less.
const CLEARLY_LESS: f64 = 0.8;

/// Whether a job that is stable since then may still have cold caches.
pub(super) fn young(stable: Timestamp, now: Timestamp) -> bool {
    now.duration_since(stable) < YOUNG
}

impl Job<'_> {
    /// Whether a vertex that is hardly ever idle does more and more in its busy time.
    pub(super) fn warming(&self, means: &Means, series: &Series) -> bool {
        self.settings.uses(Part::WarmUp)
            && occupied(means)
            && self
                .trend(series, capacity_in)
                .is_some_and(|trend| trend.slope > 0.0)
    }

    /// Whether the job has just started and one of its vertices, hardly ever idle, does clearly less than it once did with so
    /// many subtasks or, if it never had so many, than the last rescale was to bring. What the others do says as little
    /// then: they started with it, and may wait for it.
    pub(super) fn cold(&self, capacities: &[Option<Capacity>]) -> bool {
        self.young
            && self.settings.uses(Part::WarmUp)
            && self
                .topology
                .vertices()
                .iter()
                .zip(capacities.iter().zip(&self.means))
                .any(|(vertex, (capacity, means))| {
                    let does = capacity.and_then(Capacity::rate);
                    let share = does.and_then(|does| does.over(self.expected_of(vertex)?));
                    occupied(means) && share.is_some_and(|share| share.get() < CLEARLY_LESS)
                })
    }

    /// What the vertex should be able to do with the subtasks it has.
    fn expected_of(&self, vertex: &Vertex) -> Option<Rate> {
        let curve = self.curves.get(&vertex.id);
        let once = curve.and_then(|curve| curve.at(vertex.parallelism));
        let last = self.history.of(&vertex.id).next_back();
        let last = last.filter(|(_, change)| change.to == vertex.parallelism);
        once.or_else(|| last.and_then(|(_, change)| change.expected_rate))
    }
}

fn occupied(means: &Means) -> bool {
    means.busy.is_some_and(|busy| busy.get() > OCCUPIED)
}
