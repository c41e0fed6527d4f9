//! Answers of a simulated JobManager, with the fields of the version it plays.
//!
//! `tests/shapes.rs` compares them with recorded answers of 1.18, 1.20 and 2.3.

mod checkpoints;
mod job;
mod metrics;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use super::job::Job;
use super::savepoints::{Operation, Outcome, Thrown};

pub(super) use checkpoints::{checkpoint_details, checkpoints};
pub(super) use job::{job, jobs};
pub(super) use metrics::{job_manager_metrics, job_metrics, task_manager_metrics, vertex_metrics};

/// Full version played for a minor one: those of the recordings where there are any.
fn full_version(version: (u32, u32)) -> String {
    match version {
        (1, 18) => "1.18.1".to_owned(),
        (1, 20) => "1.20.5".to_owned(),
        (major, minor) => format!("{major}.{minor}.0"),
    }
}

/// Milliseconds since the epoch.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Add fields that only newer versions have.
fn add(value: &mut Value, fields: Value) {
    if let (Value::Object(object), Value::Object(fields)) = (value, fields) {
        object.extend(fields);
    }
}

pub(super) fn config(cluster: &Cluster) -> Value {
    json!({
        "refresh-interval": 3000,
        "timezone-name": "Coordinated Universal Time",
        "timezone-offset": 0,
        "flink-version": full_version(cluster.config.version()),
        "flink-revision": "0980485 @ 2026-06-08T09:21:06+02:00",
        "features": {
            "web-submit": false, "web-cancel": false,
            "web-rescale": cluster.config.adaptive(), "web-history": false,
        },
    })
}

pub(super) fn overview(cluster: &Cluster) -> Value {
    use flink_crds::FlinkJobState::{Canceled, Failed, Finished};
    let count = |states: &[_]| {
        cluster
            .jobs
            .values()
            .filter(|job| states.contains(&job.state))
            .count()
    };
    json!({
        "taskmanagers": cluster.task_managers.len(),
        "slots-total": cluster.slots(),
        "slots-available": cluster.free_slots(),
        "jobs-running": cluster.jobs.len() - count(&[Canceled, Failed, Finished]),
        "jobs-finished": count(&[Finished]),
        "jobs-cancelled": count(&[Canceled]),
        "jobs-failed": count(&[Failed]),
        "flink-version": full_version(cluster.config.version()),
        "flink-commit": "0980485",
    })
}

pub(super) fn task_managers(cluster: &Cluster, now: Timestamp) -> Value {
    let slots = cluster.config.slots_per_task_manager();
    let mut used = cluster.slots() - cluster.free_slots();
    let manager = |id: &String| {
        let taken = used.min(slots);
        used -= taken;
        let resource = |share: f64| {
            json!({ "cpuCores": 0.2 * share, "taskHeapMemory": 25, "taskOffHeapMemory": 0,
                "managedMemory": 230, "networkMemory": 64, "extendedResources": {} })
        };
        let mut manager = json!({
            "id": id,
            "path": format!("pekko.tcp://flink@10.88.0.121:6122/user/rpc/taskmanager_0"),
            "dataPort": 46761, "jmxPort": -1, "timeSinceLastHeartbeat": ms(now),
            "slotsNumber": slots, "freeSlots": slots - taken,
            "totalResource": resource(1.0),
            "freeResource": resource(f64::from(slots - taken) / f64::from(slots)),
            "hardware": { "cpuCores": 1, "physicalMemory": 1_073_741_824_u64,
                "freeMemory": 156_106_752, "managedMemory": 241_591_914 },
            "memoryConfiguration": { "frameworkHeap": 134_217_728, "taskHeap": 26_843_542,
                "frameworkOffHeap": 134_217_728, "taskOffHeap": 0, "networkMemory": 67_108_864,
                "managedMemory": 241_591_914, "jvmMetaspace": 268_435_456, "jvmOverhead": 201_326_592,
                "totalFlinkMemory": 603_979_776, "totalProcessMemory": 1_073_741_824_u64 },
        });
        if cluster.config.version() >= (2, 0) {
            add(&mut manager, json!({ "assignedTasks": taken }));
        }
        manager
    };
    let managers: Vec<Value> = cluster.task_managers.iter().map(manager).collect();
    json!({ "taskmanagers": managers })
}

