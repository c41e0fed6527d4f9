//! `FlinkSessionJob`: a job submitted to the session cluster of a `FlinkDeployment`.
//!
//! One rule: its job is the same type as an application's; only the cluster is somebody else's.
//! Tests: `tests/` of this crate.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::rules;
use crate::{
    AutoscalerStatus, FlinkConfiguration, JobSpec, JobStatus, LifecycleState, PendingOperation,
    ReconciliationStatus, Revision,
};

/// What the session job should be.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "flink.apache.org",
    version = "v1beta1",
    kind = "FlinkSessionJob",
    plural = "flinksessionjobs",
    singular = "flinksessionjob",
    shortname = "sessionjob",
    namespaced,
    status = "FlinkSessionJobStatus",
    derive = "PartialEq",
    validation = rules::deployment_name_stays(),
    doc = "A Flink job in the session cluster of a FlinkDeployment.",
    printcolumn(
        name = "Job Status",
        type_ = "string",
        json_path = ".status.jobStatus.state"
    ),
    printcolumn(
        name = "Lifecycle State",
        type_ = "string",
        json_path = ".status.lifecycleState"
    )
)]
#[x_kube(validation = rules::session_parallelism())]
#[serde(rename_all = "camelCase")]
pub struct FlinkSessionJobSpec {
    /// The job to submit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobSpec>,
    /// A change to another number restarts the job, with state carried over as
    /// `job.upgradeMode` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_nonce: Option<i64>,
    /// Configuration of this job only, on top of the session cluster's. Sent with the
    /// submission, which needs Flink 1.17 or later; operator and autoscaler options work always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_configuration: Option<FlinkConfiguration>,
    /// Name of the FlinkDeployment, in the same namespace, whose session cluster runs the job.
    /// Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = rules::deployment_name())]
    pub deployment_name: Option<String>,
}

/// What the operator last saw and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlinkSessionJobStatus {
    /// The job as last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_status: Option<JobStatus>,
    /// The current problem as a JSON document with the chain of causes. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Generation of the spec that the operator has acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the job stands as a whole. `STABLE` means it runs as specified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_state: Option<LifecycleState>,
    /// What has been submitted and how far a change has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciliation_status: Option<ReconciliationStatus>,
    /// Conditions `Running`, `Ready`, `Reconciling` and `Stalled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::conditions_schema")]
    pub conditions: Option<Vec<Condition>>,
    /// What the autoscaler recommends or did. Details are in the ConfigMap `autoscaler-<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<AutoscalerStatus>,
    /// The operation under way, recorded before it is begun so that it survives a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingOperation>,
    /// The latest submitted specs, newest first, at most ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub revisions: Option<Vec<Revision>>,
}
