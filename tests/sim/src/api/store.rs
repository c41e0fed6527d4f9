//! Objects by kind and name, their revisions, and who watches them.
//!
//! The rule: every change goes through [`Store::set`] or [`Store::remove`], which give it a revision, put
//! it into the log and tell the watchers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::selector::Selector;

/// Changes remembered for watches that resume.
const LOG_LIMIT: usize = 50_000;

/// Group and plural.
pub(super) type KindKey = (String, String);
/// Namespace (empty without one) and name.
pub(super) type ObjectKey = (String, String);

/// An object and what each field manager applied to it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub(super) value: Arc<Value>,
    pub(super) applied: Arc<BTreeMap<String, Value>>,
}

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) kind: KindKey,
    pub(super) key: ObjectKey,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// A watch that is open.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) kind: KindKey,
    pub(super) filter: Filter,
    pub(super) sender: UnboundedSender<Value>,
}

/// What a list or watch is limited to.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
}

impl Filter {
    fn admits(&self, namespace: &str, object: &Value) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|wanted| wanted == namespace)
            && self.selector.admits(object)
    }
}

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    kinds: BTreeMap<KindKey, BTreeMap<ObjectKey, Stored>>,
    pub(super) revision: u64,
    log: VecDeque<Change>,
    /// Changes up to this revision are forgotten.
    pub(super) compacted: u64,
    watchers: Vec<Watcher>,
    /// Number of the next watch event that loses its watch; counts down.
    pub(super) drop_after: Option<u64>,
    uids: u64,
    /// Revision of the last change of each kind.
    changed: BTreeMap<KindKey, u64>,
    /// Grows whenever there may be garbage.
    pub(super) disturbed: u64,
}

impl Store {
    pub(super) fn get(&self, kind: &KindKey, key: &ObjectKey) -> Option<&Stored> {
        self.kinds.get(kind)?.get(key)
    }

    /// Objects of a kind that the filter admits, in order of their names.
    pub(super) fn list(&self, kind: &KindKey, filter: &Filter) -> Vec<Arc<Value>> {
        self.kinds
            .get(kind)
            .into_iter()
            .flatten()
            .filter(|((namespace, _), stored)| filter.admits(namespace, &stored.value))
            .map(|(_, stored)| stored.value.clone())
            .collect()
    }

