//! The operator's process: a life with the chart's permissions, rivals, and lines that break.

use std::path::{Path, PathBuf};
use std::process::Command;

use flink_e2e::{Counters, Namespace, Operator, application, free_port, helm};
use flink_sim::flink::{ClusterKey, Happening};
use serde_json::{Value, json};

use crate::SITE;
use crate::proxy::Proxy;

/// Starts of jobs of a resource, and whether any began with less than was saved.
fn starts(namespace: &Namespace, name: &str) -> usize {
    let key = ClusterKey::new(namespace.name(), name);
    let flink = SITE.flink();
    assert_eq!(
        flink.journal().losses(&key),
        Vec::<u64>::new(),
        "state lost"
    );
    assert!(flink.live_jobs(&key) <= 1, "two jobs at once");
    flink.journal().starts(&key).len()
}

/// The chart's accounts and permissions for one namespace, without its pods.
fn install_permissions(namespace: &Namespace) {
    let watched = format!("watchNamespaces={{{}}}", namespace.name());
    let mut arguments = vec![
        "template",
        "flink-operator",
        "--namespace",
        namespace.name(),
    ];
    arguments.extend(["--kube-version", "1.34.0", "--set", &watched]);
    for template in ["rbac", "serviceaccounts"] {
        let file = format!("templates/{template}.yaml");
        let manifests = helm(&[&arguments[..], &["--show-only", &file]].concat());
        namespace
            .attempt_with(&["apply", "-f", "-"], &manifests)
            .unwrap();
    }
}

/// A kubeconfig with a token of the operator's service account in place of the administrator's certificate.
fn kubeconfig_of_account(namespace: &Namespace) -> PathBuf {
    let token = namespace.run(&["create", "token", "flink-operator"]);
    let path = std::env::temp_dir().join(format!(
        "flink-operator-e2e-{}.kubeconfig",
        namespace.name()
    ));
    std::fs::copy(namespace.kubectl().kubeconfig(), &path).unwrap();
    let file = path.to_str().unwrap();
    for arguments in [
        vec!["set-credentials", "account", "--token", token.trim()],
        vec!["set-context", "--current", "--user", "account"],
    ] {
        let config = [&["config", "--kubeconfig", file][..], &arguments[..]].concat();
        namespace.run(&config);
    }
    path
}

fn log(operator: &Operator) -> String {
    std::fs::read_to_string(operator.log()).unwrap()
}

#[test]
fn the_charts_permissions_are_enough_for_a_whole_life_and_at_rest_nothing_is_written() {
    let namespace = SITE.namespace("api-life");
    install_permissions(&namespace);
    let port = free_port();
    let operator = SITE
        .launch("api-life", "e2e")
        .kubeconfig(&kubeconfig_of_account(&namespace))
        .argument("--watch-namespaces", namespace.name())
        .argument("--metrics-port", &port.to_string())
        .start();
    namespace.apply(&application("life"));
    let first = namespace.wait_for_state("life", "STABLE");
    assert_eq!(
        first.pointer("/metadata/finalizers"),
        Some(&json!(["flinkdeployments.flink.apache.org/finalizer"]))
    );

    namespace.wait_for("the size of its first checkpoint", |namespace| {
        let object = namespace.deployment("life");
        object.pointer("/status/clusterInfo/state-size").cloned()
    });
    rests(&namespace, port);
    let maps = namespace.run(&["get", "configmaps", "-o", "name"]);
    assert!(!maps.contains("autoscaler"), "nothing asks for one: {maps}");

    namespace.patch("life", &json!({ "job": { "parallelism": 4 } }));
    namespace.wait_for_state("life", "STABLE");
    assert_eq!(starts(&namespace, "life"), 2);
    namespace.patch("life", &json!({ "job": { "state": "suspended" } }));
    namespace.wait_for_state("life", "SUSPENDED");
    namespace.patch("life", &json!({ "job": { "state": "running" } }));
    namespace.wait_for_state("life", "STABLE");
    assert_eq!(starts(&namespace, "life"), 3);

    namespace.run(&["delete", "flinkdep", "life", "--timeout=120s"]);
    namespace.wait_for("all objects to be gone", |namespace| {
        let left = namespace.run(&["get", "deploy,pods,svc,cm", "-l", "app=life", "-o", "name"]);
        left.trim().is_empty().then_some(())
    });
    let log = log(&operator);
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    let events = namespace.run(&["get", "events", "-o", "json"]);
    for reason in ["Submit", "SpecChanged", "Suspended", "JobStatusChanged"] {
        assert!(
            events.contains(&format!("\"reason\": \"{reason}\"")),
            "{reason}: {events}"
        );
    }
}

/// Five more passes, and no write.
fn rests(namespace: &Namespace, port: u16) {
    // What the last change set in motion comes to its end first.
    let read = || SITE.runtime().block_on(Counters::read(port));
    let settled = |passes: u64| {
        let begun = read().unwrap().passes;
        namespace.wait_for("passes", |_| {
            read().ok().filter(|now| now.passes >= begun + passes)
        })
    };
    let (before, after) = (settled(2), settled(5));
    assert_eq!(
        before.writes, after.writes,
        "writes of a satisfied resource"
    );
}

