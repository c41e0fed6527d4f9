//! What the autoscaler sees in a scenario: a source `a` and a vertex `b` behind it, five minutes of readings.

use std::collections::BTreeMap;

use flink_operator::domain::{ScalerView, Sighting};
use flink_scaler::{
    CheckpointHealth, DecisionLog, History, Input, JobGraph, Sample, ShipStrategy, Vertex,
    VertexId, VertexReading, Window,
};
use jiff::{SignedDuration, Timestamp};

/// Seconds the readings go back, and between two of them.
const SPAN: u32 = 300;
const STEP: usize = 10;

/// `rate:400,busy:950,p:1,lag:10`: `a` passes on 400 records a second, `b` is busy 950 ms a second with
/// one subtask, ten records more wait outside every second. `heap:200` MiB are used of the heap of the fullest
/// TaskManager, and half of that of metaspace; `gc:600` ms of a second go to garbage. `failing:7` is a checkpoint that failed, `savepoint:1` one under
/// way, `failures:3` how often the job failed of late,
/// `room:1` how many TaskManagers could still be had.
pub fn view(
    how: &str,
    now: Timestamp,
    (history, decisions): (History, DecisionLog),
) -> Result<Sighting<ScalerView>, String> {
    if how == "unknown" {
        return Ok(Sighting::Unknown("no answer within 10s".to_owned()));
    }
    let mut given = BTreeMap::new();
    for pair in how.split(',') {
        let (key, value) = pair.split_once(':').ok_or("expected key:number")?;
        let value: u32 = value.parse().map_err(|_| "expected key:number")?;
        given.insert(key, value);
    }
    let number = |key| given.get(key).copied().unwrap_or_default();
    let parallelism = number("p").max(1);
    let mut window = Window::new(SignedDuration::from_hours(1));
    for second in (0..=SPAN).step_by(STEP) {
        let at = now - SignedDuration::from_secs(i64::from(SPAN - second));
        let mut sample = Sample::at(at);
        sample.job_running_since = Some(now - SignedDuration::from_secs(i64::from(SPAN)));
        let (rate, busy) = (f64::from(number("rate")), f64::from(number("busy")));
        let seconds = f64::from(second);
        let held_back = if busy >= 1000.0 { 500.0 } else { 0.0 };
        let source = VertexReading {
            parallelism: 1,
            records_in: Some(rate * seconds),
            records_out: Some(rate * seconds),
            pending_records: Some(f64::from(number("lag")) * seconds),
            records_in_per_second: Some(rate),
            ..times(100.0, held_back, seconds)
        };
        let worker = VertexReading {
            parallelism,
            records_in: Some(rate * seconds),
            records_in_per_second: Some(rate),
            ..times(busy, 0.0, seconds * f64::from(parallelism))
        };
        sample.vertices = BTreeMap::from([(id("a"), source), (id("b"), worker)]);
        if let Some(heap) = given.get("heap") {
            let used = f64::from(*heap) * 1_048_576.0;
            sample.memory.heap = Some(used);
            sample.memory.metaspace = Some(used / 2.0);
            sample.memory.managed = Some(0.0);
        }
        sample.gc_ms_per_s = given.get("gc").map(|ms| f64::from(*ms));
        sample.slots_total = Some(parallelism);
        sample.slots_available = Some(0);
        window.push(sample);
    }
    Ok(Sighting::Seen(ScalerView {
        graph: graph(parallelism),
        window,
        history,
        decisions,
        slot_groups: BTreeMap::new(),
        room: given.get("room").copied(),
        checkpoints: match given.get("failing") {
            Some(id) => CheckpointHealth::Failing(format!("checkpoint {id}: expired")),
            None => CheckpointHealth::Ok,
        },
        savepoint_in_progress: given.contains_key("savepoint"),
        interruption: None,
        failures: usize::try_from(number("failures")).unwrap_or_default(),
        store_after: Some(now + jiff::SignedDuration::from_mins(1)),
    }))
}

fn id(text: &str) -> VertexId {
    VertexId::new(text).expect("an id")
}

/// Shares of each second, and what they add up to in so many seconds of all subtasks.
fn times(busy: f64, held_back: f64, seconds: f64) -> VertexReading {
    let idle = 1000.0 - busy - held_back;
    VertexReading {
        busy_ms_per_s: Some(busy),
        busy_avg_ms_per_s: Some(busy),
        busy_min_ms_per_s: Some(busy),
        accumulated_busy_ms: Some(busy * seconds),
        backpressured_ms_per_s: Some(held_back),
        accumulated_backpressured_ms: Some(held_back * seconds),
        idle_ms_per_s: Some(idle),
        accumulated_idle_ms: Some(idle * seconds),
        ..VertexReading::default()
    }
}

fn graph(parallelism: u32) -> JobGraph {
    let vertex = |name: &str, parallelism, inputs| Vertex {
        id: id(name),
        name: name.to_owned(),
        parallelism,
        max_parallelism: 128,
        inputs,
        finished: false,
    };
    let input = Input {
        from: id("a"),
        ship: ShipStrategy::Hash,
    };
    JobGraph {
        vertices: vec![
            vertex("a", 1, Vec::new()),
            vertex("b", parallelism, vec![input]),
        ],
    }
}
