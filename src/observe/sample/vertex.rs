//! The figures of one vertex, over Flink's REST interface.
//!
//! The rule: what Flink does not have is absent. Tests: `tests/it/flink/sample.rs`.

use std::collections::{BTreeMap, BTreeSet};

use flink_scaler::{VertexId, VertexReading};

use crate::flink::{self, Aggregate, FlinkClient, JobDetail, RestError};

const BUSY: &str = "busyTimeMsPerSecond";
const BACKPRESSURED: &str = "backPressuredTimeMsPerSecond";
const IDLE: &str = "idleTimeMsPerSecond";
const IN_PER_SECOND: &str = "numRecordsInPerSecond";
/// Metrics of every vertex.
const OF_ALL: [&str; 4] = [BUSY, BACKPRESSURED, IDLE, IN_PER_SECOND];

/// Ask for all figures of one vertex; nothing if its id is no id.
pub(super) async fn read(
    client: &FlinkClient,
    detail: &JobDetail,
    vertex: &flink::Vertex,
) -> Result<Option<(VertexId, VertexReading)>, RestError> {
    let Ok(id) = VertexId::new(&vertex.id) else {
        return Ok(None);
    };
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
        let names = client.vertex_metric_names(&detail.id, &vertex.id).await?;
        Some(SourceMetrics::among(&names))
    } else {
        None
    };
    let mut names: Vec<&str> = OF_ALL.to_vec();
    names.extend(own.iter().flat_map(SourceMetrics::names));
    let metrics = client
        .vertex_metrics(&detail.id, &vertex.id, &names)
        .await?;
    of_all(&mut reading, &metrics);
    if let Some(own) = &own {
        own.fill(&mut reading, &metrics);
    }
    Ok(Some((id, reading)))
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
        let partitions: BTreeSet<(&str, &str)> =
            all.iter().filter_map(|name| partition(name)).collect();
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

/// Cluster, where the source reads several, and topic and partition in the name of a metric of Kafka's or Pulsar's
/// connector.
fn partition(name: &str) -> Option<(&str, &str)> {
    if let Some((front, rest)) = name.split_once(".KafkaSourceReader.topic.") {
        let cluster = front.split_once(".kafkaCluster.");
        let cluster = cluster.map_or("", |(_, cluster)| cluster);
        return Some((cluster, rest.strip_suffix(".currentOffset")?));
    }
    let (_, rest) = name.split_once(".PulsarConsumer.")?;
    let rest = rest.strip_suffix(".numMsgsReceived")?;
    // The consumer's name behind it differs from subtask to subtask.
    let topic = rest.rsplit_once('.').map_or(rest, |(topic, _)| topic);
    Some(("", topic))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counters beyond 2^53 are of no use as rates anyway"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(names: impl IntoIterator<Item = String>) -> Option<u32> {
        SourceMetrics::among(&names.into_iter().collect()).partitions
    }

    #[test]
    fn g20_partitions_are_counted_over_topics_and_clusters_and_not_over_consumers() {
        let kafka = |prefix: &str, topic: &str, partition: u32| {
            format!("{prefix}.KafkaSourceReader.topic.{topic}.partition.{partition}.currentOffset")
        };
        let topics = (0..4)
            .map(|n| kafka("1.Source__Kafka", "testTopic", n))
            .chain([kafka("1.Source__Kafka", "anotherTopic", 0)]);
        assert_eq!(partitions(topics), Some(5));
        let clusters = [("a", 2), ("b", 4)]
            .into_iter()
            .flat_map(|(cluster, most)| {
                let prefix = format!("1.Source__Kafka.kafkaCluster.{cluster}");
                (0..most).map(move |n| kafka(&prefix, "testTopic", n))
            });
        assert_eq!(partitions(clusters), Some(6));
        let pulsar = [
            (0, "h1"),
            (1, "h2"),
            (2, "h3"),
            (3, "h4"),
            (4, "h5"),
            (0, "h6"),
        ];
        let pulsar = pulsar.map(|(n, hash)| {
            format!("0.Source__Pulsar.PulsarConsumer.persistent://public/v1.t-partition-{n}.{hash}.numMsgsReceived")
        });
        assert_eq!(partitions(pulsar), Some(5));
    }
}
