//! The ConfigMaps of a cluster: Flink's configuration with the logging files, and the pod template from
//! which Flink makes TaskManagers in native mode.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Context, labels, names,
    object::{Kind, Meta, Object},
    pod::Pod,
};
use crate::config::{ConfigError, render, yaml};

/// Key of the pod template; Flink looks for a file of this name.
pub(super) const POD_TEMPLATE_FILE: &str = "taskmanager-pod-template.yaml";

/// Keys that hold for the place where a client runs, not for a pod.
const NOT_FOR_PODS: [&str; 6] = [
    "$internal.deployment.config-dir",
    "jobmanager.bind-host",
    "kubernetes.config.file",
    "rest.bind-address",
    "taskmanager.bind-host",
    "taskmanager.host",
];

/// Flink's configuration and the logging files.
pub(super) fn flink_config(cx: &Context<'_>) -> Result<Object, Vec<ConfigError>> {
    let mut config = cx.cluster.clone();
    config.retain(|key| !NOT_FOR_PODS.contains(&key));
    let mut data: BTreeMap<String, String> = cx.input.log_files.clone();
    data.insert(
        render::file_name(cx.version).to_owned(),
        render::file(&config, cx.version)?,
    );
    Ok(config_map(cx, names::flink_config(cx.input.name), &data))
}

/// The pod template of TaskManagers.
pub(super) fn pod_template(cx: &Context<'_>, template: &Value) -> Object {
    let data = BTreeMap::from([(POD_TEMPLATE_FILE.to_owned(), yaml::write(template))]);
    config_map(cx, names::pod_template(cx.input.name), &data)
}

/// Mounts the first of them where Flink looks for its configuration.
pub(super) fn mount(cx: &Context<'_>, pod: &mut Pod<'_>) {
    let files = cx.input.log_files.keys().map(String::as_str);
    let items: Vec<Value> = files
        .chain([render::file_name(cx.version)])
        .map(|file| json!({"key": file, "path": file}))
        .collect();
    let source = json!({"configMap": {"items": items, "name": names::flink_config(cx.input.name)}});
    let directory = cx
        .cluster
        .raw("kubernetes.flink.conf.dir")
        .unwrap_or("/opt/flink/conf");
    pod.volume("flink-config-volume", source, Some(directory));
}

fn config_map(cx: &Context<'_>, name: String, data: &BTreeMap<String, String>) -> Object {
    let owner = cx.accompanying_owner();
    let meta = Meta {
        namespace: cx.input.namespace,
        name,
        labels: labels::common(cx.input.name, cx.mode()),
        annotations: BTreeMap::new(),
        owner: &owner,
    };
    Object::new(Kind::ConfigMap, meta, "data", json!(data))
}
