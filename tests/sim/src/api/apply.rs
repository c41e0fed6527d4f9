//! Server-side apply: fields by manager, lists that are maps, conflicts.
//!
//! The rule: what a manager no longer applies goes, unless somebody else has set it; a field that
//! another manager holds is a conflict without `force`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::failure::Failure;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Field(String),
    /// The element of a list whose key has this value.
    Item(&'static str, String),
    /// An element of a list that is a set.
    Member(String),
}

type Path = Vec<Step>;

/// The object after `manager` applied `patch`, given what each manager applied before.
pub(super) fn apply(
    live: &Value,
    applied: &BTreeMap<String, Value>,
    patch: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, Failure> {
    let wanted = leaves(patch);
    let others = |path: &Path| {
        let mut others = applied.iter().filter(|(other, _)| *other != manager);
        others.any(|(_, theirs)| {
            find(theirs, path).is_some_and(|value| find(live, path) == Some(value))
        })
    };
    if !force {
        let conflict = wanted
            .iter()
            .find(|path| find(live, path) != find(patch, path) && others(path));
        if let Some(path) = conflict {
            return Err(Failure::new(
                409,
                "Conflict",
                format!("Apply failed with 1 conflict: {path:?}"),
            ));
        }
    }
    let mut result = live.clone();
    if let Some(before) = applied.get(manager) {
        for path in leaves(before) {
            let unchanged = find(live, &path) == find(before, &path);
            if find(patch, &path).is_none() && unchanged && !others(&path) {
                remove(&mut result, &path);
            }
        }
    }
    merge(&mut result, patch, "");
    Ok(result)
}

/// The key by which elements of a list are told apart; `None` if the list is one value.
fn key_of(field: &str, items: &[Value]) -> Option<&'static str> {
    let key = match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => "name",
        "volumeMounts" => "mountPath",
        "ownerReferences" => "uid",
        "conditions" => "type",
        _ => return None,
    };
    items
        .iter()
        .all(|item| item.get(key).is_some_and(Value::is_string))
        .then_some(key)
}

fn is_set(field: &str) -> bool {
    field == "finalizers"
}

fn leaves(value: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    walk(value, "", &mut Vec::new(), &mut paths);
    paths
}

fn walk(value: &Value, field: &str, path: &mut Path, paths: &mut Vec<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                path.push(Step::Field(key.clone()));
                walk(value, key, path, paths);
                path.pop();
            }
        }
        Value::Array(items) if is_set(field) => {
            for item in items {
                path.push(Step::Member(item.as_str().unwrap_or_default().to_owned()));
                paths.push(path.clone());
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() && key_of(field, items).is_some() => {
            let key = key_of(field, items).unwrap_or_default();
            for item in items {
                let id = item
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                path.push(Step::Item(key, id));
                walk(item, "", path, paths);
                path.pop();
            }
        }
        _ => paths.push(path.clone()),
    }
}

fn find<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    let Some((step, rest)) = path.split_first() else {
        return Some(value);
    };
    let next = match step {
        Step::Field(field) => value.get(field),
        Step::Item(key, id) => value
            .as_array()?
            .iter()
            .find(|item| item.get(key).and_then(Value::as_str) == Some(id)),
        Step::Member(member) => value
            .as_array()?
            .iter()
            .find(|item| item.as_str() == Some(member)),
    };
    find(next?, rest)
}

/// Remove a leaf, and with it what is left empty around it.
fn remove(value: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    match (step, value) {
        (Step::Field(field), Value::Object(object)) => {
            if rest.is_empty() {
                object.remove(field);
            } else if let Some(inner) = object.get_mut(field) {
                remove(inner, rest);
                let empty = inner.as_object().is_some_and(Map::is_empty)
                    || inner.as_array().is_some_and(Vec::is_empty);
                if empty {
                    object.remove(field);
                }
            }
        }
        (Step::Item(key, id), Value::Array(items)) => {
            let is_it = |item: &Value| item.get(key).and_then(Value::as_str) == Some(id);
            if let Some(item) = items.iter_mut().find(|item| is_it(item)) {
                remove(item, rest);
            }
            // An element of which nothing but its key was applied, and that is gone too, goes.
            items.retain(|item| item.as_object().is_none_or(|fields| !fields.is_empty()));
        }
        (Step::Member(member), Value::Array(items)) => {
            items.retain(|item| item.as_str() != Some(member));
        }
        _ => {}
    }
}

fn merge(live: &mut Value, patch: &Value, field: &str) {
    match (live, patch) {
        (Value::Object(live), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(live.entry(key.clone()).or_insert(Value::Null), value, key);
            }
        }
        (Value::Array(live), Value::Array(patch)) if is_set(field) => {
            let added: Vec<Value> = patch
                .iter()
                .filter(|item| !live.contains(item))
                .cloned()
                .collect();
            live.extend(added);
        }
        (Value::Array(live), Value::Array(patch)) if key_of(field, patch).is_some() => {
            let key = key_of(field, patch).unwrap_or_default();
            for item in patch {
                match live
                    .iter_mut()
                    .find(|known| known.get(key) == item.get(key))
                {
                    Some(known) => merge(known, item, ""),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, patch) => *live = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(manager: &str, value: &Value) -> BTreeMap<String, Value> {
        BTreeMap::from([(manager.to_owned(), value.clone())])
    }

    #[test]
    fn what_is_no_longer_applied_goes_and_what_others_set_stays() {
        let before = json!({ "data": { "a": "1", "b": "2" } });
        let live = json!({ "data": { "a": "1", "b": "2", "c": "by hand" } });
        let after = apply(
            &live,
            &applied("us", &before),
            &json!({ "data": { "a": "1" } }),
            "us",
            true,
        );
        assert_eq!(
            after.unwrap(),
            json!({ "data": { "a": "1", "c": "by hand" } })
        );
    }

    #[test]
    fn what_somebody_changed_since_is_not_removed() {
        let before = json!({ "data": { "b": "2" } });
        let live = json!({ "data": { "b": "changed" } });
        let after = apply(
            &live,
            &applied("us", &before),
            &json!({ "data": {} }),
            "us",
            true,
        );
        assert_eq!(after.unwrap(), live);
    }

    #[test]
    fn containers_are_merged_by_name() {
        let live =
            json!({ "containers": [{ "name": "main", "image": "a" }, { "name": "injected" }] });
        let patch = json!({ "containers": [{ "name": "main", "image": "b" }] });
        let after = apply(&live, &BTreeMap::new(), &patch, "us", true).unwrap();
        assert_eq!(
            after,
            json!({ "containers": [{ "name": "main", "image": "b" }, { "name": "injected" }] })
        );
    }

    #[test]
    fn a_field_of_another_manager_is_a_conflict_unless_forced() {
        let theirs = json!({ "spec": { "replicas": 1 } });
        let patch = json!({ "spec": { "replicas": 2 } });
        let conflict = apply(&theirs, &applied("them", &theirs), &patch, "us", false).unwrap_err();
        assert_eq!((conflict.code, conflict.reason), (409, "Conflict"));
        let forced = apply(&theirs, &applied("them", &theirs), &patch, "us", true).unwrap();
        assert_eq!(forced, patch);
        let same = apply(&theirs, &applied("them", &theirs), &theirs, "us", false);
        assert_eq!(same.unwrap(), theirs);
    }
}
