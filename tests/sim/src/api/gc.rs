//! Garbage collection: objects whose owners are gone go, and foreground deletion waits for them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::store::{KindKey, ObjectKey, Store};
use super::write::{FOREGROUND, delete, finalizers, owners, remove_finalizer, text};

/// One round; true if it changed anything.
pub(super) fn round(store: &mut Store, now: Timestamp) -> bool {
    let before = store.revision;
    let live: BTreeSet<String> = store
        .all()
        .map(|(_, _, stored)| text(&stored.value, "/metadata/uid").to_owned())
        .collect();
    let ending: BTreeSet<String> = store
        .all()
        .filter(|(_, _, stored)| deletes_in_foreground(&stored.value))
        .map(|(_, _, stored)| text(&stored.value, "/metadata/uid").to_owned())
        .collect();
    let doomed = |value: &Value| {
        let mut references = owners(value).peekable();
        let owned = references.peek().is_some();
        let uids: Vec<&str> = references
            .map(|reference| text(reference, "/uid"))
            .collect();
        owned
            && (uids.iter().all(|uid| !live.contains(*uid))
                || uids.iter().any(|uid| ending.contains(*uid)))
            && text(value, "/metadata/deletionTimestamp").is_empty()
    };
    for (kind, key) in keys(store, doomed) {
        let _ = delete(
            store,
            &kind,
            &key,
            &json!({ "propagationPolicy": "Background" }),
            now,
        );
    }
    for (kind, key) in keys(store, deletes_in_foreground) {
        let uid = store
            .get(&kind, &key)
            .map(|stored| text(&stored.value, "/metadata/uid").to_owned());
        let blocks = |value: &Value| {
            owners(value).any(|reference| {
                uid.as_deref() == Some(text(reference, "/uid"))
                    && reference.get("blockOwnerDeletion") == Some(&Value::Bool(true))
            })
        };
        if keys(store, blocks).is_empty() {
            remove_finalizer(store, &kind, &key, FOREGROUND);
        }
    }
    store.revision != before
}

fn deletes_in_foreground(value: &Value) -> bool {
    !text(value, "/metadata/deletionTimestamp").is_empty()
        && finalizers(value)
            .iter()
            .any(|finalizer| finalizer == FOREGROUND)
}

fn keys(store: &Store, which: impl Fn(&Value) -> bool) -> Vec<(KindKey, ObjectKey)> {
    store
        .all()
        .filter(|(_, _, stored)| which(&stored.value))
        .map(|(kind, key, _)| (kind.clone(), key.clone()))
        .collect()
}
