//! What outlives a JobManager.

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::FlinkJobState;

use super::{JOB, Stage, TRIGGER};
use crate::flink::HaData;

#[test]
fn a_new_job_manager_goes_on_from_high_availability() {
    let mut stage = Stage::running(&[]);
    stage.wait(25);
    let ha = stage.stop();
    assert_eq!(ha.job_graphs.iter().collect::<Vec<_>>(), [JOB]);
    stage.wait(10);
    stage.start(ha.clone());
    stage.wait(5);
    let newest = ha.checkpoints[JOB].last_key_value().unwrap().1.clone();
    assert_eq!(stage.numbers()[1].0, Some(newest.as_str()));
}

#[test]
fn last_state_without_its_metadata_does_not_start_empty() {
    let mut stage = Stage::new(&[("execution.savepoint.path", "KUBERNETES_OPERATOR_LAST_STATE")]);
    stage.start(HaData::default());
    stage.wait(5);
    assert_eq!(stage.state(), Some(FlinkJobState::Failed));
    assert_eq!(stage.numbers(), []);
    let result = stage.get(&format!("/jobs/{JOB}/execution-result"));
    assert_eq!(
        result["job-execution-result"]["application-status"],
        "FAILED"
    );
}

#[test]
fn a_job_whose_end_is_recorded_does_not_run_again() {
    let mut stage = Stage::running(&[]);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(5);
    stage.stop();
    stage.start(HaData::default());
    stage.wait(5);
    assert_eq!(stage.flink.job_states(&stage.key), BTreeMap::new());
}

#[test]
fn an_application_that_is_not_cleaned_up_blocks_the_next_from_2_3_on() {
    let results = ("application-result-store.storage-path", "file:///ha/fresh");
    for (clean, fresh, jobs) in [(false, false, 0), (true, false, 1), (false, true, 1)] {
        let mut stage = Stage::running(&[("$internal.flink.version", "v2_3")]);
        stage.stop_with_savepoint(TRIGGER, "CANONICAL");
        stage.now += Duration::from_millis(if clean { 6000 } else { 3500 });
        stage.flink.advance(stage.now);
        assert_eq!(stage.state(), Some(FlinkJobState::Finished));
        stage.stop();
        stage
            .config
            .insert("$internal.pipeline.job-id".to_owned(), "2".repeat(32));
        if fresh {
            stage
                .config
                .insert(results.0.to_owned(), results.1.to_owned());
        }
        stage.start(HaData::default());
        stage.wait(5);
        assert_eq!(
            stage.flink.job_states(&stage.key).len(),
            jobs,
            "clean {clean}, fresh {fresh}"
        );
    }
}

#[test]
fn two_job_managers_with_high_availability_run_one_job() {
    let mut stage = Stage::running(&[]);
    let ha = stage.flink.ha(&stage.key).unwrap();
    stage.start(ha);
    stage.wait(5);
    assert_eq!(stage.flink.live_jobs(&stage.key), 1);
    stage.flink.stop_job_manager(&stage.key, "pod-1", stage.now);
    stage.wait(5);
    assert_eq!(stage.flink.live_jobs(&stage.key), 1);
    assert_eq!(stage.numbers().len(), 2);
}

#[test]
fn two_job_managers_without_high_availability_are_a_duplicate() {
    let mut stage = Stage::running(&[("high-availability.type", "NONE")]);
    stage.start(HaData::default());
    stage.task_managers(2);
    stage.wait(5);
    assert_eq!(stage.flink.live_jobs(&stage.key), 2);
}
