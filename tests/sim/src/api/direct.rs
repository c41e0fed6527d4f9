//! What a test, or the simulated node, does without a client: no faults, no audit.

use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::Failure;
use super::path::Target;
use super::selector::Selector;
use super::store::{Filter, KindKey, ObjectKey};
use super::write::{self, address};
use super::{ApiServer, gc, kinds, patch};
use crate::json::text;

/// The target of an object, from its own type and name.
fn target_of(object: &Value) -> Result<Target, Failure> {
    let kind = kinds::of_object(object)
        .ok_or_else(|| Failure::bad_request(format!("unknown kind {}", text(object, "/kind"))))?;
    let namespace = text(object, "/metadata/namespace");
    let namespace = if namespace.is_empty() {
        "default"
    } else {
        namespace
    };
    Ok(Target {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        plural: kind.plural.to_owned(),
        namespace: kind.namespaced.then(|| namespace.to_owned()),
        name: Some(text(object, "/metadata/name").to_owned()),
        subresource: None,
    })
}

/// Group and plural of a plural; the core group first.
pub(super) fn kind_key(plural: &str) -> KindKey {
    let group = kinds::KINDS
        .iter()
        .find(|kind| kind.plural == plural)
        .map_or("", |kind| kind.group);
    (group.to_owned(), plural.to_owned())
}

impl ApiServer {
    /// Create an object, as a person would.
    pub fn create(&self, object: Value) -> Result<Arc<Value>, Failure> {
        let target = target_of(&object)?;
        let now = self.clock.now();
        write::create(&mut self.state().store, &target, object, now)
    }

    /// Merge `change` into an object; `subresource` is `status` for its status.
    pub fn merge(
        &self,
        plural: &str,
        (namespace, name): (&str, &str),
        subresource: Option<&str>,
        change: &Value,
    ) -> Result<Arc<Value>, Failure> {
        let (group, plural) = kind_key(plural);
        let target = Target {
            group,
            plural,
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: Some(name.to_owned()),
            subresource: subresource.map(str::to_owned),
            ..Target::default()
        };
        let (kind, key) = address(&target);
        let state = &mut self.state();
        let old = state.store.get(&kind, &key).cloned();
        let old = old.ok_or_else(|| Failure::not_found(&kind.1, &key.1))?;
        let mut new = old.value.as_ref().clone();
        patch::merge(&mut new, change);
        write::update(&mut state.store, &target, &old, new)
    }

    /// One object.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key: ObjectKey = (namespace.to_owned(), name.to_owned());
        self.state()
            .store
            .get(&kind_key(plural), &key)
            .map(|stored| Arc::clone(&stored.value))
    }

    /// Objects of a kind whose labels match the selector, in all namespaces.
    pub fn list(&self, plural: &str, labels: &str) -> Vec<Arc<Value>> {
        let filter = Filter {
            namespace: None,
            selector: Selector::new(labels, ""),
        };
        self.state().store.list(&kind_key(plural), &filter)
    }

    /// The same, kept until something of the kind changes.
    pub(crate) fn list_cached(&self, plural: &str, labels: &str) -> Arc<Vec<Arc<Value>>> {
        let kind = kind_key(plural);
        let state = &mut *self.state();
        let changed = state.store.changed_at(&kind);
        let key = (plural.to_owned(), labels.to_owned());
        if let Some((at, list)) = state.lists.get(&key)
            && *at == changed
        {
            return Arc::clone(list);
        }
        let filter = Filter {
            namespace: None,
            selector: Selector::new(labels, ""),
        };
        let list = Arc::new(state.store.list(&kind, &filter));
        state.lists.insert(key, (changed, Arc::clone(&list)));
        list
    }

    /// Delete an object in the background; false if it is not there.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        self.delete_with(plural, (namespace, name), &json!({}))
    }

    pub(crate) fn delete_with(
        &self,
        plural: &str,
        (namespace, name): (&str, &str),
        options: &Value,
    ) -> bool {
        let now = self.clock.now();
        let key = (namespace.to_owned(), name.to_owned());
        write::delete(
            &mut self.state().store,
            &kind_key(plural),
            &key,
            options,
            now,
        )
        .is_ok()
    }

    /// Collect garbage until nothing more is to be collected.
    pub fn collect_garbage(&self) {
        let now = self.clock.now();
        let state = &mut self.state();
        while state.store.disturbed != state.collected {
            state.collected = state.store.disturbed;
            gc::round(&mut state.store, now);
        }
    }

    /// Number of changes so far.
    pub fn revision(&self) -> u64 {
        self.state().store.revision
    }
}
