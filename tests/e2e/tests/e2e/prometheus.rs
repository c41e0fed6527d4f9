//! Readings from a real Prometheus server that scrapes a real TaskManager.
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
fn readings_from_prometheus_lead_to_a_recommendation_that_fits_the_job() {
    let namespace = Namespace::new("e2e-prometheus");
    let _operator = Operator::start(&namespace);
    let port = free_port();
    Job::apply_with(&namespace, "read", "2.3", "savepoint", |spec| {
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
    let (subtasks, rate) = wait_for_recommendation(&namespace);
    drop(server);
    assert!((2..=4).contains(&subtasks), "{subtasks} subtasks");
    assert!(
        (283.0..=383.0).contains(&rate),
        "{rate}/s a subtask, where 3 ms a record are 333"
    );
}
