//! Pod templates: JSON that is passed on untouched, with the shape described in the schema.
//!
//! One rule: a template is never parsed into structs and written back, which would drop what our
//! bindings do not know. For the same reason every object of the schema keeps unknown fields.
//! Tests: `tests/it/manifests.rs` and `tests/it/documents.rs`.

mod schema;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use schema::Depth;

/// A pod template as the user wrote it: a Pod, or the `metadata` and `spec` of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PodTemplate(pub Value);

impl JsonSchema for PodTemplate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema::template(Depth::Full).into()
    }
}

/// Schema of a template that is merged over another, in outline.
pub(crate) fn overlay_schema(_: &mut SchemaGenerator) -> Schema {
    schema::template(Depth::Outline).into()
}

/// Schema of Kubernetes object metadata inside a template: kept as it is.
pub(crate) fn object_meta_schema(_: &mut SchemaGenerator) -> Schema {
    schema::object_meta().into()
}
