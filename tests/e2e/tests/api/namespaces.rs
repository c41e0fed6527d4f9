//! The operator's configuration and its watched namespaces, changed while it runs.

use flink_e2e::{Namespace, application};
use serde_json::{Value, json};

use crate::SITE;
use crate::settings::{Settings, log_says};

fn is_looked_after(namespace: &Namespace) -> bool {
    let object = namespace.deployment("job");
    object.pointer("/metadata/finalizers").is_some()
}

#[test]
fn namespaces_come_and_go_while_the_operator_runs_and_the_jobs_of_those_let_go_stay() {
    let (first, second) = (SITE.namespace("api-first"), SITE.namespace("api-second"));
    let on = "kubernetes.operator.dynamic.namespaces.enabled: true";
    let settings = Settings::new("api-namespaces", "api-first,api-missing", on);
    let operator = settings.launch("api-namespaces").start();
    first.apply(&application("job"));
    second.apply(&application("job"));
    let before = first.wait_for_state("job", "STABLE");
    log_says(&operator, &first, "this namespace does not exist");
    assert!(!is_looked_after(&second), "it is none of ours yet");

    settings.write("api-first,api-second", on);
    second.wait_for_state("job", "STABLE");

    settings.write("api-second", on);
    log_says(&operator, &first, "let go");
    first.patch("job", &json!({ "job": { "parallelism": 3 } }));
    second.patch("job", &json!({ "job": { "parallelism": 3 } }));
    second.wait_for_state("job", "STABLE");
    let after = first.deployment("job");
    let status = |object: &Value| object.pointer("/status/jobStatus/jobId").cloned();
    assert_eq!(status(&before), status(&after), "its job goes on");
    assert_ne!(
        after.pointer("/status/observedGeneration"),
        after.pointer("/metadata/generation"),
        "and nobody looks after it"
    );
}

#[test]
fn a_change_of_namespaces_is_named_and_ignored_unless_it_is_asked_for_but_defaults_are_taken_over()
{
    let (first, second) = (SITE.namespace("api-fixed"), SITE.namespace("api-other"));
    let settings = Settings::new("api-fixed", "api-fixed", "");
    let operator = settings.launch("api-fixed").start();
    second.apply(&application("job"));
    first.apply(&application("job"));
    first.wait_for_state("job", "STABLE");

    let default = "web.checkpoints.history: 77";
    settings.write("api-fixed,api-other", default);
    log_says(&operator, &first, "Setting default configuration to {");
    log_says(
        &operator,
        &first,
        "the watched namespaces have changed and stay",
    );
    assert!(!is_looked_after(&second));
    first.patch("job", &json!({ "restartNonce": 1 }));
    first.wait_for_state("job", "STABLE");
    let map = first.get("configmap", "flink-config-job").to_string();
    assert!(map.contains("77"), "{map}");

    settings.write("api-fixed", ": [");
    log_says(&operator, &first, "the configuration stays as it is");
    first.patch("job", &json!({ "restartNonce": 2 }));
    first.wait_for_state("job", "STABLE");
}
