//! What is built for specs of our own.

use serde_json::{Value, json};

use super::super::*;
use crate::config::{LAST_STATE_PATH, effective, options};

const KEYS: DeployKeys<'static> = DeployKeys {
    owner_uid: "u",
    generation: 1,
    mode: KubernetesMode::Native,
    job_id: Some("j"),
    savepoint: None,
    deployment_id: "d",
};

fn built(spec: Value, jm_uid: Option<&str>) -> Result<Resources, Vec<ConfigError>> {
    let spec = parse(spec);
    let defaults = Defaults::builtin();
    let config = effective(&defaults, "ns", "c", &spec)?;
    let keys = DeployKeys {
        mode: spec.mode_or_default(),
        savepoint: Some(LAST_STATE_PATH),
        job_id: spec.job.as_ref().and(KEYS.job_id),
        ..KEYS
    };
    build(&BuildInput {
        namespace: "ns",
        name: "c",
        spec: &spec,
        config: &config,
        keys: &keys,
        log_files: log_files(&spec, &defaults),
        job_manager_uid: jm_uid,
    })
}

fn parse(spec: Value) -> FlinkDeploymentSpec {
    serde_json::from_value(spec).unwrap()
}

/// A small application with `options` in its configuration.
fn application(version: &str, options: &Value) -> Value {
    json!({
        "flinkVersion": version,
        "flinkConfiguration": options,
        "jobManager": {"resource": {"memory": "1g"}},
        "taskManager": {"resource": {"memory": "1g"}},
        "job": {"jarURI": "local:///a.jar", "parallelism": 1, "args": ["--x"]},
    })
}

fn find<'a>(resources: &'a Resources, kind: Kind, name: &str) -> &'a Value {
    let found = resources
        .in_order()
        .find(|object| object.kind == kind && object.name == name);
    &found.unwrap_or_else(|| panic!("no {kind:?} {name}")).body
}

#[test]
fn accompanying_objects_come_first_and_change_owner_once_the_deployment_is_there() {
    let spec = application("v1_20", &json!({}));
    let before = built(spec.clone(), None).unwrap();
    let order: Vec<(Kind, &str)> = before
        .in_order()
        .map(|object| (object.kind, object.name.as_str()))
        .collect();
    assert_eq!(
        order,
        [
            (Kind::Service, "c-rest"),
            (Kind::Service, "c"),
            (Kind::ConfigMap, "flink-config-c"),
            (Kind::Deployment, "c"),
        ]
    );
    let owner = |resources: &Resources| {
        resources.accompanying[0].body["metadata"]["ownerReferences"][0].clone()
    };
    assert_eq!(owner(&before)["kind"], "FlinkDeployment");
    let after = built(spec, Some("jm")).unwrap();
    assert_eq!(owner(&after)["kind"], "Deployment");
    assert_eq!(owner(&after)["uid"], "jm");
    assert_eq!(before.job_manager, after.job_manager);
}

#[test]
fn building_again_gives_the_same() {
    let spec = application("v2_2", &json!({"high-availability.type": "kubernetes"}));
    assert_eq!(built(spec.clone(), None), built(spec, None));
}

#[test]
fn the_rest_service_is_exposed_as_asked() {
    let service = |exposed: &str| {
        let options = json!({
            "kubernetes.rest-service.exposed.type": exposed,
            "kubernetes.rest-service.annotations": "a:b",
            "rest.port": "80", "rest.bind-port": "8082",
        });
        built(application("v1_20", &options), None)
            .map(|resources| find(&resources, Kind::Service, "c-rest").clone())
    };
    for (exposed, kind, ip) in [
        ("ClusterIP", "ClusterIP", Value::Null),
        ("Headless_ClusterIP", "ClusterIP", json!("None")),
        ("NodePort", "NodePort", Value::Null),
        ("LoadBalancer", "LoadBalancer", Value::Null),
    ] {
        let service = service(exposed).unwrap();
        assert_eq!(service["spec"]["type"], kind);
        assert_eq!(service["spec"]["clusterIP"], ip);
        assert_eq!(
            service["spec"]["ports"],
            json!([{"name": "rest", "port": 80, "targetPort": 8082}])
        );
        assert_eq!(service["metadata"]["annotations"], json!({"a": "b"}));
    }
    assert!(
        service("Everywhere").unwrap_err()[0]
            .to_string()
            .contains("one of ClusterIP")
    );
}

