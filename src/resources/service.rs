//! The Services of a cluster: one in front of the REST interface, and a headless one through which
//! TaskManagers find the JobManager where high availability does not tell them.

use flink_crds::KubernetesMode;
use serde_json::{Value, json};

use super::{
    Context, labels,
    labels::Labels,
    names,
    object::{Kind, Meta, Object},
};
use crate::config::{ConfigError, Process, flink};

const EXPOSED_TYPE: &str = "kubernetes.rest-service.exposed.type";

pub(super) fn build(cx: &Context<'_>) -> Result<Vec<Object>, ConfigError> {
    let mut services = vec![rest(cx)?];
    let standalone = cx.mode() == KubernetesMode::Standalone;
    if standalone || flink::high_availability(&cx.cluster)?.is_none() {
        services.push(internal(cx)?);
    }
    Ok(services)
}

fn rest(cx: &Context<'_>) -> Result<Object, ConfigError> {
    let config = &cx.cluster;
    let port = config.get(&flink::REST_PORT)?;
    let target = flink::fixed_port(config, &flink::REST_BIND_PORT, flink::port::REST)?;
    let exposed = config.raw(EXPOSED_TYPE).unwrap_or("ClusterIP");
    let kind = match exposed {
        "ClusterIP" | "NodePort" | "LoadBalancer" => exposed,
        "Headless_ClusterIP" => "ClusterIP",
        other => {
            let expected = "one of ClusterIP, Headless_ClusterIP, NodePort, LoadBalancer";
            return Err(ConfigError::invalid(EXPOSED_TYPE, other, expected));
        }
    };
    let mut spec = json!({
        "ports": [{"name": "rest", "port": port, "targetPort": target}],
        "selector": selector(cx),
        "type": kind,
    });
    if let (Value::Object(spec), true) = (&mut spec, exposed == "Headless_ClusterIP") {
        spec.insert("clusterIP".into(), "None".into());
    }
    let annotations = config.map("kubernetes.rest-service.annotations")?;
    Ok(service(
        cx,
        names::rest_service(cx.input.name),
        annotations,
        spec,
    ))
}

fn internal(cx: &Context<'_>) -> Result<Object, ConfigError> {
    let config = &cx.cluster;
    let rpc = config.get(&flink::JOB_MANAGER_RPC_PORT)?;
    let blob = flink::fixed_port(config, &flink::BLOB_PORT, flink::port::BLOB)?;
    let spec = json!({
        "clusterIP": "None",
        "ports": [
            {"name": "jobmanager-rpc", "port": rpc, "targetPort": rpc},
            {"name": "blobserver", "port": blob, "targetPort": blob},
        ],
        "selector": selector(cx),
        "type": "ClusterIP",
    });
    let annotations = config.map("kubernetes.internal-service.annotations")?;
    Ok(service(
        cx,
        names::internal_service(cx.input.name),
        annotations,
        spec,
    ))
}

fn selector(cx: &Context<'_>) -> Labels {
    labels::of_process(cx.input.name, cx.mode(), Process::JobManager)
}

fn service(cx: &Context<'_>, name: String, annotations: Labels, spec: Value) -> Object {
    let owner = cx.accompanying_owner();
    let meta = Meta {
        namespace: cx.input.namespace,
        name,
        labels: labels::common(cx.input.name, cx.mode()),
        annotations,
        owner: &owner,
    };
    Object::new(Kind::Service, meta, "spec", spec)
}
