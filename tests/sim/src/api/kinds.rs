//! Kinds the server knows; it answers 404 for others.

/// What the server must know of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Plural, as in paths.
    pub plural: &'static str,
    /// Kind, as in objects.
    pub kind: &'static str,
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Status is written through its own path only.
    pub status: bool,
    /// Where the scale subresource finds replicas asked for, replicas there are, and the selector.
    pub scale: Option<[&'static str; 3]>,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    status: bool,
) -> Kind {
    Kind {
        group,
        version,
        plural,
        kind,
        namespaced: true,
        status,
        scale: None,
    }
}

/// Group of the custom kinds.
pub(super) const FLINK: &str = "flink.apache.org";

/// All kinds with a name here.
pub const KINDS: &[Kind] = &[
    Kind {
        scale: Some([
            "/spec/taskManager/replicas",
            "/status/taskManager/replicas",
            "/status/taskManager/labelSelector",
        ]),
        ..kind(
            FLINK,
            "v1beta1",
            "flinkdeployments",
            "FlinkDeployment",
            true,
        )
    },
    kind(
        FLINK,
        "v1beta1",
        "flinksessionjobs",
        "FlinkSessionJob",
        true,
    ),
    kind(
        FLINK,
        "v1beta1",
        "flinkstatesnapshots",
        "FlinkStateSnapshot",
        true,
    ),
    kind(
        FLINK,
        "v1beta1",
        "flinkbluegreendeployments",
        "FlinkBlueGreenDeployment",
        true,
    ),
    Kind {
        scale: Some([
            "/spec/replicas",
            "/status/replicas",
            "/spec/selector/matchLabels",
        ]),
        ..kind("apps", "v1", "deployments", "Deployment", true)
    },
    kind("", "v1", "pods", "Pod", true),
    kind("", "v1", "services", "Service", true),
    kind("", "v1", "configmaps", "ConfigMap", false),
    kind("", "v1", "endpoints", "Endpoints", false),
    kind(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
    ),
    kind(
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        "EndpointSlice",
        false,
    ),
    kind("apps", "v1", "replicasets", "ReplicaSet", true),
    kind("batch", "v1", "jobs", "Job", true),
    kind(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        true,
    ),
    kind("rbac.authorization.k8s.io", "v1", "roles", "Role", false),
    kind(
        "rbac.authorization.k8s.io",
        "v1",
        "rolebindings",
        "RoleBinding",
        false,
    ),
    kind("", "v1", "secrets", "Secret", false),
    kind("", "v1", "serviceaccounts", "ServiceAccount", false),
    kind("", "v1", "events", "Event", false),
    kind("events.k8s.io", "v1", "events", "Event", false),
    kind("coordination.k8s.io", "v1", "leases", "Lease", false),
    kind("networking.k8s.io", "v1", "ingresses", "Ingress", true),
    kind(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        true,
    ),
    kind("", "v1", "resourcequotas", "ResourceQuota", true),
    Kind {
        namespaced: false,
        ..kind("", "v1", "nodes", "Node", true)
    },
    Kind {
        namespaced: false,
        ..kind("", "v1", "namespaces", "Namespace", true)
    },
    Kind {
        namespaced: false,
        ..kind(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            true,
        )
    },
];

/// The kind with this plural in this group.
pub fn by_plural(group: &str, plural: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.group == group && kind.plural == plural)
}

/// The kind an object says it is of.
pub fn of_object(object: &serde_json::Value) -> Option<&'static Kind> {
    let text = |field: &str| {
        object
            .get(field)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    let api_version = text("apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS
        .iter()
        .find(|kind| kind.kind == text("kind") && kind.group == group)
}
