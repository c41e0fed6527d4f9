//! Flink's REST interface of a simulated job, so that others than this crate's scaler can read and rescale it:
//! the operator's own client, and the Java autoscaler.
//!
//! The rule: pure. A request is text in and text out, and whoever serves it over a socket brings the
//! socket. What Flink does not tell is not told here either: readings are those of [`Job::sample`], and
//! memory, which the model does not have, stands still. Tests are in `tests/it/rest.rs`.

mod ids;
mod metrics;
mod target;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Job;
use crate::{
    sample::{Sample, VertexReading},
    topology::{JobGraph, ShipStrategy, Vertex, VertexId},
};
pub use ids::hex;
use target::Target;

/// The version it passes for.
const VERSION: &str = "1.20.5";

/// States of a task, as Flink names them.
const TASK_STATES: [&str; 10] = [
    "CREATED",
    "SCHEDULED",
    "DEPLOYING",
    "RUNNING",
    "FINISHED",
    "CANCELING",
    "CANCELED",
    "FAILED",
    "RECONCILING",
    "INITIALIZING",
];

/// What is answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The body, JSON.
    pub json: String,
}

impl Answer {
    fn ok(value: &Value) -> Self {
        Self {
            status: 200,
            json: value.to_string(),
        }
    }

    fn refused(status: u16, message: &str) -> Self {
        Self {
            status,
            json: json!({ "errors": [message] }).to_string(),
        }
    }
}

/// The REST interface of one job, with what was asked of it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    id: String,
    name: String,
    started: Timestamp,
    settings: BTreeMap<String, String>,
    required: BTreeMap<VertexId, Bounds>,
    asked: bool,
}

/// Fewest and most subtasks of a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounds {
    lower_bound: u32,
    upper_bound: u32,
}

/// Bounds as Flink wraps them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Requirement {
    parallelism: Bounds,
}

impl Endpoint {
    /// The interface of a job of this name, which started at `started`. Its configuration holds `settings`, over the
    /// adaptive scheduler, which alone can rescale in place.
    pub fn new(name: &str, started: Timestamp, settings: &BTreeMap<String, String>) -> Self {
        let mut all = BTreeMap::from([("jobmanager.scheduler".to_owned(), "adaptive".to_owned())]);
        all.extend(settings.clone());
        Self {
            id: hex(name),
            name: name.to_owned(),
            started,
            settings: all,
            required: BTreeMap::new(),
            asked: false,
        }
    }

    /// Flink's id of the job: 32 hex digits, by its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The parallelism that was asked for since this was last called; for [`Job::rescale`].
    pub fn take_request(&mut self) -> Option<BTreeMap<VertexId, u32>> {
        if !std::mem::take(&mut self.asked) {
            return None;
        }
        let most = |(id, bounds): (&VertexId, &Bounds)| (id.clone(), bounds.upper_bound);
        Some(self.required.iter().map(most).collect())
    }

    /// Answers a request. `target` is path and query, with or without the version in front. Requests this
    /// interface does not know get 404 and say what it was; none changes the job, see
    /// [`take_request`](Self::take_request).
    pub fn answer(&mut self, job: &Job, method: &str, target: &str, body: &[u8]) -> Answer {
        let target = Target::parse(target);
        let parts: Vec<&str> = target.parts.iter().map(String::as_str).collect();
        if let (["jobs", id, ..], false) = (parts.as_slice(), self.is_mine(&parts)) {
            return Answer::refused(404, &format!("Job {id} not found"));
        }
        let value = match (method, parts.as_slice()) {
            ("GET", ["overview"]) => overview(job),
            ("GET", ["config"]) => json!({
                "refresh-interval": 3000, "timezone-name": "UTC", "timezone-offset": 0,
                "flink-version": VERSION, "flink-revision": "simulated", "features": {},
            }),
            ("GET", ["jobs", "overview"]) => json!({ "jobs": [self.summary(job)] }),
            ("GET", ["jobmanager", "metrics"]) => metrics::of_job_manager(&slots(job), &target),
            ("GET", ["taskmanagers", "metrics"]) => {
                metrics::of_task_managers(job.sample().as_ref(), &target)
            }
            ("GET", ["jobs", _]) => self.detail(job),
            ("GET", ["jobs", _, "jobmanager", "config"]) => self.configuration(),
            ("GET", ["jobs", _, "checkpoints"]) => checkpoints(),
            ("GET", ["jobs", _, "resource-requirements"]) => self.requirements(&job.graph()),
            ("PUT", ["jobs", _, "resource-requirements"]) => {
                return match self.require(&job.graph(), body) {
                    Ok(()) => Answer::ok(&json!({})),
                    Err(message) => Answer::refused(400, &message),
                };
            }
            ("GET", ["jobs", _, "vertices", vertex, rest @ ..]) => {
                let graph = job.graph();
                let found = graph
                    .vertices
                    .iter()
                    .find(|v| hex(v.id.as_str()) == *vertex);
                let Some(found) = found else {
                    return Answer::refused(404, &format!("vertex {vertex} not found"));
                };
                let read = reading(job.sample().as_ref(), found);
                match rest {
                    [] => vertex_detail(job, found),
                    ["subtasks", "metrics"] => metrics::of_vertex(found, &read, &target),
                    _ => return unknown(method, &parts),
                }
            }
            _ => return unknown(method, &parts),
        };
        Answer::ok(&value)
    }

