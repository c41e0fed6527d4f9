//! Pod templates: merging the common one with that of a role, and what the operator adds. One rule:
//! templates stay JSON, so fields that we do not know reach the pod.

use std::collections::BTreeSet;

use flink_crds::{FlinkDeploymentSpec, Resource, ResourceRequirements};
use serde_json::{Map, Value, json};

use crate::config::{ConfigError, FlinkConfig, Process, flink, options};

/// Name of the container that runs Flink.
pub const MAIN_CONTAINER: &str = "flink-main-container";

/// How lists are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// The first element of one into the first of the other, and so on.
    ByPosition,
    /// Elements of the same `name`, if all elements of both lists have one of their own; else by position.
    ByName,
}

/// The template of a role: the common one, over it the role's own, and the resources other than CPU and
/// memory. `None` if the spec says nothing of this.
pub fn of_process(
    spec: &FlinkDeploymentSpec,
    config: &FlinkConfig,
    process: Process,
) -> Result<Option<Value>, ConfigError> {
    let by_name = config.get(&options::POD_TEMPLATE_MERGE_BY_NAME)?;
    let lists = if by_name {
        Lists::ByName
    } else {
        Lists::ByPosition
    };
    let (own, resource, resources) = match process {
        Process::JobManager => spec.job_manager.as_ref().map(|jm| {
            (
                jm.pod_template.as_ref(),
                jm.resource.as_ref(),
                jm.resources.as_ref(),
            )
        }),
        Process::TaskManager => spec.task_manager.as_ref().map(|tm| {
            (
                tm.pod_template.as_ref(),
                tm.resource.as_ref(),
                tm.resources.as_ref(),
            )
        }),
    }
    .unwrap_or_default();
    let field = match process {
        Process::JobManager => "spec.jobManager.podTemplate",
        Process::TaskManager => "spec.taskManager.podTemplate",
    };
    let mut template = None;
    for (path, part) in [
        ("spec.podTemplate", spec.pod_template.as_ref()),
        (field, own),
    ] {
        if let Some(part) = part {
            check(path, &part.0)?;
            template = Some(match template {
                Some(base) => merge(base, &part.0, lists),
                None => part.0.clone(),
            });
        }
    }
    let other = other_resources(resource, resources);
    if !other.is_empty() {
        let container = json!({"name": MAIN_CONTAINER, "resources": other});
        let mut whole = template.unwrap_or_else(|| json!({}));
        edit_main(&mut whole, |main| {
            merge_into(main, &container, Lists::ByPosition);
        });
        template = Some(whole);
    }
    Ok(template)
}

/// The same template with the startup probe of the JobManager, unless its main container has one.
pub fn with_startup_probe(
    mut template: Value,
    config: &FlinkConfig,
    named_port: bool,
) -> Result<Value, ConfigError> {
    if !config.get(&options::JM_STARTUP_PROBE_ENABLED)? {
        return Ok(template);
    }
    // Under host networking the container declares no ports, so there is no name to refer to.
    let port = if named_port {
        json!("rest")
    } else {
        json!(config.get(&flink::REST_PORT)?)
    };
    let tls = config.get(&flink::REST_TLS)?;
    // The kubelet has no client certificate to show.
    let check = if tls && config.get(&flink::REST_TLS_CLIENT)? {
        ("tcpSocket", json!({"port": port}))
    } else if tls {
        (
            "httpGet",
            json!({"path": "/config", "port": port, "scheme": "HTTPS"}),
        )
    } else {
        ("httpGet", json!({"path": "/config", "port": port}))
    };
    let probe = json!({check.0: check.1, "failureThreshold": i32::MAX, "periodSeconds": 1});
    edit_main(&mut template, |main| {
        if let Value::Object(main) = main {
            main.entry("startupProbe").or_insert(probe);
        }
    });
    Ok(template)
}

/// Merges `over` into `base`; where both have a value that is neither an object nor a list, `over` wins.
pub fn merge(mut base: Value, over: &Value, lists: Lists) -> Value {
    merge_into(&mut base, over, lists);
    base
}

