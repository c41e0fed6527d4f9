//! Our CRDs accept whatever the released ones accepted, but for what could never run.
//!
//! The facts of the released CRDs are lines of `fixtures/released-crd-fields.txt`; they are turned
//! back into CRDs and compared with ours.

use std::collections::BTreeMap;

use flink_crds::compat::{BreakKind, breaks};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale, CustomResourceSubresourceStatus, CustomResourceValidation,
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::crd;

const FACTS: &str = include_str!("../fixtures/released-crd-fields.txt");

#[test]
fn no_field_type_value_or_name_of_the_released_crds_is_missing() {
    let released = released();
    assert_eq!(released.len(), 4);
    for old in released {
        let new = crd(&old.spec.names.kind);
        let broken: Vec<String> = breaks(&old, new)
            .iter()
            .filter(|found| found.kind != BreakKind::Narrowed)
            .map(ToString::to_string)
            .collect();
        assert_eq!(broken, Vec::<String>::new(), "{}", old.spec.names.kind);
    }
}

/// The whole list, so that one more refusal does not slip in: each is of something that no operator
/// could ever run.
#[test]
fn what_we_refuse_beyond_the_released_crds_is_this() {
    let refused: Vec<String> = released()
        .iter()
        .flat_map(|old| {
            let kind = old.spec.names.kind.clone();
            let found = breaks(old, crd(&kind));
            found
                .into_iter()
                .map(move |found| format!("{kind} {found}"))
        })
        .filter(|line| !line.contains(" spec.template.spec"))
        .collect();
    let expected = include_str!("../fixtures/narrower-than-released.txt");
    assert_eq!(refused.join("\n"), expected.trim_end());
}

/// The blue/green template is a deployment's spec, so it refuses exactly the same, but for changes:
/// each switch makes a new deployment.
#[test]
fn the_blue_green_template_refuses_what_a_new_deployment_refuses() {
    let refused = |kind: &str, prefix: &str| -> Vec<String> {
        let old = released()
            .into_iter()
            .find(|old| old.spec.names.kind == kind)
            .unwrap();
        breaks(&old, crd(kind))
            .iter()
            .filter_map(|found| {
                found
                    .to_string()
                    .strip_prefix(prefix)
                    .map(ToOwned::to_owned)
            })
            .collect()
    };
    let mut deployment = refused("FlinkDeployment", "spec");
    deployment.retain(|line| !line.contains("create a new") && !line.contains("a change needs"));
    assert!(!deployment.is_empty());
    assert_eq!(
        refused("FlinkBlueGreenDeployment", "spec.template.spec"),
        deployment
    );
}

/// The released CRDs, as far as the facts tell.
fn released() -> Vec<CustomResourceDefinition> {
    let mut crds: Vec<CustomResourceDefinition> = Vec::new();
    let mut fields: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for line in FACTS.lines().skip(1) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        if let Some(head) = parts[0].strip_prefix("# ") {
            match head.split_once(' ') {
                Some(("column", name)) => column(crds.last_mut().unwrap(), name, &parts),
                Some(("subresource", name)) => subresource(crds.last_mut().unwrap(), name, &parts),
                _ => {
                    finish(crds.last_mut(), &mut fields);
                    crds.push(definition(head, &parts));
                }
            }
        } else {
            fields.insert(
                parts[0],
                (parts[1], parts.get(2).copied().unwrap_or_default()),
            );
        }
    }
    finish(crds.last_mut(), &mut fields);
    crds
}

fn definition(kind: &str, parts: &[&str]) -> CustomResourceDefinition {
    let facts: BTreeMap<&str, &str> = parts[2]
        .split(' ')
        .filter_map(|fact| fact.split_once('='))
        .collect();
    let mut crd = CustomResourceDefinition::default();
    crd.spec.group = flink_crds::GROUP.to_owned();
    crd.spec.scope = facts["scope"].to_owned();
    crd.spec.names.kind = kind.to_owned();
    crd.spec.names.plural = facts["plural"].to_owned();
    crd.spec.names.short_names = Some(vec![facts["short"].to_owned()]);
    crd.spec.versions.push(CustomResourceDefinitionVersion {
        name: parts[1].to_owned(),
        served: true,
        storage: facts["storage"] == "True",
        ..Default::default()
    });
    crd
}

