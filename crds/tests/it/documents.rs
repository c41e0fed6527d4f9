//! The generated documents: fresh, small, described, and accepted by every API server.

use std::collections::BTreeSet;

use crate::{path, schema, walk};

/// Largest CRD file in bytes. Plain `kubectl apply` keeps a copy of the object in an annotation,
/// and this leaves it room.
const MAX_BYTES: usize = 64 * 1024;

/// What may be rewritten: `UPDATE=1 cargo test -p flink-crds`.
#[test]
fn the_files_are_what_the_types_say() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut expected = BTreeSet::new();
    for crd in flink_crds::all() {
        let name = flink_crds::file_name(&crd);
        let file = path(&name);
        let text = flink_crds::to_yaml(&crd).unwrap();
        if update {
            std::fs::write(&file, &text).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == text,
            "{} is stale; run `UPDATE=1 cargo test -p flink-crds` and commit the result",
            file.display()
        );
        expected.insert(name);
    }
    let found: BTreeSet<String> = std::fs::read_dir(path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".y"))
        .collect();
    assert_eq!(
        found, expected,
        "files that no kind belongs to, or kinds without a file"
    );
}

#[test]
fn every_document_reads_back_as_the_same_crd() {
    for crd in flink_crds::all() {
        let text = flink_crds::to_yaml(&crd).unwrap();
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, serde_json::to_value(&crd).unwrap());
    }
}

#[test]
fn every_document_is_small() {
    for crd in flink_crds::all() {
        let size = flink_crds::to_yaml(&crd).unwrap().len();
        assert!(size < MAX_BYTES, "{} has {size} bytes", crd.spec.names.kind);
    }
}

#[test]
fn every_field_is_described() {
    for crd in flink_crds::all() {
        let mut undescribed = Vec::new();
        walk(schema(&crd), &crd.spec.names.kind, &mut |path, schema| {
            // Elements of lists and maps of plain values have nothing to add to their field.
            let is_element = path.ends_with("[]") || path.ends_with(".<key>");
            let is_plain = schema.properties.is_none();
            if schema
                .description
                .as_deref()
                .unwrap_or_default()
                .trim()
                .is_empty()
                && !(is_element && is_plain)
            {
                undescribed.push(path.to_owned());
            }
        });
        assert_eq!(undescribed, Vec::<String>::new());
    }
}

#[test]
fn descriptions_are_sentences_without_markup_of_the_source() {
    for crd in flink_crds::all() {
        walk(schema(&crd), &crd.spec.names.kind, &mut |path, schema| {
            let Some(description) = &schema.description else {
                return;
            };
            assert!(description.ends_with('.'), "{path}: {description}");
            assert!(!description.contains('\n'), "{path}: {description}");
            assert!(!description.contains("[`"), "{path}: {description}");
        });
    }
}

#[test]
fn nothing_rewrites_or_narrows_what_users_wrote() {
    for crd in flink_crds::all() {
        walk(schema(&crd), &crd.spec.names.kind, &mut |path, schema| {
            assert_eq!(schema.default, None, "{path} has a default");
            assert_eq!(
                schema.nullable, None,
                "{path} is nullable, so nulls would be stored"
            );
            assert_eq!(schema.required, None, "{path} requires fields");
        });
    }
}

#[test]
fn every_schema_is_structural() {
    for crd in flink_crds::all() {
        walk(schema(&crd), &crd.spec.names.kind, &mut |path, schema| {
            let any = schema.x_kubernetes_int_or_string == Some(true)
                || schema.x_kubernetes_preserve_unknown_fields == Some(true);
            assert!(schema.type_.is_some() || any, "{path} has no type");
            // Keys of a list would have to be required, and nothing is.
            assert_eq!(schema.x_kubernetes_list_map_keys, None, "{path}");
            assert!(
                schema.properties.is_none() || schema.additional_properties.is_none(),
                "{path} has both properties and additionalProperties"
            );
            let combined =
                schema.all_of.is_some() || schema.any_of.is_some() || schema.one_of.is_some();
            assert!(
                !combined && schema.not.is_none() && schema.ref_path.is_none(),
                "{path}"
            );
            let is = |name: &str| schema.type_.as_deref() == Some(name);
            assert_eq!(
                schema.items.is_some(),
                is("array"),
                "{path} has items if it is an array"
            );
            assert!(
                schema.properties.is_none() || is("object"),
                "{path} has properties"
            );
            assert!(
                !schema.enum_.iter().flatten().any(|value| value.0.is_null()),
                "{path} lists null"
            );
        });
    }
}

#[test]
fn pod_templates_keep_unknown_fields_at_every_depth() {
    for crd in flink_crds::all() {
        walk(schema(&crd), &crd.spec.names.kind, &mut |path, schema| {
            let inside = path.contains("podTemplate") && schema.type_.as_deref() == Some("object");
            if inside && schema.additional_properties.is_none() {
                assert_eq!(
                    schema.x_kubernetes_preserve_unknown_fields,
                    Some(true),
                    "{path}"
                );
            }
        });
    }
}
