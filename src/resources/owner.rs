//! Owner references: who has to go for an object to go.

use flink_crds::API_VERSION;
use serde_json::{Value, json};

/// A reference to the owner of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRef {
    /// API version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
    /// Whether the owner is the one that manages the object.
    pub controller: bool,
}

impl OwnerRef {
    /// The FlinkDeployment, as it owns its JobManager Deployment.
    pub fn flink_deployment(name: &str, uid: &str) -> Self {
        Self::of("FlinkDeployment", name, uid, false)
    }

    /// A resource of our group as the manager of an object, an Ingress for example.
    pub fn managing(kind: &str, name: &str, uid: &str) -> Self {
        Self::of(kind, name, uid, true)
    }

    /// The JobManager Deployment, as it owns the Services and ConfigMaps of its cluster.
    pub fn job_manager(name: &str, uid: &str) -> Self {
        Self {
            api_version: "apps/v1".into(),
            ..Self::of("Deployment", name, uid, true)
        }
    }

    fn of(kind: &str, name: &str, uid: &str, controller: bool) -> Self {
        Self {
            api_version: API_VERSION.into(),
            kind: kind.into(),
            name: name.into(),
            uid: uid.into(),
            controller,
        }
    }

    /// As it stands in `metadata.ownerReferences`.
    pub fn to_json(&self) -> Value {
        json!({
            "apiVersion": self.api_version,
            "blockOwnerDeletion": true,
            "controller": self.controller,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
        })
    }
}
