//! Network memory: the buffers with which every gate of a subtask can work at full speed.
//!
//! The rule: reckoned for the parallelism after the rescale. A job with fewer buffers than its gates need
//! at least does not start. Tests are in `tests/it/vectors_memory.rs`.

use std::collections::BTreeMap;

use super::TaskManagerSpec;
use crate::topology::{ShipStrategy, Topology, VertexId};

/// Segments of one gate of a subtask, at `own` subtasks here and `peer` at the other end.
///
/// Every channel has buffers of its own, and the gate floating ones: by key from 15 subtasks, with 2 for a
/// channel and 8 for the gate, 38. One to one there is one channel; where neighbours are shared out,
/// `peer / own` of them, rounded up.
pub fn segments(own: u32, peer: u32, ship: ShipStrategy, spec: &TaskManagerSpec) -> u64 {
    let channels = match ship {
        ShipStrategy::Forward | ShipStrategy::Rescale => peer.div_ceil(own.max(1)),
        _ => peer,
    };
    u64::from(channels)
        .saturating_mul(u64::from(spec.buffers_per_channel))
        .saturating_add(u64::from(spec.floating_buffers))
}

/// Bytes for all gates of a TaskManager whose slots each hold a subtask of every vertex. `targets` are the
/// parallelisms after the rescale; a vertex that is not in it stays as it is.
pub fn network_bytes(
    topology: &Topology<'_>,
    targets: &BTreeMap<VertexId, u32>,
    spec: &TaskManagerSpec,
) -> u64 {
    let parallelism = |position: usize| {
        let vertex = topology.vertices().get(position);
        vertex.map_or(1, |v| targets.get(&v.id).copied().unwrap_or(v.parallelism))
    };
    let of_edge = |from: usize, to: usize, ship| {
        let (writer, reader) = (parallelism(from), parallelism(to));
        segments(writer, reader, ship, spec).saturating_add(segments(reader, writer, ship, spec))
    };
    let all = (0..topology.vertices().len()).flat_map(|at| topology.outputs(at));
    let each_slot = all.fold(0u64, |sum, edge| {
        sum.saturating_add(of_edge(edge.from, edge.to, edge.ship))
    });
    each_slot
        .saturating_mul(u64::from(spec.slots))
        .saturating_mul(spec.segment)
}
