//! The Deployment of the JobManager, native and standalone.

use flink_crds::KubernetesMode;
use serde_json::json;

use super::{
    Context, config_map, labels, names,
    object::{Kind, Meta, Object, fields},
    owner::OwnerRef,
    pod::Pod,
    pod_template,
};
use crate::config::{ConfigError, Process, flink};

/// Where jars fetched by Flink itself are kept.
const ARTIFACTS: &str = "/opt/flink/artifacts";
/// Where Flink finds the pod template for the TaskManagers it starts.
const POD_TEMPLATE: &str = "/opt/flink/pod-template";
/// From where a standalone application takes its classes.
const USER_LIBRARIES: &str = "/opt/flink/usrlib";

pub(super) fn build(cx: &Context<'_>, has_pod_template: bool) -> Result<Object, ConfigError> {
    let config = &cx.cluster;
    let template = pod_template::of_process(cx.input.spec, cx.input.config, Process::JobManager)?;
    let host_network = Pod::new(template.clone(), config, Process::JobManager).host_network()?;
    let template = pod_template::with_startup_probe(
        template.unwrap_or_else(|| json!({})),
        cx.input.config,
        !host_network,
    )?;
    let mut pod = Pod::new(Some(template), config, Process::JobManager);
    let fixed = labels::of_process(cx.input.name, cx.mode(), Process::JobManager);
    pod.describe(&fixed)?;
    pod.configure(&cx.default_image())?;
    if !host_network {
        pod.ports(&[
            ("rest", config.get(&flink::REST_PORT)?),
            ("jobmanager-rpc", config.get(&flink::JOB_MANAGER_RPC_PORT)?),
            (
                "blobserver",
                flink::fixed_port(config, &flink::BLOB_PORT, flink::port::BLOB)?,
            ),
        ]);
    }
    let artifacts = config.raw("user.artifacts.base-dir").unwrap_or(ARTIFACTS);
    pod.volume(
        "user-artifacts-volume",
        json!({"emptyDir": {}}),
        Some(artifacts),
    );
    config_map::mount(cx, &mut pod);
    if has_pod_template {
        let source = json!({
            "name": names::pod_template(cx.input.name),
            "items": [{"key": config_map::POD_TEMPLATE_FILE, "path": config_map::POD_TEMPLATE_FILE}],
        });
        pod.volume(
            "pod-template-volume",
            json!({"configMap": source}),
            Some(POD_TEMPLATE),
        );
    }
    if cx.mode() == KubernetesMode::Standalone
        && config.contains("pipeline.classpaths")
        && !pod.mounts_below(USER_LIBRARIES)
    {
        pod.volume(
            "user-lib-dir",
            json!({"emptyDir": {}}),
            Some(USER_LIBRARIES),
        );
    }
    pod.args(match cx.mode() {
        KubernetesMode::Native => native_args(cx),
        KubernetesMode::Standalone => standalone_args(cx)?,
    });
    let replicas = config.i32("kubernetes.jobmanager.replicas")?.unwrap_or(1);
    let mut own_labels = config.map("kubernetes.jobmanager.labels")?;
    own_labels.extend(fixed.clone());
    let owner = OwnerRef::flink_deployment(cx.input.name, cx.input.keys.owner_uid);
    let meta = Meta {
        namespace: cx.input.namespace,
        name: names::job_manager(cx.input.name),
        labels: own_labels,
        annotations: config.map("kubernetes.jobmanager.annotations")?,
        owner: &owner,
    };
    let spec = fields([
        ("replicas", replicas.into()),
        ("selector", json!({"matchLabels": fixed})),
        ("template", pod.finish()),
    ]);
    Ok(Object::new(Kind::Deployment, meta, "spec", spec))
}

/// The script computes the memory settings of the Java process from the mounted configuration.
fn native_args(cx: &Context<'_>) -> Vec<String> {
    let target = if cx.input.spec.is_session() {
        "session"
    } else {
        "application"
    };
    let more = cx
        .cluster
        .raw("kubernetes.jobmanager.entrypoint.args")
        .unwrap_or_default();
    let script = format!("kubernetes-jobmanager.sh kubernetes-{target} {more}");
    ["bash".to_owned(), "-c".to_owned(), script].into()
}

/// Here the image's entry point copies the mounted configuration, which is read-only, so what only the
/// pod knows has to be an argument.
fn standalone_args(cx: &Context<'_>) -> Result<Vec<String>, ConfigError> {
    let config = &cx.cluster;
    let mut args = Vec::new();
    if cx.input.spec.is_session() {
        args.push("jobmanager".to_owned());
    } else {
        args.push("standalone-job".to_owned());
        if let Some(class) = config.get(&flink::MAIN_CLASS)? {
            args.extend(["--job-classname".to_owned(), class]);
        }
        if config.get(&flink::IGNORE_UNCLAIMED_STATE)? {
            args.push("--allowNonRestoredState".to_owned());
        }
        if let Some(path) = config.get(&flink::SAVEPOINT_PATH)? {
            args.extend(["--fromSavepoint".to_owned(), path]);
        }
    }
    if flink::high_availability(config)?.is_some() {
        args.extend(["-D", "jobmanager.rpc.address=$(_POD_IP_ADDRESS)"].map(ToOwned::to_owned));
    }
    args.extend(config.get(&flink::PROGRAM_ARGS)?);
    Ok(args)
}
