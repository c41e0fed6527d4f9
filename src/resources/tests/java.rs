//! Compares what is built with what the Java operator was seen to make from the same FlinkDeployment,
//! field for field. What differs on purpose is listed with its reason; anything else fails.

use serde_json::{Map, Value, json};

use super::super::*;
use crate::config::{Defaults, LOG4J_FILE, effective, flink};

/// Differences that hold for every case: path, and why.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "ConfigMap/flink-config-*/data/*/kubernetes.pod-template-file.jobmanager",
        "a temporary file of the Java operator's own; Flink never reads it in a pod",
    ),
    (
        "ConfigMap/flink-config-*/data/*/kubernetes.pod-template-file.taskmanager",
        "a temporary file of the Java operator's own; Flink reads the mounted template",
    ),
    (
        "ConfigMap/flink-config-*/data/*/application-result-store.storage-path",
        "Flink 2.3 finds the result of an earlier application of the same name without it",
    ),
    (
        "ConfigMap/flink-config-*/data/*/application-result-store.delete-on-commit",
        "kept for the same reason as the job result",
    ),
];

/// Differences from version 1.7.0, which was made for an older Flink.
const ACCEPTED_OLD: &[(&str, &str)] = &[
    (
        "Deployment/basic/spec/template/spec/containers/0/volumeMounts/0",
        "1.7.0 had no volume for artifacts",
    ),
    (
        "Deployment/basic/spec/template/spec/containers/0/volumeMounts/1",
        "1.7.0 had no volume for artifacts",
    ),
    (
        "Deployment/basic/spec/template/spec/volumes/0",
        "1.7.0 had no volume for artifacts",
    ),
    (
        "Deployment/basic/spec/template/spec/volumes/1",
        "1.7.0 had no volume for artifacts",
    ),
    (
        "ConfigMap/flink-config-*/data/*/env.java.opts.all",
        "the captured operator had no default for the module flags",
    ),
    (
        "ConfigMap/flink-config-*/data/*/execution.submit-failed-job-on-application-error",
        "1.7.0 set it with high availability only",
    ),
];

/// Differences after an upgrade.
const ACCEPTED_UPGRADED: &[(&str, &str)] = &[
    (
        "ConfigMap/pod-template-*/data/taskmanager-pod-template.yaml/apiVersion",
        "the Java operator drops it on an upgrade; it says nothing in a template",
    ),
    (
        "ConfigMap/pod-template-*/data/taskmanager-pod-template.yaml/kind",
        "the Java operator drops it on an upgrade; it says nothing in a template",
    ),
];

#[test]
fn an_application_with_high_availability() {
    compare("application-ha-1.20", &[]);
}

#[test]
fn an_application_after_a_savepoint_upgrade() {
    compare(
        "application-ha-1.20-after-savepoint-upgrade",
        ACCEPTED_UPGRADED,
    );
}

#[test]
fn an_application_after_a_last_state_upgrade() {
    compare(
        "application-ha-1.20-after-last-state-upgrade",
        ACCEPTED_UPGRADED,
    );
}

#[test]
fn an_application_of_flink_2() {
    compare("application-ha-2.3", &[]);
}

#[test]
fn an_application_with_the_autoscaler() {
    compare("application-autoscaler-1.20", &[]);
}

#[test]
fn a_session_cluster() {
    compare("session-ha-1.20", &[]);
}

#[test]
fn a_standalone_application() {
    compare("standalone-1.20", &[]);
}

#[test]
fn an_application_without_high_availability() {
    compare("application-1.18", ACCEPTED_OLD);
}

