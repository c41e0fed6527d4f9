//! What requests to a simulated JobManager do.

use std::collections::BTreeMap;

use flink_crds::FlinkJobState;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers;
use super::cluster::{Cluster, Surroundings};
use super::job::{Job, Tasks};
use super::journal::Happening;
use super::rest::Answer;
use super::savepoints::{Kind, Operation, Thrown};
use super::storage::HaData;

pub(super) fn cancel(cluster: &mut Cluster, id: &str, now: Timestamp) -> Answer {
    let Some(job) = cluster.jobs.get_mut(id) else {
        return Answer::error(404, "Job could not be found.");
    };
    match job.state {
        FlinkJobState::Canceled | FlinkJobState::Cancelling => {}
        ended if ended.is_globally_terminal() => {
            let state = ended.as_str();
            return Answer::error(
                409,
                format!(
                    "Job cancellation failed because the job has already reached another terminal state ({state})."
                ),
            );
        }
        _ => job.cancel(now),
    }
    Answer::accepted(json!({}))
}

/// A savepoint or a stop; asking again with the same trigger id changes nothing.
pub(super) fn savepoint(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    id: &str,
    (body, stop): (&Value, bool),
    now: Timestamp,
) -> Answer {
    let directory_field = if stop {
        "targetDirectory"
    } else {
        "target-directory"
    };
    let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    let Some(directory) =
        text(directory_field).or_else(|| cluster.config.savepoint_dir().map(str::to_owned))
    else {
        return Answer::error(
            400,
            format!(
                "Config key [state.savepoints.dir] is not set. Property [{directory_field}] must be provided."
            ),
        );
    };
    let trigger = text("triggerId").unwrap_or_else(|| around.fresh_id());
    let format = text("formatType").unwrap_or_else(|| "CANONICAL".to_owned());
    let kind = Kind::Savepoint {
        directory,
        format,
        stop,
    };
    ask(cluster, around, id, &trigger, kind, now)
}

pub(super) fn checkpoint(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    id: &str,
    body: &Value,
    now: Timestamp,
) -> Answer {
    let trigger = body
        .get("triggerId")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let trigger = trigger.unwrap_or_else(|| around.fresh_id());
    ask(cluster, around, id, &trigger, Kind::Checkpoint, now)
}

pub(super) fn ask(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    id: &str,
    trigger: &str,
    kind: Kind,
    now: Timestamp,
) -> Answer {
    let accepted = Answer::accepted(json!({ "request-id": trigger }));
    let key = (id.to_owned(), trigger.to_owned());
    if cluster.operations.contains_key(&key) {
        return accepted;
    }
    let stopping = cluster
        .operations
        .iter()
        .any(|((job, _), other)| job == id && other.is_stop() && other.outcome.is_none());
    let stop = matches!(kind, Kind::Savepoint { stop: true, .. });
    if !matches!(kind, Kind::Checkpoint) {
        let triggered = Happening::SavepointTriggered {
            job: id.to_owned(),
            trigger: trigger.to_owned(),
            stop,
        };
        around.note(now, triggered);
    }
    let ends = now + cluster.timings.snapshot;
    let operation = match cluster.jobs.get_mut(id) {
        None => Operation::failed(kind, Thrown::job_not_found(id), now),
        Some(job) if job.state.is_globally_terminal() => {
            Operation::failed(kind, Thrown::job_not_found(id), now)
        }
        Some(job) if job.tasks != Tasks::Running || job.next.is_some() || stopping => {
            Operation::failed(kind, Thrown::not_running(id), now)
        }
        Some(job) => {
            if stop {
                job.checkpoints.pause(now);
            }
            Operation {
                kind,
                triggered: now,
                ends,
                outcome: None,
                attempt: job.attempt,
                number: job.checkpoints.take_id(),
            }
        }
    };
    cluster.operations.insert(key, operation);
    accepted
}

pub(super) fn progress(cluster: &Cluster, id: &str, trigger: &str) -> Answer {
    match cluster.operations.get(&(id.to_owned(), trigger.to_owned())) {
        Some(operation) => Answer::ok(answers::operation(operation)),
        None => Answer::error(
            404,
            format!("There is no savepoint operation with triggerId={trigger} for job {id}."),
        ),
    }
}

