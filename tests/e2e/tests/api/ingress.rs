//! The Ingress of a cluster against a real API server: made, changed beside the running job, brought back, deleted.

use flink_e2e::application;
use serde_json::json;

use crate::SITE;

#[test]
fn an_ingress_follows_the_spec_and_the_job_is_not_disturbed() {
    let namespace = SITE.namespace("api-ingress");
    let _operator = SITE
        .launch("api-ingress", "e2e")
        .argument("--watch-namespaces", namespace.name())
        .start();
    let mut job = application("job");
    job["spec"]["ingress"] = json!({
        "template": "flink.example.org/{{namespace}}/{{name}}(/|$)(.*)",
        "annotations": { "nginx.ingress.kubernetes.io/rewrite-target": "/$2" },
        "labels": { "team": "data" },
        "tls": [{ "hosts": ["flink.example.org"], "secretName": "flink-tls" }],
    });
    namespace.apply(&job);
    let first = namespace.wait_for_state("job", "STABLE");
    let rule = "/spec/rules/0/http/paths/0/path";
    let ingress = namespace.wait_for("the Ingress", |namespace| {
        let text = namespace.attempt(&["get", "ingress", "job", "-o", "json"]);
        serde_json::from_str::<serde_json::Value>(&text.ok()?).ok()
    });
    assert_eq!(
        ingress.pointer(rule),
        Some(&json!("/api-ingress/job(/|$)(.*)"))
    );
    assert_eq!(
        ingress.pointer("/spec/tls/0/secretName"),
        Some(&json!("flink-tls"))
    );
    assert_eq!(
        ingress.pointer("/metadata/labels/team"),
        Some(&json!("data"))
    );

    namespace.patch("job", &json!({ "ingress": { "className": "nginx" } }));
    namespace.wait_for("the class", |namespace| {
        let class = namespace.get("ingress", "job");
        (class.pointer("/spec/ingressClassName") == Some(&json!("nginx"))).then_some(())
    });
    namespace.run(&["delete", "ingress", "job"]);
    namespace.wait_for("it to be brought back", |namespace| {
        namespace.attempt(&["get", "ingress", "job"]).ok()
    });
    namespace.patch("job", &json!({ "ingress": null }));
    namespace.wait_for("it to go", |namespace| {
        let names = namespace.run(&["get", "ingress", "-o", "name"]);
        names.trim().is_empty().then_some(())
    });
    let last = namespace.wait_for_state("job", "STABLE");
    let id = "/status/jobStatus/jobId";
    assert_eq!(first.pointer(id), last.pointer(id), "the same job runs");
}
