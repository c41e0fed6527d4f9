//! An object to be applied: its kind, its name and its JSON, which is never parsed into structs.

use serde_json::{Value, json};

use super::{labels::Labels, owner::OwnerRef};

/// A kind of object that a cluster consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Flink's configuration, and the pod template.
    ConfigMap,
    /// Access to the JobManager.
    Service,
    /// Pods of the JobManager, and of standalone TaskManagers.
    Deployment,
    /// Access from outside.
    Ingress,
}

impl Kind {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::Ingress => "Ingress",
        }
    }

    /// Group and version.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Service => "v1",
            Self::Deployment => "apps/v1",
            Self::Ingress => "networking.k8s.io/v1",
        }
    }
}

/// An object to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The whole object.
    pub body: Value,
}

/// What the metadata of an object is made from.
pub(super) struct Meta<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) owner: &'a OwnerRef,
}

/// A JSON object that takes its values over, where `json!` would copy them.
pub(super) fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Object(
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

impl Object {
    /// An object with one `field` beside its metadata, `spec` or `data`.
    pub(super) fn new(kind: Kind, meta: Meta<'_>, field: &str, content: Value) -> Self {
        let mut metadata = json!({
            "labels": meta.labels,
            "name": meta.name,
            "namespace": meta.namespace,
            "ownerReferences": [meta.owner.to_json()],
        });
        if let (Value::Object(fields), false) = (&mut metadata, meta.annotations.is_empty()) {
            fields.insert("annotations".into(), json!(meta.annotations));
        }
        let body = fields([
            ("apiVersion", kind.api_version().into()),
            ("kind", kind.as_str().into()),
            ("metadata", metadata),
            (field, content),
        ]);
        Self {
            kind,
            name: meta.name,
            body,
        }
    }
}
