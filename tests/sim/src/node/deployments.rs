//! The Deployment controller: pods of a Deployment, and its status.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Node, Sight, condition, is_deleting, is_ready, key, label, name, namespace, uid};
use crate::api::{Failure, merge_patch};
use crate::json::{at, items, text};
use crate::random::hex_of;

/// Label that tells a Deployment's own pods from others it owns.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// A time as Kubernetes writes it.
pub(super) fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Node {
    pub(super) fn deployments(&mut self, sight: &Sight, now: Timestamp) -> Result<(), Failure> {
        self.hashes.retain(|uid, _| sight.makers.contains_key(uid));
        for deployment in sight.deployments.iter() {
            let mut pods = sight.owned_by(uid(deployment));
            pods.retain(|pod| !label(pod, TEMPLATE_HASH).is_empty());
            if !is_deleting(deployment) {
                self.scale(deployment, &pods)?;
            }
            self.deployment_status(deployment, &pods, now)?;
        }
        Ok(())
    }

    /// Create missing pods, delete surplus ones; those of an old template go once a new one is ready.
    fn scale(&mut self, deployment: &Value, pods: &[&Value]) -> Result<(), Failure> {
        let hash = self.template_hash(deployment);
        let replicas = replicas(deployment);
        let (new, old): (Vec<&Value>, Vec<&Value>) = pods
            .iter()
            .filter(|pod| !is_deleting(pod))
            .partition(|pod| label(pod, TEMPLATE_HASH) == hash);
        if refused(deployment).is_none() {
            for _ in new.len()..replicas {
                self.create_pod(deployment, &hash)?;
            }
        }
        let superseded = replicas == 0 || new.iter().any(|pod| is_ready(pod));
        let old = old.into_iter().filter(|_| superseded);
        for pod in new.iter().skip(replicas).copied().chain(old) {
            self.kube.delete("pods", key(pod), false)?;
        }
        Ok(())
    }

    fn template_hash(&mut self, deployment: &Value) -> String {
        let generation = at(deployment, "/metadata/generation");
        let generation = generation.and_then(Value::as_u64).unwrap_or_default();
        match self.hashes.get(uid(deployment)) {
            Some((known, hash)) if *known == generation => hash.clone(),
            _ => {
                let hash = hash_of_template(deployment);
                let known = (generation, hash.clone());
                self.hashes.insert(uid(deployment).to_owned(), known);
                hash
            }
        }
    }

    fn create_pod(&mut self, deployment: &Value, hash: &str) -> Result<(), Failure> {
        self.serial += 1;
        let field = |path: &str| {
            let template = at(deployment, "/spec/template");
            let value = template.and_then(|template| at(template, path));
            value.cloned().unwrap_or_else(|| json!({}))
        };
        let mut labels = field("/metadata/labels");
        merge_patch(&mut labels, &json!({ TEMPLATE_HASH: hash }));
        self.kube.create(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{}-{hash}-{:05x}", name(deployment), self.serial),
                "namespace": namespace(deployment),
                "labels": labels,
                "annotations": field("/metadata/annotations"),
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": field("/spec"),
        }))
    }

    fn deployment_status(
        &self,
        deployment: &Value,
        pods: &[&Value],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let ready = pods
            .iter()
            .filter(|pod| is_ready(pod) && !is_deleting(pod))
            .count();
        let present = pods.iter().filter(|pod| !is_deleting(pod)).count();
        let available = ready >= replicas(deployment) && ready > 0;
        if is_reported(deployment, (present, ready), available) {
            return Ok(());
        }
        let mut conditions = vec![available_condition(deployment, available, now)];
        if let Some(message) = refused(deployment) {
            conditions.push(json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": message, "lastTransitionTime": text(deployment, "/metadata/creationTimestamp") }));
        }
        let count = |count: usize| if count > 0 { json!(count) } else { Value::Null };
        let change = json!({ "status": {
            "observedGeneration": at(deployment, "/metadata/generation"),
            "replicas": count(present), "updatedReplicas": count(present),
            "readyReplicas": count(ready), "availableReplicas": count(ready),
            "unavailableReplicas": count(replicas(deployment).saturating_sub(ready)),
            "conditions": conditions,
        }});
        let status = deployment.get("status");
        let is_so = |(field, value): (&String, &Value)| match status.and_then(|it| it.get(field)) {
            Some(present) => present == value,
            None => value.is_null(),
        };
        if items_of(&change, "status").all(is_so) {
            return Ok(());
        }
        self.kube
            .merge("deployments", key(deployment), Some("status"), &change)
    }
}

/// Whether the status says so already: looked at in each round, and hardly ever different.
fn is_reported(deployment: &Value, (present, ready): (usize, usize), available: bool) -> bool {
    let count = |field: &str| {
        let count = deployment.get("status").and_then(|it| it.get(field));
        count.and_then(Value::as_u64).unwrap_or_default()
    };
    let is = |field: &str, wanted: usize| u64::try_from(wanted).is_ok_and(|it| it == count(field));
    let wanted = if available { "True" } else { "False" };
    at(deployment, "/status/observedGeneration") == at(deployment, "/metadata/generation")
        && is("replicas", present)
        && is("updatedReplicas", present)
        && is("readyReplicas", ready)
        && is("availableReplicas", ready)
        && is(
            "unavailableReplicas",
            replicas(deployment).saturating_sub(ready),
        )
        && items(deployment, "/status/conditions").count() == 1
        && condition(deployment, "Available").is_some_and(|it| text(it, "/status") == wanted)
        && refused(deployment).is_none()
}

/// Fields of an object that is a field.
fn items_of<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let fields = value.get(field).and_then(Value::as_object);
    fields.into_iter().flatten()
}

/// `Available`, with the time of its last change.
fn available_condition(deployment: &Value, available: bool, now: Timestamp) -> Value {
    let status = if available { "True" } else { "False" };
    let since = match condition(deployment, "Available") {
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
        let (namespace, name) = key(deployment);
        format!(
            "pods \"{name}\" is forbidden: error looking up service account {namespace}/{account}: \
             serviceaccount \"{account}\" not found"
        )
    })
}

fn replicas(deployment: &Value) -> usize {
    let replicas = at(deployment, "/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    usize::try_from(replicas).unwrap_or(usize::MAX)
}

fn hash_of_template(deployment: &Value) -> String {
    let template = at(deployment, "/spec/template")
        .map(Value::to_string)
        .unwrap_or_default();
    hex_of(&template).chars().take(10).collect()
}
