//! Label and field selectors.

use serde_json::Value;

/// Does the object match both selectors? An empty one matches everything.
pub(super) fn matches(object: &Value, labels: &str, fields: &str) -> bool {
    requirements(labels)
        .iter()
        .all(|requirement| label_matches(object, requirement))
        && fields
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .all(|part| field_matches(object, part))
}

/// The comma-separated requirements; commas within parentheses do not separate.
fn requirements(selector: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in selector.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

fn label_matches(object: &Value, requirement: &str) -> bool {
    let label = |key: &str| {
        object
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(key.trim())?.as_str())
    };
    let set = |list: &str| -> Vec<String> {
        let list = list.trim().trim_start_matches('(').trim_end_matches(')');
        list.split(',')
            .map(|value| value.trim().to_owned())
            .collect()
    };
    if let Some((key, list)) = requirement.split_once(" notin ") {
        return label(key).is_none_or(|value| !set(list).iter().any(|one| one == value));
    }
    if let Some((key, list)) = requirement.split_once(" in ") {
        return label(key).is_some_and(|value| set(list).iter().any(|one| one == value));
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return label(key) != Some(value.trim());
    }
    if let Some((key, value)) = requirement
        .split_once("==")
        .or_else(|| requirement.split_once('='))
    {
        return label(key) == Some(value.trim());
    }
    match requirement.strip_prefix('!') {
        Some(key) => label(key).is_none(),
        None => label(requirement).is_some(),
    }
}

fn field_matches(object: &Value, requirement: &str) -> bool {
    let value = |path: &str| {
        let pointer = format!("/{}", path.trim().replace('.', "/"));
        object
            .pointer(&pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if let Some((path, expected)) = requirement.split_once("!=") {
        return value(path) != expected.trim();
    }
    match requirement
        .split_once("==")
        .or_else(|| requirement.split_once('='))
    {
        Some((path, expected)) => value(path) == expected.trim(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_choose_by_labels_and_fields() {
        let object = json!({ "metadata": { "name": "a", "labels": { "app": "x", "tier": "y" } },
            "involvedObject": { "name": "pod-1" } });
        for (labels, fields, expected) in [
            ("", "", true),
            ("app=x", "", true),
            ("app==x,tier=y", "", true),
            ("app=z", "", false),
            ("app!=z", "", true),
            ("app in (x, z)", "", true),
            ("app in (z),tier=y", "", false),
            ("app notin (z)", "", true),
            ("app notin (x)", "", false),
            ("app", "", true),
            ("!app", "", false),
            ("!other", "", true),
            ("", "metadata.name=a", true),
            ("", "metadata.name!=a", false),
            ("", "involvedObject.name=pod-1,metadata.name=a", true),
            ("", "involvedObject.name=pod-2", false),
        ] {
            assert_eq!(
                matches(&object, labels, fields),
                expected,
                "{labels} {fields}"
            );
        }
    }
}
