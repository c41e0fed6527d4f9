//! FlinkStateSnapshots against a real API server: watches, finalizers, labels and a killed process.

use flink_e2e::{Namespace, application};
use serde_json::{Value, json};

use crate::SITE;

/// A savepoint that a person asks for.
pub fn by_hand(name: &str, job: &str) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkStateSnapshot",
        "metadata": { "name": name },
        "spec": {
            "backoffLimit": 1,
            "jobReference": { "kind": "FlinkDeployment", "name": job },
            "savepoint": {},
        },
    })
}

/// Wait for the state of a snapshot.
pub fn wait_for_state(namespace: &Namespace, name: &str, state: &str) -> Value {
    namespace.wait_for(&format!("{name} to be {state}"), |namespace| {
        let snapshot = namespace.get("flinksnp", name);
        (snapshot.pointer("/status/state") == Some(&json!(state))).then_some(snapshot)
    })
}

/// Names of the complete snapshots that carry these labels.
fn complete(namespace: &Namespace, labels: &str) -> Vec<String> {
    let selector = format!("snapshot.state=COMPLETED,{labels}");
    let names = namespace.run(&["get", "flinksnp", "-l", &selector, "-o", "name"]);
    names.lines().map(str::to_owned).collect()
}

#[test]
fn snapshots_are_taken_kept_and_deleted_though_the_operator_is_killed() {
    let namespace = SITE.namespace("api-snapshots");
    let mut operator = SITE
        .launch("api-snapshots", "e2e")
        .argument("--watch-namespaces", namespace.name())
        .start();
    namespace.apply(&application("job"));
    namespace.wait_for_state("job", "STABLE");

    namespace.apply(&by_hand("mine", "job"));
    operator.kill_and_restart();
    let mine = wait_for_state(&namespace, "mine", "COMPLETED");
    let path = mine
        .pointer("/status/path")
        .and_then(Value::as_str)
        .unwrap();
    let files = || {
        let mut flink = SITE.flink();
        flink.storage_mut().snapshots().any(|file| file == path)
    };
    assert!(files(), "{path}");
    assert_eq!(
        mine.pointer("/metadata/labels/job-reference.name"),
        Some(&json!("job"))
    );

    namespace.apply(&by_hand("lost", "nobody"));
    let lost = wait_for_state(&namespace, "lost", "ABANDONED");
    let error = lost.pointer("/status/error").and_then(Value::as_str);
    assert!(error.is_some_and(|error| error.contains("was not found")));
    namespace.run(&["delete", "flinksnp", "lost", "--timeout=60s"]);

    namespace.patch("job", &json!({ "job": { "savepointTriggerNonce": 1 } }));
    namespace.wait_for("the savepoint of the nonce", |namespace| {
        let selector = "snapshot.trigger-type=MANUAL,job-reference.name=job";
        (complete(namespace, selector).len() == 2).then_some(())
    });
    namespace.patch("job", &json!({ "job": { "parallelism": 3 } }));
    namespace.wait_for_state("job", "STABLE");
    namespace.wait_for("the savepoint of the upgrade", |namespace| {
        (complete(namespace, "snapshot.trigger-type=UPGRADE").len() == 1).then_some(())
    });

    namespace.run(&["delete", "flinksnp", "mine", "--timeout=60s"]);
    assert!(!files(), "its files go with it");

    namespace.run(&["delete", "flinkdep", "job", "--timeout=120s"]);
    namespace.run(&["delete", "flinksnp", "--all", "--timeout=60s"]);
}
