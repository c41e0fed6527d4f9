//! Several replicas, one leader.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flink_e2e::{Namespace, Operator, application};
use flink_sim::flink::ClusterKey;
use serde_json::{Value, json};

use crate::SITE;

/// Settings with leader election in seconds.
fn settings(namespace: &Namespace) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("flink-operator-e2e-{}", namespace.name()));
    std::fs::create_dir_all(&folder).unwrap();
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/config.yaml");
    let mut text = std::fs::read_to_string(beside).unwrap();
    for (key, value) in [
        ("enabled", "\"true\""),
        ("lease-name", "operators"),
        ("lease-duration", "4 s"),
        ("renew-deadline", "3 s"),
        ("retry-period", "1 s"),
    ] {
        let _ = writeln!(text, "kubernetes.operator.leader-election.{key}: {value}");
    }
    std::fs::write(folder.join("config.yaml"), text).unwrap();
    folder
}

fn replica(namespace: &Namespace, name: &str, settings: &Path) -> Operator {
    SITE.launch(name, "e2e")
        .settings(settings)
        .argument("--watch-namespaces", namespace.name())
        .argument("--namespace", namespace.name())
        .start()
}

fn wait_for_holder(namespace: &Namespace, name: &str) {
    namespace.wait_for(&format!("{name} to lead"), |namespace| {
        let lease = namespace
            .attempt(&["get", "lease", "operators", "-o", "json"])
            .ok()?;
        let lease: Value = serde_json::from_str(&lease).unwrap();
        (lease.pointer("/spec/holderIdentity")? == name).then_some(())
    });
}

fn signal(operator: &Operator, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &operator.pid().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn another_replica_takes_over_from_one_that_is_killed_or_frozen_and_the_frozen_one_stays_quiet() {
    let namespace = SITE.namespace("api-leader");
    let settings = settings(&namespace);
    let mut first = replica(&namespace, "api-leader-first", &settings);
    wait_for_holder(&namespace, "api-leader-first");
    let second = replica(&namespace, "api-leader-second", &settings);
    namespace.apply(&application("led"));
    namespace.wait_for_state("led", "STABLE");

    namespace.patch("led", &json!({ "job": { "parallelism": 3 } }));
    first.kill();
    wait_for_holder(&namespace, "api-leader-second");
    namespace.wait_for_state("led", "STABLE");

    let third = replica(&namespace, "api-leader-third", &settings);
    namespace.patch("led", &json!({ "job": { "parallelism": 4 } }));
    signal(&second, "-STOP");
    wait_for_holder(&namespace, "api-leader-third");
    // It wakes up in the middle of what it was about to do.
    signal(&second, "-CONT");
    namespace.wait_for_state("led", "STABLE");
    wait_for_holder(&namespace, "api-leader-third");

    let key = ClusterKey::new(namespace.name(), "led");
    let flink = SITE.flink();
    assert_eq!(
        flink.journal().starts(&key).len(),
        3,
        "one start for each change"
    );
    assert_eq!(flink.journal().losses(&key), Vec::<u64>::new());
    assert_eq!(flink.live_jobs(&key), 1);
    drop(flink);
    drop(third);
}
