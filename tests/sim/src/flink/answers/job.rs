//! `/jobs/overview` and `/jobs/:job`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::cluster::Cluster;
use super::super::job::{Job, Tasks};
use super::super::vertices::Vertex;
use super::{add, ms};
use crate::random::hex_of;

/// States of a job, in no particular order, as Flink lists them.
const JOB_STATES: [&str; 11] = [
    "SUSPENDED",
    "RUNNING",
    "FINISHED",
    "FAILING",
    "RESTARTING",
    "CREATED",
    "FAILED",
    "CANCELLING",
    "CANCELED",
    "RECONCILING",
    "INITIALIZING",
];
const TASK_STATES: [&str; 10] = [
    "DEPLOYING",
    "CANCELED",
    "INITIALIZING",
    "CANCELING",
    "SCHEDULED",
    "RUNNING",
    "FINISHED",
    "CREATED",
    "FAILED",
    "RECONCILING",
];

fn task_state(tasks: Tasks) -> &'static str {
    match tasks {
        Tasks::Created => "CREATED",
        Tasks::Scheduled => "SCHEDULED",
        Tasks::Initializing => "INITIALIZING",
        Tasks::Running => "RUNNING",
        Tasks::Finished => "FINISHED",
        Tasks::Canceling => "CANCELING",
        Tasks::Canceled => "CANCELED",
        Tasks::Failed => "FAILED",
    }
}

/// A count for every task state, all being in one.
fn task_counts(tasks: Tasks, count: u32) -> Map<String, Value> {
    let present = task_state(tasks);
    let of = |state: &&str| {
        (
            (*state).to_owned(),
            json!(if *state == present { count } else { 0 }),
        )
    };
    TASK_STATES.iter().map(of).collect()
}

/// The list of jobs.
pub(in crate::flink) fn jobs(cluster: &Cluster, now: Timestamp) -> Value {
    let version = cluster.config.version();
    let summary = |job: &Job| {
        let count: u32 = job.vertices.iter().map(|vertex| vertex.parallelism).sum();
        let mut tasks: Map<String, Value> = task_counts(job.tasks, count)
            .into_iter()
            .map(|(state, count)| (state.to_lowercase(), count))
            .collect();
        tasks.insert("total".to_owned(), json!(count));
        let mut summary = json!({
            "jid": job.id, "name": job.name, "start-time": ms(job.started), "end-time": end(job),
            "duration": duration(job, now), "state": job.state.as_str(),
            "last-modification": ms(job.modified), "tasks": tasks,
        });
        if version >= (2, 0) {
            add(
                &mut summary,
                json!({ "jobType": "STREAMING", "schedulerType": scheduler(job), "pending-operators": 0 }),
            );
        }
        summary
    };
    json!({ "jobs": cluster.jobs.values().map(summary).collect::<Vec<Value>>() })
}

fn end(job: &Job) -> i64 {
    job.ended.map_or(-1, ms)
}

fn duration(job: &Job, now: Timestamp) -> i64 {
    ms(job.ended.unwrap_or(now)) - ms(job.started)
}

fn scheduler(job: &Job) -> &'static str {
    if job.config.adaptive() {
        "Adaptive"
    } else {
        "Default"
    }
}

/// One job in detail.
pub(in crate::flink) fn job(job: &Job, version: (u32, u32), now: Timestamp) -> Value {
    let timestamps: Map<String, Value> = JOB_STATES
        .iter()
        .map(|state| {
            (
                (*state).to_owned(),
                json!(job.since.get(state).map_or(0, |at| ms(*at))),
            )
        })
        .collect();
    let vertices: Vec<Value> = job
        .vertices
        .iter()
        .map(|of| vertex(job, of, version, now))
        .collect();
    let mut detail = json!({
        "jid": job.id, "name": job.name, "isStoppable": false, "state": job.state.as_str(),
        "start-time": ms(job.started), "end-time": end(job), "duration": duration(job, now),
        "maxParallelism": job.config.max_parallelism().map_or(-1, i64::from), "now": ms(now),
        "timestamps": timestamps, "vertices": vertices,
        "status-counts": task_counts(job.tasks, u32::try_from(job.vertices.len()).unwrap_or_default()),
        "plan": plan(job),
    });
    if version >= (1, 19) {
        add(&mut detail, json!({ "job-type": "STREAMING" }));
    }
    if version >= (2, 0) {
        add(
            &mut detail,
            json!({ "schedulerType": scheduler(job), "pending-operators": 0 }),
        );
    }
    if version >= (2, 3) {
        add(
            &mut detail,
            json!({ "application-id": "000000000001c24c0000000000000000" }),
        );
    }
    detail
}

fn vertex(job: &Job, vertex: &Vertex, version: (u32, u32), now: Timestamp) -> Value {
    let start = job.tasks_since.map_or(-1, ms);
    let counters = vertex.counters;
    let whole = |count: f64| super::super::job::whole(count);
    let reports = job.tasks == Tasks::Running;
    let mut answer = json!({
        "id": vertex.id, "name": vertex.name, "maxParallelism": vertex.max_parallelism,
        "parallelism": vertex.parallelism, "status": task_state(job.tasks), "start-time": start,
        "end-time": end(job), "duration": if start < 0 { -1 } else { ms(job.ended.unwrap_or(now)) - start },
        "tasks": task_counts(job.tasks, vertex.parallelism),
        "metrics": {
            "read-bytes": whole(counters.read) * 20, "read-bytes-complete": reports,
            "write-bytes": whole(counters.written) * 20, "write-bytes-complete": reports,
            "read-records": whole(counters.read), "read-records-complete": reports,
            "write-records": whole(counters.written), "write-records-complete": reports,
            "accumulated-backpressured-time": whole(counters.back_pressured_ms),
            "accumulated-idle-time": whole(counters.idle_ms),
            "accumulated-busy-time": counters.busy_ms,
        },
    });
    if version >= (1, 19) {
        add(
            &mut answer,
            json!({ "slotSharingGroupId": hex_of("default slot sharing group") }),
        );
    }
    answer
}

fn plan(job: &Job) -> Value {
    let node = |(index, vertex): (usize, &Vertex)| {
        let inputs = job
            .profile
            .edges
            .iter()
            .filter(|(_, to, _)| *to == index)
            .enumerate();
        let inputs: Vec<Value> = inputs
            .filter_map(|(number, (from, _, ship))| {
                let from = job.vertices.get(*from)?;
                Some(json!({ "num": number, "id": from.id, "ship_strategy": ship, "exchange": "pipelined_bounded" }))
            })
            .collect();
        let mut node = json!({
            "id": vertex.id, "parallelism": vertex.parallelism, "operator": "", "operator_strategy": "",
            "description": format!("{}<br/>", vertex.name.replace(" -> ", "<br/>+- ")),
            "optimizer_properties": {},
        });
        if !inputs.is_empty() {
            add(&mut node, json!({ "inputs": inputs }));
        }
        node
    };
    let nodes: Vec<Value> = job.vertices.iter().enumerate().map(node).collect();
    json!({ "jid": job.id, "name": job.name, "type": "STREAMING", "nodes": nodes })
}
