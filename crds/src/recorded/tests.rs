//! Recorded specs of every operator version read, compare and write back.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    FlinkConfiguration, JobManagerSpec, JobSpec, PodTemplate, Resource, TaskManagerSpec,
    UpgradeMode,
};

/// As the 1.16 line writes an application.
const APPLICATION: &str = include_str!("../../tests/fixtures/recorded/application-1.16.json");
/// As the 1.16 line writes a session job.
const SESSION_JOB: &str = include_str!("../../tests/fixtures/recorded/session-job-1.16.json");
/// As the 1.16 line writes a blue/green deployment.
const BLUE_GREEN: &str = include_str!("../../tests/fixtures/recorded/blue-green-1.16.json");
/// As 1.7 writes an application: with a copy of the metadata, and fewer fields.
const WITH_METADATA: &str = include_str!("../../tests/fixtures/recorded/application-1.7.json");
/// As the first versions write an application: all at the top level.
const TOP_LEVEL: &str = include_str!("../../tests/fixtures/recorded/application-top-level.json");

fn read(text: &str) -> RecordedSpec {
    text.trim_end().parse().unwrap()
}

#[test]
fn what_the_java_operator_wrote_is_written_back_to_the_letter() {
    for text in [APPLICATION, SESSION_JOB, BLUE_GREEN] {
        assert_eq!(read(text).to_string(), text.trim_end());
    }
}

#[test]
fn a_typed_spec_is_written_in_the_java_operators_form() {
    let recorded = read(APPLICATION);
    let spec: FlinkDeploymentSpec = recorded.spec().unwrap();
    assert_eq!(
        RecordedSpec::new(&spec, true).to_string(),
        APPLICATION.trim_end()
    );

    let spec: FlinkSessionJobSpec = read(SESSION_JOB).spec().unwrap();
    assert_eq!(
        RecordedSpec::new(&spec, true).to_string(),
        SESSION_JOB.trim_end()
    );

    let spec: FlinkBlueGreenDeploymentSpec = read(BLUE_GREEN).spec().unwrap();
    assert_eq!(
        RecordedSpec::new(&spec, true).to_string(),
        BLUE_GREEN.trim_end()
    );
}

#[test]
fn an_object_and_its_record_mean_the_same() {
    let spec: FlinkDeploymentSpec = serde_json::from_value(json!({
        "image": "flink:1.20",
        "flinkVersion": "v1_20",
        "flinkConfiguration": { "taskmanager": { "numberOfTaskSlots": 2 } },
        "jobManager": { "resource": { "cpu": 1, "memory": "1g" } },
        "job": { "jarURI": "local:///job.jar", "parallelism": 2 },
    }))
    .unwrap();
    let text = r#"{"spec":{"flinkVersion":"v1_20","image":"flink:1.20","mode":null,
        "flinkConfiguration":{"taskmanager.numberOfTaskSlots":"2"},
        "jobManager":{"replicas":1,"resource":{"cpu":1.0,"memory":"1g","ephemeralStorage":null}},
        "job":{"parallelism":2,"jarURI":"local:///job.jar","args":[],"state":"running",
               "upgradeMode":"stateless"}}}"#;
    assert_eq!(RecordedSpec::new(&spec, true), read(text));
}

#[test]
fn a_different_spec_is_not_equal() {
    let recorded = read(APPLICATION);
    let mut spec: FlinkDeploymentSpec = recorded.spec().unwrap();
    spec.job.as_mut().unwrap().parallelism = Some(7);
    assert_ne!(RecordedSpec::new(&spec, true), recorded);
    assert_ne!(recorded, read(SESSION_JOB));
}

#[test]
fn the_order_of_parallelism_overrides_makes_no_difference() {
    let with = |overrides: &str| -> RecordedSpec {
        let spec = FlinkDeploymentSpec {
            flink_configuration: Some(FlinkConfiguration::from_iter([(
                "pipeline.jobvertex-parallelism-overrides",
                overrides,
            )])),
            ..FlinkDeploymentSpec::default()
        };
        RecordedSpec::new(&spec, false)
    };
    assert_eq!(with("a:4,b:1"), with("b:1,a:4"));
    assert_ne!(with("a:4,b:1"), with("a:4,b:2"));
}

#[test]
fn the_form_with_object_metadata_loses_only_that() {
    let recorded = read(WITH_METADATA);
    assert!(!recorded.is_first_deployment());
    assert_eq!(recorded.metadata().unwrap().api_version, API_VERSION);
    let spec: FlinkDeploymentSpec = recorded.spec().unwrap();
    assert_eq!(
        spec.pod_template.unwrap().0["metadata"]["name"],
        "pod-template"
    );
    let written = recorded.to_string();
    assert!(!written.contains("generation"), "{written}");
    assert_eq!(read(&written), recorded);
}

