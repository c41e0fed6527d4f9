//! Lists and single objects as answers.

use serde_json::{Value, json};

use super::kinds;
use super::path::Target;

/// Only type and metadata of an object.
pub(super) fn metadata_of(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default() })
}

/// A page of objects as a list; `from` and `limit` choose the page.
pub(super) fn list(
    target: &Target,
    objects: Vec<Value>,
    revision: u64,
    (from, limit): (usize, Option<usize>),
    metadata_only: bool,
) -> Value {
    let total = objects.len();
    let until = limit.map_or(total, |limit| (from + limit).min(total));
    let page: Vec<Value> = objects
        .into_iter()
        .skip(from)
        .take(until.saturating_sub(from))
        .map(|object| {
            if metadata_only {
                metadata_of(&object)
            } else {
                object
            }
        })
        .collect();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if until < total
        && let Some(metadata) = metadata.as_object_mut()
    {
        metadata.insert("continue".to_owned(), json!(format!("{until}@{revision}")));
        metadata.insert("remainingItemCount".to_owned(), json!(total - until));
    }
    let (kind, api_version) = if metadata_only {
        (
            "PartialObjectMetadataList".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        )
    } else {
        let kind = kinds::by_plural(&target.group, &target.plural).map_or("", |kind| kind.kind);
        (format!("{kind}List"), target.api_version())
    };
    json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata, "items": page })
}

/// A continue token: position and revision.
pub(super) fn continued(token: &str) -> Option<(usize, u64)> {
    let (from, revision) = token.split_once('@')?;
    Some((from.parse().ok()?, revision.parse().ok()?))
}

/// The scale subresource of an object.
pub(super) fn scale_of(object: &Value, paths: [&str; 3]) -> Value {
    let [spec, status, selector] =
        paths.map(|path| object.pointer(path).cloned().unwrap_or_default());
    let selector = match &selector {
        Value::Object(_) | Value::Null => json!(""),
        text => text.clone(),
    };
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    let kept = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ];
    let metadata: serde_json::Map<String, Value> = kept
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), metadata.get(field)?.clone())))
        .collect();
    json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": spec.as_i64().unwrap_or_default() },
        "status": { "replicas": status.as_i64().unwrap_or_default(), "selector": selector } })
}
