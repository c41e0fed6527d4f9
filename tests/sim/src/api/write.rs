//! Creating, changing and deleting objects, with the rules of the API server.
//!
//! The rule: what does not change an object gives it no new revision; what changes its specification
//! raises its generation; the last finalizer of a deleted object takes it away.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::Failure;
use super::kinds::{self, Kind};
use super::path::Target;
use super::store::{KindKey, ObjectKey, Store, Stored};
use crate::json::{at, items, text};

/// Finalizer of an object whose dependents go first.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Seconds a pod gets to end.
const POD_GRACE: i64 = 30;

/// Kind and key of the object a request names.
pub(super) fn address(target: &Target) -> (KindKey, ObjectKey) {
    let kind = (target.group.clone(), target.plural.clone());
    let namespace = target.namespace.clone().unwrap_or_default();
    (kind, (namespace, target.name.clone().unwrap_or_default()))
}

pub(super) fn known(kind: &KindKey) -> Option<&'static Kind> {
    kinds::by_plural(&kind.0, &kind.1)
}

/// Set a field of the metadata, or remove it.
pub(super) fn set_meta(value: &mut Value, field: &str, to: Option<Value>) {
    let Some(object) = value.as_object_mut() else {
        return;
    };
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove(field);
        metadata.extend(to.map(|to| (field.to_owned(), to)));
    }
}

