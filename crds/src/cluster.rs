//! The cluster around a job: job manager, task managers, their resources, and the ingress.
//!
//! One rule: shapes as Kubernetes and the released CRDs have them; nothing is interpreted here.
//! Tests: `tests/it/manifests.rs`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{PodTemplate, rules};

/// How Flink gets its task managers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(
    missing_docs,
    reason = "described in the schema of `FlinkDeploymentSpec::mode`"
)]
pub enum KubernetesMode {
    #[default]
    Native,
    Standalone,
}

/// The job manager: resources, number of instances, pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobManagerSpec {
    /// Memory and CPU of one job manager in Flink's terms. Deprecated: use `resources`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// Requests and limits of the job manager's container, as in any pod. Wins over `resource`
    /// if it holds at least one request or limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Number of job managers. More than 1 needs high availability. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,
    /// Pod template of the job manager, merged over `spec.podTemplate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::pod_template::overlay_schema")]
    pub pod_template: Option<PodTemplate>,
}

impl JobManagerSpec {
    /// Number of job managers; one unless written otherwise.
    pub fn replicas_or_default(&self) -> i32 {
        self.replicas.unwrap_or(1)
    }
}

/// The task managers: resources of each, optionally their number, pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagerSpec {
    /// Memory and CPU of one task manager in Flink's terms. Deprecated: use `resources`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// Requests and limits of the task manager's container, as in any pod. Wins over `resource`
    /// if it holds at least one request or limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Number of task managers. If set, the job's parallelism is this times
    /// `taskmanager.numberOfTaskSlots`, and `job.parallelism` is ignored. Target of the scale
    /// subresource, so `kubectl scale` and a HorizontalPodAutoscaler set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,
    /// Pod template of the task managers, merged over `spec.podTemplate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::pod_template::overlay_schema")]
    pub pod_template: Option<PodTemplate>,
}

/// Resources of one Flink process in Flink's terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// CPU cores of the container, fractions allowed, such as 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::positive())]
    pub cpu: Option<f64>,
    /// Total memory of the process. Flink's form (`2048m`, `2 gb`) and Kubernetes' form (`2Gi`)
    /// are both read; a bare number is bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Ephemeral storage of the container, such as `4Gi`. Requested and limited alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<String>,
}

/// Requests and limits of a container, as in any pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirements {
    /// The most the container may use of each resource, by name: `cpu`, `memory`,
    /// `ephemeral-storage` or an extended resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities_schema")]
    pub limits: Option<BTreeMap<String, Quantity>>,
    /// What the scheduler sets aside for the container, by resource name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities_schema")]
    pub requests: Option<BTreeMap<String, Quantity>>,
    /// Dynamic resource claims of the pod that this container uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<ResourceClaim>>,
}

impl ResourceRequirements {
    /// Whether no request and no limit is written, so that `resource` still counts.
    pub fn is_empty(&self) -> bool {
        let none =
            |map: &Option<BTreeMap<String, Quantity>>| map.as_ref().is_none_or(BTreeMap::is_empty);
        none(&self.limits) && none(&self.requests)
    }
}

/// Schema of quantities by name, without the long description that comes with the type.
fn quantities_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "x-kubernetes-int-or-string": true }
    })
}

/// A reference to one of the pod's resource claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceClaim {
    /// Name of an entry in the pod's `resourceClaims`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of one request inside the claim. Absent means all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// An Ingress in front of the job manager's REST interface and web UI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    /// Host and path under which the web UI is reached, such as
    /// `flink.example.org/{{namespace}}/{{name}}(/|$)(.*)`. `{{name}}` and `{{namespace}}` are
    /// replaced by those of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Ingress class that should serve it, such as `nginx`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Annotations of the Ingress, such as the controller's rewrite rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels of the Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// TLS of the Ingress: which Secret holds the certificate for which hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Vec<IngressTls>>,
}

/// Certificate of some of an Ingress's hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// Hosts the certificate is valid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// Secret of type `kubernetes.io/tls` in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}
