//! Metrics by name, as Flink lists and aggregates them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Slots, target::Target};
use crate::{
    sample::{Sample, VertexReading},
    topology::Vertex,
};

/// Heap of a task manager, in bytes. The model has no memory; this much of it is always half full.
const HEAP: f64 = 1_073_741_824.0;

/// One metric over all subtasks or task managers; what the model does not know is absent.
#[derive(Debug, Clone, Copy, Default)]
struct Aggregate {
    min: Option<f64>,
    max: Option<f64>,
    avg: Option<f64>,
    sum: Option<f64>,
}

impl Aggregate {
    /// The same everywhere.
    fn same(value: f64, count: u32) -> Self {
        Self {
            min: Some(value),
            max: Some(value),
            avg: Some(value),
            sum: Some(value * f64::from(count)),
        }
    }

    /// Spread evenly.
    fn shared(sum: f64, count: u32) -> Self {
        let each = sum / f64::from(count.max(1));
        Self {
            sum: Some(sum),
            ..Self::same(each, count)
        }
    }

    fn json(&self, id: &str, chosen: Option<&[&str]>) -> Value {
        let mut all = Map::from_iter([("id".to_owned(), json!(id))]);
        let values = [
            ("min", self.min),
            ("max", self.max),
            ("avg", self.avg),
            ("sum", self.sum),
        ];
        for (name, value) in values {
            let wanted = chosen.is_none_or(|chosen| chosen.contains(&name));
            if let (true, Some(value)) = (wanted, value) {
                all.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(all)
    }
}

/// `GET /jobmanager/metrics`: values are text.
pub(super) fn of_job_manager(slots: &Slots, target: &Target) -> Value {
    let known = BTreeMap::from([
        ("taskSlotsAvailable", slots.free),
        ("taskSlotsTotal", slots.total),
    ]);
    let Some(names) = target.names("get") else {
        return known.keys().map(|id| json!({ "id": id })).collect();
    };
    let one = |name: &str| Some(json!({ "id": name, "value": known.get(name)?.to_string() }));
    names.into_iter().filter_map(one).collect()
}

/// `GET /taskmanagers/metrics`.
pub(super) fn of_task_managers(sample: Option<&Sample>, target: &Target) -> Value {
    let heap = sample.and_then(|sample| sample.heap_used_ratio);
    let garbage = sample.and_then(|sample| sample.gc_ms_per_s);
    let known = [
        ("Status.JVM.Memory.Heap.Max", HEAP),
        ("Status.JVM.Memory.Heap.Used", HEAP * heap.unwrap_or(0.5)),
        ("Status.Flink.Memory.Managed.Used", 0.0),
        ("Status.JVM.Memory.Metaspace.Used", HEAP / 8.0),
        (
            "Status.JVM.GarbageCollector.All.TimeMsPerSecond",
            garbage.unwrap_or(0.0),
        ),
    ];
    let known = known.map(|(name, value)| (name.to_owned(), Aggregate::same(value, 1)));
    answer(&known.into(), target)
}

/// `GET /jobs/:job/vertices/:vertex/subtasks/metrics`.
pub(super) fn of_vertex(vertex: &Vertex, read: &VertexReading, target: &Target) -> Value {
    answer(&known_of(vertex, read), target)
}

fn answer(known: &BTreeMap<String, Aggregate>, target: &Target) -> Value {
    let Some(names) = target.names("get") else {
        return known.keys().map(|id| json!({ "id": id })).collect();
    };
    let chosen = target.names("agg");
    let one = |name: &str| Some(known.get(name)?.json(name, chosen.as_deref()));
    names.into_iter().filter_map(one).collect()
}

/// The metrics of a vertex that were read.
fn known_of(vertex: &Vertex, read: &VertexReading) -> BTreeMap<String, Aggregate> {
    let subtasks = read.parallelism;
    let mut known = BTreeMap::new();
    let mut add = |name: &str, value: Option<Aggregate>| {
        if let Some(value) = value {
            known.insert(name.to_owned(), value);
        }
    };
    let same = |value: Option<f64>| value.map(|value| Aggregate::same(value, subtasks));
    let shared = |value: Option<f64>| value.map(|value| Aggregate::shared(value, subtasks));
    let busy = read.busy_ms_per_s.map(|max| Aggregate {
        min: read.busy_min_ms_per_s,
        max: Some(max),
        avg: read.busy_avg_ms_per_s,
        sum: read.busy_avg_ms_per_s.map(|avg| avg * f64::from(subtasks)),
    });
    add("busyTimeMsPerSecond", busy);
    // Of these the model knows the mean alone.
    add(
        "backPressuredTimeMsPerSecond",
        same(read.backpressured_ms_per_s),
    );
    add("idleTimeMsPerSecond", same(read.idle_ms_per_s));
    add("numRecordsOut", shared(read.records_out));
    if !vertex.inputs.is_empty() {
        add("numRecordsIn", shared(read.records_in));
        add("numRecordsInPerSecond", shared(read.records_in_per_second));
        return known;
    }
    let operator = operator(&vertex.name);
    let own = |metric: &str| format!("{operator}.{metric}");
    add(&own("numRecordsIn"), shared(read.records_in));
    add(&own("numRecordsOut"), shared(read.records_out));
    add(
        &own("numRecordsInPerSecond"),
        shared(read.records_in_per_second),
    );
    add(&own("pendingRecords"), shared(read.pending_records));
    for partition in 0..read.partitions.unwrap_or(0) {
        let metric = format!("KafkaSourceReader.topic.in.partition.{partition}.currentOffset");
        add(&own(&metric), Some(Aggregate::same(0.0, 1)));
    }
    known
}

/// The scope of a source's own metrics; what has a meaning in names of metrics becomes an underscore.
fn operator(name: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = name
        .trim_start_matches("Source: ")
        .chars()
        .map(plain)
        .collect();
    format!("Source__{name}")
}
