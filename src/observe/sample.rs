//! One sample of a running job for the autoscaler: the graph over Flink's REST interface, the figures over that or
//! from Prometheus.
//!
//! The rule: a figure that Flink does not have is absent, never zero, and the scaler says what it lacks; but a
//! question that is not answered makes the sample as a whole unreadable, since a source of which nothing is known
//! must not be taken for one behind which nothing waits. Tests: `tests/it/flink/sample.rs`,
//! `tests/it/prometheus.rs`.

mod vertex;

use std::collections::BTreeMap;

use flink_scaler::{
    Input, JobGraph, MemoryReading, Sample, ShipStrategy, Vertex, VertexId, VertexReading,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::flink::{self, Aggregate, FlinkClient, JobDetail, Overview, RestError};
use crate::prometheus::{self, Figures, Flaw, Prometheus, Question, Server, Which};

/// After a start, Prometheus may not have the new tasks yet, or still have the old ones, for this long.
const SETTLING: SignedDuration = SignedDuration::from_secs(90);

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
    let mut sample = begun(&detail, overview, now);
    sample.vertices = readings.into_iter().flatten().collect();
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
    Ok(JobReading {
        graph,
        sample,
        slot_groups: slot_groups(&detail),
    })
}

/// The same with the figures of a Prometheus server; the job's graph and start it does not have.
pub async fn from_prometheus(
    client: &FlinkClient,
    (prometheus, server, question): (&Prometheus, Server<'_>, &Question),
    job: &str,
    overview: Option<&Overview>,
    now: Timestamp,
) -> Result<JobReading, Unread> {
    let expression = question.expression(Which::Job(job));
    let (detail, data) = tokio::join!(client.job(job), prometheus.instant(&server, &expression));
    let detail = detail?;
    let graph = graph(&detail);
    let mut figures = Figures::default();
    for series in data?.as_vector().into_iter().flatten() {
        figures.insert(question, series.metric(), series.sample().value());
    }
    let mut sample = begun(&detail, overview, now);
    sample.heap_used_ratio = figures.heap_used_ratio();
    sample.gc_ms_per_s = figures.gc_ms_per_s();
    let fresh = |since: Timestamp| now.duration_since(since) < SETTLING;
    match readings(&graph, &figures, now) {
        // What was scraped before the start is of tasks that are gone.
        Ok((at, _)) if sample.job_running_since.is_some_and(|since| at < since) => {}
        Ok((at, readings)) => {
            sample.at = at;
            sample.vertices = readings;
        }
        // The tasks have not been scraped yet, or those before them are not forgotten yet.
        Err(_) if sample.job_running_since.is_none_or(fresh) => {}
        Err(flaw) => return Err(flaw.into()),
    }
    Ok(JobReading {
        graph,
        sample,
        slot_groups: slot_groups(&detail),
    })
}

fn slot_groups(detail: &JobDetail) -> BTreeMap<VertexId, String> {
    let group = |vertex: &flink::Vertex| {
        Some((VertexId::new(&vertex.id).ok()?, vertex.slot_group.clone()?))
    };
    detail.vertices.iter().filter_map(group).collect()
}

/// The readings of all vertices that have not finished, and when they were taken.
fn readings(
    graph: &JobGraph,
    figures: &Figures,
    now: Timestamp,
) -> Result<(Timestamp, BTreeMap<VertexId, VertexReading>), Flaw> {
    let running = || graph.vertices.iter().filter(|vertex| !vertex.finished);
    let reading = |vertex: &Vertex| {
        let reading = figures.reading(vertex, vertex.inputs.is_empty())?;
        Ok((vertex.id.clone(), reading))
    };
    let readings = running().map(reading).collect::<Result<_, Flaw>>()?;
    Ok((figures.taken_at(running(), now)?, readings))
}

/// A sample with what the job and the cluster as a whole tell.
fn begun(detail: &JobDetail, overview: Option<&Overview>, now: Timestamp) -> Sample {
    let mut sample = Sample::at(now);
    sample.job_running_since = detail
        .running_since_ms
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    sample.slots_total = overview.map(|overview| overview.slots);
    sample.slots_available = overview.map(|overview| overview.free_slots);
    sample
}

/// Why there is no sample.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Flink was not understood.
    #[error(transparent)]
    Flink(#[from] RestError),
    /// Prometheus was not understood.
    #[error(transparent)]
    Prometheus(#[from] prometheus::Error),
    /// What Prometheus has contradicts itself or the job.
    #[error(transparent)]
    Flaw(#[from] Flaw),
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
