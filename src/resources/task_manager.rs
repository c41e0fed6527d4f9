//! The Deployment of the TaskManagers of a standalone cluster. In native mode Flink starts them itself.

use flink_crds::KubernetesMode;
use serde_json::json;

use super::{
    Context, config_map, labels, names,
    object::{Kind, Meta, Object, fields},
    owner::OwnerRef,
    pod::Pod,
    pod_template,
};
use crate::config::{ConfigError, Process, effective::TASK_MANAGER_REPLICAS, flink};

pub(super) fn build(cx: &Context<'_>) -> Result<Object, ConfigError> {
    let config = &cx.cluster;
    let template = pod_template::of_process(cx.input.spec, cx.input.config, Process::TaskManager)?;
    let mut pod = Pod::new(template, config, Process::TaskManager);
    let fixed = labels::of_process(
        cx.input.name,
        KubernetesMode::Standalone,
        Process::TaskManager,
    );
    pod.describe(&fixed)?;
    pod.configure(&cx.default_image())?;
    if !pod.host_network()? {
        let rpc = flink::fixed_port(
            config,
            &flink::TASK_MANAGER_RPC_PORT,
            flink::port::TASK_MANAGER_RPC,
        )?;
        pod.ports(&[("taskmanager-rpc", rpc)]);
    }
    pod.external_resources()?;
    config_map::mount(cx, &mut pod);
    let mut args = vec!["taskmanager".to_owned()];
    if let Some(more) = config.raw("kubernetes.taskmanager.entrypoint.args") {
        args.extend(more.split_whitespace().map(ToOwned::to_owned));
    }
    pod.args(args);
    let mut own_labels = config.map("kubernetes.taskmanager.labels")?;
    own_labels.extend(fixed.clone());
    let owner = OwnerRef::flink_deployment(cx.input.name, cx.input.keys.owner_uid);
    let meta = Meta {
        namespace: cx.input.namespace,
        name: names::task_manager(cx.input.name),
        labels: own_labels,
        annotations: config.map("kubernetes.taskmanager.annotations")?,
        owner: &owner,
    };
    let spec = fields([
        (
            "replicas",
            config
                .i32(TASK_MANAGER_REPLICAS)?
                .unwrap_or(1)
                .max(1)
                .into(),
        ),
        ("selector", json!({"matchLabels": fixed})),
        ("template", pod.finish()),
    ]);
    Ok(Object::new(Kind::Deployment, meta, "spec", spec))
}
