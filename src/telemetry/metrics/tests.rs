//! The table, the registry and the reference say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small number")
}

fn metrics() -> Metrics {
    let identity = Identity {
        host: "pod-1".into(),
        namespace: "flink".into(),
        name: "flink-operator".into(),
    };
    Metrics::new(&identity).expect("the table is sound")
}

fn deployment(lifecycle: &'static str) -> Facts {
    Facts::Deployment(DeploymentFacts {
        lifecycle,
        job_manager: "READY",
        ..DeploymentFacts::default()
    })
}

fn job(name: &str) -> Resource {
    Resource::new(ResourceType::FlinkDeployment, "shop", name)
}

/// Makes every metric of the table appear.
fn use_everything(metrics: &Metrics) {
    let second = Duration::from_secs(1);
    for kind in ResourceType::ALL {
        metrics.observe_reconcile(kind, Outcome::Failed("flink"), second);
        metrics.set_queue_depth(kind, 3);
    }
    metrics.api_call("get", "pods", Some(200), second);
    metrics.rest_call("jobs_overview", "ok", second);
    metrics.watch_failed("Pod");
    metrics.heard("audit", Hearing::Delivered, 1);
    metrics.tried_again("audit");
    metrics.waits_for("audit", 1);
    // Every state is left and every transition ends; the first sight of a resource times nothing.
    let life = "DELETED CREATED DEPLOYED STABLE UPGRADING DEPLOYED STABLE SUSPENDED UPGRADING STABLE \
                FAILED DEPLOYED ROLLING_BACK ROLLED_BACK DELETING DELETED CREATED";
    for (state, second) in life.split_whitespace().zip(0..) {
        let known = table::LIFECYCLES
            .iter()
            .find(|known| **known == state)
            .expect("a state");
        metrics.set_resource(&job("all"), deployment(known), at(second));
    }
    for kind in [SnapshotKind::Checkpoint, SnapshotKind::Savepoint] {
        let name = Resource::new(
            ResourceType::FlinkStateSnapshot,
            "shop",
            &format!("{kind:?}"),
        );
        metrics.set_resource(
            &name,
            Facts::Snapshot {
                kind,
                state: "COMPLETED",
            },
            at(0),
        );
    }
    let blue_green = Resource::new(ResourceType::FlinkBlueGreenDeployment, "shop", "bg");
    let facts = Facts::BlueGreen {
        state: "ACTIVE_BLUE",
        job: Some("RUNNING"),
    };
    metrics.set_resource(&blue_green, facts, at(0));
    metrics.evaluated(&job("all"), Evaluation::Scaled);
    let figures = VertexFigures {
        current: table::VERTEX_CURRENT
            .iter()
            .map(|&name| (name, 1.0))
            .collect(),
        average: table::VERTEX_AVERAGE
            .iter()
            .map(|&name| (name, 1.0))
            .collect(),
    };
    metrics.set_vertices(&job("all"), BTreeMap::from([("v1".to_owned(), figures)]));
}

#[test]
fn what_is_declared_is_exported_and_nothing_else() {
    let metrics = metrics();
    use_everything(&metrics);
    let text = metrics.encode().expect("encodes");
    let exported: BTreeSet<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let declared: BTreeSet<(String, String)> = table::ALL
        .iter()
        .flat_map(|declaration| {
            let kind = declaration.kind.as_str();
            declaration
                .names()
                .into_iter()
                .map(move |name| (name, kind.to_owned()))
        })
        .collect();
    let missing: Vec<_> = declared.difference(&exported).collect();
    let undeclared: Vec<_> = exported.difference(&declared).collect();
    assert!(
        missing.is_empty() && undeclared.is_empty(),
        "{missing:?} {undeclared:?}"
    );
}

#[test]
fn every_metric_says_who_exports_it() {
    let metrics = metrics();
    use_everything(&metrics);
    for line in metrics
        .encode()
        .expect("encodes")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let own = [
            r#"host="pod-1""#,
            r#"namespace="flink""#,
            r#"name="flink-operator""#,
        ];
        assert!(own.iter().all(|label| line.contains(label)), "{line}");
    }
}

#[test]
fn no_series_survives_its_resource() {
    let metrics = metrics();
    use_everything(&metrics);
    for (kind, name) in [
        (ResourceType::FlinkDeployment, "all"),
        (ResourceType::FlinkStateSnapshot, "Checkpoint"),
        (ResourceType::FlinkStateSnapshot, "Savepoint"),
        (ResourceType::FlinkBlueGreenDeployment, "bg"),
    ] {
        metrics.forget(&Resource::new(kind, "shop", name));
    }
    let text = metrics.encode().expect("encodes");
    let left: Vec<_> = text.lines().filter(|line| line.contains("shop")).collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn no_series_survives_the_namespace_it_is_in() {
    let metrics = metrics();
    use_everything(&metrics);
    let elsewhere = Resource::new(ResourceType::FlinkDeployment, "garden", "one");
    metrics.set_resource(&elsewhere, deployment("STABLE"), at(0));
    metrics.forget_namespace("shop");
    let text = metrics.encode().expect("encodes");
    assert!(!text.contains("shop"), "{text}");
    assert!(text.contains("garden"), "{text}");
}

#[test]
fn histograms_stay_while_a_neighbour_lives() {
    let metrics = metrics();
    for name in ["one", "two"] {
        metrics.set_resource(&job(name), deployment("DEPLOYED"), at(0));
        metrics.set_resource(&job(name), deployment("STABLE"), at(30));
    }
    metrics.forget(&job("one"));
    let count = "Lifecycle_Transition_Stabilization_TimeSeconds_count{";
    let text = metrics.encode().expect("encodes");
    let line = text
        .lines()
        .find(|line| line.contains(count))
        .expect("the neighbour's series");
    assert!(line.ends_with(" 2"), "{line}");
}

#[test]
fn passes_are_counted_by_outcome() {
    let metrics = metrics();
    let kind = ResourceType::FlinkSessionJob;
    metrics.observe_reconcile(kind, Outcome::Done, Duration::from_millis(3));
    metrics.observe_reconcile(kind, Outcome::Failed("conflict"), Duration::from_millis(3));
    let text = metrics.encode().expect("encodes");
    for (name, label) in [
        ("flink_operator_reconciles_total", r#"outcome="done""#),
        ("flink_operator_reconciles_total", r#"outcome="failed""#),
        (
            "flink_operator_reconcile_errors_total",
            r#"category="conflict""#,
        ),
    ] {
        let found = text
            .lines()
            .any(|line| line.starts_with(name) && line.contains(label) && line.ends_with(" 1"));
        assert!(found, "{name} {label}\n{text}");
    }
}

#[test]
fn ten_thousand_resources_are_scraped_quickly() {
    let metrics = metrics();
    for number in 0..10_000 {
        metrics.set_resource(&job(&format!("job-{number}")), deployment("STABLE"), at(0));
    }
    let text = metrics.encode().expect("encodes");
    let states = text
        .lines()
        .filter(|line| line.starts_with("flink_operator_resource_state{"));
    assert_eq!(states.count(), 10_000);
}
