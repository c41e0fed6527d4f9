//! Savepoints, stops and checkpoints on demand.

use flink_crds::FlinkJobState;
use http::Method;
use serde_json::{Value, json};

use super::{JOB, Stage, TRIGGER};
use crate::flink::{HaData, Happening, Profile};

#[test]
fn asking_twice_for_a_stop_is_asking_once() {
    let mut stage = Stage::running(&[]);
    assert_eq!(stage.stop_with_savepoint(TRIGGER, "CANONICAL"), 202);
    assert_eq!(stage.savepoint(TRIGGER)["status"]["id"], "IN_PROGRESS");
    stage.wait(1);
    assert_eq!(stage.stop_with_savepoint(TRIGGER, "CANONICAL"), 202);
    stage.wait(1);
    let path = stage.savepoint(TRIGGER)["operation"]["location"].clone();
    assert!(
        path.as_str()
            .unwrap()
            .starts_with("file:/sp/savepoint-197eaf-"),
        "{path}"
    );
    stage.wait(1);
    assert_eq!(stage.state(), Some(FlinkJobState::Finished));
    assert_eq!(stage.stop_with_savepoint(TRIGGER, "CANONICAL"), 202);
    assert_eq!(stage.savepoint(TRIGGER)["operation"]["location"], path);
    let triggered = |what: &&Happening| matches!(what, Happening::SavepointTriggered { .. });
    assert_eq!(
        stage
            .flink
            .journal()
            .of(&stage.key)
            .filter(triggered)
            .count(),
        1
    );
}

#[test]
fn the_result_of_a_savepoint_is_forgotten_after_a_while_and_with_its_job_manager() {
    let mut stage = Stage::running(&[]);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(10);
    stage.savepoint(TRIGGER);
    stage.wait(300);
    let target = format!("/jobs/{JOB}/savepoints/{TRIGGER}");
    assert_eq!(stage.ask(&Method::GET, &target, &Value::Null).status, 404);
}

#[test]
fn a_stop_of_an_unknown_job_is_accepted_and_then_fails() {
    let mut stage = Stage::running(&[]);
    let body = json!({ "drain": false, "triggerId": TRIGGER });
    assert_eq!(
        stage.ask(&Method::POST, "/jobs/other/stop", &body).status,
        202
    );
    let progress = stage.get(&format!("/jobs/other/savepoints/{TRIGGER}"));
    let cause = &progress["operation"]["failure-cause"]["class"];
    assert_eq!(
        cause,
        "org.apache.flink.runtime.messages.FlinkJobNotFoundException"
    );
}

#[test]
fn a_savepoint_upgrade_keeps_every_record() {
    let mut stage = Stage::running(&[]);
    stage.wait(30);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(5);
    let path = stage.savepoint(TRIGGER)["operation"]["location"]
        .as_str()
        .unwrap()
        .to_owned();
    stage.stop();
    stage
        .config
        .insert("execution.savepoint.path".to_owned(), path.clone());
    stage
        .config
        .insert("$internal.pipeline.job-id".to_owned(), "2".repeat(32));
    stage.start(HaData::default());
    stage.wait(5);
    let starts = stage.numbers();
    assert_eq!(starts[1].0, Some(path.as_str()));
    assert!(starts[1].1 > 1000, "{starts:?}");
    assert_eq!(stage.flink.journal().losses(&stage.key), Vec::<u64>::new());
}

#[test]
fn an_upgrade_that_forgets_the_savepoint_loses_records() {
    let mut stage = Stage::running(&[]);
    stage.wait(30);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(5);
    stage.stop();
    stage
        .config
        .insert("$internal.pipeline.job-id".to_owned(), "2".repeat(32));
    stage.start(HaData::default());
    stage.wait(5);
    assert_eq!(stage.flink.journal().losses(&stage.key).len(), 1);
}

#[test]
fn asynchronous_state_fails_canonical_savepoints_and_takes_native_ones() {
    let mut stage = Stage::new(&[]);
    let profile = Profile {
        asynchronous_state: true,
        ..Profile::default()
    };
    stage.flink.set_profile(&stage.key.clone(), profile);
    stage.start(HaData::default());
    stage.wait(5);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(2);
    let trace = stage.savepoint(TRIGGER)["operation"]["failure-cause"]["stack-trace"].clone();
    assert!(
        trace.as_str().unwrap().contains("Not supported yet."),
        "{trace}"
    );
    assert_eq!(stage.state(), Some(FlinkJobState::Restarting));
    stage.wait(5);
    let native = "f".repeat(32);
    stage.stop_with_savepoint(&native, "NATIVE");
    stage.wait(5);
    assert!(stage.savepoint(&native)["operation"]["location"].is_string());
}

#[test]
fn a_stop_that_fails_after_writing_tells_the_path() {
    let mut stage = Stage::new(&[]);
    let profile = Profile {
        fails_while_stopping: true,
        ..Profile::default()
    };
    stage.flink.set_profile(&stage.key.clone(), profile);
    stage.start(HaData::default());
    stage.wait(5);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(5);
    let trace = stage.savepoint(TRIGGER)["operation"]["failure-cause"]["stack-trace"].clone();
    assert!(
        trace
            .as_str()
            .unwrap()
            .contains("A savepoint has been created at: file:/sp/"),
        "{trace}"
    );
    assert_eq!(stage.state(), Some(FlinkJobState::Failed));
}

#[test]
fn a_checkpoint_on_demand_has_a_number_and_a_path() {
    let mut stage = Stage::running(&[]);
    let body = json!({ "checkpointType": "FULL", "triggerId": TRIGGER });
    let target = format!("/jobs/{JOB}/checkpoints");
    assert_eq!(stage.ask(&Method::POST, &target, &body).status, 202);
    stage.wait(3);
    let number = stage.get(&format!("{target}/{TRIGGER}"))["operation"]["checkpointId"].clone();
    let details = stage.get(&format!("{target}/details/{number}"));
    assert_eq!(
        details["external_path"],
        json!(format!("file:/cp/{JOB}/chk-{number}"))
    );
}

#[test]
fn a_disposed_savepoint_is_gone() {
    let mut stage = Stage::running(&[]);
    stage.flink.storage_mut().put_snapshot("file:/sp/old", 7);
    let body = json!({ "savepoint-path": "file:/sp/old" });
    let asked = stage.ask(&Method::POST, "/savepoint-disposal", &body);
    let trigger = asked.body["request-id"].as_str().unwrap().to_owned();
    let progress = stage.get(&format!("/savepoint-disposal/{trigger}"));
    assert_eq!(
        progress,
        json!({ "status": { "id": "COMPLETED" }, "operation": {} })
    );
    assert!(
        !stage
            .flink
            .storage_mut()
            .snapshots()
            .any(|path| path == "file:/sp/old")
    );
}
