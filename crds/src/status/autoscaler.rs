//! Summary of the autoscaler in a status; the details live in a ConfigMap.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the autoscaler recommends, did, or waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerStatus {
    /// What the autoscaler may do: `off`, `recommend`, `initial` or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What it is doing, as one CamelCase word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When the latest decision was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_decision_time: Option<String>,
    /// The latest decision in words: what, why, and how sure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The latest evaluation of each vertex, in topological order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vertices: Vec<VertexRecommendation>,
    /// TaskManagers that the job needs as it is, and as is recommended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_managers: Option<TaskManagersNeeded>,
    /// Parallelism now imposed on vertices, by vertex id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, i32>,
    /// Mode `initial`: parallelism by vertex id that the next start of the job takes. Absent if it has what it needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub next_start: BTreeMap<String, i32>,
    /// Schedules that count now, as they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Who froze the autoscaler, and how to lift that. Absent if nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// What else changes the job's parallelism, and what to do about it. Absent if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// Memory that task managers now have, where the autoscaler tuned it. Absent if it is as in the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<TunedMemory>,
    /// Memory that task managers get when the job next starts. Absent if that changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_memory: Option<TunedMemory>,
    /// Tuned memory with which the job did not come up. Not more than it is tried again for the same spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_memory: Option<TunedMemory>,
    /// What keeps a recommendation from being applied. Absent if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// When the job is evaluated next (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_evaluation_time: Option<String>,
    /// The latest rescale that the autoscaler decided on, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scaling: Option<ScalingSummary>,
}

/// How many task managers a job needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagersNeeded {
    /// With the parallelism that vertices have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<i32>,
    /// With the parallelism that is recommended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<i32>,
    /// CPUs of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
}

/// Memory of task managers as the autoscaler tuned it, or, without options, as the spec has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunedMemory {
    /// What the spec said of memory then. When it says something else, that counts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// The running job is too large for the memory it has, so that this cannot wait for another reason to start it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Flink options that are set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, String>,
    /// Flink options that are taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<String>,
}

/// A rescale that was decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingSummary {
    /// When it was decided on (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The vertices and their parallelism before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// `Open` until it shows, `Reached` when the job has the parallelism, `GivenUp` if that took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Seconds from the decision until the job ran again, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_seconds: Option<i64>,
}

/// What the autoscaler thinks of one vertex. Rates are records per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VertexRecommendation {
    /// Flink's id of the vertex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the vertex in the job graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Parallelism it runs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<i32>,
    /// Recommended parallelism.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<i32>,
    /// Lowest parallelism that would still keep up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<i32>,
    /// Parallelism above which resources would be wasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<i32>,
    /// What would be recommended without limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncapped: Option<i32>,
    /// Why this target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same as one CamelCase word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// What makes the target differ from `uncapped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Records that wait in front of a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<f64>,
    /// Share of time the vertex is busy, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Records per second it could process if it were never idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_rate: Option<f64>,
    /// Records per second it has to process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_rate: Option<f64>,
}