    /// Whether the path is none of another job.
    fn is_mine(&self, parts: &[&str]) -> bool {
        !matches!(parts, ["jobs", id, ..] if *id != "overview" && *id != self.id)
    }

    fn summary(&self, job: &Job) -> Value {
        let graph = job.graph();
        let total: u32 = graph.vertices.iter().map(|vertex| vertex.parallelism).sum();
        let mut tasks = task_counts(job, total, str::to_lowercase);
        tasks.insert("total".to_owned(), total);
        json!({
            "jid": self.id, "name": self.name, "state": state(job),
            "start-time": ms(self.started), "end-time": -1,
            "duration": ms(job.now()) - ms(self.started),
            "last-modification": ms(job.running_since().unwrap_or(job.now())),
            "tasks": tasks,
        })
    }

    fn detail(&self, job: &Job) -> Value {
        let graph = job.graph();
        let sample = job.sample();
        let mut since: BTreeMap<&str, i64> = BTreeMap::from([("CREATED", ms(self.started))]);
        since.insert("RUNNING", job.running_since().map_or(0, ms));
        let vertices = graph
            .vertices
            .iter()
            .map(|vertex| self.vertex(job, vertex, &reading(sample.as_ref(), vertex)));
        let all_running = BTreeMap::from([(task_state(job), graph.vertices.len())]);
        json!({
            "jid": self.id, "name": self.name, "isStoppable": false, "state": state(job),
            "start-time": ms(self.started), "end-time": -1,
            "duration": ms(job.now()) - ms(self.started), "maxParallelism": -1,
            "now": ms(job.now()), "timestamps": since, "vertices": vertices.collect::<Vec<_>>(),
            "status-counts": TASK_STATES.map(|name| (name, all_running.get(name).copied().unwrap_or(0)))
                .into_iter().collect::<BTreeMap<_, _>>(),
            "plan": {
                "jid": self.id, "name": self.name, "type": "STREAMING",
                "nodes": graph.vertices.iter().map(node).collect::<Vec<_>>(),
            },
        })
    }

    fn vertex(&self, job: &Job, vertex: &Vertex, read: &VertexReading) -> Value {
        let running = job.running_since();
        // Of a source Flink counts here what comes over the network: nothing.
        let came = if vertex.inputs.is_empty() {
            Some(0.0)
        } else {
            read.records_in
        };
        json!({
            "id": hex(vertex.id.as_str()),
            "slotSharingGroupId": hex(&self.name),
            "name": vertex.name,
            "maxParallelism": vertex.max_parallelism, "parallelism": vertex.parallelism,
            "status": task_state(job),
            "start-time": running.map_or(-1, ms), "end-time": -1,
            "duration": running.map_or(-1, |since| ms(job.now()) - ms(since)),
            "tasks": task_counts(job, vertex.parallelism, str::to_owned),
            "metrics": {
                "read-bytes": 0, "read-bytes-complete": true,
                "write-bytes": 0, "write-bytes-complete": true,
                "read-records": count(came), "read-records-complete": came.is_some(),
                "write-records": count(read.records_out),
                "write-records-complete": read.records_out.is_some(),
                "accumulated-backpressured-time": count(read.accumulated_backpressured_ms),
                "accumulated-idle-time": count(read.accumulated_idle_ms),
                "accumulated-busy-time": read.accumulated_busy_ms.map_or(json!("NaN"), Value::from),
            },
        })
    }

    fn configuration(&self) -> Value {
        let entry = |(key, value): (&String, &String)| json!({ "key": key, "value": value });
        self.settings.iter().map(entry).collect()
    }

    fn requirements(&self, graph: &JobGraph) -> Value {
        let bounds = |vertex: &Vertex| {
            let present = Bounds {
                lower_bound: 1,
                upper_bound: vertex.parallelism,
            };
            let parallelism = self.required.get(&vertex.id).copied().unwrap_or(present);
            (hex(vertex.id.as_str()), Requirement { parallelism })
        };
        let all: BTreeMap<String, Requirement> = graph.vertices.iter().map(bounds).collect();
        json!(all)
    }

