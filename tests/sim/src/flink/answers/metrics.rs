//! Metrics of jobs, JobManagers, TaskManagers and vertices.

use flink_crds::FlinkJobState;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::cluster::Cluster;
use super::super::job::{Job, Tasks, whole};
use super::super::vertices::Vertex;
use super::ms;

fn listed(names: impl IntoIterator<Item = String>) -> Value {
    names.into_iter().map(|id| json!({ "id": id })).collect()
}

/// Names if none is asked for, else those values that there are.
fn plain(known: &[(&str, String)], asked: &[String]) -> Value {
    if asked.is_empty() {
        return listed(known.iter().map(|(name, _)| (*name).to_owned()));
    }
    known
        .iter()
        .filter(|(name, _)| asked.iter().any(|asked| asked == name))
        .map(|(name, value)| json!({ "id": name, "value": value }))
        .collect()
}

/// Metrics of a job; none of one that is not known.
pub(in crate::flink) fn job_metrics(job: Option<&Job>, asked: &[String], now: Timestamp) -> Value {
    let Some(job) = job else { return json!([]) };
    let counts = job.checkpoints.counts;
    let in_progress = u64::from(job.checkpoints.pending.is_some());
    let time_in = |state: FlinkJobState| {
        let since = job.since.get(state.as_str()).filter(|_| job.state == state);
        since.map_or(0, |since| ms(now) - ms(*since)).to_string()
    };
    let path = job
        .checkpoints
        .completed
        .as_ref()
        .and_then(|completed| completed.path.clone());
    let size = job.profile.state_size.to_string();
    let known = [
        ("numRestarts", job.restarts.to_string()),
        ("fullRestarts", job.restarts.to_string()),
        ("numberOfCompletedCheckpoints", counts.completed.to_string()),
        ("numberOfFailedCheckpoints", counts.failed.to_string()),
        ("numberOfInProgressCheckpoints", in_progress.to_string()),
        (
            "totalNumberOfCheckpoints",
            (counts.completed + counts.failed + in_progress).to_string(),
        ),
        (
            "lastCompletedCheckpointId",
            (job.checkpoints.next_id - 1).to_string(),
        ),
        (
            "lastCheckpointExternalPath",
            path.unwrap_or_else(|| "n/a".to_owned()),
        ),
        ("lastCheckpointSize", size.clone()),
        ("lastCheckpointFullSize", size),
        (
            "lastCheckpointDuration",
            job.timings.snapshot.as_millis().to_string(),
        ),
        ("lastCheckpointRestoreTimestamp", "-1".to_owned()),
        ("lastCheckpointProcessedData", "0".to_owned()),
        ("lastCheckpointPersistedData", "0".to_owned()),
        ("uptime", time_in(FlinkJobState::Running)),
        ("downtime", time_in(FlinkJobState::Restarting)),
        ("runningTime", time_in(FlinkJobState::Running)),
        ("restartingTime", time_in(FlinkJobState::Restarting)),
        ("createdTime", time_in(FlinkJobState::Created)),
        ("initializingTime", time_in(FlinkJobState::Initializing)),
        ("deployingTime", "0".to_owned()),
        ("failingTime", time_in(FlinkJobState::Failing)),
        ("cancellingTime", time_in(FlinkJobState::Cancelling)),
    ];
    plain(&known, asked)
}

/// Metrics of the JobManager that the operator reads.
pub(in crate::flink) fn job_manager_metrics(cluster: &Cluster, asked: &[String]) -> Value {
    let running = cluster
        .jobs
        .values()
        .filter(|job| !job.state.is_globally_terminal())
        .count();
    let known = [
        ("taskSlotsTotal", cluster.slots().to_string()),
        ("taskSlotsAvailable", cluster.free_slots().to_string()),
        (
            "numRegisteredTaskManagers",
            cluster.task_managers.len().to_string(),
        ),
        ("numPendingTaskManagers", "0".to_owned()),
        ("numRunningJobs", running.to_string()),
        ("Status.JVM.CPU.Load", "0.01".to_owned()),
    ];
    plain(&known, asked)
}

