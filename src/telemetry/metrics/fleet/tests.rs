//! The book of resources, by example.

use super::*;

fn deployment(lifecycle: &'static str, version: Option<&str>) -> Facts {
    Facts::Deployment(DeploymentFacts {
        lifecycle,
        job_manager: "READY",
        flink_version: version.map(str::to_owned),
        cpu: 1.5,
        memory: 1024.0,
        state_size: 10.0,
    })
}

fn resource(namespace: &str, name: &str) -> Resource {
    Resource::new(ResourceType::FlinkDeployment, namespace, name)
}

fn value_of(fleet: &Fleet, name: &str, labels: &[&str]) -> Option<f64> {
    fleet
        .figures()
        .into_iter()
        .find(|figure| figure.declaration.name_for(figure.each) == name && figure.labels == labels)
        .map(|figure| figure.value)
}

#[test]
fn resources_are_counted_by_namespace_and_state() {
    let mut fleet = Fleet::default();
    fleet.set(&resource("a", "one"), deployment("STABLE", Some("1.20.1")));
    fleet.set(&resource("a", "two"), deployment("FAILED", None));
    fleet.set(&resource("b", "one"), deployment("STABLE", Some("2.2.0")));
    let at = |name: &str, namespace: &str| value_of(&fleet, name, &[namespace, "FlinkDeployment"]);
    assert_eq!(at("flink_k8soperator_namespace_Count", "a"), Some(2.0));
    assert_eq!(at("flink_k8soperator_namespace_Count", "b"), Some(1.0));
    assert_eq!(
        at(
            "flink_k8soperator_namespace_Lifecycle_State_STABLE_Count",
            "a"
        ),
        Some(1.0)
    );
    assert_eq!(
        at(
            "flink_k8soperator_namespace_Lifecycle_State_FAILED_Count",
            "b"
        ),
        Some(0.0)
    );
    assert_eq!(
        at("flink_k8soperator_namespace_ResourceUsage_Cpu", "a"),
        Some(3.0)
    );
    assert_eq!(
        value_of(
            &fleet,
            "flink_k8soperator_namespace_FlinkMinorVersion_Count",
            &["a", "FlinkDeployment", "1.20"]
        ),
        Some(1.0)
    );
    assert_eq!(
        value_of(
            &fleet,
            "flink_operator_resource_state",
            &["a", "two", "FlinkDeployment", "FAILED"]
        ),
        Some(1.0)
    );
}

#[test]
fn a_state_that_changes_leaves_the_old_one() {
    let mut fleet = Fleet::default();
    fleet.set(&resource("a", "one"), deployment("UPGRADING", None));
    fleet.set(&resource("a", "one"), deployment("STABLE", None));
    let labels = ["a", "one", "FlinkDeployment", "UPGRADING"];
    assert_eq!(
        value_of(&fleet, "flink_operator_resource_state", &labels),
        None
    );
    assert_eq!(
        value_of(
            &fleet,
            "flink_k8soperator_namespace_Lifecycle_State_UPGRADING_Count",
            &["a", "FlinkDeployment"]
        ),
        Some(0.0)
    );
}

#[test]
fn a_forgotten_resource_leaves_nothing() {
    let mut fleet = Fleet::default();
    let gone = resource("a", "one");
    fleet.set(&gone, deployment("STABLE", None));
    fleet.evaluated(&gone, Evaluation::Scaled);
    let figures = VertexFigures {
        current: BTreeMap::from([("LOAD", 0.5)]),
        average: BTreeMap::from([("LOAD", 0.4)]),
    };
    fleet.set_vertices(&gone, BTreeMap::from([("ea632d67".to_owned(), figures)]));
    assert!(!fleet.figures().is_empty());
    assert!(fleet.forget(&gone), "it was the last one");
    assert_eq!(fleet.figures(), []);
}

#[test]
fn the_last_of_a_kind_in_a_namespace_is_noticed() {
    let mut fleet = Fleet::default();
    fleet.set(&resource("a", "one"), deployment("STABLE", None));
    fleet.set(&resource("a", "two"), deployment("STABLE", None));
    let job = Resource::new(ResourceType::FlinkSessionJob, "a", "job");
    fleet.set(
        &job,
        Facts::SessionJob {
            lifecycle: "STABLE",
        },
    );
    assert!(!fleet.forget(&resource("a", "one")));
    assert!(fleet.forget(&resource("a", "two")));
}

#[test]
fn unknown_vertex_figures_are_absent() {
    let mut fleet = Fleet::default();
    let job = resource("a", "one");
    let known = VertexFigures {
        current: BTreeMap::from([("LAG", 12.0)]),
        average: BTreeMap::new(),
    };
    fleet.set_vertices(&job, BTreeMap::from([("v1".to_owned(), known)]));
    let labels = ["a", "one", "FlinkDeployment", "v1"];
    let name =
        |metric| format!("flink_k8soperator_namespace_resource_AutoScaler_jobVertexID_{metric}");
    assert_eq!(value_of(&fleet, &name("LAG_Current"), &labels), Some(12.0));
    assert_eq!(value_of(&fleet, &name("LOAD_Current"), &labels), None);
    assert_eq!(value_of(&fleet, &name("LOAD_Average"), &labels), None);
}

#[test]
fn minor_versions_are_read_from_what_clusters_report() {
    for (reported, minor) in [
        ("1.20.1", "1.20"),
        ("2.0", "2.0"),
        ("2.3-SNAPSHOT", "2.3"),
        ("UNKNOWN", "UNKNOWN"),
        ("<unknown>", "MALFORMED"),
        ("1", "MALFORMED"),
    ] {
        assert_eq!(minor_version(reported), minor, "{reported}");
    }
}

#[test]
fn snapshots_and_blue_green_deployments_have_their_own_counts() {
    let mut fleet = Fleet::default();
    fleet.set(
        &Resource::new(ResourceType::FlinkStateSnapshot, "a", "s"),
        Facts::Snapshot {
            kind: SnapshotKind::Savepoint,
            state: "COMPLETED",
        },
    );
    fleet.set(
        &Resource::new(ResourceType::FlinkBlueGreenDeployment, "a", "bg"),
        Facts::BlueGreen {
            state: "ACTIVE_BLUE",
            job: Some("RUNNING"),
        },
    );
    let labels = ["a", "FlinkStateSnapshot"];
    let saved = "flink_k8soperator_namespace_Savepoint_State_COMPLETED_Count";
    assert_eq!(value_of(&fleet, saved, &labels), Some(1.0));
    assert_eq!(
        value_of(
            &fleet,
            "flink_k8soperator_namespace_Savepoint_Count",
            &labels
        ),
        Some(1.0)
    );
    let labels = ["a", "FlinkBlueGreenDeployment"];
    let running = "flink_k8soperator_namespace_JobStatus_RUNNING_Count";
    assert_eq!(value_of(&fleet, running, &labels), Some(1.0));
}
