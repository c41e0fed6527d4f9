//! The examples: every one is taken as it is, applied by some end-to-end test, and each mode of the autoscaler has one.

use std::collections::BTreeMap;
use std::path::Path;

use flink_crds::FlinkDeployment;
use flink_operator::config::Defaults;
use flink_operator::domain::Desired;
use serde_json::Value;

/// Names and texts of the files in a folder of the project that end in `ending`.
fn texts(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    wanted
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The deployments of `examples/`, by file.
fn examples() -> BTreeMap<String, FlinkDeployment> {
    let files = texts("examples", "yaml").into_iter();
    files
        .flat_map(|(name, text)| {
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let ours = documents
                .into_iter()
                .filter(|document| document["kind"] == "FlinkDeployment");
            ours.map(move |document| (name.clone(), serde_json::from_value(document).unwrap()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_example_is_valid_and_has_no_option_that_is_not_there() {
    let examples = examples();
    assert!(examples.len() > 8, "{:?}", examples.keys());
    for (file, example) in &examples {
        let desired = Desired::of(example, &Defaults::builtin());
        assert_eq!(desired.violation_text(), None, "{file}");
        assert!(desired.advice.is_empty(), "{file}: {:?}", desired.advice);
    }
}

#[test]
fn every_example_is_applied_by_an_end_to_end_test_and_named_in_the_list() {
    let folder = "tests/e2e/tests/e2e";
    let mut tests = texts(folder, "rs");
    tests.extend(texts(&format!("{folder}/examples"), "rs"));
    let list = &texts("examples", "md")["README.md"];
    let more = [
        "kustomize/overlays/dev",
        "kustomize/overlays/prod",
        "listener/receiver.yaml",
    ];
    let files = texts("examples", "yaml").into_keys();
    let files = files.chain(more.map(str::to_owned));
    for file in files {
        let quoted = format!("\"{file}\"");
        assert!(
            tests.values().any(|test| test.contains(&quoted)),
            "{file} is applied by no test in {folder}"
        );
        assert!(
            list.contains(&format!("({file})")),
            "examples/README.md does not name {file}"
        );
    }
}

#[test]
fn each_mode_of_the_autoscaler_has_an_example() {
    let examples = examples();
    for (file, mode) in [
        ("basic.yaml", "off"),
        ("autoscaling-recommend.yaml", "recommend"),
        ("autoscaling-initial.yaml", "initial"),
        ("autoscaling-schedule.yaml", "auto"),
        ("autoscaling.yaml", "auto"),
    ] {
        let desired = Desired::of(&examples[file], &Defaults::builtin());
        assert_eq!(desired.scaler.effective_mode().as_str(), mode, "{file}");
    }
    let scheduled = Desired::of(&examples["autoscaling-schedule.yaml"], &Defaults::builtin());
    assert_eq!(scheduled.scaler.schedules.iter().count(), 2);
    assert_eq!(scheduled.scaler.vertex_parallelism_bounds.iter().count(), 1);
}
