//! Tests of the CRD documents and of what goes through them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::assigning_clones,
    reason = "all of it is tests and their helpers, which may fail and read best with values"
)]

mod compat;
mod documents;
mod manifests;
mod released;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// A path inside this crate.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// All CRDs, made once.
static CRDS: LazyLock<Vec<CustomResourceDefinition>> = LazyLock::new(flink_crds::all);

/// The CRD of a kind.
fn crd(kind: &str) -> &'static CustomResourceDefinition {
    CRDS.iter().find(|crd| crd.spec.names.kind == kind).unwrap()
}

/// The schema of a CRD's one version.
fn schema(crd: &CustomResourceDefinition) -> &JSONSchemaProps {
    let [version] = crd.spec.versions.as_slice() else {
        panic!("one version")
    };
    version
        .schema
        .as_ref()
        .unwrap()
        .open_api_v3_schema
        .as_ref()
        .unwrap()
}

/// Calls `visit` with the path of every schema below `schema` and with the schema.
fn walk(schema: &JSONSchemaProps, path: &str, visit: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(items, &format!("{path}[]"), visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(values, &format!("{path}.<key>"), visit);
    }
}