#[test]
fn high_availability_makes_the_internal_service_needless() {
    let names = |options: Value| -> Vec<String> {
        let resources = built(application("v1_20", &options), None).unwrap();
        resources
            .in_order()
            .filter(|o| o.kind == Kind::Service)
            .map(|o| o.name.clone())
            .collect()
    };
    assert_eq!(names(json!({})), ["c-rest", "c"]);
    assert_eq!(
        names(json!({"high-availability.type": "kubernetes"})),
        ["c-rest"]
    );
}

#[test]
fn under_host_networking_the_probe_uses_the_number_of_the_port() {
    let options = json!({"kubernetes.hostnetwork.enabled": "true", "rest.port": "9000"});
    let resources = built(application("v1_20", &options), None).unwrap();
    let main = &resources.job_manager.body["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(main["ports"], Value::Null);
    assert_eq!(main["startupProbe"]["httpGet"]["port"], 9000);
}

#[test]
fn the_operators_own_options_never_reach_a_pod() {
    let options = json!({
        options::READINESS_TIMEOUT.key: "1 min", "job.autoscaler.enabled": "true", "rest.bind-address": "0.0.0.0",
    });
    let resources = built(application("v1_20", &options), None).unwrap();
    let file =
        find(&resources, Kind::ConfigMap, "flink-config-c")["data"]["flink-conf.yaml"].to_string();
    for absent in ["kubernetes.operator", "job.autoscaler", "rest.bind-address"] {
        assert!(!file.contains(absent), "{file}");
    }
}

#[test]
fn a_standalone_application_takes_what_only_the_pod_knows_as_arguments() {
    let mut spec = application("v1_20", &json!({"high-availability.type": "kubernetes"}));
    spec["mode"] = json!("standalone");
    spec["job"]["entryClass"] = json!("a.B");
    spec["job"]["allowNonRestoredState"] = json!(true);
    let resources = built(spec.clone(), None).unwrap();
    let args = |object: &Value| object["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    assert_eq!(
        args(&resources.job_manager.body),
        json!([
            "standalone-job",
            "--job-classname",
            "a.B",
            "--allowNonRestoredState",
            "--fromSavepoint",
            "KUBERNETES_OPERATOR_LAST_STATE",
            "-D",
            "jobmanager.rpc.address=$(_POD_IP_ADDRESS)",
            "--x",
        ])
    );
    assert_eq!(
        args(&resources.task_manager.unwrap().body),
        json!(["taskmanager"])
    );
    spec["job"] = Value::Null;
    let session = built(spec, None).unwrap();
    assert_eq!(
        args(&session.job_manager.body),
        json!([
            "jobmanager",
            "-D",
            "jobmanager.rpc.address=$(_POD_IP_ADDRESS)"
        ])
    );
}

#[test]
fn logging_files_come_from_the_spec_alone_if_it_has_any() {
    let mut spec = application("v1_20", &json!({}));
    spec["logConfiguration"] = json!({"logback-console.xml": "<configuration/>"});
    let resources = built(spec, None).unwrap();
    let data = &find(&resources, Kind::ConfigMap, "flink-config-c")["data"];
    assert_eq!(data["logback-console.xml"], "<configuration/>");
    assert_eq!(data["log4j-console.properties"], Value::Null);
    let volumes = &resources.job_manager.body["spec"]["template"]["spec"]["volumes"];
    assert_eq!(
        volumes[1]["configMap"]["items"][0]["key"],
        "logback-console.xml"
    );
}

#[test]
fn all_errors_are_returned_and_none_twice() {
    let mut spec = application(
        "v2_0",
        &json!({
            "kubernetes.rest-service.exposed.type": "Everywhere",
            "state.backend": "rocksdb", "state.backend.incremental": "true",
        }),
    );
    spec["podTemplate"] = json!({"spec": {"containers": 1}});
    let errors: Vec<String> = built(spec, None)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[0].starts_with("spec.podTemplate.spec.containers"),
        "{errors:?}"
    );
    assert!(
        errors[2].ends_with("replace 'state.backend' by 'state.backend.type'"),
        "{errors:?}"
    );
    let missing = built(json!({}), None).unwrap_err();
    assert_eq!(
        missing[0].to_string(),
        "spec.flinkVersion: must be set, for example to 'v1_20'"
    );
}
