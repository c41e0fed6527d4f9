//! Label and field selectors.

use serde_json::Value;

use crate::json::text;

/// Labels and fields that objects must have; an empty one admits every object.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, Test)>,
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    IsNot(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::Is(wanted) => value == Some(wanted),
            Self::IsNot(unwanted) => value != Some(unwanted),
            Self::In(list) => value.is_some_and(|value| list.iter().any(|one| one == value)),
            Self::NotIn(list) => value.is_none_or(|value| list.iter().all(|one| one != value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
        }
    }
}

impl Selector {
    /// From the texts of a request.
    pub(super) fn new(labels: &str, fields: &str) -> Self {
        let field = |part: &String| {
            let (path, test) = requirement(part);
            (format!("/{}", path.replace('.', "/")), test)
        };
        Self {
            labels: parts(labels).iter().map(|part| requirement(part)).collect(),
            fields: parts(fields).iter().map(field).collect(),
        }
    }

    pub(super) fn admits(&self, object: &Value) -> bool {
        let labels = object
            .get("metadata")
            .and_then(|metadata| metadata.get("labels"));
        let label = |key: &str| labels.and_then(|labels| labels.get(key)?.as_str());
        self.labels.iter().all(|(key, test)| test.holds(label(key)))
            && self
                .fields
                .iter()
                .all(|(path, test)| test.holds(Some(text(object, path))))
    }
}

/// The comma-separated requirements; commas within parentheses do not separate.
fn parts(selector: &str) -> Vec<String> {
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
    let trimmed = parts.into_iter().map(|part| part.trim().to_owned());
    trimmed.filter(|part| !part.is_empty()).collect()
}

fn requirement(part: &str) -> (String, Test) {
    let list = |list: &str| -> Vec<String> {
        let list = list.trim().trim_start_matches('(').trim_end_matches(')');
        list.split(',')
            .map(|value| value.trim().to_owned())
            .collect()
    };
    let value = |text: &str| text.trim().to_owned();
    let (key, test) = if let Some((key, values)) = part.split_once(" notin ") {
        (key, Test::NotIn(list(values)))
    } else if let Some((key, values)) = part.split_once(" in ") {
        (key, Test::In(list(values)))
    } else if let Some((key, unwanted)) = part.split_once("!=") {
        (key, Test::IsNot(value(unwanted)))
    } else if let Some((key, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Test::Is(value(wanted)))
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (part, Test::Exists)
    };
    (key.trim().to_owned(), test)
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
            let selector = Selector::new(labels, fields);
            assert_eq!(selector.admits(&object), expected, "{labels} {fields}");
        }
    }
}
