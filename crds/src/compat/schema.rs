//! Comparison of two schemas, field by field.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::{BreakKind, Breaks};

/// Compares the schemas of `path` and of everything below it.
pub(super) fn compare(
    old: &JSONSchemaProps,
    new: &JSONSchemaProps,
    path: &str,
    found: &mut Breaks,
) {
    compare_type(old, new, path, found);
    compare_values(old, new, path, found);
    compare_limits(old, new, path, found);
    compare_rules(old, new, path, found);
    compare_children(old, new, path, found);
}

fn compare_type(old: &JSONSchemaProps, new: &JSONSchemaProps, path: &str, found: &mut Breaks) {
    let any = |schema: &JSONSchemaProps| {
        schema.type_.is_none() && schema.x_kubernetes_preserve_unknown_fields == Some(true)
    };
    if !any(new) && (old.type_ != new.type_ || int_or_string(old) != int_or_string(new)) {
        let name = |schema: &JSONSchemaProps| schema.type_.clone().unwrap_or("any".to_owned());
        found.add(
            path,
            BreakKind::Changed,
            format!("{} to {}", name(old), name(new)),
        );
    }
    if keeps_unknown(old) && !keeps_unknown(new) {
        found.add(path, BreakKind::Narrowed, "unknown fields are dropped");
    }
    if old.nullable == Some(true) && new.nullable != Some(true) {
        found.add(path, BreakKind::Narrowed, "null is dropped");
    }
    if new.default.is_some() && old.default != new.default {
        found.add(path, BreakKind::Defaulted, "");
    }
}

fn compare_values(old: &JSONSchemaProps, new: &JSONSchemaProps, path: &str, found: &mut Breaks) {
    let Some(allowed) = &new.enum_ else { return };
    let Some(before) = &old.enum_ else {
        return found.add(path, BreakKind::Narrowed, "to an enumeration");
    };
    for value in before.iter().filter(|value| !allowed.contains(value)) {
        found.add(path, BreakKind::Narrowed, format!("{} is refused", value.0));
    }
}

fn compare_limits(old: &JSONSchemaProps, new: &JSONSchemaProps, path: &str, found: &mut Breaks) {
    let narrowed = [
        ("minimum", raised(old.minimum, new.minimum)),
        ("maximum", lowered(old.maximum, new.maximum)),
        (
            "exclusiveMinimum",
            added(
                old.exclusive_minimum.as_ref(),
                new.exclusive_minimum.as_ref(),
            ),
        ),
        (
            "exclusiveMaximum",
            added(
                old.exclusive_maximum.as_ref(),
                new.exclusive_maximum.as_ref(),
            ),
        ),
        (
            "multipleOf",
            added(old.multiple_of.as_ref(), new.multiple_of.as_ref()),
        ),
        ("minLength", raised(old.min_length, new.min_length)),
        ("maxLength", lowered(old.max_length, new.max_length)),
        ("minItems", raised(old.min_items, new.min_items)),
        ("maxItems", lowered(old.max_items, new.max_items)),
        (
            "uniqueItems",
            added(old.unique_items.as_ref(), new.unique_items.as_ref()),
        ),
        (
            "minProperties",
            raised(old.min_properties, new.min_properties),
        ),
        (
            "maxProperties",
            lowered(old.max_properties, new.max_properties),
        ),
        ("pattern", added(old.pattern.as_ref(), new.pattern.as_ref())),
    ];
    for (limit, _) in narrowed.into_iter().filter(|(_, narrowed)| *narrowed) {
        found.add(path, BreakKind::Narrowed, limit);
    }
    for name in new.required.iter().flatten() {
        if !old.required.iter().flatten().any(|other| other == name) {
            found.add(&join(path, name), BreakKind::Narrowed, "required");
        }
    }
}

fn compare_rules(old: &JSONSchemaProps, new: &JSONSchemaProps, path: &str, found: &mut Breaks) {
    for rule in new.x_kubernetes_validations.iter().flatten() {
        let mut before = old.x_kubernetes_validations.iter().flatten();
        if !before.any(|other| other.rule == rule.rule) {
            let message = rule.message.clone().unwrap_or_else(|| rule.rule.clone());
            let at = rule.field_path.as_deref().unwrap_or_default();
            found.add(
                format!("{path}{at}").trim_start_matches('.'),
                BreakKind::Narrowed,
                format!("rule: {message}"),
            );
        }
    }
}

fn compare_children(old: &JSONSchemaProps, new: &JSONSchemaProps, path: &str, found: &mut Breaks) {
    for (name, before) in old.properties.iter().flatten() {
        let path = join(path, name);
        match new
            .properties
            .as_ref()
            .and_then(|properties| properties.get(name))
        {
            Some(after) => compare(before, after, &path, found),
            None => found.add(&path, BreakKind::Removed, ""),
        }
    }
    if let Some(before) = items(old) {
        let path = format!("{path}[]");
        match items(new) {
            Some(after) => compare(before, after, &path, found),
            None => found.add(&path, BreakKind::Removed, ""),
        }
    }
    if let Some(before) = values(old) {
        let path = join(path, "<key>");
        match values(new) {
            Some(after) => compare(before, after, &path, found),
            // A map whose values may now be anything accepts all it did.
            None if keeps_unknown(new) => {}
            None => found.add(&path, BreakKind::Removed, ""),
        }
    }
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
        _ => None,
    }
}

fn values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values),
        _ => None,
    }
}

fn int_or_string(schema: &JSONSchemaProps) -> bool {
    schema.x_kubernetes_int_or_string == Some(true)
}

fn keeps_unknown(schema: &JSONSchemaProps) -> bool {
    schema.x_kubernetes_preserve_unknown_fields == Some(true)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Whether a lower limit is new or higher than before.
fn raised<N: PartialOrd>(old: Option<N>, new: Option<N>) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new > old,
    }
}

/// Whether an upper limit is new or lower than before.
fn lowered<N: PartialOrd>(old: Option<N>, new: Option<N>) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new < old,
    }
}

/// Whether a condition is new or other than before.
fn added<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> bool {
    new.is_some() && old != new
}
