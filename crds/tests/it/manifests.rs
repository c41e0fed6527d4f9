//! What users write goes through the types and comes back whole.
//!
//! The manifests in `fixtures/manifests` are read, parsed into their type and written again; both
//! forms must say the same, and so must the schema know every field of them.

use flink_crds::{FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob, FlinkStateSnapshot};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{crd, path, schema};

/// Every document of every manifest, with the name of its file.
fn manifests() -> Vec<(String, Value)> {
    let mut files: Vec<_> = std::fs::read_dir(path("tests/fixtures/manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        found.extend(
            documents
                .into_iter()
                .map(|document| (name.clone(), document)),
        );
    }
    found
}

fn kind_of(document: &Value) -> &str {
    document["kind"].as_str().unwrap()
}

#[test]
fn manifests_go_through_the_types_without_losing_a_field() {
    let manifests = manifests();
    for kind in [
        "FlinkDeployment",
        "FlinkSessionJob",
        "FlinkStateSnapshot",
        "FlinkBlueGreenDeployment",
    ] {
        assert!(
            manifests
                .iter()
                .any(|(_, document)| kind_of(document) == kind),
            "no {kind}"
        );
    }
    for (file, document) in manifests {
        let again = match kind_of(&document) {
            "FlinkDeployment" => through::<FlinkDeployment>(&document),
            "FlinkSessionJob" => through::<FlinkSessionJob>(&document),
            "FlinkStateSnapshot" => through::<FlinkStateSnapshot>(&document),
            "FlinkBlueGreenDeployment" => through::<FlinkBlueGreenDeployment>(&document),
            other => panic!("{file}: unknown kind {other}"),
        };
        assert_eq!(normal(&again), normal(&document), "{file}");
    }
}

fn through<T: DeserializeOwned + Serialize>(document: &Value) -> Value {
    let typed: T = serde_json::from_value(document.clone()).unwrap();
    serde_json::to_value(&typed).unwrap()
}

/// The same without nulls, with every number as a decimal, quantities as text, and the times of
/// conditions in whole seconds, which is what Kubernetes' own type keeps of them.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match name.as_str() {
                "limits" | "requests" => (name.clone(), quantities(value)),
                "lastTransitionTime" => (name.clone(), Value::from(whole_seconds(value))),
                _ => (name.clone(), normal(value)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Number(number) => Value::from(number.as_f64()),
        other => other.clone(),
    }
}

fn whole_seconds(value: &Value) -> String {
    let text = value.as_str().unwrap().trim_end_matches('Z');
    format!("{}Z", text.split('.').next().unwrap())
}

fn quantities(value: &Value) -> Value {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), ToOwned::to_owned)
    };
    let fields: &Map<String, Value> = value.as_object().unwrap();
    fields
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(text(value))))
        .collect()
}

#[test]
fn manifests_hold_only_fields_that_the_schema_keeps_and_types_it_accepts() {
    for (file, document) in manifests() {
        let crd = crd(kind_of(&document));
        for part in ["spec", "status"] {
            let schema = &schema(crd).properties.as_ref().unwrap()[part];
            if let Some(value) = document.get(part) {
                check(schema, value, &format!("{file}: {part}"));
            }
        }
    }
}

/// Fails if `value` does not fit `schema` or if the API server would prune part of it.
fn check(schema: &JSONSchemaProps, value: &Value, path: &str) {
    let fits = match schema.type_.as_deref() {
        _ if value.is_null() => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ if schema.x_kubernetes_int_or_string == Some(true) => value.is_string() || value.is_i64(),
        _ => schema.x_kubernetes_preserve_unknown_fields == Some(true),
    };
    assert!(fits, "{path}: {value} is no {:?}", schema.type_);
    if let Some(allowed) = &schema.enum_ {
        assert!(
            allowed.iter().any(|allowed| &allowed.0 == value),
            "{path}: {value}"
        );
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                let property = schema.properties.as_ref().and_then(|known| known.get(name));
                match (property, &schema.additional_properties) {
                    (Some(property), _) => check(property, value, &path),
                    (None, Some(JSONSchemaPropsOrBool::Schema(values))) => {
                        check(values, value, &path);
                    }
                    _ => assert_eq!(
                        schema.x_kubernetes_preserve_unknown_fields,
                        Some(true),
                        "{path} would be pruned"
                    ),
                }
            }
        }
        Value::Array(items) => {
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    check(schema, item, &format!("{path}[{index}]"));
                }
            }
        }
        _ => {}
    }
}
