//! Savepoints and checkpoints of a real job: by hand, by schedule, by upgrade; and the examples about them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail it"
)]

use std::path::Path;

use flink_e2e::{Job, Namespace, Operator, example};
use serde_json::{Value, json};

/// The complete snapshots with this label: names and paths.
fn complete(namespace: &Namespace, label: &str) -> Vec<(String, String)> {
    let selector = format!("snapshot.state=COMPLETED,{label}");
    let list = namespace.run(&["get", "flinksnp", "-l", &selector, "-o", "json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let text = |item: &Value, pointer: &str| {
        let found = item.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    list.pointer("/items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|item| (text(item, "/metadata/name"), text(item, "/status/path")))
        .collect()
}

fn on_disk(path: &str) -> bool {
    let folder = path.strip_prefix("file:").unwrap_or(path);
    Path::new(folder).is_dir()
}

#[test]
fn a_job_on_flink_2_has_its_snapshots_taken_kept_and_disposed_of() {
    let namespace = Namespace::new("e2e-snapshots");
    let mut operator = Operator::start(&namespace);
    let job = Job::apply_with(&namespace, "peri", "2.3", "savepoint", |spec| {
        let config = &mut spec["flinkConfiguration"];
        config["kubernetes.operator.periodic.savepoint.interval"] = json!("15 s");
        config["kubernetes.operator.savepoint.history.max.count"] = json!("2");
        config["kubernetes.operator.savepoint.dispose-on-delete"] = json!("true");
    });
    namespace.wait_for_state("peri", "STABLE");

    for file in ["savepoint.yaml", "checkpoint.yaml"] {
        let manifest = example(file).replace("name: savepoint-upgrade", "name: peri");
        namespace
            .attempt_with(&["apply", "-f", "-"], &manifest)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    operator.kill_and_restart();
    let by_hand = namespace.wait_for("both by hand", |namespace| {
        let found = complete(namespace, "snapshot.trigger-type=MANUAL");
        (found.len() == 2).then_some(found)
    });
    // The files of a checkpoint are Flink's, and go with the next checkpoints.
    let of = |kind: &str| by_hand.iter().find(|(_, path)| path.contains(kind));
    assert!(of("/chk-").is_some(), "{by_hand:?}");
    let (savepoint, path) = of("/savepoint-").expect("a savepoint");
    assert!(on_disk(path), "{path}");

    // The first by schedule goes when there are three, and its files with it.
    let first = namespace.wait_for("one by schedule", |namespace| {
        complete(namespace, "snapshot.trigger-type=PERIODIC")
            .into_iter()
            .next()
    });
    assert!(on_disk(&first.1), "{first:?}");
    namespace.wait_for("the first to go", |namespace| {
        let all = complete(namespace, "snapshot.trigger-type=PERIODIC");
        assert!(all.len() <= 3, "{all:?}");
        (all.iter().all(|(name, _)| *name != first.0) && !all.is_empty()).then_some(())
    });
    assert!(!on_disk(&first.1), "{first:?} is disposed of");

    let off = json!({ "kubernetes.operator.periodic.savepoint.interval": "0" });
    job.patch(&json!({ "flinkConfiguration": off, "job": { "parallelism": 2 } }));
    namespace.wait_for_state("peri", "STABLE");
    let upgrade = namespace.wait_for("the one of the upgrade", |namespace| {
        complete(namespace, "snapshot.trigger-type=UPGRADE").pop()
    });
    assert!(on_disk(&upgrade.1), "{upgrade:?}");

    namespace.run(&["delete", "flinksnp", savepoint, "--timeout=60s"]);
    assert!(!on_disk(path), "{path} is disposed of");
    job.wait_for_count_above(0);
    assert_eq!(job.counter("verify.violations"), Some(0));
}
