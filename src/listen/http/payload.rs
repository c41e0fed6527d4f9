//! Notices as CloudEvents 1.0 in structured JSON mode.
//!
//! The rule: the form is documented in docs/guides/extending.md and only grows.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::{Audience, EventWritten, StatusWritten};

/// A status that was written.
pub fn status<K>(written: &StatusWritten<K>) -> Value
where
    K: Audience,
    K::Status: Serialize,
{
    let object = &written.object;
    let about = ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: object.namespace(),
        name: Some(object.name_any()),
        uid: object.uid(),
        resource_version: object.resource_version(),
        ..ObjectReference::default()
    };
    let status = serde_json::to_value(object.status()).unwrap_or_default();
    let before = serde_json::to_value(&written.before).unwrap_or_default();
    let data = json!({
        "resource": about,
        "generation": object.meta().generation,
        "state": state(&status),
        "previousState": state(&before),
        "status": status,
    });
    envelope(
        "dev.flinkoperator.status.v1",
        &written.id,
        written.at,
        &about,
        &data,
    )
}

/// An event that was written.
pub fn event(written: &EventWritten) -> Value {
    let event = &written.event;
    let about = &event.involved_object;
    let data = json!({
        "resource": about,
        "type": event.type_,
        "reason": event.reason,
        "message": event.message,
        "component": event.source.as_ref().and_then(|source| source.component.as_ref()),
        "count": event.count,
        "firstTimestamp": event.first_timestamp,
        "lastTimestamp": event.last_timestamp,
        "annotations": event.metadata.annotations,
    });
    envelope(
        "dev.flinkoperator.event.v1",
        &written.id,
        written.at,
        about,
        &data,
    )
}

/// The state of a resource, by whichever name its kind has it.
fn state(status: &Value) -> &Value {
    match &status["lifecycleState"] {
        Value::Null => &status["state"],
        state => state,
    }
}

fn envelope(
    kind: &str,
    id: &str,
    at: jiff::Timestamp,
    about: &ObjectReference,
    data: &Value,
) -> Value {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let (namespace, name) = (text(&about.namespace), text(&about.name));
    let plural = format!("{}s", text(&about.kind).to_lowercase());
    json!({
        "specversion": "1.0",
        "type": kind,
        "id": id,
        "source": format!("/apis/{}/namespaces/{namespace}/{plural}/{name}", text(&about.api_version)),
        "subject": format!("{namespace}/{name}"),
        "time": at.to_string(),
        "partitionkey": about.uid,
        "datacontenttype": "application/json",
        "data": data,
    })
}
