//! The CRD documents that people apply, made from the types.
//!
//! One rule: what the API server is told is a superset of the released CRDs, so the schemas derived
//! from the types lose what would narrow or rewrite users' objects: defaults, nullability, required
//! fields. Tests: `tests/` of this crate.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::yaml;
use crate::{FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob, FlinkStateSnapshot};

/// The CRDs of all kinds, in the order of their plural names.
///
/// Use this and not `CustomResourceExt::crd()`, which is the raw form.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        FlinkBlueGreenDeployment::crd(),
        FlinkDeployment::crd(),
        FlinkSessionJob::crd(),
        FlinkStateSnapshot::crd(),
    ];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            let schema = version
                .schema
                .as_mut()
                .and_then(|schema| schema.open_api_v3_schema.as_mut());
            if let Some(schema) = schema {
                loosen(schema);
            }
        }
    }
    crds
}

/// Name of the file that holds `crd`, the same as in the released chart.
pub fn file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}.{}-v1.yml", crd.spec.names.plural, crd.spec.group)
}

/// `crd` as the YAML file that people apply.
///
/// # Errors
///
/// If the document is not JSON, which no CRD built by [`all`] is.
pub fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, serde_json::Error> {
    Ok(yaml::document(&serde_json::to_value(crd)?))
}

/// Removes what would narrow or rewrite objects that were accepted so far.
fn loosen(schema: &mut JSONSchemaProps) {
    schema.default = None;
    schema.nullable = None;
    schema.required = None;
    schema.title = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    if let Some(description) = &mut schema.description {
        *description = unwrapped(description);
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        loosen(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        loosen(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        loosen(values);
    }
}

/// A description without the line breaks of its source; an empty line still ends a paragraph.
fn unwrapped(description: &str) -> String {
    let paragraphs = description
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
