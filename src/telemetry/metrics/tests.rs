//! The table, the registry and the reference say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small number")
}

fn switched(switches: Switches) -> Metrics {
    let identity = Identity {
        host: "pod-1".into(),
        namespace: "flink".into(),
        name: "flink-operator".into(),
    };
    Metrics::new(&identity, switches).expect("the table is sound")
}

fn metrics() -> Metrics {
    switched(Switches::default())
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
    }
    let slow = Duration::from_secs(9);
    metrics.api_call("list", "pods", Some(200), slow);
    let now = Instant::now();
    metrics.wanted(&job("all"), now);
    metrics.begun(&job("all"), now + second);
    metrics.ended(&job("all"));
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

/// The value of a series whose line begins with the name and has the label.
fn value(metrics: &Metrics, name: &str, label: &str) -> Option<f64> {
    let text = metrics.encode().expect("encodes");
    let found = text
        .lines()
        .find(|line| line.split('{').next() == Some(name) && line.contains(label))?;
    found.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn the_queue_and_the_leader_are_as_at_the_scrape() {
    let metrics = metrics();
    let (kind, now) = (r#"resourcetype="FlinkDeployment""#, Instant::now());
    for name in ["one", "two", "three"] {
        metrics.wanted(&job(name), now);
    }
    metrics.wanted(&job("later"), now + Duration::from_mins(1));
    metrics.begun(&job("one"), now);
    tokio::time::advance(Duration::from_secs(7)).await;
    let read = |name| value(&metrics, name, kind);
    assert_eq!(read("flink_operator_queue_depth"), Some(2.0));
    assert_eq!(read("flink_operator_queue_longest_wait_seconds"), Some(7.0));
    assert_eq!(read("flink_operator_reconciles_running"), Some(1.0));
    metrics.ended(&job("one"));
    metrics.forget(&job("two"));
    metrics.forget(&job("three"));
    assert_eq!(read("flink_operator_queue_depth"), Some(0.0));
    assert_eq!(read("flink_operator_reconciles_running"), Some(0.0));

    assert_eq!(value(&metrics, "flink_operator_leader", ""), Some(0.0));
    let leads = Arc::new(Mutex::new(true));
    let answer = Arc::clone(&leads);
    metrics.leads_when(move || *lock(&answer));
    assert_eq!(value(&metrics, "flink_operator_leader", ""), Some(1.0));
    *lock(&leads) = false;
    assert_eq!(value(&metrics, "flink_operator_leader", ""), Some(0.0));
}

#[test]
fn what_is_switched_off_is_not_exported() {
    let on = Switches::default();
    for (switches, gone, stays) in [
        (
            Switches {
                controllers: false,
                ..on
            },
            "flink_operator_queue",
            "flink_operator_api",
        ),
        (
            Switches {
                client: false,
                ..on
            },
            "flink_operator_api",
            "flink_operator_queue",
        ),
        (
            Switches {
                resources: false,
                ..on
            },
            "_JmDeploymentStatus_",
            "_Lifecycle_",
        ),
        (
            Switches {
                lifecycle: false,
                ..on
            },
            "_Lifecycle_",
            "_JmDeploymentStatus_",
        ),
    ] {
        let metrics = switched(switches);
        use_everything(&metrics);
        let text = metrics.encode().expect("encodes");
        assert!(!text.contains(gone), "{gone}");
        assert!(text.contains(stays), "{stays}");
    }
}

#[test]
fn times_of_lifecycles_may_be_kept_for_the_operator_as_a_whole() {
    let metrics = switched(Switches {
        lifecycle_by_namespace: false,
        ..Switches::default()
    });
    use_everything(&metrics);
    let count = "flink_k8soperator_namespace_Lifecycle_Transition_Upgrade_TimeSeconds_count";
    assert_eq!(value(&metrics, count, r#"resourcens="shop""#), None);
    assert!(value(&metrics, count, r#"resourcens="""#).is_some());
}

#[test]
fn what_does_not_exist_any_more_is_forgotten_in_its_namespaces_only() {
    let metrics = metrics();
    for (namespace, name) in [("shop", "gone"), ("shop", "there"), ("garden", "elsewhere")] {
        let resource = Resource::new(ResourceType::FlinkDeployment, namespace, name);
        metrics.set_resource(&resource, deployment("STABLE"), at(0));
    }
    let kind = ResourceType::FlinkDeployment;
    metrics.forget_all_but((kind, Some("shop")), |resource| resource.name == "there");
    let left = |name: &str| {
        let label = format!("resourcename=\"{name}\"");
        value(&metrics, "flink_operator_resource_state", &label).is_some()
    };
    assert_eq!(
        [left("gone"), left("there"), left("elsewhere")],
        [false, true, true]
    );
    metrics.forget_all_but((kind, None), |resource| resource.name == "there");
    assert!(!left("elsewhere"));
}
