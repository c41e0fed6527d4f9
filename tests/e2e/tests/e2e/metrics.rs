//! What the operator exports, in a Prometheus that scrapes it, as the chart's dashboard shows it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a dashboard that is not as it should be fails the test"
)]

use flink_e2e::{Job, Launch, Namespace, Prometheus, free_port, repository};
use serde_json::{Value, json};

/// What has no data as long as a job only runs.
const NOT_YET: &[&str] = &["Upgrade", "Suspend", "Resume"];

/// Title, name in the legend and query of everything the dashboard asks for.
fn queries(namespace: &str) -> Vec<(String, String)> {
    let path = repository().join("charts/flink-operator/monitoring/dashboard.json");
    let text = std::fs::read_to_string(path).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let legend = target["legendFormat"].as_str().unwrap();
            let query = target["expr"].as_str().unwrap();
            let query = query
                .replace("$__rate_interval", "1m")
                .replace("$resourcens", namespace);
            if !NOT_YET.contains(&legend) {
                found.push((
                    format!("{} {legend}", panel["title"].as_str().unwrap()),
                    query,
                ));
            }
        }
    }
    found
}

#[test]
fn every_panel_of_the_dashboard_has_data_of_a_running_job() {
    let namespace = Namespace::new("e2e-metrics");
    let port = free_port();
    let _operator = Launch::new(namespace.name(), namespace.kubectl(), "e2e")
        .argument("--watch-namespaces", namespace.name())
        .argument("--metrics-port", &port.to_string())
        .start();
    let prometheus = Prometheus::of_port(port);
    let recommend = |spec: &mut Value| {
        let configuration = &mut spec["flinkConfiguration"];
        for (key, value) in [
            ("enabled", "true"),
            ("mode", "recommend"),
            ("metrics.window", "20s"),
            ("stabilization.interval", "5s"),
        ] {
            configuration[format!("job.autoscaler.{key}")] = json!(value);
        }
        configuration["metrics.fetcher.update-interval"] = json!("2000");
    };
    Job::apply_with(&namespace, "seen", "2.3", "stateless", recommend);
    namespace.wait_for_state("seen", "STABLE");

    let queries = queries(namespace.name());
    assert!(queries.len() > 30, "{}", queries.len());
    for (place, query) in &queries {
        namespace.wait_for(&format!("data of {place}: {query}"), |_| {
            (!prometheus.series(query).is_empty()).then_some(())
        });
    }
    let stable = r#"flink_operator_resource_state{resourcename="seen", state="STABLE"}"#;
    assert_eq!(prometheus.series(stable).len(), 1);
    let leads = prometheus.series("flink_operator_leader == 1");
    assert_eq!(leads.len(), 1, "alone it leads");
    let cores = prometheus.series("flink_k8soperator_namespace_ResourceUsage_Cpu > 0");
    assert_eq!(cores.len(), 1, "{cores:?}");

    namespace.run(&["delete", "flinkdep", "seen", "--timeout=120s"]);
    namespace.wait_for("its series to end", |_| {
        let left = prometheus.series(r#"{resourcename="seen"}"#);
        left.is_empty().then_some(())
    });
}
