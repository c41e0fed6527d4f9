//! The client against the simulated Flink, through the API server's proxy.

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::FlinkJobState;
use flink_operator::flink::{
    Category, CheckpointProgress, Deadlines, DisposalProgress, ExecutionResult, FlinkClient,
    FlinkRest, RouteChoice, SavepointFailure, SavepointProgress,
};
use flink_sim::World;
use flink_sim::api::FaultPlan;
use flink_sim::flink::{ClusterKey, HaData, JobManagerStart, Profile};
use serde_json::json;

use super::{JOB, TRIGGER};

/// A world with one JobManager that has just started, and a client of it.
fn world(extra: &[(&str, &str)], profile: Profile) -> (World, FlinkClient, ClusterKey) {
    let world = World::new("2026-01-01T00:00:00Z".parse().unwrap());
    let key = ClusterKey::new("prod", "orders");
    let service = json!({ "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "orders-rest", "namespace": "prod" }, "spec": {} });
    world.api.create(service).unwrap();
    let mut config: BTreeMap<String, String> = [
        ("$internal.flink.version", "v1_20"),
        ("$internal.pipeline.job-id", JOB),
        ("taskmanager.numberOfTaskSlots", "4"),
        ("state.checkpoints.dir", "file:///cp"),
        ("execution.checkpointing.interval", "10s"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    config.extend(
        extra
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    let start = JobManagerStart {
        instance: "pod-1".to_owned(),
        config,
        application: true,
        ha: HaData::default(),
    };
    let now = world.clock.now();
    let mut flink = world.flink();
    flink.set_profile(&key, profile);
    flink.start_job_manager(&key, start, now);
    flink.register_task_managers(&key, &["orders-taskmanager-1-1".to_owned()], now);
    drop(flink);
    let rest = FlinkRest::new(RouteChoice::Proxy, world.client(), Deadlines::default()).unwrap();
    let client = rest.of("prod", "orders");
    (world, client, key)
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_followed_from_election_to_a_stop() {
    let (_world, client, _) = world(&[], Profile::default());
    let election = client.jobs().await.unwrap_err();
    assert_eq!(election.category, Category::Unreachable);
    seconds(30).await;
    let jobs = client.jobs().await.unwrap();
    assert_eq!(jobs[0].effective_state(), FlinkJobState::Running);
    assert_eq!(client.job(JOB).await.unwrap().vertices.len(), 2);
    assert!(
        client
            .checkpoints(JOB)
            .await
            .unwrap()
            .unwrap()
            .newest()
            .is_some()
    );
    assert_eq!(
        client.execution_result(JOB).await.unwrap(),
        ExecutionResult::InProgress
    );
    for _ in 0..2 {
        client
            .stop_with_savepoint(JOB, TRIGGER, Some("file:///sp"), false, "CANONICAL")
            .await
            .unwrap();
    }
    assert_eq!(
        client.savepoint(JOB, TRIGGER).await.unwrap(),
        SavepointProgress::InProgress
    );
    seconds(5).await;
    let SavepointProgress::Completed(path) = client.savepoint(JOB, TRIGGER).await.unwrap() else {
        panic!("the savepoint is not complete");
    };
    assert_eq!(
        client.jobs().await.unwrap()[0].state,
        FlinkJobState::Finished
    );
    assert_eq!(
        client.cancel(JOB).await.unwrap_err().category,
        Category::Conflict
    );
    let disposal = client.dispose_savepoint(&path).await.unwrap();
    assert_eq!(
        client.disposal(&disposal).await.unwrap(),
        DisposalProgress::Completed
    );
}

#[tokio::test(start_paused = true)]
async fn what_flink_does_not_know_is_not_found() {
    let (_world, client, _) = world(&[], Profile::default());
    seconds(5).await;
    assert!(client.job("other").await.unwrap_err().is_not_found());
    assert!(
        client
            .checkpoints("other")
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(client.cancel("other").await.unwrap_err().is_not_found());
    assert!(
        client
            .savepoint(JOB, TRIGGER)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        client
            .checkpoint(JOB, TRIGGER)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_there_is_unreachable() {
    let (world, client, key) = world(&[], Profile::default());
    let now = world.clock.now();
    world.flink().stop_job_manager(&key, "pod-1", now);
    let no_endpoints = client.jobs().await.unwrap_err();
    assert_eq!(
        (no_endpoints.category, no_endpoints.status),
        (Category::Unreachable, Some(503))
    );
    world.api.delete("services", "prod", "orders-rest");
    let no_service = client.job(JOB).await.unwrap_err();
    assert_eq!(
        (no_service.category, no_service.status),
        (Category::Unreachable, Some(404))
    );
}

#[tokio::test(start_paused = true)]
async fn state_that_cannot_be_written_canonically_is_recognised() {
    let profile = Profile {
        asynchronous_state: true,
        ..Profile::default()
    };
    let (_world, client, _) = world(&[], profile);
    seconds(5).await;
    client
        .trigger_savepoint(JOB, TRIGGER, Some("file:///sp"), "CANONICAL")
        .await
        .unwrap();
    seconds(3).await;
    let SavepointProgress::Failed(failure) = client.savepoint(JOB, TRIGGER).await.unwrap() else {
        panic!("it did not fail");
    };
    assert_eq!(failure.of_savepoint(), SavepointFailure::FormatUnsupported);
    assert_eq!(client.exceptions(JOB, 10).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_that_outlived_its_stop_is_recognised() {
    let profile = Profile {
        fails_while_stopping: true,
        ..Profile::default()
    };
    let (_world, client, _) = world(&[], profile);
    seconds(5).await;
    client
        .stop_with_savepoint(JOB, TRIGGER, Some("file:///sp"), false, "NATIVE")
        .await
        .unwrap();
    seconds(5).await;
    let SavepointProgress::Failed(failure) = client.savepoint(JOB, TRIGGER).await.unwrap() else {
        panic!("it did not fail");
    };
    let SavepointFailure::Written(path) = failure.of_savepoint() else {
        panic!("{failure:?}")
    };
    assert!(path.starts_with("file:/sp/savepoint-"), "{path}");
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_rescaled_and_measured() {
    let adaptive = [("jobmanager.scheduler", "adaptive")];
    let (_world, client, _) = world(&adaptive, Profile::pipeline(100.0, 60.0));
    seconds(30).await;
    let job = client.job(JOB).await.unwrap();
    let slow = job.vertices[1].id.clone();
    let names = client.vertex_metric_names(JOB, &slow).await.unwrap();
    assert!(names.contains("busyTimeMsPerSecond"));
    let busy = client
        .vertex_metrics(JOB, &slow, &["busyTimeMsPerSecond"])
        .await
        .unwrap();
    assert_eq!(busy["busyTimeMsPerSecond"].max, Some(1000.0));
    let mut bounds = client.resource_requirements(JOB).await.unwrap();
    bounds.get_mut(&slow).unwrap().upper = 3;
    client
        .set_resource_requirements(JOB, &bounds)
        .await
        .unwrap();
    seconds(10).await;
    assert_eq!(client.job(JOB).await.unwrap().vertices[1].parallelism, 3);
    let restarts = client.job_metrics(JOB, &["numRestarts"]).await.unwrap();
    assert!((restarts["numRestarts"] - 1.0).abs() < f64::EPSILON);
    let slots = client
        .job_manager_metrics(&["taskSlotsTotal"])
        .await
        .unwrap();
    assert!((slots["taskSlotsTotal"] - 4.0).abs() < f64::EPSILON);
    assert_eq!(client.task_managers().await.unwrap()[0].slots, 4);
}

#[tokio::test(start_paused = true)]
async fn the_default_scheduler_does_not_rescale() {
    let (_world, client, _) = world(&[], Profile::default());
    seconds(5).await;
    let error = client.resource_requirements(JOB).await.unwrap_err();
    assert_eq!(error.category, Category::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_on_demand_is_found() {
    let (_world, client, _) = world(&[], Profile::default());
    seconds(5).await;
    client
        .trigger_checkpoint(JOB, TRIGGER, "FULL")
        .await
        .unwrap();
    seconds(3).await;
    let CheckpointProgress::Completed(id) = client.checkpoint(JOB, TRIGGER).await.unwrap() else {
        panic!("the checkpoint is not complete");
    };
    let location = client.checkpoint_location(JOB, id).await.unwrap().unwrap();
    assert_eq!(location.path(), Some(&*format!("file:/cp/{JOB}/chk-{id}")));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_may_have_had_its_effect() {
    let (world, client, key) = world(&[], Profile::default());
    seconds(5).await;
    world.api.set_faults(
        1,
        FaultPlan {
            flink_timeout_after: 1000,
            ..FaultPlan::NONE
        },
    );
    let started = tokio::time::Instant::now();
    let error = client.cancel(JOB).await.unwrap_err();
    assert_eq!(error.category, Category::Timeout);
    assert_eq!(
        started.elapsed().as_secs(),
        Deadlines::default().total.as_secs()
    );
    assert_ne!(world.flink().job_states(&key)[JOB], FlinkJobState::Running);
}
