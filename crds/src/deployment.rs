//! `FlinkDeployment`: a Flink cluster, with a job (application) or without (session cluster).
//!
//! One rule: spec and status are plain data; fields the API server can check carry their rule in
//! the schema. Tests: `tests/` of this crate.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::rules;
use crate::{
    AutoscalerStatus, FlinkConfiguration, FlinkVersion, IngressSpec, JobManagerDeploymentStatus,
    JobManagerSpec, JobSpec, JobStatus, KubernetesMode, LifecycleState, PendingOperation,
    PodTemplate, ReconciliationStatus, Revision, TaskManagerInfo, TaskManagerSpec,
};

/// What the Flink cluster should be.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "flink.apache.org",
    version = "v1beta1",
    kind = "FlinkDeployment",
    plural = "flinkdeployments",
    singular = "flinkdeployment",
    shortname = "flinkdep",
    namespaced,
    status = "FlinkDeploymentStatus",
    derive = "PartialEq",
    validation = rules::name_of_at_most(45),
    validation = rules::job_stays(),
    validation = rules::mode_stays(),
    validation = rules::redeploy_has_savepoint(),
    doc = "A Flink cluster on Kubernetes: an application with one job, or a session cluster.",
    scale(
        spec_replicas_path = ".spec.taskManager.replicas",
        status_replicas_path = ".status.taskManager.replicas",
        label_selector_path = ".status.taskManager.labelSelector"
    ),
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
#[x_kube(validation = rules::parallelism())]
#[serde(rename_all = "camelCase")]
pub struct FlinkDeploymentSpec {
    /// The job to run. With it the cluster is an application, without it a session cluster that
    /// FlinkSessionJobs use. An application cannot become a session cluster or the reverse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobSpec>,
    /// A change to another number restarts the cluster, with state carried over as
    /// `job.upgradeMode` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_nonce: Option<i64>,
    /// Flink configuration, and options of the operator (`kubernetes.operator.*`) and the
    /// autoscaler (`job.autoscaler.*`) for this resource. Flat keys or nested YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_configuration: Option<FlinkConfiguration>,
    /// Container image of job manager and task managers, such as `flink:1.20`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When to pull the image: `Always`, `IfNotPresent` or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::pull_policy())]
    pub image_pull_policy: Option<String>,
    /// Service account of the pods. It needs the rights the chart's job service account has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Version of Flink in the image, such as `v1_20`. Versions before `v1_15` are not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_version: Option<FlinkVersion>,
    /// Ingress for the web UI and REST interface. None is created if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// Pod template of all Flink pods. The main container must be named `flink-main-container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// The job manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_manager: Option<JobManagerSpec>,
    /// The task managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_manager: Option<TaskManagerSpec>,
    /// Logging configuration files by name: `log4j-console.properties` or `logback-console.xml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 2))]
    #[x_kube(validation = rules::log_files())]
    pub log_configuration: Option<BTreeMap<String, String>>,
    /// Who starts task managers: `native` lets Flink ask Kubernetes for pods, `standalone` makes
    /// the operator run them as a Deployment. Cannot be changed later. Default: `native`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<KubernetesMode>,
}

impl FlinkDeploymentSpec {
    /// Mode; native unless written otherwise.
    pub fn mode_or_default(&self) -> KubernetesMode {
        self.mode.unwrap_or_default()
    }

    /// Whether this is a session cluster: no job of its own.
    pub fn is_session(&self) -> bool {
        self.job.is_none()
    }
}

/// What the operator last saw and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlinkDeploymentStatus {
    /// The job as last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_status: Option<JobStatus>,
    /// The current problem as a JSON document with the chain of causes. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Generation of the spec that the operator has acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the deployment stands as a whole. `STABLE` means it runs as specified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_state: Option<LifecycleState>,
    /// Facts about the running cluster: `flink-version`, `flink-revision`, `total-cpu` (cores),
    /// `total-memory` and `state-size` (bytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_info: Option<BTreeMap<String, String>>,
    /// The job manager as last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_manager_deployment_status: Option<JobManagerDeploymentStatus>,
    /// What has been deployed and how far a change has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciliation_status: Option<ReconciliationStatus>,
    /// Task managers, for the scale subresource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_manager: Option<TaskManagerInfo>,
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
    /// The latest deployed specs, newest first, at most ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub revisions: Option<Vec<Revision>>,
}
