//! `FlinkBlueGreenDeployment`: two deployments taking turns, so that the old one runs until the
//! new one has proved itself.
//!
//! One rule: the template is a whole `FlinkDeploymentSpec`; the two children are the operator's.
//! Tests: `tests/` of this crate.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rules;
use crate::{FlinkDeploymentSpec, IngressSpec, JobStatus};

/// What both colours should run, and how to switch between them.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "flink.apache.org",
    version = "v1beta1",
    kind = "FlinkBlueGreenDeployment",
    plural = "flinkbluegreendeployments",
    singular = "flinkbluegreendeployment",
    shortname = "flinkbgdep",
    namespaced,
    status = "FlinkBlueGreenDeploymentStatus",
    derive = "PartialEq",
    validation = rules::name_of_at_most(39),
    doc = "Two FlinkDeployments that take turns, so that an upgrade starts beside the running job.",
    printcolumn(
        name = "Job Status",
        type_ = "string",
        json_path = ".status.jobStatus.state"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct FlinkBlueGreenDeploymentSpec {
    /// How to switch: options `kubernetes.operator.bluegreen.*`, such as
    /// `kubernetes.operator.bluegreen.abort.grace-period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<BTreeMap<String, String>>,
    /// Ingress that always leads to the active colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// The deployment that blue and green are made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<FlinkDeploymentTemplate>,
}

/// Template of the two child deployments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlinkDeploymentTemplate {
    /// Accepted and ignored, as released. The children's names and labels are the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::pod_template::object_meta_schema")]
    pub metadata: Option<Map<String, Value>>,
    /// Spec of the child deployments, as in a FlinkDeployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<FlinkDeploymentSpec>,
}

/// Which colour is active and how far a switch has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlinkBlueGreenDeploymentStatus {
    /// The job of the active colour as last seen; only `state` is filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_status: Option<JobStatus>,
    /// Which colour is active, or what is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green_state: Option<BlueGreenState>,
    /// The spec that was last acted on, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reconciled_spec: Option<String>,
    /// When that was (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reconciled_timestamp: Option<String>,
    /// When a switch under way will be given up (RFC 3339); the epoch means not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_timestamp: Option<String>,
    /// When the new colour became ready (RFC 3339); the epoch means not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_ready_timestamp: Option<String>,
    /// Trigger id of the savepoint that the new colour will start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_trigger_id: Option<String>,
    /// The current problem. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Generation of the spec that the operator has acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions `Ready`, `Reconciling` and `Stalled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::conditions_schema")]
    pub conditions: Option<Vec<Condition>>,
}

/// Which colour is active, or what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "named as in the API")]
pub enum BlueGreenState {
    InitializingBlue,
    ActiveBlue,
    ActiveGreen,
    TransitioningToBlue,
    TransitioningToGreen,
    SavepointingBlue,
    SavepointingGreen,
}