fn merge_into(base: &mut Value, over: &Value, lists: Lists) {
    match (base, over) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(key) {
                    Some(present) => merge_into(present, value, lists),
                    None => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(over)) => merge_list(base, over, lists),
        (base, over) => over.clone_into(base),
    }
}

fn merge_list(base: &mut Vec<Value>, over: &[Value], lists: Lists) {
    // A name that stands twice names nothing.
    let named = |list: &[Value]| {
        let names: Option<BTreeSet<&str>> = list.iter().map(name_of).collect();
        names.is_some_and(|names| names.len() == list.len())
    };
    let by_name = lists == Lists::ByName && named(base) && named(over);
    for (position, element) in over.iter().enumerate() {
        let place = if by_name {
            base.iter_mut()
                .find(|present| name_of(present) == name_of(element))
        } else {
            base.get_mut(position)
        };
        match place {
            Some(present) => merge_into(present, element, lists),
            None => base.push(element.clone()),
        }
    }
}

fn name_of(element: &Value) -> Option<&str> {
    element.get("name")?.as_str()
}

/// What the old and the new resource block say beyond CPU and memory.
fn other_resources(
    old: Option<&Resource>,
    new: Option<&ResourceRequirements>,
) -> Map<String, Value> {
    let mut other = Map::new();
    if let Some(new) = new.filter(|new| !new.is_empty()) {
        for (field, quantities) in [("requests", &new.requests), ("limits", &new.limits)] {
            let quantities: Map<String, Value> = quantities
                .iter()
                .flatten()
                .filter(|(name, _)| *name != "cpu" && *name != "memory")
                .map(|(name, quantity)| (name.clone(), Value::from(quantity.0.clone())))
                .collect();
            if !quantities.is_empty() {
                other.insert(field.into(), Value::Object(quantities));
            }
        }
    } else if let Some(storage) = old.and_then(|old| old.ephemeral_storage.as_ref()) {
        for field in ["requests", "limits"] {
            other.insert(field.into(), json!({"ephemeral-storage": storage}));
        }
    }
    if let Some(claims) = new
        .and_then(|new| new.claims.as_ref())
        .filter(|claims| !claims.is_empty())
    {
        other.insert("claims".into(), json!(claims));
    }
    other
}

/// Changes the main container of a template, which is made if it is not there.
fn edit_main(template: &mut Value, change: impl FnOnce(&mut Value)) {
    let Value::Object(root) = template else {
        return;
    };
    let mut spec = match root.remove("spec") {
        Some(Value::Object(spec)) => spec,
        _ => Map::new(),
    };
    let mut containers = match spec.remove("containers") {
        Some(Value::Array(containers)) => containers,
        _ => Vec::new(),
    };
    let main = containers
        .iter_mut()
        .find(|container| name_of(container) == Some(MAIN_CONTAINER));
    if let Some(main) = main {
        change(main);
    } else {
        let mut main = json!({"name": MAIN_CONTAINER});
        change(&mut main);
        containers.push(main);
    }
    spec.insert("containers".into(), Value::Array(containers));
    root.insert("spec".into(), Value::Object(spec));
}

/// The shape that everything after this relies on.
fn check(path: &str, template: &Value) -> Result<(), ConfigError> {
    let wrong = |at: &str, what: &str| Err(ConfigError::field(format!("{path}{at}"), what));
    let Value::Object(root) = template else {
        return wrong("", "must be an object");
    };
    for (name, value) in root {
        if matches!(name.as_str(), "metadata" | "spec") && !value.is_object() && !value.is_null() {
            return wrong(&format!(".{name}"), "must be an object");
        }
    }
    match template.pointer("/spec/containers") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(containers)) => {
            match containers
                .iter()
                .position(|container| !container.is_object())
            {
                Some(at) => wrong(&format!(".spec.containers[{at}]"), "must be an object"),
                None => Ok(()),
            }
        }
        Some(_) => wrong(".spec.containers", "must be a list"),
    }
}

#[cfg(test)]
mod tests;
