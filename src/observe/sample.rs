//! One sample of a running job for the autoscaler, over Flink's REST interface.
//!
//! The rule: only the job's graph has to be there. Any other figure that Flink does not give is absent,
//! never zero, and the scaler says what it lacks. Tests: `tests/it/flink/sample.rs`.

use std::collections::{BTreeMap, BTreeSet};

use flink_scaler::{
    Input, JobGraph, MemoryReading, Sample, ShipStrategy, Vertex, VertexId, VertexReading,
};
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::flink::{self, Aggregate, FlinkClient, JobDetail, Overview, RestError};

/// Vertices asked at the same time.
const AT_ONCE: usize = 4;

const BUSY: &str = "busyTimeMsPerSecond";
const BACKPRESSURED: &str = "backPressuredTimeMsPerSecond";
const IDLE: &str = "idleTimeMsPerSecond";
const IN_PER_SECOND: &str = "numRecordsInPerSecond";
/// Metrics of every vertex.
const OF_ALL: [&str; 4] = [BUSY, BACKPRESSURED, IDLE, IN_PER_SECOND];

const HEAP_USED: &str = "Status.JVM.Memory.Heap.Used";
const HEAP_MAX: &str = "Status.JVM.Memory.Heap.Max";
const MANAGED_USED: &str = "Status.Flink.Memory.Managed.Used";
const METASPACE_USED: &str = "Status.JVM.Memory.Metaspace.Used";
const GARBAGE: &str = "Status.JVM.GarbageCollector.All.TimeMsPerSecond";

/// What one reading of a job gives.
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
        reads.push(reading(client, &detail, vertex));
    }
    let readings = stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut sample = Sample::at(now);
    sample.vertices = readings.into_iter().flatten().collect();
    sample.job_running_since = detail
        .running_since_ms
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(overview) = overview {
        sample.slots_total = Some(overview.slots);
        sample.slots_available = Some(overview.free_slots);
    }
    if let Ok(processes) = processes {
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
    }
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

async fn reading(
    client: &FlinkClient,
    detail: &JobDetail,
    vertex: &flink::Vertex,
) -> Option<(VertexId, VertexReading)> {
    let id = VertexId::new(&vertex.id).ok()?;
    let counters = &vertex.counters;
    let mut reading = VertexReading {
        parallelism: vertex.parallelism,
        records_in: counters.read_complete.then(|| float(counters.read_records)),
        records_out: counters
            .write_complete
            .then(|| float(counters.write_records)),
        accumulated_busy_ms: counters.busy_ms,
        accumulated_backpressured_ms: counters.backpressured_ms,
        accumulated_idle_ms: counters.idle_ms,
        ..VertexReading::default()
    };
    let source = !detail.edges.iter().any(|edge| edge.to == vertex.id);
    let own = if source {
        let names = client.vertex_metric_names(&detail.id, &vertex.id).await;
        Some(SourceMetrics::among(&names.unwrap_or_default()))
    } else {
        None
    };
    let mut names: Vec<&str> = OF_ALL.to_vec();
    names.extend(own.iter().flat_map(SourceMetrics::names));
    if let Ok(metrics) = client.vertex_metrics(&detail.id, &vertex.id, &names).await {
        of_all(&mut reading, &metrics);
        if let Some(own) = &own {
            own.fill(&mut reading, &metrics);
        }
    }
    Some((id, reading))
}

fn of_all(reading: &mut VertexReading, metrics: &BTreeMap<String, Aggregate>) {
    if let Some(busy) = metrics.get(BUSY) {
        reading.busy_ms_per_s = busy.max;
        reading.busy_avg_ms_per_s = busy.avg;
        reading.busy_min_ms_per_s = busy.min;
    }
    reading.backpressured_ms_per_s = metrics.get(BACKPRESSURED).and_then(|metric| metric.avg);
    reading.idle_ms_per_s = metrics.get(IDLE).and_then(|metric| metric.avg);
    reading.records_in_per_second = metrics.get(IN_PER_SECOND).and_then(|metric| metric.sum);
}

/// Metrics that a source has under names of its own: `Source__<operator>.<metric>`.
#[derive(Default)]
struct SourceMetrics {
    /// Records taken from outside.
    taken: Vec<String>,
    /// Records given on; stands in for sources that do not count what they take.
    given: Vec<String>,
    /// Records taken per second.
    rate: Vec<String>,
    /// Records that wait outside.
    pending: Vec<String>,
    /// Partitions, where the connector names a metric after each.
    partitions: Option<u32>,
}

impl SourceMetrics {
    fn among(all: &BTreeSet<String>) -> Self {
        let ending = |ending: &str| {
            all.iter()
                .filter(|name| name.starts_with("Source__") && name.ends_with(ending))
                .cloned()
                .collect()
        };
        let partitions: BTreeSet<&str> = all.iter().filter_map(|name| partition(name)).collect();
        Self {
            taken: ending(".numRecordsIn"),
            given: ending(".numRecordsOut"),
            rate: ending(".numRecordsInPerSecond"),
            pending: all
                .iter()
                .filter(|name| name.ends_with(".pendingRecords"))
                .cloned()
                .collect(),
            partitions: u32::try_from(partitions.len()).ok().filter(|n| *n > 0),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.taken, &self.given, &self.rate, &self.pending]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    fn fill(&self, reading: &mut VertexReading, metrics: &BTreeMap<String, Aggregate>) {
        let sum = |names: &[String]| {
            let present = names.iter().filter_map(|name| metrics.get(name)?.sum);
            present.fold(None, |all: Option<f64>, one| Some(all.unwrap_or(0.0) + one))
        };
        // The job's details count what comes over the network, which for a source is nothing.
        let counted = |records: &f64| *records > 0.0;
        reading.records_in = sum(&self.taken)
            .filter(counted)
            .or_else(|| sum(&self.given).filter(counted))
            .or_else(|| sum(&self.taken));
        reading.records_in_per_second = sum(&self.rate);
        reading.pending_records = sum(&self.pending);
        reading.partitions = self.partitions;
    }
}

/// Topic and partition in the name of a metric of Kafka's or Pulsar's connector.
fn partition(name: &str) -> Option<&str> {
    let kafka = name
        .split_once(".KafkaSourceReader.topic.")
        .and_then(|(_, rest)| rest.strip_suffix(".currentOffset"));
    kafka.or_else(|| {
        let (_, rest) = name.split_once(".PulsarConsumer.")?;
        let rest = rest.strip_suffix(".numMsgsReceived")?;
        // A consumer's name in front differs from subtask to subtask.
        rest.split_once('.')
            .map_or(Some(rest), |(topic, _)| Some(topic))
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counters beyond 2^53 are of no use as rates anyway"
)]
fn float(count: u64) -> f64 {
    count as f64
}
