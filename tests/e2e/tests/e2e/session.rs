//! A session cluster.

use flink_e2e::{Namespace, Operator, manifest};
use serde_json::{Value, json};

/// A setting of the JobManager as Flink's REST interface tells it.
fn setting(namespace: &Namespace, key: &str) -> Option<String> {
    let settings = namespace.flink("session", "/jobmanager/config")?;
    let found = settings
        .as_array()?
        .iter()
        .find(|setting| setting["key"] == key)?;
    found["value"].as_str().map(str::to_owned)
}

#[test]
fn a_session_cluster_is_started_changed_and_leaves_nothing() {
    let namespace = Namespace::new("e2e-session");
    let _operator = Operator::start(&namespace);
    let mut session = manifest(namespace.name(), "session", "2.3", "stateless");
    session["spec"]["job"] = Value::Null;
    namespace.apply(&session);
    let first = namespace.wait_for_state("session", "STABLE");
    assert_eq!(
        first.pointer("/status/clusterInfo/flink-version"),
        Some(&json!("2.3.0"))
    );
    let slots = "taskmanager.numberOfTaskSlots";
    assert_eq!(setting(&namespace, slots).as_deref(), Some("2"));

    namespace.patch("session", &json!({ "flinkConfiguration": { slots: "3" } }));
    namespace.wait_for_state("session", "STABLE");
    namespace.wait_for("three slots", |namespace| {
        (setting(namespace, slots)? == "3").then_some(())
    });

    namespace.run(&["delete", "flinkdep", "session", "--timeout=120s"]);
    let left = namespace.run(&[
        "get",
        "deploy,pods,svc,cm",
        "-l",
        "app=session",
        "-o",
        "name",
    ]);
    assert_eq!(left.trim(), "", "nothing is left");
}
