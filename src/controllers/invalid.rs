//! A resource that cannot even be read as its kind: say so in its status, and leave all else alone.

use kube::ResourceExt;
use kube::api::{Api, ApiResource, Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use kube::core::metadata::PartialObjectMetaExt;

use super::Managed;
use crate::act::{self, Actor};
use crate::deadline::deadline;

/// Record the mistake in the status of the object.
pub async fn report<K: Managed>(actor: &Actor, invalid: &InvalidObject) -> Result<(), act::Error> {
    actor.claim.check()?;
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let kind = ApiResource::erase::<K>(&());
    let api: Api<kube::core::DynamicObject> =
        Api::namespaced_with(actor.client.clone(), &namespace, &kind);
    let failed = |source| act::Error::of::<K>("write the status of", &name, source);
    let present = deadline(api.get_opt(&name)).await.map_err(failed)?;
    let Some(present) = present else {
        return Ok(());
    };
    let whole = serde_json::json!(present);
    let Some(message) = unreadable::<K>(&whole) else {
        // It was mended since, and the watch will say so.
        return Ok(());
    };
    let error = K::error_text("ValidationError", &message);
    let known = present
        .data
        .pointer("/status/error")
        .and_then(serde_json::Value::as_str);
    if known == Some(&error) {
        return Ok(());
    }
    let patch = serde_json::json!({
        "metadata": { "resourceVersion": present.resource_version() },
        "status": { "error": error },
    });
    deadline(api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)))
        .await
        .map_err(failed)?;
    let subject = invalid.metadata.clone().into_response_partial::<K>();
    let announcement = crate::domain::Announcement {
        warning: true,
        reason: crate::domain::Reason::ValidationError,
        component: crate::domain::Component::Operator,
        message,
        detail: None,
    };
    actor.announce(&subject, &announcement).await;
    Ok(())
}

/// What a person reads of an object that cannot be read as its kind; `None` of one that can.
pub fn unreadable<K: serde::de::DeserializeOwned>(object: &serde_json::Value) -> Option<String> {
    let error = serde_path_to_error::deserialize::<_, K>(object).err()?;
    Some(format!(
        "{}: {}. Correct this field; the running job is left as it is.",
        error.path(),
        error.inner()
    ))
}
