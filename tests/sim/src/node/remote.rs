//! A real API server, for a node that stands beside it.
//!
//! The rule: calls block, so the node's rounds belong on a thread of their own
//! (`tokio::task::spawn_blocking`).

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::kubernetes::{Key, Kubernetes};
use super::{name, namespace};
use crate::api::{Chore, Failure, KINDS, Kind, chores, released};

/// An API server reached by a client.
pub struct Remote {
    client: Client,
    runtime: Handle,
}

impl Remote {
    /// Reach the server of `client`, on the present runtime.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            runtime: Handle::current(),
        }
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
        self.runtime.block_on(call).map_err(|error| match error {
            kube::Error::Api(status) => Failure {
                code: status.code,
                reason: "Refused",
                message: status.message.clone(),
            },
            other => Failure {
                code: 0,
                reason: "Unreachable",
                message: other.to_string(),
            },
        })
    }

    fn api(&self, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
        let resource = resource(kind);
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }
}

fn resource(kind: &Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    ApiResource::from_gvk_with_plural(&gvk, kind.plural)
}

fn kind_of(plural: &str) -> Result<&'static Kind, Failure> {
    let unknown = || Failure {
        code: 0,
        reason: "Unknown",
        message: format!("unknown kind {plural}"),
    };
    KINDS
        .iter()
        .find(|kind| kind.plural == plural)
        .ok_or_else(unknown)
}

/// Two that stand beside each other: gone, or made by somebody else meanwhile, is as good as done.
fn settled(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if matches!(failure.code, 404 | 409) => Ok(()),
        other => other,
    }
}

fn value_of(kind: &Kind, object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    let group = if kind.group.is_empty() {
        String::new()
    } else {
        format!("{}/", kind.group)
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert(
            "apiVersion".to_owned(),
            json!(format!("{group}{}", kind.version)),
        );
        fields.insert("kind".to_owned(), json!(kind.kind));
    }
    value
}

impl Kubernetes for Remote {
    fn list(&self, plural: &str, labels: &str) -> Result<Arc<Vec<Arc<Value>>>, Failure> {
        let kind = kind_of(plural)?;
        let params = ListParams::default().labels(labels);
        let list = self.wait(async { self.api(kind, "").list(&params).await })?;
        let values = list
            .items
            .iter()
            .map(|object| Arc::new(value_of(kind, object)));
        Ok(Arc::new(values.collect()))
    }

    fn get(&self, plural: &str, (namespace, name): Key<'_>) -> Result<Option<Arc<Value>>, Failure> {
        let kind = kind_of(plural)?;
        let found = self.wait(async { self.api(kind, namespace).get_opt(name).await })?;
        Ok(found.map(|object| Arc::new(value_of(kind, &object))))
    }

    fn create(&self, object: Value) -> Result<(), Failure> {
        let kind = crate::api::kind_of_object(&object).map_or_else(|| kind_of("pods"), Ok)?;
        let namespace = namespace(&object).to_owned();
        let malformed = |error: serde_json::Error| Failure {
            code: 0,
            reason: "Malformed",
            message: error.to_string(),
        };
        let object: DynamicObject = serde_json::from_value(object).map_err(malformed)?;
        let params = PostParams::default();
        settled(self.wait(async {
            self.api(kind, &namespace)
                .create(&params, &object)
                .await
                .map(drop)
        }))
    }

    fn merge(
        &self,
        plural: &str,
        (namespace, name): Key<'_>,
        subresource: Option<&str>,
        change: &Value,
    ) -> Result<(), Failure> {
        let api = self.api(kind_of(plural)?, namespace);
        let (params, patch) = (PatchParams::default(), Patch::Merge(change));
        settled(self.wait(async {
            match subresource {
                Some("status") => api.patch_status(name, &params, &patch).await.map(drop),
                _ => api.patch(name, &params, &patch).await.map(drop),
            }
        }))
    }

    fn delete(
        &self,
        plural: &str,
        (namespace, name): Key<'_>,
        at_once: bool,
    ) -> Result<(), Failure> {
        let api = self.api(kind_of(plural)?, namespace);
        let mut params = DeleteParams::background();
        params.grace_period_seconds = at_once.then_some(0);
        settled(self.wait(async { api.delete(name, &params).await.map(drop) }))
    }

    fn collect_garbage(&self) -> Result<(), Failure> {
        let mut found: BTreeMap<(&'static str, usize), Arc<Value>> = BTreeMap::new();
        // Backwards, which is owners last: one that is made meanwhile is seen, and what it owns is not taken
        // for an orphan.
        for kind in KINDS
            .iter()
            .rev()
            .filter(|kind| kind.namespaced && kind.kind != "Event" && kind.kind != "Lease")
        {
            match self.list(kind.plural, "") {
                // A kind that is not installed owns nothing and is owned by nothing.
                Err(failure) if failure.code == 404 => {}
                list => {
                    let list = list?;
                    let objects = list.iter().cloned().enumerate();
                    found.extend(
                        objects.map(|(position, object)| ((kind.plural, position), object)),
                    );
                }
            }
        }
        let objects = found.iter().map(|(key, object)| (*key, object.as_ref()));
        let objects: Vec<((&'static str, usize), &Value)> = objects.collect();
        for (key, chore) in chores(&objects) {
            let Some(object) = found.get(&key) else {
                continue;
            };
            let at = (namespace(object), name(object));
            match chore {
                Chore::Delete => self.delete(key.0, at, false)?,
                Chore::Release => {
                    let finalizers = json!({ "metadata": { "finalizers": released(object) } });
                    self.merge(key.0, at, None, &finalizers)?;
                }
            }
        }
        Ok(())
    }

    fn revision(&self) -> Option<u64> {
        None
    }
}
