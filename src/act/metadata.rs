//! Finalizers and labels of the resources themselves.
//!
//! The rule: a change is guarded by the resource version it was decided from.

use std::collections::BTreeMap;

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::{Error, Kind};
use crate::deadline::deadline;

/// Put a finalizer on an object, or take it off. One that is gone needs none taken off.
pub async fn finalizer<K: Kind>(
    client: &Client,
    object: &K,
    finalizer: &str,
    add: bool,
) -> Result<(), Error> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|present| present != finalizer);
    if add {
        finalizers.push(finalizer.to_owned());
    }
    let change = json!({
        "finalizers": finalizers,
        "resourceVersion": object.resource_version(),
    });
    match patch(client, object, change).await {
        Err(kube::Error::Api(status)) if status.code == 404 && !add => Ok(()),
        outcome => outcome
            .map_err(|source| Error::of::<K>("set the finalizer of", &object.name_any(), source)),
    }
}

/// Set these labels of an object.
pub async fn label<K: Kind>(
    client: &Client,
    object: &K,
    labels: &BTreeMap<String, String>,
) -> Result<(), Error> {
    patch(client, object, json!({ "labels": labels }))
        .await
        .map_err(|source| Error::of::<K>("label", &object.name_any(), source))
}

async fn patch<K: Kind>(client: &Client, object: &K, metadata: Value) -> Result<(), kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    deadline(api.patch_metadata(&object.name_any(), &PatchParams::default(), &patch))
        .await
        .map(drop)
}