pub(super) fn job_manager_config(cluster: &Cluster) -> Value {
    cluster
        .config
        .values()
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

pub(super) fn job_ids(cluster: &Cluster) -> Value {
    let jobs = cluster
        .jobs
        .values()
        .map(|job| json!({ "id": job.id, "status": job.state.as_str() }));
    json!({ "jobs": jobs.collect::<Vec<Value>>() })
}

pub(super) fn jars(cluster: &Cluster) -> Value {
    let files = cluster
        .jars
        .keys()
        .map(|id| json!({ "id": id, "name": id, "uploaded": 0, "entry": [] }));
    json!({ "address": "http://localhost:8081", "files": files.collect::<Vec<Value>>() })
}

fn throwable(thrown: &Thrown) -> Value {
    json!({ "class": thrown.class, "stack-trace": thrown.stack_trace(), "serialized-throwable": "rO0ABQ==" })
}

pub(super) fn operation(operation: &Operation) -> Value {
    let result = match &operation.outcome {
        None => return json!({ "status": { "id": "IN_PROGRESS" }, "operation": null }),
        Some(Ok(Outcome::Path(path))) => json!({ "location": path }),
        Some(Ok(Outcome::Checkpoint(id))) => json!({ "checkpointId": id }),
        Some(Ok(Outcome::Disposed)) => json!({}),
        Some(Err(thrown)) => {
            let field = match operation.kind {
                super::savepoints::Kind::Checkpoint => "failureCause",
                _ => "failure-cause",
            };
            json!({ field: throwable(thrown) })
        }
    };
    json!({ "status": { "id": "COMPLETED" }, "operation": result })
}

pub(super) fn execution_result(job: &Job) -> Value {
    let Some(ended) = job.ended else {
        return json!({ "status": { "id": "IN_PROGRESS" }, "job-execution-result": null });
    };
    let status = match job.state.as_str() {
        "FINISHED" => "SUCCEEDED",
        state => state,
    };
    let mut result = json!({
        "id": job.id, "application-status": status, "accumulator-results": {},
        "net-runtime": ms(ended) - ms(job.started),
    });
    if let Some(failure) = &job.failure {
        add(&mut result, json!({ "failure-cause": throwable(failure) }));
    }
    json!({ "status": { "id": "COMPLETED" }, "job-execution-result": result })
}

pub(super) fn exceptions(job: &Job, version: (u32, u32), limit: usize) -> Value {
    let entry = |raised: &super::job::Raised| {
        let mut entry = json!({
            "exceptionName": raised.thrown.class, "stacktrace": raised.thrown.stack_trace(),
            "timestamp": ms(raised.at), "taskName": format!("{} (1/1)", first_vertex(job)),
            "endpoint": "10.88.0.121:6122", "taskManagerId": "simulated-taskmanager-1-1",
            "concurrentExceptions": [],
        });
        if version >= (1, 18) {
            add(&mut entry, json!({ "failureLabels": {} }));
        }
        entry
    };
    let entries: Vec<Value> = job.exceptions.iter().rev().take(limit).map(entry).collect();
    let history = json!({ "entries": entries, "truncated": job.exceptions.len() > limit });
    let mut answer = json!({ "exceptionHistory": history });
    if version < (2, 0) {
        let root = job.exceptions.last();
        add(
            &mut answer,
            json!({
                "root-exception": root.map(|raised| raised.thrown.stack_trace()),
                "timestamp": root.map(|raised| ms(raised.at)), "all-exceptions": [], "truncated": false,
            }),
        );
    }
    answer
}

fn first_vertex(job: &Job) -> &str {
    job.vertices
        .first()
        .map_or("", |vertex| vertex.name.as_str())
}

pub(super) fn requirements(job: &Job) -> Value {
    let of = |vertex: &super::vertices::Vertex| {
        let bounds = json!({ "lowerBound": vertex.lower, "upperBound": vertex.upper });
        (vertex.id.clone(), json!({ "parallelism": bounds }))
    };
    Value::Object(job.vertices.iter().map(of).collect::<Map<String, Value>>())
}