/// Builds from the FlinkDeployment of a captured case and compares with its objects.
fn compare(case: &str, more: &[(&str, &str)]) {
    let path = format!(
        "{}/tests/fixtures/java/{case}.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let captured: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let built = rebuild(&captured);
    let theirs: BTreeMap<String, Value> = captured
        .iter()
        .filter(|object| object["kind"] != "FlinkDeployment")
        .map(|object| (title(object), normal(object)))
        .collect();
    let ours: BTreeMap<String, Value> = built
        .in_order()
        .map(|object| (title(&object.body), normal(&object.body)))
        .collect();
    let mut differences = Vec::new();
    diff("", &json!(theirs), &json!(ours), &mut differences);
    let accepted: Vec<_> = ACCEPTED.iter().chain(more).collect();
    differences.retain(|(path, _)| !accepted.iter().any(|(pattern, _)| matches(pattern, path)));
    let report: Vec<String> = differences
        .iter()
        .map(|(path, what)| format!("{path}: {what}"))
        .collect();
    assert!(
        report.is_empty(),
        "{case}, theirs against ours:\n{}",
        report.join("\n")
    );
    for (pattern, _) in more {
        let mut all = Vec::new();
        diff("", &json!(theirs), &json!(ours), &mut all);
        assert!(
            all.iter().any(|(path, _)| matches(pattern, path)),
            "no longer differs: {pattern}"
        );
    }
}

/// The objects that we make from the captured FlinkDeployment, at the same point of its life.
fn rebuild(captured: &[Value]) -> Resources {
    let find = |kind: &str, prefix: &str| {
        captured.iter().find(|object| {
            object["kind"] == kind
                && object["metadata"]["name"]
                    .as_str()
                    .unwrap()
                    .starts_with(prefix)
        })
    };
    let deployment = find("FlinkDeployment", "").unwrap();
    let metadata = &deployment["metadata"];
    let (namespace, name) = (
        metadata["namespace"].as_str().unwrap(),
        metadata["name"].as_str().unwrap(),
    );
    let spec: FlinkDeploymentSpec = serde_json::from_value(deployment["spec"].clone()).unwrap();
    let theirs = configuration(find("ConfigMap", "flink-config-").unwrap());
    let defaults = Defaults::builtin().with_log_files(BTreeMap::from([(
        LOG4J_FILE.to_owned(),
        "rootLogger.level = INFO\n".to_owned(),
    )]));
    let config = effective(&defaults, namespace, name, &spec).unwrap();
    let result_store = theirs
        .raw("job-result-store.storage-path")
        .unwrap_or_default();
    let keys = DeployKeys {
        owner_uid: metadata["uid"].as_str().unwrap(),
        generation: metadata["generation"].as_i64().unwrap(),
        mode: spec.mode_or_default(),
        job_id: theirs.raw(flink::JOB_ID.key),
        savepoint: theirs.raw(flink::SAVEPOINT_PATH.key),
        deployment_id: result_store.rsplit('/').next().unwrap(),
    };
    build(&BuildInput {
        namespace,
        name,
        spec: &spec,
        config: &config,
        keys: &keys,
        log_files: log_files(&spec, &defaults),
        job_manager_uid: find("Deployment", name).unwrap()["metadata"]["uid"].as_str(),
    })
    .unwrap()
}

/// The configuration in a ConfigMap, of either form.
fn configuration(config_map: &Value) -> FlinkConfig {
    if let Some(text) = config_map["data"]["config.yaml"].as_str() {
        let nested: Map<String, Value> = serde_saphyr::from_str(text).unwrap();
        return FlinkConfig::flatten(&nested);
    }
    let lines = config_map["data"]["flink-conf.yaml"]
        .as_str()
        .unwrap()
        .lines();
    lines.map(|line| line.split_once(": ").unwrap()).collect()
}

fn title(object: &Value) -> String {
    format!(
        "{}/{}",
        object["kind"].as_str().unwrap(),
        object["metadata"]["name"].as_str().unwrap()
    )
}

/// The object as both operators mean it: files parsed, quantities as numbers, and without what the API
/// server fills in.
fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "ConfigMap" {
        let config = object["data"]
            .get("config.yaml")
            .or(object["data"].get("flink-conf.yaml"));
        if config.is_some() {
            let entries: Map<String, Value> = configuration(&object)
                .iter()
                .map(|(key, value)| (key.to_owned(), normal_value(key, value)))
                .collect();
            for file in ["config.yaml", "flink-conf.yaml"] {
                if object["data"].get(file).is_some() {
                    object["data"][file] = json!(entries);
                }
            }
        }
        if let Some(template) = object["data"].get("taskmanager-pod-template.yaml") {
            let template: Value = serde_saphyr::from_str(template.as_str().unwrap()).unwrap();
            object["data"]["taskmanager-pod-template.yaml"] = template;
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    strip(&mut object);
    object
}

/// Maps are written in any order.
fn normal_value(key: &str, value: &str) -> Value {
    let is_map = key.ends_with(".annotations") || key.ends_with(".owner.reference");
    if is_map {
        json!(crate::config::split::map(value).unwrap())
    } else {
        json!(value)
    }
}

/// Fields that the API server fills in when they are not given.
fn defaults() -> Value {
    json!({
        "progressDeadlineSeconds": 600,
        "revisionHistoryLimit": 10,
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "protocol": "TCP",
        "defaultMode": 420,
        "successThreshold": 1,
        "timeoutSeconds": 1,
        "scheme": "HTTP",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
    })
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let defaults = defaults();
            fields.retain(|key, value| defaults.get(key) != Some(value) && key != "clusterIPs");
            let assigned = fields
                .get("clusterIP")
                .and_then(Value::as_str)
                .is_some_and(|ip| ip != "None");
            if assigned {
                fields.remove("clusterIP");
            }
            for field in ["requests", "limits"] {
                if let Some(Value::Object(quantities)) = fields.get_mut(field) {
                    for quantity in quantities.values_mut() {
                        let number = crate::config::quantity(quantity.as_str().unwrap()).unwrap();
                        *quantity = json!(format!("{number:.6}"));
                    }
                }
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(elements) => elements.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Every place where two documents differ, with both values.
fn diff(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<(String, String)>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}/{key}")
        }
    };
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let side =
                    |fields: &Map<String, Value>| fields.get(key).cloned().unwrap_or(Value::Null);
                diff(&below(key), &side(a), &side(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for at in 0..a.len().max(b.len()) {
                let side = |list: &[Value]| list.get(at).cloned().unwrap_or(Value::Null);
                diff(&below(&at.to_string()), &side(a), &side(b), found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push((path.to_owned(), format!("{theirs} | {ours}"))),
    }
}

/// Whether a path is below a pattern, in which `*` stands for any text.
fn matches(pattern: &str, path: &str) -> bool {
    let mut rest = Some(path);
    for (at, part) in pattern.split('*').enumerate() {
        rest = rest.and_then(|rest| match (at, rest.find(part)) {
            (0, Some(0)) => rest.get(part.len()..),
            (0, _) | (_, None) => None,
            (_, Some(found)) => rest.get(found + part.len()..),
        });
    }
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
