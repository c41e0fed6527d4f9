//! Merge patches (RFC 7386) and JSON patches (RFC 6902, the operations clients use).

use serde_json::{Map, Value};

use super::failure::Failure;

/// Merge `patch` into `target`: null removes, objects merge, everything else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else {
        return;
    };
    for (key, value) in fields {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Carry out the operations of a JSON patch.
pub(super) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), Failure> {
    let invalid = |why: &str| {
        Failure::new(
            422,
            "Invalid",
            format!("the JSON patch cannot be applied: {why}"),
        )
    };
    let operations = patch.as_array().ok_or_else(|| invalid("not a list"))?;
    for operation in operations {
        let text = |field: &str| {
            operation
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let pointer = text("path");
        let value = operation.get("value").cloned().unwrap_or_default();
        match text("op") {
            "test" if target.pointer(pointer) == Some(&value) => {}
            "test" => return Err(invalid(&format!("test of {pointer} failed"))),
            "add" => add(target, pointer, value).ok_or_else(|| invalid(pointer))?,
            "replace" => {
                *target
                    .pointer_mut(pointer)
                    .ok_or_else(|| invalid(pointer))? = value;
            }
            "remove" => remove(target, pointer).ok_or_else(|| invalid(pointer))?,
            other => return Err(invalid(&format!("operation {other}"))),
        }
    }
    Ok(())
}

/// The container of `path` and its last segment, unescaped.
fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (container, last) = path.rsplit_once('/')?;
    Some((
        target.pointer_mut(container)?,
        last.replace("~1", "/").replace("~0", "~"),
    ))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    let (container, last) = parent(target, path)?;
    match container {
        Value::Object(object) => {
            object.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let position: usize = last
                .parse()
                .ok()
                .filter(|position| *position <= items.len())?;
            items.insert(position, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<()> {
    let (container, last) = parent(target, path)?;
    match container {
        Value::Object(object) => object.remove(&last).map(drop),
        Value::Array(items) => {
            let position: usize = last
                .parse()
                .ok()
                .filter(|position| *position < items.len())?;
            items.remove(position);
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_removes_with_null_and_replaces_lists() {
        let mut target = json!({ "a": 1, "b": { "c": 2, "d": [1, 2] } });
        merge(
            &mut target,
            &json!({ "a": null, "b": { "d": [3], "e": { "f": null, "g": 4 } } }),
        );
        assert_eq!(
            target,
            json!({ "b": { "c": 2, "d": [3], "e": { "g": 4 } } })
        );
    }

    #[test]
    fn a_json_patch_tests_before_it_changes() {
        let mut target = json!({ "metadata": { "finalizers": ["x", "y"] } });
        let remove_first = json!([
            { "op": "test", "path": "/metadata/finalizers/0", "value": "x" },
            { "op": "remove", "path": "/metadata/finalizers/0" },
        ]);
        json_patch(&mut target, &remove_first).unwrap();
        assert_eq!(target, json!({ "metadata": { "finalizers": ["y"] } }));
        assert_eq!(
            json_patch(&mut target, &remove_first).unwrap_err().code,
            422
        );
        json_patch(
            &mut target,
            &json!([{ "op": "add", "path": "/metadata/finalizers/-", "value": "z" }]),
        )
        .unwrap();
        assert_eq!(target["metadata"]["finalizers"], json!(["y", "z"]));
    }
}