fn column(crd: &mut CustomResourceDefinition, name: &str, parts: &[&str]) {
    let columns = &mut crd.spec.versions[0].additional_printer_columns;
    columns
        .get_or_insert_default()
        .push(CustomResourceColumnDefinition {
            name: name.to_owned(),
            type_: parts[1].to_owned(),
            json_path: parts[2].to_owned(),
            ..Default::default()
        });
}

fn subresource(crd: &mut CustomResourceDefinition, name: &str, parts: &[&str]) {
    let subresources = crd.spec.versions[0].subresources.get_or_insert_default();
    if name == "status" {
        subresources.status = Some(CustomResourceSubresourceStatus(serde_json::json!({})));
        return;
    }
    let facts: BTreeMap<&str, &str> = parts[2]
        .split(' ')
        .filter_map(|fact| fact.split_once('='))
        .collect();
    subresources.scale = Some(CustomResourceSubresourceScale {
        label_selector_path: Some(facts["labelSelectorPath"].to_owned()),
        spec_replicas_path: facts["specReplicasPath"].to_owned(),
        status_replicas_path: facts["statusReplicasPath"].to_owned(),
    });
}

/// Puts the collected fields into the CRD they belong to.
fn finish(crd: Option<&mut CustomResourceDefinition>, fields: &mut BTreeMap<&str, (&str, &str)>) {
    let Some(crd) = crd else { return };
    let mut root = JSONSchemaProps {
        type_: Some("object".to_owned()),
        ..Default::default()
    };
    for (path, (type_name, note)) in std::mem::take(fields) {
        let steps = path.replace("[]", ".[]");
        let steps: Vec<&str> = steps.split('.').skip(1).collect();
        insert(&mut root, &steps, type_name, note);
    }
    crd.spec.versions[0].schema = Some(CustomResourceValidation {
        open_api_v3_schema: Some(root),
    });
}

fn insert(schema: &mut JSONSchemaProps, steps: &[&str], type_name: &str, note: &str) {
    match steps {
        [] => describe(schema, type_name, note),
        ["*"] => {
            for (name, type_name) in [
                ("apiVersion", "string"),
                ("kind", "string"),
                ("metadata", "object"),
                ("spec", "object"),
                ("status", "object"),
            ] {
                insert(schema, &[name], type_name, "");
            }
        }
        ["[]", rest @ ..] => {
            let items = schema
                .items
                .get_or_insert_with(|| JSONSchemaPropsOrArray::Schema(Box::default()));
            let JSONSchemaPropsOrArray::Schema(items) = items else {
                panic!("one schema")
            };
            insert(items, rest, type_name, note);
        }
        ["<key>", rest @ ..] => {
            let values = schema
                .additional_properties
                .get_or_insert_with(|| JSONSchemaPropsOrBool::Schema(Box::default()));
            let JSONSchemaPropsOrBool::Schema(values) = values else {
                panic!("a schema")
            };
            insert(values, rest, type_name, note);
        }
        [name, rest @ ..] => {
            let properties = schema.properties.get_or_insert_default();
            insert(
                properties.entry((*name).to_owned()).or_default(),
                rest,
                type_name,
                note,
            );
        }
    }
}

fn describe(schema: &mut JSONSchemaProps, type_name: &str, note: &str) {
    schema.type_ = Some(type_name.to_owned()).filter(|name| !name.is_empty());
    if let Some(values) = note.strip_prefix("enum=") {
        schema.enum_ = Some(values.split(',').map(|value| JSON(value.into())).collect());
    }
    schema.x_kubernetes_preserve_unknown_fields = (note == "preserve-unknown").then_some(true);
    schema.x_kubernetes_int_or_string = (note == "int-or-string").then_some(true);
}
