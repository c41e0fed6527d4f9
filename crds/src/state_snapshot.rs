//! `FlinkStateSnapshot`: one savepoint or checkpoint, asked for, taken, kept and disposed of.
//!
//! One rule: exactly one of `savepoint` and `checkpoint` is set, and the spec is a request that
//! does not change afterwards. Tests: `tests/` of this crate.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SavepointFormatType;
use crate::rules;

/// Which snapshot to take, of which job.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema,
)]
#[kube(
    group = "flink.apache.org",
    version = "v1beta1",
    kind = "FlinkStateSnapshot",
    plural = "flinkstatesnapshots",
    singular = "flinkstatesnapshot",
    shortname = "flinksnp",
    namespaced,
    status = "FlinkStateSnapshotStatus",
    derive = "PartialEq",
    doc = "A savepoint or checkpoint of a Flink job.",
    printcolumn(name = "Path", type_ = "string", json_path = ".status.path"),
    printcolumn(
        name = "Result Timestamp",
        type_ = "string",
        json_path = ".status.resultTimestamp"
    ),
    printcolumn(name = "Snapshot State", type_ = "string", json_path = ".status.state")
)]
#[x_kube(
    validation = rules::savepoint_or_checkpoint(),
    validation = rules::job_reference()
)]
#[serde(rename_all = "camelCase")]
pub struct FlinkStateSnapshotSpec {
    /// How often a failed snapshot is tried again: a number of retries, 0 for none, -1 for no
    /// limit. Default: -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<i32>,
    /// The job to take the snapshot of. Not needed for a savepoint that already exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_reference: Option<JobReference>,
    /// Take (or adopt) a savepoint. Set either this or `checkpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<SavepointSpec>,
    /// Take a checkpoint; has no settings, so write `checkpoint: {}`. Set either this or
    /// `savepoint`. Needs Flink 1.17 or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointSpec>,
}

impl FlinkStateSnapshotSpec {
    /// Number of retries; -1, without limit, unless written otherwise.
    pub fn backoff_limit_or_default(&self) -> i32 {
        self.backoff_limit.unwrap_or(-1)
    }
}

/// A job in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobReference {
    /// Kind of the resource that owns the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<JobKind>,
    /// Name of that resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Kinds that own a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "each variant is named after its kind")]
pub enum JobKind {
    FlinkDeployment,
    FlinkSessionJob,
}

/// How to take a savepoint, or which existing one to adopt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointSpec {
    /// Directory to write the savepoint into; the job's default directory if absent. With
    /// `alreadyExists` the path of the savepoint itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Format: `CANONICAL` can be read by every state backend, `NATIVE` is faster to take and
    /// restore. Default: `CANONICAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format_type: Option<SavepointFormatType>,
    /// Whether deleting this resource deletes the savepoint's files. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispose_on_delete: Option<bool>,
    /// Whether `path` names a savepoint taken earlier that should only be recorded here.
    /// Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub already_exists: Option<bool>,
}

impl SavepointSpec {
    /// Format; canonical unless written otherwise.
    pub fn format_type_or_default(&self) -> SavepointFormatType {
        self.format_type.unwrap_or(SavepointFormatType::Canonical)
    }

    /// Whether deletion disposes of the files; yes unless written otherwise.
    pub fn dispose_on_delete_or_default(&self) -> bool {
        self.dispose_on_delete.unwrap_or(true)
    }

    /// Whether the savepoint exists already; not unless written.
    pub fn already_exists_or_default(&self) -> bool {
        self.already_exists.unwrap_or(false)
    }
}

/// A checkpoint has nothing to set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointSpec {}

/// How far the snapshot has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlinkStateSnapshotStatus {
    /// State of the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<SnapshotState>,
    /// Trigger id under which Flink knows the snapshot while it is being taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_id: Option<String>,
    /// When the snapshot was triggered (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_timestamp: Option<String>,
    /// When the snapshot completed or was given up (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_timestamp: Option<String>,
    /// Where the finished snapshot is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why the latest attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Number of failed attempts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<i32>,
    /// Generation of the spec that the operator has acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions `Ready`, `Reconciling` and `Stalled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::conditions_schema")]
    pub conditions: Option<Vec<Condition>>,
}

/// State of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "named as in the API")]
pub enum SnapshotState {
    #[default]
    TriggerPending,
    InProgress,
    Completed,
    Failed,
    Abandoned,
}

impl SnapshotState {
    /// Whether nothing more will happen: completed, failed or abandoned.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Abandoned)
    }
}
