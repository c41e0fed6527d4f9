//! The Deployment controller: pods of a Deployment, and its status.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Node, condition, is_deleting, is_owned_by, is_ready, name, namespace, text, uid};
use crate::random::hex_of;

/// Label that tells a Deployment's own pods from others it owns.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

/// A time as Kubernetes writes it.
pub(super) fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Node {
    pub(super) fn deployments(&mut self, now: Timestamp) {
        let pods = self.api.list("pods", TEMPLATE_HASH);
        for deployment in self.api.list("deployments", "") {
            let mine: Vec<&Value> = pods
                .iter()
                .filter(|pod| {
                    namespace(pod) == namespace(&deployment) && is_owned_by(pod, uid(&deployment))
                })
                .collect();
            if !is_deleting(&deployment) {
                self.scale(&deployment, &mine);
            }
            self.deployment_status(&deployment, &mine, now);
        }
    }

    /// Create missing pods, delete surplus ones; those of an old template go once a new one is ready.
    fn scale(&mut self, deployment: &Value, pods: &[&Value]) {
        let hash = template_hash(deployment);
        let replicas = replicas(deployment);
        let (new, old): (Vec<&&Value>, Vec<&&Value>) = pods
            .iter()
            .filter(|pod| !is_deleting(pod))
            .partition(|pod| label(pod, TEMPLATE_HASH) == hash);
        if refused(deployment).is_none() {
            for _ in new.len()..replicas {
                self.create_pod(deployment, &hash);
            }
        }
        for pod in new.iter().skip(replicas) {
            self.api.delete("pods", namespace(pod), name(pod));
        }
        if replicas == 0 || new.iter().any(|pod| is_ready(pod)) {
            for pod in old {
                self.api.delete("pods", namespace(pod), name(pod));
            }
        }
    }

    fn create_pod(&mut self, deployment: &Value, hash: &str) {
        self.serial += 1;
        let template = deployment
            .pointer("/spec/template")
            .cloned()
            .unwrap_or_default();
        let mut labels = template
            .pointer("/metadata/labels")
            .cloned()
            .unwrap_or_else(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(TEMPLATE_HASH.to_owned(), json!(hash));
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{}-{hash}-{:05x}", name(deployment), self.serial),
                "namespace": namespace(deployment),
                "labels": labels,
                "annotations": template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})),
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": template.get("spec").cloned().unwrap_or_default(),
        });
        let _ = self.api.create(pod);
    }

    fn deployment_status(&self, deployment: &Value, pods: &[&Value], now: Timestamp) {
        let ready = pods
            .iter()
            .filter(|pod| is_ready(pod) && !is_deleting(pod))
            .count();
        let present = pods.iter().filter(|pod| !is_deleting(pod)).count();
        let available = ready >= replicas(deployment) && ready > 0;
        let mut conditions = vec![available_condition(deployment, available, now)];
        if let Some(message) = refused(deployment) {
            conditions.push(json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": message, "lastTransitionTime": text(deployment, "/metadata/creationTimestamp") }));
        }
        let status = json!({
            "observedGeneration": deployment.pointer("/metadata/generation"),
            "replicas": present, "updatedReplicas": present, "readyReplicas": ready,
            "availableReplicas": ready, "unavailableReplicas": replicas(deployment).saturating_sub(ready),
            "conditions": conditions,
        });
        let key = (namespace(deployment), name(deployment));
        let _ = self.api.merge(
            "deployments",
            key,
            Some("status"),
            &json!({ "status": status }),
        );
    }
}

/// `Available`, with the time of its last change.
fn available_condition(deployment: &Value, available: bool, now: Timestamp) -> Value {
    let status = if available { "True" } else { "False" };
    let before = condition(deployment, "Available");
    let since = match before {
        None if !available => text(deployment, "/metadata/creationTimestamp").to_owned(),
        Some(before) if text(before, "/status") == status => {
            text(before, "/lastTransitionTime").to_owned()
        }
        _ => seconds(now),
    };
    let (reason, message) = if available {
        (
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    json!({ "type": "Available", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since, "lastUpdateTime": since })
}

/// A controller's owner reference to `owner`.
pub(super) fn owner_reference(owner: &Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true })
}

/// Why no pod can be created, if so.
fn refused(deployment: &Value) -> Option<String> {
    let account = text(deployment, "/spec/template/spec/serviceAccountName");
    account.contains("missing").then(|| {
        let namespace = namespace(deployment);
        format!(
            "pods \"{}\" is forbidden: error looking up service account {namespace}/{account}: \
             serviceaccount \"{account}\" not found",
            name(deployment)
        )
    })
}

fn replicas(deployment: &Value) -> usize {
    let replicas = deployment
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    usize::try_from(replicas).unwrap_or(usize::MAX)
}

fn template_hash(deployment: &Value) -> String {
    let template = deployment
        .pointer("/spec/template")
        .map(Value::to_string)
        .unwrap_or_default();
    hex_of(&template).chars().take(10).collect()
}

pub(super) fn label<'a>(value: &'a Value, key: &str) -> &'a str {
    let labels = value.pointer("/metadata/labels");
    labels
        .and_then(|labels| labels.get(key))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
