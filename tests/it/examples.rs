//! The examples: every one is taken as it is, and each mode of the autoscaler has one.

use std::collections::BTreeMap;
use std::path::Path;

use flink_crds::FlinkDeployment;
use flink_operator::config::Defaults;
use flink_operator::domain::Desired;
use serde_json::Value;

/// The deployments of `examples/`, by file.
fn examples() -> BTreeMap<String, FlinkDeployment> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    yaml.flat_map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
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
