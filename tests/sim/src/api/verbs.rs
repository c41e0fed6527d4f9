//! What each verb does, once a request has been read.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::Failure;
use super::path::Target;
use super::read::Answer;
use super::selector::Selector;
use super::store::{Filter, Stored};
use super::write::{self, address, known};
use super::{State, apply, kinds, patch, read};

/// A request, read.
pub(super) struct Incoming {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) query: BTreeMap<String, String>,
    pub(super) content_type: String,
    pub(super) metadata_only: bool,
    pub(super) body: Value,
}

/// Status and body, or why not.
pub(super) type Reply = Result<(u16, Answer), Failure>;

/// Kubernetes' verb for a method.
pub(super) fn verb_of(method: &Method, named: bool, watch: bool) -> &'static str {
    match (method.as_str(), named) {
        ("GET", _) if watch => "watch",
        ("GET", true) => "get",
        ("GET", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "unknown",
    }
}

impl Incoming {
    pub(super) fn verb(&self) -> &'static str {
        let watch = self
            .query
            .get("watch")
            .is_some_and(|watch| watch == "true" || watch == "1");
        verb_of(&self.method, self.target.name.is_some(), watch)
    }

    pub(super) fn resource(&self) -> String {
        if self.target.group.is_empty() {
            self.target.resource()
        } else {
            format!("{}/{}", self.target.group, self.target.resource())
        }
    }

    pub(super) fn filter(&self) -> Filter {
        let text = |key: &str| self.query.get(key).cloned().unwrap_or_default();
        let mut fields = text("fieldSelector");
        if let Some(name) = &self.target.name {
            fields = format!("{fields},metadata.name={name}");
        }
        let selector = Selector::new(&text("labelSelector"), &fields);
        Filter {
            namespace: self.target.namespace.clone(),
            selector,
        }
    }

    pub(super) fn present(&self, state: &State) -> Result<Stored, Failure> {
        let (kind, key) = address(&self.target);
        state
            .store
            .get(&kind, &key)
            .cloned()
            .ok_or_else(|| Failure::not_found(&kind.1, &key.1))
    }

    pub(super) fn get(&self, state: &State) -> Reply {
        let stored = self.present(state)?;
        match (
            self.target.subresource.as_deref(),
            known(&address(&self.target).0).and_then(|kind| kind.scale),
        ) {
            (Some("scale"), Some(paths)) => {
                read::scale(&stored.value, paths).map(|scale| (200, scale.into()))
            }
            (None | Some("status"), _) => Ok((200, stored.value.into())),
            _ => Err(Failure::not_found(&self.target.resource(), "")),
        }
    }

    pub(super) fn list(&self, state: &mut State, old: bool) -> Answer {
        let (kind, _) = address(&self.target);
        let limit = self
            .query
            .get("limit")
            .and_then(|limit| limit.parse().ok())
            .filter(|limit| *limit > 0);
        let token = self
            .query
            .get("continue")
            .and_then(|token| read::continued(token));
        let staleness = if old { state.faults.staleness() } else { 0 };
        let present = state
            .store
            .revision
            .saturating_sub(staleness)
            .max(state.store.compacted);
        let (from, revision) = token.unwrap_or((0, present));
        let objects = state.store.list_at(&kind, &self.filter(), revision);
        read::list(
            &self.target,
            objects,
            revision,
            (from, limit),
            self.metadata_only,
        )
    }

    pub(super) fn create(&mut self, state: &mut State, now: Timestamp) -> Reply {
        let body = std::mem::take(&mut self.body);
        let created = write::create(&mut state.store, &self.target, body, now)?;
        Ok((201, created.into()))
    }

    /// A replacement or a patch, of the object or of a subresource.
    pub(super) fn change(&mut self, state: &mut State, now: Timestamp) -> Reply {
        if self.content_type.contains("apply-patch") {
            return self.apply(state, now);
        }
        let old = self.present(state)?;
        if self.target.subresource.as_deref() == Some("scale") {
            return self.scale(state, &old);
        }
        let present = || old.value.as_ref().clone();
        let new = match () {
            () if self.method == Method::PUT => {
                let custom = self.target.group == kinds::FLINK;
                if custom && crate::json::text(&self.body, "/metadata/resourceVersion").is_empty() {
                    let message =
                        "metadata.resourceVersion: Invalid value: must be specified for an update";
                    return Err(Failure::new(422, "Invalid", message));
                }
                std::mem::take(&mut self.body)
            }
            () if self.content_type.contains("json-patch") => {
                let mut new = present();
                patch::json_patch(&mut new, &self.body)?;
                new
            }
            () => {
                let mut new = present();
                patch::merge(&mut new, &self.body);
                new
            }
        };
        let written = write::update(&mut state.store, &self.target, &old, new)?;
        Ok((200, written.into()))
    }

    pub(super) fn scale(&self, state: &mut State, old: &Stored) -> Reply {
        let paths = known(&address(&self.target).0).and_then(|kind| kind.scale);
        let paths = paths.ok_or_else(|| Failure::not_found(&self.target.resource(), ""))?;
        let replicas = self.body.pointer("/spec/replicas").cloned();
        let replicas = replicas.ok_or_else(|| Failure::bad_request("spec.replicas is missing"))?;
        let version = self.body.pointer("/metadata/resourceVersion").cloned();
        let change = paths[0]
            .split('/')
            .rev()
            .filter(|field| !field.is_empty())
            .fold(replicas, |inner, field| json!({ field: inner }));
        let mut new = old.value.as_ref().clone();
        patch::merge(&mut new, &change);
        if let Some(version) = version {
            patch::merge(
                &mut new,
                &json!({ "metadata": { "resourceVersion": version } }),
            );
        }
        let whole = Target {
            subresource: None,
            ..self.target.clone()
        };
        let written = write::update(&mut state.store, &whole, old, new)?;
        read::scale(&written, paths).map(|scale| (200, scale.into()))
    }

    pub(super) fn apply(&mut self, state: &mut State, now: Timestamp) -> Reply {
        let manager = self.query.get("fieldManager").cloned().unwrap_or_default();
        if manager.is_empty() {
            return Err(Failure::new(
                422,
                "Invalid",
                "fieldManager: Required value: is required for apply patch",
            ));
        }
        let force = self.query.get("force").is_some_and(|force| force == "true");
        let (kind, key) = address(&self.target);
        let manager = format!(
            "{manager}/{}",
            self.target.subresource.as_deref().unwrap_or_default()
        );
        let mut ours = self.body.clone();
        if let Some(metadata) = ours.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| {
                !matches!(
                    field.as_str(),
                    "name" | "namespace" | "resourceVersion" | "uid"
                )
            });
        }
        let Ok(old) = self.present(state) else {
            if self.target.subresource.is_some() {
                return Err(Failure::not_found(&kind.1, &key.1));
            }
            let mut body = std::mem::take(&mut self.body);
            patch::merge(&mut body, &json!({ "metadata": { "name": key.1 } }));
            let created = write::create(&mut state.store, &self.target, body, now)?;
            state.store.note_applied(&kind, &key, manager, ours);
            return Ok((201, created.into()));
        };
        let mut new = apply::apply(&old.value, &old.applied, &ours, &manager, force)?;
        let version = self.body.pointer("/metadata/resourceVersion").cloned();
        patch::merge(
            &mut new,
            &json!({ "metadata": { "resourceVersion": version } }),
        );
        let mut applied = Arc::clone(&old.applied);
        Arc::make_mut(&mut applied).insert(manager, ours);
        let written = write::update_applied(&mut state.store, &self.target, &old, new, applied)?;
        Ok((200, written.into()))
    }

    /// `DeleteOptions` of the body, completed by those of the query.
    pub(super) fn options(&self) -> Value {
        let mut options = if self.body.is_object() {
            self.body.clone()
        } else {
            json!({})
        };
        if let Some(policy) = self.query.get("propagationPolicy") {
            patch::merge(&mut options, &json!({ "propagationPolicy": policy }));
        }
        if let Some(grace) = self
            .query
            .get("gracePeriodSeconds")
            .and_then(|grace| grace.parse::<i64>().ok())
        {
            patch::merge(&mut options, &json!({ "gracePeriodSeconds": grace }));
        }
        options
    }

    pub(super) fn delete(&self, state: &mut State, now: Timestamp) -> Reply {
        let (kind, key) = address(&self.target);
        let left = write::delete(&mut state.store, &kind, &key, &self.options(), now)?;
        let success = || {
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": { "name": key.1, "kind": kind.1 } })
        };
        Ok((200, left.map_or_else(|| success().into(), Answer::from)))
    }

    pub(super) fn delete_all(&self, state: &mut State, now: Timestamp) -> Reply {
        let (kind, _) = address(&self.target);
        let objects = state.store.list(&kind, &self.filter());
        for object in &objects {
            let text = |pointer| crate::json::text(object, pointer).to_owned();
            let key = (text("/metadata/namespace"), text("/metadata/name"));
            write::delete(&mut state.store, &kind, &key, &self.options(), now)?;
        }
        let revision = state.store.revision;
        Ok((
            200,
            read::list(
                &self.target,
                objects,
                revision,
                (0, None),
                self.metadata_only,
            ),
        ))
    }
}
