//! A job that the Java operator left running goes on running, and is upgraded with its state.

use std::time::Duration;

use flink_crds::LifecycleState;
use flink_sim::api::FaultPlan;
use serde_json::{Value, json};

use super::Stage;
use super::mortal::Lifeline;

/// Put the captured objects there, under the uids that this server gives them.
fn leave(stage: &Stage) {
    let mut text = include_str!("java_application.yaml").to_owned();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    for position in 0..documents.len() {
        let now: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let object = &now[position];
        let old = object.pointer("/metadata/uid").unwrap().as_str().unwrap();
        let created = stage.world.api.create(object.clone()).unwrap();
        if let Some(status) = object.get("status") {
            let status = json!({ "status": status });
            let key = (stage.key.namespace.as_str(), stage.key.name.as_str());
            let merged = stage
                .world
                .api
                .merge("flinkdeployments", key, Some("status"), &status);
            merged.unwrap();
        }
        let new = created.pointer("/metadata/uid").unwrap().as_str().unwrap();
        text = text.replace(old, new);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_job_of_the_java_operator_is_left_alone_and_upgraded_with_its_state() {
    let mut stage = Stage::new(1, FaultPlan::NONE, Lifeline::endless());
    leave(&stage);
    for _ in 0..60 {
        stage.look();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let job = stage.job_id().await.unwrap();
    let states = stage.world.flink().job_states(&stage.key);
    assert!(states.contains_key(&job), "{states:?}");
    let starts = |stage: &Stage| stage.world.flink().journal().starts(&stage.key).len();
    assert_eq!(starts(&stage), 1, "it runs");
    assert_eq!(stage.world.flink().live_jobs(&stage.key), 1);

    stage.world.api.clear_audit();
    for _ in 0..10 {
        let object = stage.api().get("job").await.unwrap();
        stage.pass(&object).await;
        stage.look();
    }
    let allowed = ["flink.apache.org/flinkdeployments/status", "/events"];
    for write in stage.world.api.audit().writes() {
        let ours = allowed
            .iter()
            .any(|resource| write.resource.ends_with(resource));
        assert!(ours, "{write:?}");
    }
    assert_eq!(starts(&stage), 1, "and goes on");
    assert_eq!(stage.job_id().await, Some(job));
    assert_eq!(
        stage.status().await.lifecycle_state,
        Some(LifecycleState::Stable)
    );
    stage.rests().await;

    stage.patch(json!({ "job": { "parallelism": 3 } })).await;
    stage.settle(LifecycleState::Stable).await;
    assert_eq!(starts(&stage), 2, "upgraded, with its state: see `look`");
}
