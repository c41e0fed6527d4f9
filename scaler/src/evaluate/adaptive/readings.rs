//! The readings of the window, sorted by vertex.
//!
//! The rule: one walk. Samples and vertices are both in the order of ids, so that no id is looked up, and each is compared
//! once. Tests are in `tests/it/`.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::{
    estimate::{Series, SeriesBuilder},
    topology::{Topology, VertexId},
    window::Window,
};

/// What was read of every vertex, by position.
pub(super) struct Readings {
    /// The readings since the job was stable.
    pub series: Vec<Series>,
    /// When their seconds begin.
    pub origin: Timestamp,
    /// Partitions: a connector may take a while to tell, and what it once told stays true.
    pub partitions: Vec<Option<u32>>,
}

/// Sorts what was read; series begin when the job was stable.
pub(super) fn of(topology: &Topology<'_>, window: &Window, stable: Timestamp) -> Readings {
    let vertices = topology.vertices();
    let mut order: Vec<(&VertexId, usize)> = (0..)
        .zip(vertices)
        .map(|(at, vertex)| (&vertex.id, at))
        .collect();
    order.sort_unstable();
    let mut series: Vec<SeriesBuilder> = Vec::new();
    series.resize_with(vertices.len(), || SeriesBuilder::new(window.len()));
    let mut partitions = vec![None; vertices.len()];
    let mut origin = None;
    for sample in window.samples() {
        let second = (sample.at >= stable).then(|| {
            let origin = *origin.get_or_insert(sample.at);
            sample.at.duration_since(origin).as_secs_f64()
        });
        let mut next = 0;
        for (id, reading) in &sample.vertices {
            let found = loop {
                let Some((known, position)) = order.get(next) else {
                    break None;
                };
                match (*known).cmp(id) {
                    Ordering::Less => next += 1,
                    Ordering::Equal => break Some(*position),
                    Ordering::Greater => break None,
                }
            };
            let Some(position) = found else { continue };
            next += 1;
            if let Some(slot) = partitions.get_mut(position) {
                *slot = reading.partitions.or(*slot);
            }
            if let (Some(second), Some(slot)) = (second, series.get_mut(position)) {
                slot.push(second, reading);
            }
        }
    }
    Readings {
        series: series.into_iter().map(SeriesBuilder::finish).collect(),
        origin: origin.unwrap_or(stable),
        partitions,
    }
}