    /// Takes the body of a PUT; all vertices have to be in it, as Flink wants it.
    fn require(&mut self, graph: &JobGraph, body: &[u8]) -> Result<(), String> {
        let mut asked: BTreeMap<String, Requirement> = serde_json::from_slice(body)
            .map_err(|error| format!("resource requirements cannot be read: {error}"))?;
        let mut required = BTreeMap::new();
        for vertex in &graph.vertices {
            let id = hex(vertex.id.as_str());
            let Some(Requirement { parallelism }) = asked.remove(&id) else {
                return Err(format!(
                    "vertex {id} ({}) is missing; list all",
                    vertex.name
                ));
            };
            let Bounds {
                lower_bound,
                upper_bound,
            } = parallelism;
            if !(1..=upper_bound).contains(&lower_bound) || upper_bound > vertex.max_parallelism {
                return Err(format!(
                    "vertex {id}: {lower_bound} to {upper_bound} subtasks are not within 1 and {}",
                    vertex.max_parallelism
                ));
            }
            required.insert(vertex.id.clone(), parallelism);
        }
        if let Some(id) = asked.keys().next() {
            return Err(format!("the job has no vertex {id}"));
        }
        self.required = required;
        self.asked = true;
        Ok(())
    }
}

fn unknown(method: &str, parts: &[&str]) -> Answer {
    let message = format!("{method} /{} is not simulated", parts.join("/"));
    Answer::refused(404, &message)
}

/// Slots in all and free ones.
struct Slots {
    total: u32,
    free: u32,
}

fn slots(job: &Job) -> Slots {
    let used = job.parallelism().iter().copied().max().unwrap_or(0);
    let sample = job.sample();
    let told = |of: fn(&Sample) -> Option<u32>| sample.as_ref().and_then(of);
    // The model has as many slots as it uses, unless it says otherwise.
    let free = told(|sample| sample.slots_available).unwrap_or(0);
    Slots {
        total: told(|sample| sample.slots_total).unwrap_or(used.saturating_add(free)),
        free,
    }
}

fn overview(job: &Job) -> Value {
    let Slots { total, free } = slots(job);
    let running = u32::from(job.running_since().is_some());
    json!({
        "taskmanagers": total, "slots-total": total, "slots-available": free,
        "jobs-running": running, "jobs-finished": 0, "jobs-cancelled": 0, "jobs-failed": 0,
        "flink-version": VERSION, "flink-commit": "simulated",
    })
}

/// No checkpoint has been taken: the model has none.
fn checkpoints() -> Value {
    json!({
        "counts": { "restored": 0, "total": 0, "in_progress": 0, "completed": 0, "failed": 0 },
        "latest": { "completed": null, "savepoint": null, "failed": null, "restored": null },
        "history": [],
    })
}

fn vertex_detail(job: &Job, vertex: &Vertex) -> Value {
    let subtask = |index: u32| {
        json!({
            "subtask": index, "status": task_state(job), "attempt": 0,
            "start-time": job.running_since().map_or(-1, ms), "end-time": -1,
        })
    };
    json!({
        "id": hex(vertex.id.as_str()), "name": vertex.name, "parallelism": vertex.parallelism,
        "maxParallelism": vertex.max_parallelism, "now": ms(job.now()),
        "subtasks": (0..vertex.parallelism).map(subtask).collect::<Vec<_>>(),
    })
}

fn node(vertex: &Vertex) -> Value {
    let input = |(number, input): (usize, &crate::topology::Input)| {
        json!({
            "num": number, "id": hex(input.from.as_str()),
            "ship_strategy": ship(input.ship), "exchange": "pipelined_bounded",
        })
    };
    json!({
        "id": hex(vertex.id.as_str()), "parallelism": vertex.parallelism, "operator": "",
        "operator_strategy": "", "description": vertex.name,
        "inputs": vertex.inputs.iter().enumerate().map(input).collect::<Vec<_>>(),
        "optimizer_properties": {},
    })
}

const fn ship(strategy: ShipStrategy) -> &'static str {
    match strategy {
        ShipStrategy::Forward => "FORWARD",
        ShipStrategy::Hash => "HASH",
        ShipStrategy::Rebalance => "REBALANCE",
        ShipStrategy::Rescale => "RESCALE",
        ShipStrategy::Broadcast => "BROADCAST",
        ShipStrategy::Global => "GLOBAL",
        ShipStrategy::Other => "CUSTOM",
    }
}

const fn state(job: &Job) -> &'static str {
    match job.running_since() {
        Some(_) => "RUNNING",
        None => "RESTARTING",
    }
}

const fn task_state(job: &Job) -> &'static str {
    match job.running_since() {
        Some(_) => "RUNNING",
        None => "CREATED",
    }
}

fn task_counts(job: &Job, tasks: u32, name: fn(&str) -> String) -> BTreeMap<String, u32> {
    let present = task_state(job);
    let counted = |state: &str| (name(state), if state == present { tasks } else { 0 });
    TASK_STATES.into_iter().map(counted).collect()
}

fn reading(sample: Option<&Sample>, vertex: &Vertex) -> VertexReading {
    let found = sample.and_then(|sample| sample.vertices.get(&vertex.id));
    found.cloned().unwrap_or_default()
}

fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A counter as Flink has it, a whole number.
#[expect(clippy::cast_possible_truncation, reason = "a cast that saturates")]
fn count(value: Option<f64>) -> i64 {
    value.unwrap_or(0.0) as i64
}
