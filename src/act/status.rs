//! Writing the status, guarded by the resource version it was decided from.
//!
//! The rule: whoever else wrote in between wins; the next pass decides again from what they wrote.

use flink_crds::{FlinkDeployment, FlinkDeploymentStatus};
use kube::api::{Api, PostParams};
use kube::core::{DynamicObject, ObjectMeta, TypeMeta};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use super::Error;
use crate::deadline::deadline;

/// Write `status` if it differs from the object's. Returns the object's version afterwards.
pub async fn write(
    client: &Client,
    object: &FlinkDeployment,
    status: &FlinkDeploymentStatus,
) -> Result<Option<String>, Error> {
    if object.status.as_ref() == Some(status) {
        return Ok(None);
    }
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &namespace, &super::deployment_kind());
    let update = DynamicObject {
        types: Some(TypeMeta::resource::<FlinkDeployment>()),
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
        .map_err(|source| Error::api("write the status of", "FlinkDeployment", &name, source))?;
    Ok(written.metadata.resource_version)
}