pub(super) fn dispose(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    body: &Value,
    now: Timestamp,
) -> Answer {
    let Some(path) = body.get("savepoint-path").and_then(Value::as_str) else {
        return Answer::error(
            400,
            "Request did not match expected format SavepointDisposalRequest.",
        );
    };
    let trigger = around.fresh_id();
    let kind = Kind::Disposal {
        path: path.to_owned(),
    };
    let operation = Operation {
        kind,
        triggered: now,
        ends: now,
        outcome: None,
        attempt: 0,
        number: 0,
    };
    cluster
        .operations
        .insert((String::new(), trigger.clone()), operation);
    Answer::accepted(json!({ "request-id": trigger }))
}

pub(super) fn not_adaptive() -> Answer {
    let exception = "java.lang.UnsupportedOperationException: The DefaultScheduler does not support \
        changing the parallelism without a job restart. This feature is currently only expected to work \
        with the AdaptiveScheduler.";
    let body = json!({ "errors": ["Internal server error.",
        format!("<Exception on server side:\n{exception}\n\tat org.apache.flink.runtime.Simulated\n\nEnd of exception on server side>")]});
    Answer { status: 500, body }
}

pub(super) fn rescale(
    job: &mut Job,
    around: &mut Surroundings<'_>,
    body: &Value,
    now: Timestamp,
) -> Answer {
    let bound = |vertex: &str, field: &str| {
        body.get(vertex)?
            .get("parallelism")?
            .get(field)?
            .as_u64()
            .and_then(|bound| u32::try_from(bound).ok())
    };
    let mut bounds = Vec::new();
    for vertex in &job.vertices {
        let (Some(lower), Some(upper)) = (
            bound(&vertex.id, "lowerBound"),
            bound(&vertex.id, "upperBound"),
        ) else {
            let id = &vertex.id;
            return Answer::error(
                400,
                format!("The requirements are incomplete, missing requirements for vertex {id}."),
            );
        };
        if lower > upper || upper > vertex.max_parallelism || lower == 0 {
            return Answer::error(
                400,
                format!(
                    "The newly requested parallelism {upper} of vertex {} is out of bounds.",
                    vertex.id
                ),
            );
        }
        bounds.push((lower, upper));
    }
    for (vertex, (lower, upper)) in job.vertices.iter_mut().zip(bounds) {
        vertex.lower = lower;
        vertex.upper = upper;
    }
    around.note(
        now,
        Happening::Rescaled {
            job: job.id.clone(),
        },
    );
    Answer::ok(json!({}))
}

pub(super) fn upload(cluster: &mut Cluster, around: &mut Surroundings<'_>) -> Answer {
    let name = format!("{}_job.jar", around.fresh_id());
    cluster.jars.insert(name.clone(), name.clone());
    Answer::ok(json!({ "filename": format!("/tmp/flink-web-upload/{name}"), "status": "success" }))
}

pub(super) fn run(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    jar: &str,
    body: &Value,
    now: Timestamp,
) -> Answer {
    if !cluster.jars.contains_key(jar) {
        return Answer::error(
            400,
            format!("Jar file /tmp/flink-web-upload/{jar} does not exist"),
        );
    }
    let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    let id = text("jobId").unwrap_or_else(|| around.fresh_id());
    if cluster.jobs.contains_key(&id) {
        let class = "org.apache.flink.runtime.client.DuplicateJobSubmissionException";
        return Answer::error(500, format!("{class}: Job has already been submitted."));
    }
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in body
        .get("flinkConfiguration")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        values.insert(
            key.clone(),
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        );
    }
    if let Some(parallelism) = body.get("parallelism").and_then(Value::as_u64) {
        values.insert("parallelism.default".to_owned(), parallelism.to_string());
    }
    if let Some(path) = text("savepointPath") {
        values.insert("execution.savepoint.path".to_owned(), path);
    }
    let config = cluster.config.clone().with(&values);
    cluster.submit(around, &id, &config, &HaData::default(), now);
    Answer::ok(json!({ "jobid": id }))
}