#[test]
fn the_form_without_wrapper_has_no_metadata() {
    let recorded = read(TOP_LEVEL);
    assert_eq!(recorded.metadata(), None);
    let spec: FlinkDeploymentSpec = recorded.spec().unwrap();
    assert_eq!(spec.image.as_deref(), Some("flink:1.15"));
    assert_eq!(spec.job.unwrap().upgrade_mode, Some(UpgradeMode::LastState));
    assert!(!recorded.to_string().contains("apiVersion"), "{recorded}");
}

#[test]
fn fields_of_a_later_version_survive_reading_and_amending() {
    let text = r#"{"spec":{"image":"flink","later":{"a":[1]},"job":{"parallelism":1,"newKnob":7}},
        "resource_metadata":{"apiVersion":"flink.apache.org/v1beta1","firstDeployment":true}}"#;
    let recorded = read(text);
    let mut spec: FlinkDeploymentSpec = recorded.spec().unwrap();
    spec.job.as_mut().unwrap().savepoint_trigger_nonce = Some(3);
    for written in [recorded.to_string(), recorded.amended(&spec).to_string()] {
        assert!(written.contains(r#""later":{"a":[1]}"#), "{written}");
        assert!(written.contains(r#""newKnob":7"#), "{written}");
    }
    let amended: FlinkDeploymentSpec = recorded.amended(&spec).spec().unwrap();
    assert_eq!(amended, spec);
    assert!(recorded.amended(&spec).is_first_deployment());
}

#[test]
fn what_is_no_record_is_refused_with_a_remedy() {
    for text in ["", "[]", "\"x\"", "{"] {
        let error = text.parse::<RecordedSpec>().unwrap_err();
        assert!(
            error.to_string().contains("remove it from the status"),
            "{error}"
        );
    }
    let error = read(r#"{"spec":{"job":7}}"#)
        .spec::<FlinkDeploymentSpec>()
        .unwrap_err();
    assert!(
        error.to_string().contains("not a FlinkDeployment spec"),
        "{error}"
    );
}

prop_compose! {
    fn any_spec()(
        image in proptest::option::of("[a-z/:.0-9\"\\\\é]{0,20}"),
        restart_nonce in proptest::option::of(any::<i64>()),
        job in proptest::option::of((any::<i32>(), "[ -~]{0,20}", any::<bool>())),
        cpu in proptest::option::of(0.001..1000.0_f64),
        replicas in proptest::option::of(any::<i32>()),
        configuration in proptest::collection::btree_map("[a-z.]{1,12}", "[ -~]{0,20}", 0..5),
        label in proptest::option::of("[ -~]{0,20}"),
    ) -> FlinkDeploymentSpec {
        FlinkDeploymentSpec {
            image,
            restart_nonce,
            job: job.map(|(parallelism, argument, allow)| JobSpec {
                parallelism: Some(parallelism),
                args: Some(vec![argument]),
                allow_non_restored_state: Some(allow),
                ..JobSpec::default()
            }),
            job_manager: replicas.map(|replicas| JobManagerSpec {
                replicas: Some(replicas),
                ..JobManagerSpec::default()
            }),
            task_manager: Some(TaskManagerSpec {
                resource: Some(Resource { cpu, ..Resource::default() }),
                ..TaskManagerSpec::default()
            }),
            flink_configuration: Some(FlinkConfiguration::from_iter(configuration)),
            pod_template: label.map(|label| PodTemplate(json!({
                "kind": "Pod", "spec": {}, "metadata": { "labels": { "a": label } }
            }))),
            ..FlinkDeploymentSpec::default()
        }
    }
}

proptest! {
    #[test]
    fn a_recorded_spec_reads_back_equal(spec in any_spec(), first: bool) {
        let recorded = RecordedSpec::new(&spec, first);
        let again: RecordedSpec = recorded.to_string().parse().unwrap();
        prop_assert_eq!(&again, &recorded);
        prop_assert_eq!(again.to_string(), recorded.to_string());
        prop_assert_eq!(again.is_first_deployment(), first);
        // Reading spells out defaults and so may differ from what was recorded, but not in meaning.
        let typed: FlinkDeploymentSpec = again.spec().unwrap();
        prop_assert_eq!(RecordedSpec::new(&typed, first), recorded);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~]{0,60}") {
        let _ = text.parse::<RecordedSpec>();
    }
}
