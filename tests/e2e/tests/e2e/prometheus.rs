//! Readings from a real Prometheus server that scrapes a real TaskManager, beside those of Flink's REST interface.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of a test fail it"
)]

use flink_e2e::{Job, Namespace, Operator, Prometheus, free_port};
use serde_json::{Value, json};

/// Port of Flink's reporter.
const REPORTER: u16 = 9249;

/// What is recommended for the vertex that has the work to do, and what one of its subtasks can do.
fn wait_for_recommendation(namespace: &Namespace) -> (u64, f64) {
    namespace.wait_for("a recommendation", |namespace| {
        let object = namespace.deployment("read");
        let vertices = object.pointer("/status/autoscaler/vertices")?.as_array()?;
        let keyed = vertices.iter().find(|vertex| vertex["name"] == "keyed-2")?;
        let target = keyed
            .get("target")?
            .as_u64()
            .filter(|target| *target >= 2)?;
        Some((target, keyed.get("trueRate")?.as_f64()?))
    })
}

/// Where the TaskManagers of the job report.
fn targets(namespace: &Namespace) -> Vec<String> {
    let selector = "app=read,component=taskmanager";
    let pods = namespace.run(&["get", "pods", "-l", selector, "-o", "json"]);
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let all = pods["items"].as_array().into_iter().flatten();
    all.filter_map(|pod| pod.pointer("/status/podIP")?.as_str())
        .map(|address| format!("{address}:{REPORTER}"))
        .collect()
}

/// 400 records/s of 3 ms: one subtask does 333/s and is too few.
#[test]
fn prometheus_and_flinks_rest_interface_lead_to_the_same_recommendation() {
    let namespace = Namespace::new("e2e-prometheus");
    let mut operator = Operator::start(&namespace);
    let port = free_port();
    let job = Job::apply_with(&namespace, "read", "2.3", "savepoint", |spec| {
        for (key, value) in [
            ("job.autoscaler.enabled", "true"),
            ("job.autoscaler.mode", "recommend"),
            ("job.autoscaler.metrics.window", "20s"),
            ("job.autoscaler.stabilization.interval", "5s"),
            ("job.autoscaler.vertex.max-parallelism", "4"),
            ("job.autoscaler.metrics.source", "prometheus"),
            (
                "job.autoscaler.prometheus.url",
                &format!("http://127.0.0.1:{port}"),
            ),
            (
                "job.autoscaler.prometheus.labels",
                "namespace=\"{namespace}\",app=\"{name}\"",
            ),
            ("metrics.fetcher.update-interval", "2000"),
            ("metrics.reporters", "prom"),
            (
                "metrics.reporter.prom.factory.class",
                "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
            ),
            ("metrics.reporter.prom.port", &REPORTER.to_string()),
        ] {
            spec["flinkConfiguration"][key] = json!(value);
        }
        spec["job"]["args"] = json!(["--rate", "constant:400", "--stages", "map:0.2ms,keyed:3ms"]);
    });
    namespace.wait_for_state("read", "STABLE");
    // No server listens yet, which is said and harms nothing.
    namespace.wait_for("the lack of readings to be told", |namespace| {
        let object = namespace.deployment("read");
        (object.pointer("/status/autoscaler/state")?.as_str()? == "Unreadable").then_some(())
    });
    let task_managers = json!({
        "job_name": "flink",
        "static_configs": [{
            "targets": targets(&namespace),
            "labels": { "namespace": namespace.name(), "app": "read" },
        }],
    });
    let server = Prometheus::scraping(&task_managers, port);
    let (theirs, their_rate) = wait_for_recommendation(&namespace);
    drop(server);

    // The same from REST, by an operator that knows nothing from before.
    operator.kill();
    job.patch(&json!({ "flinkConfiguration": { "job.autoscaler.metrics.source": "rest" } }));
    namespace.run(&[
        "delete",
        "configmap",
        "autoscaler-read",
        "--ignore-not-found",
    ]);
    namespace.patch_status("read", &json!({ "autoscaler": null }));
    operator.kill_and_restart();
    let (ours, our_rate) = wait_for_recommendation(&namespace);
    assert!(
        theirs.abs_diff(ours) <= 1 && (0.85..=1.15).contains(&(their_rate / our_rate)),
        "Prometheus: {theirs} subtasks, {their_rate}/s each; REST: {ours} subtasks, {our_rate}/s each"
    );
}