pub(super) fn finalizers(value: &Value) -> Vec<String> {
    let list = items(value, "/metadata/finalizers");
    list.filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Objects of built-in kinds may leave out their type; custom ones may not.
fn complete_type(body: &mut Value, target: &Target) -> Result<(), Failure> {
    let missing = text(body, "/kind").is_empty() || text(body, "/apiVersion").is_empty();
    let kind = known(&address(target).0).filter(|kind| kind.group != kinds::FLINK);
    match (missing, kind, body.as_object_mut()) {
        (false, ..) => Ok(()),
        (true, Some(kind), Some(object)) => {
            object.insert("kind".to_owned(), json!(kind.kind));
            object.insert("apiVersion".to_owned(), json!(target.api_version()));
            Ok(())
        }
        _ => Err(Failure::bad_request(
            "Object 'Kind' or 'apiVersion' is missing",
        )),
    }
}

/// Empty lists and maps of the metadata are not kept.
fn drop_empty(value: &mut Value) {
    for field in ["finalizers", "ownerReferences", "labels", "annotations"] {
        let empty = match value
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
        {
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(fields)) => fields.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if empty {
            set_meta(value, field, None);
        }
    }
}

/// A new object.
pub(super) fn create(
    store: &mut Store,
    target: &Target,
    mut body: Value,
    now: Timestamp,
) -> Result<Arc<Value>, Failure> {
    let (kind, mut key) = address(target);
    complete_type(&mut body, target)?;
    text(&body, "/metadata/name").clone_into(&mut key.1);
    if key.1.is_empty() {
        let prefix = text(&body, "/metadata/generateName").to_owned();
        if prefix.is_empty() {
            return Err(Failure::new(
                422,
                "Invalid",
                "metadata.name: Required value: name or generateName is required",
            ));
        }
        key.1 = format!("{prefix}{:05x}", store.revision + 1);
    }
    let written = text(&body, "/metadata/namespace").to_owned();
    if !written.is_empty() && written != key.0 {
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    if store.get(&kind, &key).is_some() {
        return Err(Failure::already_exists(&kind.1, &key.1));
    }
    if known(&kind).is_some_and(|kind| kind.status)
        && let Some(object) = body.as_object_mut()
    {
        object.remove("status");
    }
    let uid = store.uid();
    let counts = kind.1 != "services" && body.get("spec").is_some();
    let generation = counts.then(|| json!(1));
    let namespace = (!key.0.is_empty()).then(|| json!(key.0));
    for (field, value) in [
        ("deletionTimestamp", None),
        ("managedFields", None),
        ("name", Some(json!(key.1))),
        ("namespace", namespace),
        ("uid", Some(json!(uid))),
        ("creationTimestamp", Some(json!(seconds(now)))),
        ("generation", generation),
    ] {
        set_meta(&mut body, field, value);
    }
    drop_empty(&mut body);
    Ok(store.set(
        &kind,
        &key,
        Stored {
            value: Arc::new(body),
            ..Stored::default()
        },
    ))
}

/// A time as Kubernetes writes it.
pub(super) fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Give an existing object a new content, as the main path or a subresource allows.
pub(super) fn update(
    store: &mut Store,
    target: &Target,
    old: &Stored,
    new: Value,
) -> Result<Arc<Value>, Failure> {
    update_applied(store, target, old, new, Arc::clone(&old.applied))
}

/// The same, with what each field manager applies from now on.
pub(super) fn update_applied(
    store: &mut Store,
    target: &Target,
    old: &Stored,
    mut new: Value,
    applied: Arc<BTreeMap<String, Value>>,
) -> Result<Arc<Value>, Failure> {
    let (kind, key) = address(target);
    let version = text(&new, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(&old.value, "/metadata/resourceVersion") {
        return Err(Failure::conflict(&kind.1, &key.1));
    }
    let uid = text(&new, "/metadata/uid");
    if !uid.is_empty() && uid != text(&old.value, "/metadata/uid") {
        return Err(Failure::conflict(&kind.1, &key.1));
    }
    if text(&new, "/metadata/name") != key.1 && !text(&new, "/metadata/name").is_empty() {
        return Err(Failure::bad_request(
            "the name of the object does not match the name on the URL",
        ));
    }
    if known(&kind).is_some_and(|kind| kind.status) {
        let of_status = target.subresource.as_deref() == Some("status");
        keep(&mut new, &old.value, |field| {
            (field == "status") != of_status
        });
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
    ] {
        let kept = old
            .value
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
            .cloned();
        set_meta(&mut new, field, kept);
    }
    set_meta(&mut new, "managedFields", None);
    for field in ["apiVersion", "kind"] {
        if let (Some(object), Some(kept)) = (new.as_object_mut(), old.value.get(field)) {
            object.insert(field.to_owned(), kept.clone());
        }
    }
    drop_empty(&mut new);
    if new == *old.value && applied == old.applied {
        return Ok(Arc::clone(&old.value));
    }
    let counts = at(&new, "/metadata/generation").is_some();
    if counts && !specification(&new).eq(specification(&old.value)) {
        let generation = at(&new, "/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        set_meta(&mut new, "generation", Some(json!(generation + 1)));
    }
    if ends(&new) {
        store.remove(&kind, &key);
        return Ok(Arc::new(new));
    }
    Ok(store.set(
        &kind,
        &key,
        Stored {
            value: Arc::new(new),
            applied,
        },
    ))
}

/// Everything but metadata and status.
fn specification(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.filter(|(field, _)| *field != "metadata" && *field != "status")
}

/// The fields that are not to change stay as they were.
fn keep(new: &mut Value, old: &Value, is_kept: impl Fn(&str) -> bool) {
    let (Some(new), Some(old)) = (new.as_object_mut(), old.as_object()) else {
        return;
    };
    new.retain(|field, _| !is_kept(field) || old.contains_key(field));
    for (field, kept) in old.iter().filter(|(field, _)| is_kept(field)) {
        if new.get(field) != Some(kept) {
            new.insert(field.clone(), kept.clone());
        }
    }
}

/// A deleted object that nothing holds any more.
fn ends(value: &Value) -> bool {
    let grace = at(value, "/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    !text(value, "/metadata/deletionTimestamp").is_empty()
        && finalizers(value).is_empty()
        && grace.unwrap_or_default() == 0
}

/// Delete an object; `options` are `DeleteOptions`. What is left of it is returned, if anything.
pub(super) fn delete(
    store: &mut Store,
    kind: &KindKey,
    key: &ObjectKey,
    options: &Value,
    now: Timestamp,
) -> Result<Option<Arc<Value>>, Failure> {
    let Some(stored) = store.get(kind, key).cloned() else {
        return Err(Failure::not_found(&kind.1, &key.1));
    };
    for (precondition, field) in [
        ("/preconditions/uid", "/metadata/uid"),
        (
            "/preconditions/resourceVersion",
            "/metadata/resourceVersion",
        ),
    ] {
        let wanted = text(options, precondition);
        if !wanted.is_empty() && wanted != text(&stored.value, field) {
            return Err(Failure::conflict(&kind.1, &key.1));
        }
    }
    let mut value = stored.value.as_ref().clone();
    match text(options, "/propagationPolicy") {
        "Foreground" if !finalizers(&value).iter().any(|one| one == FOREGROUND) => {
            let mut list = finalizers(&value);
            list.push(FOREGROUND.to_owned());
            set_meta(&mut value, "finalizers", Some(json!(list)));
        }
        "Orphan" => orphan(store, text(&value, "/metadata/uid")),
        _ => {}
    }
    let asked = options.get("gracePeriodSeconds").and_then(Value::as_i64);
    let grace = if kind.1 == "pods" {
        let own = at(&value, "/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
        asked.or(own).unwrap_or(POD_GRACE)
    } else {
        0
    };
    if finalizers(&value).is_empty() && grace == 0 {
        let mut removed = store.remove(kind, key);
        if let Some(removed) = removed.as_mut().filter(|_| kind.1 == "pods") {
            set_meta(removed, "deletionGracePeriodSeconds", Some(json!(0)));
        }
        // These two answer with the object, others with a status.
        let removed = removed.filter(|_| matches!(kind.1.as_str(), "pods" | "services"));
        return Ok(removed.map(Arc::new));
    }
    let deleting = !text(&value, "/metadata/deletionTimestamp").is_empty();
    if !deleting {
        set_meta(&mut value, "deletionTimestamp", Some(json!(seconds(now))));
        if let Some(generation) = at(&value, "/metadata/generation").and_then(Value::as_i64) {
            set_meta(&mut value, "generation", Some(json!(generation + 1)));
        }
    }
    if grace > 0 {
        set_meta(&mut value, "deletionGracePeriodSeconds", Some(json!(grace)));
    }
    if value == *stored.value {
        return Ok(Some(stored.value));
    }
    Ok(Some(store.set(
        kind,
        key,
        Stored {
            value: Arc::new(value),
            applied: stored.applied,
        },
    )))
}

/// Dependents of `owner` lose their reference to it.
fn orphan(store: &mut Store, owner: &str) {
    let dependents: Vec<(KindKey, ObjectKey, Stored)> = store
        .all()
        .filter(|(_, _, stored)| {
            owners(&stored.value).any(|reference| text(reference, "/uid") == owner)
        })
        .map(|(kind, key, stored)| (kind.clone(), key.clone(), stored.clone()))
        .collect();
    for (kind, key, mut stored) in dependents {
        let kept: Vec<Value> = owners(&stored.value)
            .filter(|reference| text(reference, "/uid") != owner)
            .cloned()
            .collect();
        let value = Arc::make_mut(&mut stored.value);
        set_meta(value, "ownerReferences", Some(json!(kept)));
        store.set(&kind, &key, stored);
    }
}

pub(super) fn owners(value: &Value) -> impl Iterator<Item = &Value> {
    items(value, "/metadata/ownerReferences")
}

/// Take a finalizer off an object; the last one of a deleted object takes it away.
pub(super) fn remove_finalizer(
    store: &mut Store,
    kind: &KindKey,
    key: &ObjectKey,
    finalizer: &str,
) {
    let Some(mut stored) = store.get(kind, key).cloned() else {
        return;
    };
    let mut kept = finalizers(&stored.value);
    kept.retain(|one| one != finalizer);
    let value = Arc::make_mut(&mut stored.value);
    set_meta(value, "finalizers", Some(json!(kept)));
    drop_empty(value);
    if ends(&stored.value) {
        store.remove(kind, key);
    } else {
        store.set(kind, key, stored);
    }
}