#[test]
fn a_rival_that_writes_all_the_time_does_not_disturb_an_upgrade() {
    let namespace = SITE.namespace("api-rival");
    let _operator = start(&namespace, None);
    namespace.apply(&application("contested"));
    namespace.wait_for_state("contested", "STABLE");
    namespace.patch("contested", &json!({ "job": { "parallelism": 3 } }));
    let mut written = 0;
    namespace.wait_for("the upgrade", |namespace| {
        for _ in 0..5 {
            written += 1;
            let note = format!("example.com/rival={written}");
            namespace.run(&["annotate", "--overwrite", "flinkdep", "contested", &note]);
        }
        (starts(namespace, "contested") == 2).then_some(())
    });
    let last = namespace.wait_for_state("contested", "STABLE");
    let annotation = last.pointer("/metadata/annotations/example.com~1rival");
    assert_eq!(
        annotation,
        Some(&json!(written.to_string())),
        "nothing of the rival's is lost"
    );
    assert_eq!(starts(&namespace, "contested"), 2);
    let warnings = [
        "get",
        "events",
        "--field-selector=type=Warning,involvedObject.kind=FlinkDeployment",
        "-o",
        "name",
    ];
    assert_eq!(
        namespace.run(&warnings).trim(),
        "",
        "it is no news for anybody"
    );
}

fn start(namespace: &Namespace, kubeconfig: Option<&Path>) -> Operator {
    let launch = SITE
        .launch(namespace.name(), "e2e")
        .argument("--watch-namespaces", namespace.name());
    match kubeconfig {
        Some(kubeconfig) => launch.kubeconfig(kubeconfig).start(),
        None => launch.start(),
    }
}

#[test]
fn a_user_who_applies_on_the_servers_side_meets_no_conflict_with_the_operator() {
    let namespace = SITE.namespace("api-owner");
    let _operator = start(&namespace, None);
    let apply = |parallelism: u32| {
        let mut manifest = application("owned");
        manifest["spec"]["job"]["parallelism"] = json!(parallelism);
        let arguments = ["apply", "--server-side", "--field-manager=user", "-f", "-"];
        namespace
            .attempt_with(&arguments, &manifest.to_string())
            .unwrap();
    };
    apply(2);
    namespace.wait_for_state("owned", "STABLE");
    apply(1);
    namespace.wait_for_state("owned", "STABLE");
    let managed = [
        "get",
        "flinkdep",
        "owned",
        "--show-managed-fields",
        "-o",
        "json",
    ];
    let object: Value = serde_json::from_str(&namespace.run(&managed)).unwrap();
    let managers = object.pointer("/metadata/managedFields").unwrap();
    for manager in managers.as_array().unwrap() {
        let owns_spec = manager.pointer("/fieldsV1/f:spec").is_some();
        assert_eq!(owns_spec, manager["manager"] == "user", "{manager}");
    }
}

#[test]
fn a_broken_line_to_the_api_server_is_mended_and_what_was_missed_is_done() {
    let namespace = SITE.namespace("api-line");
    let proxy = Proxy::start(&SITE, namespace.name());
    let _operator = start(&namespace, Some(&proxy.kubeconfig));
    namespace.apply(&application("line"));
    let before = namespace.wait_for_state("line", "STABLE");

    proxy.cut();
    namespace.patch("line", &json!({ "job": { "parallelism": 5 } }));
    namespace.apply(&application("missed"));
    // Long enough that watches are begun again, in vain.
    std::thread::sleep(std::time::Duration::from_secs(8));
    let cut_off = namespace.deployment("line");
    assert_eq!(before["status"], cut_off["status"], "nobody writes");

    proxy.mend();
    namespace.wait_for_state("line", "STABLE");
    namespace.wait_for_state("missed", "STABLE");
    assert_eq!(starts(&namespace, "line"), 2);
}

#[test]
fn an_operator_killed_at_any_moment_of_an_upgrade_ends_with_one_job_and_all_its_state() {
    let namespace = SITE.namespace("api-kill");
    let mut operator = start(&namespace, None);
    namespace.apply(&application("killed"));
    namespace.wait_for_state("killed", "STABLE");
    namespace.patch("killed", &json!({ "job": { "parallelism": 3 } }));
    let mut kills = 0;
    namespace.wait_for("the upgraded job", |namespace| {
        operator.kill_and_restart();
        kills += 1;
        // Each time it gets a little further before it dies.
        std::thread::sleep(std::time::Duration::from_millis(300 * kills));
        (starts(namespace, "killed") >= 2).then_some(())
    });
    namespace.wait_for_state("killed", "STABLE");
    assert_eq!(starts(&namespace, "killed"), 2, "after {kills} kills");
    let key = ClusterKey::new(namespace.name(), "killed");
    let savepoints = SITE
        .flink()
        .journal()
        .of(&key)
        .filter(|what| matches!(what, Happening::SavepointTriggered { .. }))
        .count();
    assert_eq!(savepoints, 1, "asked for once, however often it was killed");
}

#[test]
fn without_an_api_server_it_says_so_and_ends() {
    let out = Command::new(SITE.launch("api-none", "e2e").executable())
        .args(["run", "--watch-namespaces", "default"])
        .env("KUBECONFIG", "/no/such/kubeconfig")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(said.contains("/no/such/kubeconfig"), "{said}");
}