/// Metrics over all TaskManagers: an untroubled JVM.
pub(in crate::flink) fn task_manager_metrics(asked: &[String]) -> Value {
    let known = [
        ("Status.JVM.Memory.Heap.Max", 268_435_456.0),
        ("Status.JVM.Memory.Heap.Used", 67_108_864.0),
        ("Status.Flink.Memory.Managed.Used", 0.0),
        ("Status.JVM.Memory.Metaspace.Used", 83_886_080.0),
        ("Status.JVM.GarbageCollector.All.TimeMsPerSecond", 5.0),
    ];
    if asked.is_empty() {
        return listed(known.iter().map(|(name, _)| (*name).to_owned()));
    }
    known
        .iter()
        .filter(|(name, _)| asked.iter().any(|asked| asked == name))
        .map(|(name, value)| aggregate(name, *value, 1.0))
        .collect()
}

/// `value` in each of `count` places.
fn aggregate(name: &str, value: f64, count: f64) -> Value {
    json!({ "id": name, "min": value, "max": value, "avg": value, "sum": value * count })
}

/// Names of the metrics of a vertex, or the aggregates of those asked for.
pub(in crate::flink) fn vertex_metrics(
    job: &Job,
    vertex: &str,
    asked: Option<Vec<String>>,
) -> Value {
    let Some(position) = job.vertices.iter().position(|known| known.id == vertex) else {
        return json!([]);
    };
    let Some(vertex) = job
        .vertices
        .get(position)
        .filter(|_| job.tasks == Tasks::Running)
    else {
        return json!([]);
    };
    let known = subtask_metrics(job, vertex, job.profile.is_source(position));
    let Some(asked) = asked else {
        return listed(known.into_iter().map(|(name, _)| name));
    };
    let count = f64::from(vertex.parallelism);
    known
        .into_iter()
        .filter(|(name, _)| asked.contains(name))
        .map(|(name, total)| aggregate(&name, total / count, count))
        .collect()
}

/// Metrics of a vertex by name, each as the sum over its subtasks.
fn subtask_metrics(job: &Job, vertex: &Vertex, source: bool) -> Vec<(String, f64)> {
    let (load, counters) = (vertex.load, vertex.counters);
    let count = f64::from(vertex.parallelism);
    let per_second = |share: f64| (share * 1000.0).round() * count;
    let mut metrics: Vec<(String, f64)> = [
        ("busyTimeMsPerSecond", per_second(load.busy)),
        (
            "backPressuredTimeMsPerSecond",
            per_second(load.back_pressured),
        ),
        (
            "softBackPressuredTimeMsPerSecond",
            per_second(load.back_pressured),
        ),
        ("hardBackPressuredTimeMsPerSecond", 0.0),
        (
            "idleTimeMsPerSecond",
            per_second((1.0 - load.busy - load.back_pressured).max(0.0)),
        ),
        ("accumulateBusyTimeMs", counters.busy_ms),
        ("accumulateBackPressuredTimeMs", counters.back_pressured_ms),
        ("accumulateIdleTimeMs", counters.idle_ms),
        ("numRecordsIn", counters.read),
        ("numRecordsInPerSecond", load.records_in),
        ("numRecordsOut", counters.written),
        ("numRecordsOutPerSecond", load.records_out),
    ]
    .into_iter()
    .map(|(name, total)| (name.to_owned(), total))
    .collect();
    let operator = sanitized(vertex.name.split(" -> ").next().unwrap_or_default());
    let (fetched, rate) = if source {
        (counters.fetched, load.fetched)
    } else {
        (counters.read, load.records_in)
    };
    for (name, total) in [
        ("numRecordsIn", fetched),
        ("numRecordsInPerSecond", rate),
        ("numRecordsOut", counters.written),
        ("numRecordsOutPerSecond", load.records_out),
    ] {
        metrics.push((format!("{operator}.{name}"), total));
    }
    if source && job.profile.tells_lag {
        #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
        metrics.push((
            format!("{operator}.pendingRecords"),
            whole(job.backlog) as f64,
        ));
    }
    metrics
}

/// An operator's name as it stands in metrics.
fn sanitized(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect()
}
