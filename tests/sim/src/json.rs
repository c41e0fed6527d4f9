//! Reading JSON documents by path.
//!
//! `serde_json`'s own pointers unescape every segment into a new string; these documents are read so
//! often that it shows.

use serde_json::{Map, Value};

/// The value at a path such as `/metadata/name`; segments are taken as they are.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = value;
    let mut rest = path.strip_prefix('/');
    while let Some(path) = rest {
        // Segments are so short that a search for the next slash would cost more than what it finds.
        let end = path.bytes().position(|byte| byte == b'/');
        let segment = end.map_or(Some(path), |end| path.get(..end))?;
        rest = end.and_then(|end| path.get(end + 1..));
        value = match value {
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
            value => value.get(segment)?,
        };
    }
    Some(value)
}

/// The text at a path; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// Elements of the list at a path.
pub(crate) fn items<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(value, path)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// An object of these fields; `json!` would copy the values it is given.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(key, value)| (key.to_owned(), value));
    Value::Object(Map::from_iter(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let value = json!({ "a": { "b": [{ "c": "x" }] } });
        assert_eq!(text(&value, "/a/b/0/c"), "x");
        assert_eq!(text(&value, "/a/b/1/c"), "");
        assert_eq!(items(&value, "/a/b").count(), 1);
        assert_eq!(items(&value, "/a/none").count(), 0);
    }
}
