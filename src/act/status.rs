//! Writing the status, guarded by the resource version it was decided from.
//!
//! The rule: whoever else wrote in between wins; the next pass decides again from what they wrote.

use kube::api::{Api, PostParams};
use kube::core::object::HasStatus;
use kube::core::{ApiResource, DynamicObject, ObjectMeta, TypeMeta};
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::json;

use super::{Error, Kind};
use crate::deadline::deadline;

/// Write `status` if it differs from the object's. Returns the object's version afterwards.
pub async fn write<K>(
    client: &Client,
    object: &K,
    status: &K::Status,
) -> Result<Option<String>, Error>
where
    K: Kind + HasStatus,
    K::Status: PartialEq + Serialize,
{
    if object.status() == Some(status) {
        return Ok(None);
    }
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let api: Api<DynamicObject> = Api::namespaced_with(
        client.clone(),
        &namespace,
        // Goes without the Rust type, whose spec could not be left out.
        &ApiResource::erase::<K>(&()),
    );
    let update = DynamicObject {
        types: Some(TypeMeta::resource::<K>()),
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace),
            resource_version: object.resource_version(),
            uid: object.meta().uid.clone(),
            ..ObjectMeta::default()
        },
        // The spec is ignored by the status subresource; it is never ours to write.
        data: json!({ "spec": {}, "status": status }),
    };
    let written = deadline(api.replace_status(&name, &PostParams::default(), &update))
        .await
        .map_err(|source| Error::of::<K>("write the status of", &name, source))?;
    Ok(written.metadata.resource_version)
}
