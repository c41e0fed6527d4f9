//! Lists and single objects as answers.

use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::Failure;
use super::kinds;
use super::path::Target;
use crate::json::{at, text};

/// Only type and metadata of an object.
pub(super) fn metadata_of(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default() })
}

/// A page of objects as a list; `from` and `limit` choose the page.
pub(super) fn list(
    target: &Target,
    objects: Vec<Arc<Value>>,
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
                object.as_ref().clone()
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

/// The scale subresource of an object; custom objects have none until they say how many replicas they
/// want.
pub(super) fn scale(object: &Value, paths: [&str; 3]) -> Result<Value, Failure> {
    let [spec, status, selector] = paths.map(|path| at(object, path));
    let replicas = spec.and_then(Value::as_i64);
    if replicas.is_none() && text(object, "/apiVersion").starts_with(kinds::FLINK) {
        let message = format!("the spec replicas field {:?} does not exist", paths[0]);
        return Err(Failure::new(500, "InternalError", message));
    }
    let mut metadata = object.get("metadata").cloned().unwrap_or_default();
    if let Some(fields) = metadata.as_object_mut() {
        let kept = [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
        ];
        fields.retain(|field, _| kept.contains(&field.as_str()));
    }
    let count = status.and_then(Value::as_i64).unwrap_or_default();
    let selector = selector
        .map(selector_text)
        .filter(|selector| !selector.is_empty());
    let present = match selector {
        Some(selector) => json!({ "replicas": count, "selector": selector }),
        None => json!({ "replicas": count }),
    };
    Ok(
        json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": replicas.unwrap_or(1) }, "status": present }),
    )
}

/// A selector as a text, from a text or from `matchLabels`.
fn selector_text(selector: &Value) -> String {
    let labels = selector.as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    selector
        .as_str()
        .map_or_else(|| labels.collect::<Vec<_>>().join(","), str::to_owned)
}
