//! What the operator tells a listener: the receiver of `examples/listener`, posted to as its values for the chart say.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of a test fail it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use flink_e2e::{Job, Launch, Namespace, example, repository};
use serde_json::Value;

/// A folder with the settings of these tests and those of the example's values. The operator here is no pod, so the
/// Service goes by its address.
fn settings(namespace: &Namespace) -> PathBuf {
    let values: Value =
        serde_saphyr::from_str(&example("listener/values.yaml")).expect("values in YAML");
    let text = fs::read_to_string(repository().join("tests/e2e/conf/config.yaml"));
    let mut settings: Value =
        serde_saphyr::from_str(&text.expect("settings")).expect("settings in YAML");
    let service = namespace.get("service", "event-receiver");
    let address = service["spec"]["clusterIP"].as_str().expect("an address");
    let given = values["defaultConfiguration"]["config.yaml"].as_object();
    for (key, value) in given.expect("a map of options") {
        if key.contains(".listeners.") {
            let value = value.as_str().expect("a text");
            settings[key] = value.replace("event-receiver", address).into();
        }
    }
    let folder = std::env::temp_dir().join("flink-operator-e2e-listener");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.yaml"), settings.to_string()).expect("a file");
    folder
}

/// Whether the receiver printed a line with all of these words.
fn heard(namespace: &Namespace, words: &[&str]) -> Option<()> {
    let said = namespace
        .attempt(&["logs", "deployment/event-receiver"])
        .ok()?;
    let with_all = |line: &str| words.iter().all(|word| line.contains(word));
    said.lines().any(with_all).then_some(())
}

#[test]
fn the_receiver_of_the_example_is_told_of_a_jobs_states_and_events() {
    let namespace = Namespace::new("e2e-listener");
    let file = repository().join("examples").join("listener/receiver.yaml");
    namespace.run(&["apply", "-f", file.to_str().expect("a path in UTF-8")]);
    namespace.run(&[
        "rollout",
        "status",
        "deployment/event-receiver",
        "--timeout=120s",
    ]);
    let folder: &Path = &settings(&namespace);
    let _operator = Launch::new(namespace.name(), namespace.kubectl(), "e2e")
        .argument("--watch-namespaces", namespace.name())
        .settings(folder)
        .start();
    Job::apply(&namespace, "told", "2.3", "stateless");
    namespace.wait_for_state("told", "STABLE");
    for words in [
        ["dev.flinkoperator.status.v1", "told", "DEPLOYED"],
        ["dev.flinkoperator.status.v1", "told", "STABLE"],
        ["dev.flinkoperator.event.v1", "told", "deployment"],
    ] {
        namespace.wait_for(&format!("{words:?}"), |namespace| heard(namespace, &words));
    }
}
