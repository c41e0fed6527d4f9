//! Writing the status, guarded by the resource version it was decided from.
//!
//! The rule: whoever else wrote in between wins; the next pass decides again from what they wrote.

use kube::api::PostParams;
use kube::core::object::HasStatus;
use kube::core::{ObjectMeta, Request, TypeMeta};
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};

use super::{Error, Kind};
use crate::deadline::deadline;

/// A status as it is sent. Goes without the Rust type, whose spec could not be left out.
#[derive(Serialize)]
struct Update<'a, S> {
    #[serde(flatten)]
    types: TypeMeta,
    metadata: ObjectMeta,
    /// Ignored by the status subresource; it is never ours to write.
    spec: Empty,
    status: &'a S,
}

#[derive(Serialize)]
struct Empty {}

/// What is read of the answer, which is the whole object.
#[derive(Deserialize)]
struct Written {
    metadata: Version,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "resourceVersion")]
    resource_version: Option<String>,
}

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
    let place = Request::new(K::url_path(&(), Some(&namespace)));
    let update = Update {
        types: TypeMeta::resource::<K>(),
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace),
            resource_version: object.resource_version(),
            uid: object.meta().uid.clone(),
            ..ObjectMeta::default()
        },
        spec: Empty {},
        status,
    };
    let failed = |source| Error::of::<K>("write the status of", &name, source);
    let body =
        serde_json::to_vec(&update).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let request = place
        .replace_subresource("status", &name, &PostParams::default(), body)
        .map_err(|error| failed(kube::Error::BuildRequest(error)))?;
    let written: Written = deadline(client.request(request)).await.map_err(failed)?;
    Ok(written.metadata.resource_version)
}
