//! Messages as Flink writes them. Nothing here leaves `flink`.
//!
//! The rule: read what is needed and ignore the rest, since every Flink version adds fields; what
//! Flink may leave out or write as text ("NaN") is optional here.

use std::collections::BTreeMap;

use flink_crds::FlinkJobState;
use serde::{Deserialize, Deserializer};

/// The messages of an error answer; `None` if it is not one of Flink's.
pub(super) fn errors(body: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    serde_json::from_slice::<Errors>(body)
        .ok()
        .map(|answer| answer.errors)
}

/// The message of a Kubernetes `Status`.
pub(super) fn kubernetes_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Status {
        kind: String,
        message: String,
    }
    let status: Status = serde_json::from_slice(body).ok()?;
    (status.kind == "Status").then_some(status.message)
}

/// A number that may be the text "NaN", "Infinity" or a number in quotes; what is not finite is `None`.
pub(super) fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(f64),
        Quoted(String),
    }
    let number = match Option::<Number>::deserialize(deserializer)? {
        Some(Number::Plain(number)) => Some(number),
        Some(Number::Quoted(text)) => text.trim().parse().ok(),
        None => None,
    };
    Ok(number.filter(|number: &f64| number.is_finite()))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Overview {
    pub(super) taskmanagers: u32,
    pub(super) slots_total: u32,
    pub(super) slots_available: u32,
    pub(super) flink_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DashboardConfig {
    pub(super) flink_version: String,
    #[serde(default)]
    pub(super) flink_revision: String,
}

#[derive(Deserialize)]
pub(super) struct TaskManagers {
    pub(super) taskmanagers: Vec<TaskManager>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskManager {
    pub(super) id: String,
    pub(super) slots_number: u32,
    pub(super) free_slots: u32,
    pub(super) total_resource: Option<Resource>,
    pub(super) memory_configuration: Option<MemoryConfiguration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    #[serde(default, deserialize_with = "finite")]
    pub(super) cpu_cores: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemoryConfiguration {
    pub(super) total_process_memory: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct JobsOverview {
    pub(super) jobs: Vec<JobSummary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobSummary {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: FlinkJobState,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    pub(super) last_modification: i64,
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
pub(super) struct JobDetail {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: FlinkJobState,
    #[serde(rename = "start-time")]
    pub(super) start_time: i64,
    #[serde(rename = "end-time")]
    pub(super) end_time: i64,
    pub(super) now: i64,
    #[serde(rename = "maxParallelism", default)]
    pub(super) max_parallelism: Option<i64>,
    #[serde(rename = "schedulerType", default)]
    pub(super) scheduler_type: Option<String>,
    #[serde(default)]
    pub(super) timestamps: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) vertices: Vec<Vertex>,
    #[serde(default)]
    pub(super) plan: Option<Plan>,
}

#[derive(Deserialize)]
pub(super) struct Vertex {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parallelism: u32,
    #[serde(rename = "maxParallelism", default)]
    pub(super) max_parallelism: Option<i64>,
    #[serde(rename = "slotSharingGroupId", default)]
    pub(super) slot_group: Option<String>,
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, u32>,
    #[serde(default)]
    pub(super) metrics: Option<VertexMetrics>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct VertexMetrics {
    pub(super) read_records: u64,
    pub(super) read_records_complete: bool,
    pub(super) write_records: u64,
    pub(super) write_records_complete: bool,
    #[serde(deserialize_with = "finite")]
    pub(super) accumulated_busy_time: Option<f64>,
    #[serde(deserialize_with = "finite")]
    pub(super) accumulated_backpressured_time: Option<f64>,
    #[serde(deserialize_with = "finite")]
    pub(super) accumulated_idle_time: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct RescalesOverview {
    pub(super) latest: LatestRescales,
}

#[derive(Deserialize)]
pub(super) struct LatestRescales {
    pub(super) completed: Option<RescaleId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RescaleId {
    pub(super) rescale_uuid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RescaleDetails {
    pub(super) scheduler_states: Vec<SchedulerState>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchedulerState {
    pub(super) state: String,
    pub(super) enter_timestamp_in_millis: i64,
    pub(super) leave_timestamp_in_millis: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Plan {
    #[serde(default)]
    pub(super) nodes: Vec<PlanNode>,
}

#[derive(Deserialize)]
pub(super) struct PlanNode {
    pub(super) id: String,
    #[serde(default)]
    pub(super) inputs: Vec<PlanInput>,
}

#[derive(Deserialize)]
pub(super) struct PlanInput {
    pub(super) id: String,
    #[serde(default)]
    pub(super) ship_strategy: String,
}

#[derive(Deserialize)]
pub(super) struct QueueStatus {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct Operation<T> {
    pub(super) status: QueueStatus,
    pub(super) operation: Option<T>,
}

#[derive(Deserialize)]
pub(super) struct Triggered {
    #[serde(rename = "request-id")]
    pub(super) request_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SavepointResult {
    pub(super) location: Option<String>,
    pub(super) failure_cause: Option<Throwable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckpointResult {
    pub(super) checkpoint_id: Option<u64>,
    pub(super) failure_cause: Option<Throwable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Throwable {
    #[serde(default)]
    pub(super) class: String,
    #[serde(default)]
    pub(super) stack_trace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ExecutionResult {
    pub(super) status: QueueStatus,
    pub(super) job_execution_result: Option<JobResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobResult {
    pub(super) application_status: String,
    pub(super) failure_cause: Option<Throwable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exceptions {
    pub(super) exception_history: Option<ExceptionHistory>,
}

#[derive(Deserialize)]
pub(super) struct ExceptionHistory {
    #[serde(default)]
    pub(super) entries: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exception {
    #[serde(rename = "exceptionName", default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) stacktrace: String,
    pub(super) timestamp: i64,
    pub(super) task_name: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) task_manager_id: Option<String>,
    // Absent before 1.18, null in some answers.
    #[serde(default)]
    pub(super) failure_labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
pub(super) struct Checkpoints {
    pub(super) counts: CheckpointCounts,
    #[serde(default)]
    pub(super) latest: LatestCheckpoints,
    #[serde(default)]
    pub(super) history: Vec<Checkpoint>,
}

#[derive(Deserialize)]
pub(super) struct CheckpointCounts {
    pub(super) restored: u64,
    pub(super) total: u64,
    pub(super) in_progress: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct LatestCheckpoints {
    pub(super) completed: Option<Checkpoint>,
    pub(super) savepoint: Option<Checkpoint>,
    pub(super) failed: Option<Checkpoint>,
    pub(super) restored: Option<RestoredCheckpoint>,
}

#[derive(Deserialize)]
pub(super) struct Checkpoint {
    pub(super) id: u64,
    pub(super) status: String,
    #[serde(default)]
    pub(super) is_savepoint: bool,
    pub(super) trigger_timestamp: i64,
    #[serde(default)]
    pub(super) latest_ack_timestamp: i64,
    #[serde(default)]
    pub(super) end_to_end_duration: i64,
    #[serde(default)]
    pub(super) state_size: i64,
    pub(super) external_path: Option<String>,
    #[serde(default)]
    pub(super) discarded: bool,
    pub(super) failure_message: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RestoredCheckpoint {
    pub(super) id: u64,
    pub(super) restore_timestamp: i64,
    #[serde(default)]
    pub(super) is_savepoint: bool,
    pub(super) external_path: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct MetricName {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct MetricValue {
    pub(super) id: String,
    #[serde(default, deserialize_with = "finite")]
    pub(super) value: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct AggregatedMetric {
    pub(super) id: String,
    #[serde(default, deserialize_with = "finite")]
    pub(super) min: Option<f64>,
    #[serde(default, deserialize_with = "finite")]
    pub(super) max: Option<f64>,
    #[serde(default, deserialize_with = "finite")]
    pub(super) avg: Option<f64>,
    #[serde(default, deserialize_with = "finite")]
    pub(super) sum: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct VertexRequirements {
    pub(super) parallelism: ParallelismBounds,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParallelismBounds {
    pub(super) lower_bound: u32,
    pub(super) upper_bound: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_finite_number_is_unknown() {
        for (text, expected) in [
            (r#"{"id":"m","value":"12.5"}"#, Some(12.5)),
            (r#"{"id":"m","value":7}"#, Some(7.0)),
            (r#"{"id":"m","value":"NaN"}"#, None),
            (r#"{"id":"m","value":"Infinity"}"#, None),
            (r#"{"id":"m","value":"n/a"}"#, None),
            (r#"{"id":"m","value":null}"#, None),
            (r#"{"id":"m"}"#, None),
        ] {
            let metric: MetricValue = serde_json::from_str(text).unwrap();
            assert_eq!(metric.value, expected, "{text}");
        }
    }
}
