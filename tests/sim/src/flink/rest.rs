//! Requests to a simulated JobManager, and what they do.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Cluster, Surroundings};
use super::{actions, answers};
use crate::encoding::decoded;

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path, beginning with `/`, with or without `/v1`.
    pub path: &'a str,
    /// Its query, without `?`.
    pub query: &'a str,
    /// Its body, `null` if there is none.
    pub body: &'a Value,
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn accepted(body: Value) -> Self {
        Self { status: 202, body }
    }

    /// As Flink writes it: the exception of the handler with its stack trace.
    pub(super) fn error(status: u16, message: impl std::fmt::Display) -> Self {
        let class = "org.apache.flink.runtime.rest.handler.RestHandlerException";
        let trace = format!(
            "{class}: {message}\n\tat org.apache.flink.runtime.rest.Simulated.handle(Simulated.java:1)"
        );
        Self {
            status,
            body: json!({ "errors": [trace] }),
        }
    }

    fn job_not_found(id: &str) -> Self {
        Self::error(404, format!("Job {id} not found"))
    }

    /// As Flink writes it where no handler is reached.
    fn bare(status: u16, message: impl std::fmt::Display) -> Self {
        Self {
            status,
            body: json!({ "errors": [message.to_string()] }),
        }
    }
}

/// Answer `asked`, doing what it asks for.
pub(super) fn answer(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Answer {
    if !cluster.leads() {
        let election =
            "Service temporarily unavailable due to an ongoing leader election. Please refresh.";
        return Answer::bare(503, election);
    }
    let path = asked
        .path
        .strip_prefix("/v1")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(asked.path);
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    match (asked.method.as_str(), segments.as_slice()) {
        ("GET", ["config"]) => Answer::ok(answers::config(cluster)),
        ("GET", ["overview"]) => Answer::ok(answers::overview(cluster)),
        ("GET", ["taskmanagers"]) => Answer::ok(answers::task_managers(cluster, now)),
        ("GET", ["taskmanagers", "metrics"]) => {
            Answer::ok(answers::task_manager_metrics(&names(asked.query)))
        }
        ("GET", ["jobmanager", "metrics"]) => {
            Answer::ok(answers::job_manager_metrics(cluster, &names(asked.query)))
        }
        ("GET", ["jobmanager", "config"]) => Answer::ok(answers::job_manager_config(cluster)),
        ("GET", ["jobs"]) => Answer::ok(answers::job_ids(cluster)),
        ("GET", ["jobs", "overview"]) => Answer::ok(answers::jobs(cluster, now)),
        ("POST", ["jars", "upload"]) => actions::upload(cluster, around),
        ("GET", ["jars"]) => Answer::ok(answers::jars(cluster)),
        ("POST", ["jars", jar, "run"]) => actions::run(cluster, around, jar, asked.body, now),
        ("DELETE", ["jars", jar]) => match cluster.jars.remove(*jar) {
            Some(_) => Answer::ok(json!({})),
            None => Answer::error(
                400,
                format!("File {jar} does not exist in /tmp/flink-web-upload."),
            ),
        },
        ("POST", ["savepoint-disposal"]) => actions::dispose(cluster, around, asked.body, now),
        ("GET", ["savepoint-disposal", trigger]) => actions::progress(cluster, "", trigger),
        (method, ["jobs", id, rest @ ..]) => {
            of_job(cluster, around, (method, id, rest), asked, now)
        }
        _ => unknown(asked),
    }
}

fn unknown(asked: &Asked<'_>) -> Answer {
    if asked.method == Method::GET {
        Answer::error(
            404,
            format!("Unable to load requested file {}.", asked.path),
        )
    } else {
        Answer::bare(404, format!("Not found: {}", asked.path))
    }
}

fn of_job(
    cluster: &mut Cluster,
    around: &mut Surroundings<'_>,
    (method, id, rest): (&str, &str, &[&str]),
    asked: &Asked<'_>,
    now: Timestamp,
) -> Answer {
    // These know trigger ids even of jobs that are gone, or take any job.
    match (method, rest) {
        ("POST", ["savepoints"]) => {
            return actions::savepoint(cluster, around, id, (asked.body, false), now);
        }
        ("POST", ["stop"]) => {
            return actions::savepoint(cluster, around, id, (asked.body, true), now);
        }
        ("POST", ["checkpoints"]) => {
            return actions::checkpoint(cluster, around, id, asked.body, now);
        }
        ("GET", ["savepoints", trigger]) => return actions::progress(cluster, id, trigger),
        ("GET", ["checkpoints", trigger]) if *trigger != "config" => {
            return actions::progress(cluster, id, trigger);
        }
        ("GET", ["metrics"]) => {
            let job = cluster.jobs.get(id);
            return Answer::ok(answers::job_metrics(job, &names(asked.query), now));
        }
        ("PATCH", []) => return actions::cancel(cluster, id, now),
        _ => {}
    }
    let version = cluster.config.version();
    let Some(job) = cluster.jobs.get_mut(id) else {
        return Answer::job_not_found(id);
    };
    match (method, rest) {
        ("GET", []) => Answer::ok(answers::job(job, version, now)),
        ("GET", ["execution-result"]) => Answer::ok(answers::execution_result(job)),
        ("GET", ["exceptions"]) => Answer::ok(answers::exceptions(
            job,
            version,
            limit(asked.query, "maxExceptions"),
        )),
        ("GET", ["checkpoints"]) => {
            if job.checkpoints.interval.is_none() {
                return Answer::error(404, "Checkpointing has not been enabled.");
            }
            Answer::ok(answers::checkpoints(job))
        }
        ("GET", ["checkpoints", "details", number]) => answers::checkpoint_details(job, number),
        ("GET", ["vertices", vertex, "subtasks", "metrics"]) => {
            let aggregate = asked.query.contains("get=");
            Answer::ok(answers::vertex_metrics(
                job,
                vertex,
                aggregate.then(|| names(asked.query)),
            ))
        }
        ("GET", ["resource-requirements"]) => {
            if job.config.adaptive() {
                Answer::ok(answers::requirements(job))
            } else {
                actions::not_adaptive()
            }
        }
        ("PUT", ["resource-requirements"]) => {
            if job.config.adaptive() {
                actions::rescale(job, around, asked.body, now)
            } else {
                actions::not_adaptive()
            }
        }
        _ => unknown(asked),
    }
}

/// The value of `get=`, as a list.
fn names(query: &str) -> Vec<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("get="))
        .unwrap_or_default();
    value
        .split(',')
        .filter(|name| !name.is_empty())
        .map(decoded)
        .collect()
}

fn limit(query: &str, key: &str) -> usize {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
        .and_then(|text| text.parse().ok())
        .unwrap_or(20)
}
