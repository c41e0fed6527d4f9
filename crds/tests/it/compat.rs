//! Each way of breaking a successor is found, and nothing else is.

use flink_crds::compat::breaks;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

/// A CRD with `schema` as its spec's fields.
fn with(fields: Value) -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "metadata": { "name": "things.example.org" },
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": { "kind": "Thing", "plural": "things", "shortNames": ["th"] },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": [{ "name": "A", "type": "string", "jsonPath": ".a" }],
                "schema": { "openAPIV3Schema": { "type": "object", "properties": fields } },
            }],
        },
    }))
    .unwrap()
}

fn found(old: Value, new: Value) -> Vec<String> {
    breaks(&with(old), &with(new))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_crd_is_a_safe_successor_of_itself() {
    for crd in flink_crds::all() {
        assert_eq!(breaks(&crd, &crd), []);
    }
}

#[test]
fn additions_are_safe() {
    let old = json!({
        "mode": { "type": "string", "enum": ["a"] },
        "size": { "type": "integer", "minimum": 2.0, "maximum": 5.0 },
        "map": { "type": "object", "additionalProperties": { "type": "string" } },
    });
    let new = json!({
        "mode": { "type": "string", "enum": ["a", "b"], "description": "Now described." },
        "size": { "type": "integer", "minimum": 1.0 },
        "map": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "more": { "type": "string" },
    });
    assert_eq!(found(old, new), Vec::<String>::new());
}

#[test]
fn every_break_is_found() {
    let text = json!({ "type": "string" });
    let cases = [
        (json!({ "a": text }), json!({}), "a: removed"),
        (
            json!({ "a": text }),
            json!({ "a": { "type": "integer" } }),
            "a: changed (string to integer)",
        ),
        (
            json!({ "a": { "x-kubernetes-int-or-string": true } }),
            json!({ "a": text }),
            "a: changed (any to string)",
        ),
        (
            json!({ "a": { "type": "string", "enum": ["x", "y"] } }),
            json!({ "a": { "type": "string", "enum": ["x"] } }),
            "a: narrowed (\"y\" is refused)",
        ),
        (
            json!({ "a": text }),
            json!({ "a": { "type": "string", "enum": ["x"] } }),
            "a: narrowed (to an enumeration)",
        ),
        (
            json!({ "a": text }),
            json!({ "a": { "type": "string", "default": "x" } }),
            "a: defaulted",
        ),
        (
            json!({ "a": text }),
            json!({ "a": { "type": "string", "maxLength": 3 } }),
            "a: narrowed (maxLength)",
        ),
        (
            json!({ "a": text }),
            json!({ "a": { "type": "string", "pattern": "x" } }),
            "a: narrowed (pattern)",
        ),
        (
            json!({ "a": { "type": "integer", "minimum": 0.0, "maximum": 9.0 } }),
            json!({ "a": { "type": "integer", "minimum": 0.0, "maximum": 8.0 } }),
            "a: narrowed (maximum)",
        ),
        (
            json!({ "a": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } }),
            json!({ "a": { "type": "object" } }),
            "a: narrowed (unknown fields are dropped)",
        ),
        (
            json!({ "a": { "type": "object", "properties": { "b": text } } }),
            json!({ "a": { "type": "object", "properties": { "b": text }, "required": ["b"] } }),
            "a.b: narrowed (required)",
        ),
        (
            json!({ "a": { "type": "array", "items": text } }),
            json!({ "a": { "type": "array", "items": { "type": "integer" } } }),
            "a[]: changed (string to integer)",
        ),
        (
            json!({ "a": { "type": "object", "additionalProperties": text } }),
            json!({ "a": { "type": "object", "additionalProperties": { "type": "integer" } } }),
            "a.<key>: changed (string to integer)",
        ),
        (
            json!({ "a": text }),
            json!({ "a": { "type": "string", "x-kubernetes-validations": [
                { "rule": "self != ''", "message": "must be set" }
            ] } }),
            "a: narrowed (rule: must be set)",
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(found(old, new), [expected]);
    }
}

#[test]
fn names_versions_columns_and_subresources_must_stay() {
    let old = with(json!({}));
    let mut new = old.clone();
    new.spec.names.short_names = None;
    new.spec.scope = "Cluster".to_owned();
    new.spec.versions[0].subresources = None;
    new.spec.versions[0].additional_printer_columns = None;
    let lines: Vec<String> = breaks(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "columns.A: removed",
            "names.shortNames: removed (th)",
            "scope: changed (Namespaced to Cluster)",
            "subresources.status: removed",
        ]
    );
    new = old.clone();
    new.spec.versions[0].served = false;
    assert_eq!(breaks(&old, &new)[0].to_string(), "versions: removed (v1)");
}
