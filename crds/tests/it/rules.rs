//! The CEL rules refuse what can never be right, and let everything else pass.
//!
//! Evaluated here without a server. Rules with `optionalOldSelf` (those on names) need a real one
//! and are left out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Value, json};

use crate::schema;

/// The rules of every kind, which take long to compile.
static RULES: LazyLock<BTreeMap<String, CompiledSchema>> = LazyLock::new(|| {
    let compiled = |crd: CustomResourceDefinition| {
        let mut root = schema(&crd).clone();
        if let Some(rules) = &mut root.x_kubernetes_validations {
            rules.retain(|rule| rule.optional_old_self != Some(true));
        }
        let compiled = compile_schema(&serde_json::to_value(root).unwrap());
        (crd.spec.names.kind, compiled)
    };
    flink_crds::all().into_iter().map(compiled).collect()
});

/// Messages of the rules that refuse `new`, as a replacement of `old` if there is one.
fn refused(kind: &str, old: Option<&Value>, new: &Value) -> Vec<String> {
    match Validator::new().validate_compiled(&RULES[kind], new, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn accepts(kind: &str, spec: Value) {
    assert_eq!(
        refused(kind, None, &json!({ "spec": spec })),
        Vec::<String>::new()
    );
}

#[track_caller]
fn refuses(kind: &str, spec: Value, message: &str) {
    let refused = refused(kind, None, &json!({ "spec": spec }));
    assert!(
        refused.len() == 1 && refused[0].contains(message),
        "{refused:?}"
    );
}

/// The same object with `spec`, deployed or not.
fn object(spec: Value, deployed: bool) -> Value {
    if deployed {
        json!({ "spec": spec, "status": { "reconciliationStatus": { "lastReconciledSpec": "{}" } } })
    } else {
        json!({ "spec": spec, "status": { "reconciliationStatus": {} } })
    }
}

#[track_caller]
fn refuses_once_deployed(kind: &str, old: Value, new: Value, message: &str) {
    let change = |deployed| {
        refused(
            kind,
            Some(&object(old.clone(), deployed)),
            &object(new.clone(), deployed),
        )
    };
    assert_eq!(
        change(false),
        Vec::<String>::new(),
        "nothing is deployed yet"
    );
    let refused = change(true);
    assert!(
        refused.len() == 1 && refused[0].contains(message),
        "{refused:?}"
    );
}

#[track_caller]
fn accepts_once_deployed(kind: &str, old: Value, new: Value) {
    let refused = refused(kind, Some(&object(old, true)), &object(new, true));
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_snapshot_is_a_savepoint_or_a_checkpoint() {
    let kind = "FlinkStateSnapshot";
    let of = json!({ "kind": "FlinkDeployment", "name": "a" });
    accepts(kind, json!({ "jobReference": of, "savepoint": {} }));
    accepts(kind, json!({ "jobReference": of, "checkpoint": {} }));
    refuses(kind, json!({ "jobReference": of }), "exactly one");
    refuses(
        kind,
        json!({ "jobReference": of, "savepoint": {}, "checkpoint": {} }),
        "exactly one",
    );
}

#[test]
fn a_snapshot_that_is_to_be_taken_names_its_job() {
    let kind = "FlinkStateSnapshot";
    accepts(
        kind,
        json!({ "savepoint": { "alreadyExists": true, "path": "s3://b/s" } }),
    );
    refuses(
        kind,
        json!({ "savepoint": { "alreadyExists": false } }),
        "jobReference",
    );
    refuses(
        kind,
        json!({ "checkpoint": {}, "jobReference": { "name": "a" } }),
        "jobReference",
    );
}

#[test]
fn parallelism_is_positive_or_follows_from_replicas() {
    let kind = "FlinkDeployment";
    accepts(kind, json!({ "job": { "parallelism": 1 } }));
    accepts(
        kind,
        json!({ "job": { "parallelism": 0 }, "taskManager": { "replicas": 2 } }),
    );
    // A mutator may fill it in.
    accepts(kind, json!({ "job": {} }));
    refuses(kind, json!({ "job": { "parallelism": 0 } }), "at least 1");
    refuses(
        "FlinkSessionJob",
        json!({ "job": { "parallelism": -1 } }),
        "at least 1",
    );
}

#[test]
fn cpu_is_positive() {
    let with = |cpu: Value| json!({ "jobManager": { "resource": { "cpu": cpu } } });
    accepts("FlinkDeployment", with(json!(0.1)));
    accepts("FlinkDeployment", with(json!(2)));
    refuses("FlinkDeployment", with(json!(0.0)), "more than 0");
}

#[test]
fn pull_policies_are_read_as_flink_reads_them() {
    for policy in ["Always", "IfNotPresent", "NEVER", "always", "", " "] {
        accepts("FlinkDeployment", json!({ "imagePullPolicy": policy }));
    }
    refuses(
        "FlinkDeployment",
        json!({ "imagePullPolicy": "Sometimes" }),
        "IfNotPresent",
    );
}

#[test]
fn only_log_files_that_flink_reads_are_configured() {
    let kind = "FlinkDeployment";
    accepts(
        kind,
        json!({ "logConfiguration": { "log4j-console.properties": "a" } }),
    );
    refuses(
        kind,
        json!({ "logConfiguration": { "log4j.properties": "a" } }),
        "log4j-console",
    );
}

#[test]
fn versions_too_old_to_run_are_stored_so_that_the_status_can_say_so() {
    accepts("FlinkDeployment", json!({ "flinkVersion": "v1_13" }));
}

#[test]
fn an_application_stays_one_once_deployed() {
    let application = json!({ "job": { "parallelism": 1 } });
    let session = json!({ "image": "flink" });
    let kind = "FlinkDeployment";
    refuses_once_deployed(kind, application.clone(), session.clone(), "spec.job");
    refuses_once_deployed(kind, session, application.clone(), "spec.job");
    accepts_once_deployed(kind, application, json!({ "job": { "parallelism": 2 } }));
}

#[test]
fn the_mode_stays_once_deployed() {
    let kind = "FlinkDeployment";
    refuses_once_deployed(
        kind,
        json!({}),
        json!({ "mode": "standalone" }),
        "spec.mode",
    );
    refuses_once_deployed(
        kind,
        json!({ "mode": "standalone" }),
        json!({ "mode": "native" }),
        "spec.mode",
    );
    accepts_once_deployed(kind, json!({ "mode": "native" }), json!({}));
}

#[test]
fn redeploying_needs_a_savepoint() {
    let kind = "FlinkDeployment";
    let job = |job: Value| json!({ "job": job });
    let old = job(json!({ "savepointRedeployNonce": 1 }));
    let new = job(json!({ "savepointRedeployNonce": 2 }));
    refuses_once_deployed(kind, old.clone(), new, "initialSavepointPath");
    let path = json!({ "savepointRedeployNonce": 2, "initialSavepointPath": "s3://b/s" });
    accepts_once_deployed(kind, old.clone(), job(path));
    accepts_once_deployed(kind, old.clone(), old.clone());
    accepts_once_deployed(kind, old, job(json!({})));
}

#[test]
fn a_session_job_stays_in_its_cluster() {
    let kind = "FlinkSessionJob";
    let of = |name: &str| json!({ "deploymentName": name });
    refuses_once_deployed(kind, of("a"), of("b"), "deploymentName");
    refuses_once_deployed(kind, of("a"), json!({}), "deploymentName");
    accepts_once_deployed(
        kind,
        of("a"),
        json!({ "deploymentName": "a", "restartNonce": 1 }),
    );
    refuses(
        kind,
        json!({ "deploymentName": "Not-A-Name" }),
        "name of a FlinkDeployment",
    );
}

#[test]
fn objects_without_spec_can_still_be_updated() {
    for crd in flink_crds::all() {
        let kind = &crd.spec.names.kind;
        let bare = json!({ "metadata": { "name": "a" } });
        assert_eq!(refused(kind, Some(&bare), &bare), Vec::<String>::new());
    }
}
