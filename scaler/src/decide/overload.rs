//! A job whose checkpoints are overdue because it has too much to do: more subtasks are the remedy.
//!
//! The rule: only what takes seconds, only more, and only if what is read again is soon made up for. A job changed in place
//! starts again from its newest checkpoint and reads again what came since; one that is left as it is falls further behind,
//! and with each minute there is more to read again. Tests are in `tests/it/guards.rs`.

use super::{Context, stay};
use crate::{
    settings::Profile,
    tracking::signed,
    verdict::{CheckpointHealth, VertexVerdict},
};

impl Context<'_> {
    /// Whether checkpoints that are overdue are no reason against this rescale. Then nothing is taken away by it.
    pub(super) fn relieves(&self, vertices: &mut [VertexVerdict]) -> bool {
        let CheckpointHealth::Overdue { since, .. } = &self.situation.checkpoints_ok else {
            return false;
        };
        let again = self.situation.now.duration_since(*since);
        let falls_behind = |vertex: &VertexVerdict| {
            vertex.outside_band
                && vertex.target > vertex.current
                && vertex
                    .true_rate
                    .is_some_and(|can| Some(can) < vertex.target_rate)
        };
        let relieves = self.settings.profile == Profile::Adaptive
            && self.situation.in_place_possible
            && again <= signed(self.settings.catch_up_duration)
            && vertices.iter().any(falls_behind);
        if relieves {
            let fewer = vertices.iter_mut().filter(|v| v.target < v.current);
            fewer.for_each(stay);
        }
        relieves
    }
}
