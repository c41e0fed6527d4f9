//! Lists and single objects as answers.
//!
//! The rule: an answer refers to what is stored until it is written as text; copies of whole lists show.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::failure::Failure;
use super::kinds;
use super::path::Target;
use crate::json::{at, text};

/// API version of what is left of objects of which only the metadata is wanted.
const META: &str = "meta.k8s.io/v1";

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// An object.
    Whole(Arc<Value>),
    /// Only type and metadata of an object.
    Metadata(Arc<Value>),
    /// A page of a list.
    List {
        kind: String,
        api_version: String,
        metadata: Value,
        items: Vec<Answer>,
    },
}

impl Answer {
    /// The same with only the metadata of an object.
    pub(super) fn bare(self) -> Self {
        match self {
            Self::Whole(object) if object.get("metadata").is_some() => Self::Metadata(object),
            other => other,
        }
    }
}

impl From<Value> for Answer {
    fn from(object: Value) -> Self {
        Self::Whole(Arc::new(object))
    }
}

impl From<Arc<Value>> for Answer {
    fn from(object: Arc<Value>) -> Self {
        Self::Whole(object)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(object) => object.as_ref().serialize(serializer),
            Self::Metadata(object) => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("apiVersion", META)?;
                map.serialize_entry("kind", "PartialObjectMetadata")?;
                map.serialize_entry("metadata", &object.get("metadata"))?;
                map.end()
            }
            Self::List {
                kind,
                api_version,
                metadata,
                items,
            } => {
                let mut map = serializer.serialize_map(Some(4))?;
                map.serialize_entry("apiVersion", api_version)?;
                map.serialize_entry("kind", kind)?;
                map.serialize_entry("metadata", metadata)?;
                map.serialize_entry("items", items)?;
                map.end()
            }
        }
    }
}

/// Only type and metadata of an object.
pub(super) fn metadata_of(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": META,
        "metadata": object.get("metadata").cloned().unwrap_or_default() })
}

/// A page of objects as a list; `from` and `limit` choose the page.
pub(super) fn list(
    target: &Target,
    objects: Vec<Arc<Value>>,
    revision: u64,
    (from, limit): (usize, Option<usize>),
    metadata_only: bool,
) -> Answer {
    let total = objects.len();
    let until = limit.map_or(total, |limit| (from + limit).min(total));
    let items: Vec<Answer> = objects
        .into_iter()
        .skip(from)
        .take(until.saturating_sub(from))
        .map(|object| {
            if metadata_only {
                Answer::Metadata(object)
            } else {
                Answer::Whole(object)
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
        ("PartialObjectMetadataList".to_owned(), META.to_owned())
    } else {
        let kind = kinds::by_plural(&target.group, &target.plural).map_or("", |kind| kind.kind);
        (format!("{kind}List"), target.api_version())
    };
    Answer::List {
        kind,
        api_version,
        metadata,
        items,
    }
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
