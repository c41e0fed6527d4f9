//! One sample of a running job for the autoscaler, over Flink's REST interface.
//!
//! The rule: a figure that Flink does not have is absent, never zero, and the scaler says what it lacks; but a
//! question that is not answered makes the sample as a whole unreadable, since a source of which nothing is known
//! must not be taken for one behind which nothing waits. Tests: `tests/it/flink/sample.rs`.

mod vertex;

use std::collections::BTreeMap;

use flink_scaler::{Input, JobGraph, MemoryReading, Sample, ShipStrategy, Vertex, VertexId};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::flink::{self, Aggregate, FlinkClient, JobDetail, Overview, RestError};

/// Vertices asked at the same time.
const AT_ONCE: usize = 4;

const HEAP_USED: &str = "Status.JVM.Memory.Heap.Used";
const HEAP_MAX: &str = "Status.JVM.Memory.Heap.Max";
const MANAGED_USED: &str = "Status.Flink.Memory.Managed.Used";
const METASPACE_USED: &str = "Status.JVM.Memory.Metaspace.Used";
const GARBAGE: &str = "Status.JVM.GarbageCollector.All.TimeMsPerSecond";

/// What one reading of a job gives.
#[derive(Clone, Debug)]
pub struct JobReading {
    /// Its graph.
    pub graph: JobGraph,
    /// The figures.
    pub sample: Sample,
    /// Slot sharing groups of its vertices, where Flink tells them.
    pub slot_groups: BTreeMap<VertexId, String>,
}

/// Read the graph of `job` and all figures of this instant; `overview` tells the slots.
pub async fn sample(
    client: &FlinkClient,
    job: &str,
    overview: Option<&Overview>,
    now: Timestamp,
) -> Result<JobReading, RestError> {
    let of_processes = [HEAP_USED, HEAP_MAX, GARBAGE, MANAGED_USED, METASPACE_USED];
    let (detail, processes) =
        tokio::join!(client.job(job), client.task_manager_metrics(&of_processes));
    let detail = detail?;
    let graph = graph(&detail);
    let mut reads = Vec::with_capacity(detail.vertices.len());
    for vertex in &detail.vertices {
        reads.push(vertex::read(client, &detail, vertex));
    }
    let readings: Vec<_> = stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut sample = Sample::at(now);
    sample.vertices = readings.into_iter().flatten().collect();
    sample.job_running_since = detail
        .running_since_ms
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(overview) = overview {
        sample.slots_total = Some(overview.slots);
        sample.slots_available = Some(overview.free_slots);
    }
    let processes = processes?;
    let largest = |name| {
        processes
            .get(name)
            .and_then(|metric: &Aggregate| metric.max)
    };
    sample.heap_used_ratio = largest(HEAP_USED)
        .zip(largest(HEAP_MAX).filter(|max| *max > 0.0))
        .map(|(used, max)| used / max);
    sample.gc_ms_per_s = largest(GARBAGE);
    sample.memory = MemoryReading {
        heap: largest(HEAP_USED),
        managed: largest(MANAGED_USED),
        metaspace: largest(METASPACE_USED),
    };
    let group = |vertex: &flink::Vertex| {
        Some((VertexId::new(&vertex.id).ok()?, vertex.slot_group.clone()?))
    };
    let slot_groups = detail.vertices.iter().filter_map(group).collect();
    Ok(JobReading {
        graph,
        sample,
        slot_groups,
    })
}

/// The job's vertices as the scaler knows them. Vertices whose id is no id are left out, and the
/// scaler refuses a graph with a hole.
fn graph(detail: &JobDetail) -> JobGraph {
    let vertex = |vertex: &flink::Vertex| {
        let inputs = detail
            .edges
            .iter()
            .filter(|edge| edge.to == vertex.id)
            .filter_map(|edge| {
                Some(Input {
                    from: VertexId::new(&edge.from).ok()?,
                    ship: ShipStrategy::from(edge.ship_strategy.as_str()),
                })
            })
            .collect();
        Some(Vertex {
            id: VertexId::new(&vertex.id).ok()?,
            name: vertex.name.clone(),
            parallelism: vertex.parallelism,
            max_parallelism: vertex.max_parallelism.unwrap_or(vertex.parallelism),
            inputs,
            finished: vertex.tasks.total > 0 && vertex.tasks.finished >= vertex.tasks.total,
        })
    };
    JobGraph {
        vertices: detail.vertices.iter().filter_map(vertex).collect(),
    }
}
