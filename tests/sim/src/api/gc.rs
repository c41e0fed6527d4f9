//! Garbage collection: objects whose owners are gone go, and foreground deletion waits for them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::store::{KindKey, ObjectKey, Store};
use super::write::{self, FOREGROUND, finalizers, owners};
use crate::json::{items, text};

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Its owners are gone, or are being deleted and wait for it.
    Delete,
    /// What it waited for is gone: its foreground finalizer comes off.
    Release,
}

/// Chores among all objects, each given with whatever finds it again.
pub(crate) fn chores<K: Clone>(objects: &[(K, &Value)]) -> Vec<(K, Chore)> {
    let live: BTreeSet<&str> = objects.iter().map(|(_, value)| uid(value)).collect();
    let ending: BTreeSet<&str> = objects
        .iter()
        .filter(|(_, value)| deletes_in_foreground(value))
        .map(|(_, value)| uid(value))
        .collect();
    let blocked: BTreeSet<&str> = objects
        .iter()
        .flat_map(|(_, value)| owners(value))
        .filter(|reference| reference.get("blockOwnerDeletion") == Some(&Value::Bool(true)))
        .map(|reference| text(reference, "/uid"))
        .collect();
    let mut chores = Vec::new();
    for (key, value) in objects {
        let owners: Vec<&str> = owners(value)
            .map(|reference| text(reference, "/uid"))
            .collect();
        let deleting = !text(value, "/metadata/deletionTimestamp").is_empty();
        let orphaned = !owners.is_empty() && owners.iter().all(|owner| !live.contains(owner));
        if !deleting && (orphaned || owners.iter().any(|owner| ending.contains(owner))) {
            chores.push((key.clone(), Chore::Delete));
        }
        if deletes_in_foreground(value) && !blocked.contains(uid(value)) {
            chores.push((key.clone(), Chore::Release));
        }
    }
    chores
}

fn uid(value: &Value) -> &str {
    text(value, "/metadata/uid")
}

/// Finalizers of an object without that of foreground deletion.
pub(crate) fn released(value: &Value) -> Vec<String> {
    finalizers(value)
        .into_iter()
        .filter(|finalizer| finalizer != FOREGROUND)
        .collect()
}

fn deletes_in_foreground(value: &Value) -> bool {
    !text(value, "/metadata/deletionTimestamp").is_empty()
        && items(value, "/metadata/finalizers").any(|one| one == FOREGROUND)
}

/// One round over a store.
pub(super) fn round(store: &mut Store, now: Timestamp) {
    let objects: Vec<((&KindKey, &ObjectKey), &Value)> = store
        .all()
        .map(|(kind, key, stored)| ((kind, key), stored.value.as_ref()))
        .collect();
    let chores: Vec<(KindKey, ObjectKey, Chore)> = chores(&objects)
        .into_iter()
        .map(|((kind, key), chore)| (kind.clone(), key.clone(), chore))
        .collect();
    for (kind, key, chore) in chores {
        match chore {
            Chore::Delete => {
                let background = json!({ "propagationPolicy": "Background" });
                let _ = write::delete(store, &kind, &key, &background, now);
            }
            Chore::Release => write::remove_finalizer(store, &kind, &key, FOREGROUND),
        }
    }
}
