//! What was recommended and has not been done: the next look does not take it back for lack of clarity.
//!
//! The rule: a vertex that was outside its band still is as long as the figures say so, however much they scatter, and the
//! number stays as long as it may be right. So a recommendation that waits for a person, or for what forbids it to pass, says
//! the same until something is different. Tests are in `tests/it/doubt.rs`.

use std::{cmp::Ordering, collections::BTreeMap};

use super::Context;
use crate::{
    history::Due,
    parallelism::Fitted,
    settings::Profile,
    topology::{Vertex, VertexId},
    verdict::VertexVerdict,
};

impl Context<'_> {
    /// What was last recommended for a vertex that is as it was then.
    fn due(&self, vertex: &Vertex) -> Option<&Due> {
        let due = self.history.due.get(&vertex.id)?;
        Some(due).filter(|due| due.from == vertex.parallelism)
    }

    /// Whether the vertex was found to have too few subtasks (`Greater` ones are recommended), or too many.
    pub(super) fn outside_before(&self, vertex: &Vertex) -> Option<Ordering> {
        let due = self.due(vertex).filter(|due| due.outside_band)?;
        Some(due.to.cmp(&due.from))
    }

    /// The number that was recommended, if it may still be right.
    pub(super) fn as_before(
        &self,
        vertex: &Vertex,
        fitted: Fitted,
        range: impl Fn() -> Option<(u32, u32)>,
    ) -> Fitted {
        let right = |to: &u32| range().is_some_and(|(lower, upper)| (lower..=upper).contains(to));
        let due = self.due(vertex).map(|due| due.to).filter(right);
        Fitted {
            parallelism: due.unwrap_or(fitted.parallelism),
            ..fitted
        }
    }

    /// What is to be remembered of a recommendation. Profile `apache` looks afresh each time.
    pub(super) fn remembered(&self, vertices: &[VertexVerdict]) -> BTreeMap<VertexId, Due> {
        let remembers = self.settings.profile == Profile::Adaptive;
        let changing = vertices.iter().filter(|v| remembers && v.changes());
        changing
            .map(|vertex| {
                let due = Due {
                    from: vertex.current,
                    to: vertex.target,
                    outside_band: vertex.outside_band,
                };
                (vertex.id.clone(), due)
            })
            .collect()
    }
}