    /// The same as it was at an earlier revision.
    pub(super) fn list_at(
        &self,
        kind: &KindKey,
        filter: &Filter,
        revision: u64,
    ) -> Vec<Arc<Value>> {
        if revision >= self.changed_at(kind) {
            return self.list(kind, filter);
        }
        let mut objects: BTreeMap<ObjectKey, Arc<Value>> = self
            .kinds
            .get(kind)
            .into_iter()
            .flatten()
            .map(|(key, stored)| (key.clone(), stored.value.clone()))
            .collect();
        let later = |change: &&Change| change.revision > revision;
        for change in self
            .log
            .iter()
            .rev()
            .take_while(later)
            .filter(|change| change.kind == *kind)
        {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        objects
            .into_iter()
            .filter(|((namespace, _), object)| filter.admits(namespace, object))
            .map(|(_, object)| object)
            .collect()
    }

    /// Every object, with its kind and key.
    pub(super) fn all(&self) -> impl Iterator<Item = (&KindKey, &ObjectKey, &Stored)> {
        self.kinds.iter().flat_map(|(kind, objects)| {
            objects.iter().map(move |(key, stored)| (kind, key, stored))
        })
    }

    /// Store an object under a new revision, which is written into it.
    pub(super) fn set(
        &mut self,
        kind: &KindKey,
        key: &ObjectKey,
        mut stored: Stored,
    ) -> Arc<Value> {
        self.revision += 1;
        if let Some(metadata) = Arc::make_mut(&mut stored.value)
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
        {
            metadata.insert(
                "resourceVersion".to_owned(),
                json!(self.revision.to_string()),
            );
        }
        let after = stored.value.clone();
        let before = self
            .kinds
            .entry(kind.clone())
            .or_default()
            .insert(key.clone(), stored);
        self.changed(
            kind,
            key,
            before.map(|before| before.value),
            Some(after.clone()),
        );
        after
    }

    /// Revision of the last change of a kind.
    pub(super) fn changed_at(&self, kind: &KindKey) -> u64 {
        self.changed.get(kind).copied().unwrap_or_default()
    }

    /// Note what a manager applied to an object that it has just made.
    pub(super) fn note_applied(
        &mut self,
        kind: &KindKey,
        key: &ObjectKey,
        manager: String,
        applied: Value,
    ) {
        let objects = self.kinds.get_mut(kind);
        if let Some(stored) = objects.and_then(|objects| objects.get_mut(key)) {
            Arc::make_mut(&mut stored.applied).insert(manager, applied);
        }
    }

    /// Remove an object; what watchers get carries the revision of its removal.
    pub(super) fn remove(&mut self, kind: &KindKey, key: &ObjectKey) -> Option<Value> {
        let removed = self.kinds.get_mut(kind)?.remove(key)?.value;
        self.revision += 1;
        let mut removed_at = removed.as_ref().clone();
        self.changed(kind, key, Some(removed), None);
        if let Some(metadata) = removed_at
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
        {
            metadata.insert(
                "resourceVersion".to_owned(),
                json!(self.revision.to_string()),
            );
        }
        Some(removed_at)
    }

    /// A new uid.
    pub(super) fn uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.uids)
    }

    fn changed(
        &mut self,
        kind: &KindKey,
        key: &ObjectKey,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        self.changed.insert(kind.clone(), self.revision);
        let garbage = after.as_ref().is_none_or(|object| {
            let metadata = &object["metadata"];
            !metadata["deletionTimestamp"].is_null()
                || (before.is_none() && !metadata["ownerReferences"].is_null())
        });
        self.disturbed += u64::from(garbage);
        let change = Change {
            revision: self.revision,
            kind: kind.clone(),
            key: key.clone(),
            before,
            after,
        };
        let drop_after = &mut self.drop_after;
        self.watchers.retain(|watcher| {
            if watcher.kind != change.kind {
                return !watcher.sender.is_closed();
            }
            let Some(event) = event_of(&change, &watcher.filter) else {
                return true;
            };
            if let Some(left) = drop_after {
                if *left == 0 {
                    *drop_after = None;
                    return false;
                }
                *left -= 1;
            }
            watcher.sender.send(event).is_ok()
        });
        self.log.push_back(change);
        if self.log.len() > LOG_LIMIT
            && let Some(oldest) = self.log.pop_front()
        {
            self.compacted = oldest.revision;
        }
    }

    /// Open a watch. What happened after `since` is sent at once.
    pub(super) fn watch(&mut self, watcher: Watcher, since: u64) {
        let missed = self
            .log
            .iter()
            .filter(|change| change.revision > since && change.kind == watcher.kind);
        for event in missed.filter_map(|change| event_of(change, &watcher.filter)) {
            let _ = watcher.sender.send(event);
        }
        self.watchers.push(watcher);
    }

    /// Forget the log: watches that resume from before now get 410.
    pub(super) fn compact(&mut self) {
        self.log.clear();
        self.compacted = self.revision;
    }

    /// Close every watch.
    pub(super) fn drop_watches(&mut self) {
        self.watchers.clear();
    }
}

/// The change as a watch event for this filter; an object that no longer matches is deleted for it.
fn event_of(change: &Change, filter: &Filter) -> Option<Value> {
    let (namespace, _) = &change.key;
    let admitted = |object: &Option<Arc<Value>>| {
        object
            .as_ref()
            .filter(|object| filter.admits(namespace, object))
            .cloned()
    };
    let (kind, object) = match (admitted(&change.before), admitted(&change.after)) {
        (None, Some(after)) => ("ADDED", after),
        (Some(_), Some(after)) => ("MODIFIED", after),
        (Some(before), None) => ("DELETED", change.after.clone().unwrap_or(before)),
        (None, None) => return None,
    };
    let mut object = object.as_ref().clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert(
            "resourceVersion".to_owned(),
            json!(change.revision.to_string()),
        );
    }
    Some(json!({ "type": kind, "object": object }))
}
