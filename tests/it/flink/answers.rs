//! What recorded answers of Flink 1.18, 1.20 and 2.3 are read as.

use flink_crds::FlinkJobState;
use flink_operator::flink::{
    Aggregate, Bounds, CheckpointProgress, CheckpointState, DisposalProgress, Edge,
    ExecutionResult, Location, Overview, SavepointFailure, SavepointProgress,
};
use serde_json::json;
use wiremock::MockServer;

use super::{JOB, TRIGGER, answer, client, recorded};

#[tokio::test]
async fn the_job_list_of_every_version_is_read() {
    for version in ["1.18.1", "1.20.5", "2.3.0"] {
        let server = MockServer::start().await;
        answer(
            &server,
            "/jobs/overview",
            200,
            recorded(version, "jobs_overview"),
        )
        .await;
        let jobs = client(&server).jobs().await.unwrap();
        assert_eq!(jobs.len(), 1, "{version}");
        assert_eq!(
            jobs[0].effective_state(),
            FlinkJobState::Running,
            "{version}"
        );
        assert_eq!(jobs[0].tasks.total, 4, "{version}");
        assert_eq!(jobs[0].end_ms, None, "{version}");
    }
}

#[tokio::test]
async fn a_job_whose_tasks_still_start_is_not_running() {
    let server = MockServer::start().await;
    let list = recorded("1.20.5", "jobs_overview").replace("\"running\":4", "\"running\":3");
    answer(&server, "/jobs/overview", 200, list).await;
    let jobs = client(&server).jobs().await.unwrap();
    assert_eq!(jobs[0].state, FlinkJobState::Running);
    assert_eq!(jobs[0].effective_state(), FlinkJobState::Created);
}

#[tokio::test]
async fn a_jobs_vertices_and_edges_are_read() {
    let server = MockServer::start().await;
    answer(
        &server,
        &format!("/jobs/{JOB}"),
        200,
        recorded("1.20.5", "jobs_JOB"),
    )
    .await;
    let job = client(&server).job(JOB).await.unwrap();
    assert_eq!(job.max_parallelism, Some(12));
    assert_eq!(job.running_since_ms, Some(1_795_469_956_597));
    assert_eq!(job.scheduler, None);
    let slow = &job.vertices[1];
    assert_eq!(
        (slow.name.as_str(), slow.parallelism, slow.max_parallelism),
        ("slow", 2, Some(12))
    );
    assert!(slow.tasks.all_up());
    assert_eq!(slow.counters.read_records, 7003);
    assert_eq!(slow.counters.busy_ms, Some(72644.0));
    assert!(slow.counters.read_complete);
    assert_eq!(
        job.edges[0],
        Edge {
            from: "f362c87ffabe89c8a91fa7d0a523ba6c".to_owned(),
            to: "59fa767824610e31f4a11d6125e09bf4".to_owned(),
            ship_strategy: "REBALANCE".to_owned(),
        }
    );
}

#[tokio::test]
async fn newer_versions_name_the_scheduler_and_count_late() {
    let server = MockServer::start().await;
    answer(
        &server,
        &format!("/jobs/{JOB}"),
        200,
        recorded("2.3.0", "jobs_JOB"),
    )
    .await;
    let job = client(&server).job(JOB).await.unwrap();
    assert_eq!(job.scheduler.as_deref(), Some("Default"));
    assert_eq!(job.max_parallelism, None);
    assert_eq!(job.edges[0].ship_strategy, "HASH");
    assert!(!job.vertices[0].counters.read_complete);
}

#[tokio::test]
async fn a_busy_time_that_is_not_a_number_is_unknown() {
    let server = MockServer::start().await;
    let detail = recorded("1.20.5", "jobs_JOB").replace(
        "\"accumulated-busy-time\":72644.0",
        "\"accumulated-busy-time\":\"NaN\"",
    );
    answer(&server, &format!("/jobs/{JOB}"), 200, detail).await;
    let job = client(&server).job(JOB).await.unwrap();
    assert_eq!(job.vertices[1].counters.busy_ms, None);
    assert_eq!(job.vertices[1].counters.idle_ms, Some(20783.0));
}

#[tokio::test]
async fn the_cluster_tells_its_version_and_its_task_managers() {
    let server = MockServer::start().await;
    answer(&server, "/config", 200, recorded("2.3.0", "config")).await;
    answer(&server, "/overview", 200, recorded("2.3.0", "overview")).await;
    answer(
        &server,
        "/taskmanagers",
        200,
        recorded("2.3.0", "taskmanagers"),
    )
    .await;
    let client = client(&server);
    let config = client.config().await.unwrap();
    assert_eq!(config.version, "2.3.0");
    assert_eq!(config.revision, "c0f8d1a @ 2026-06-14T16:29:03+02:00");
    let overview = client.overview().await.unwrap();
    assert_eq!(
        (overview.task_managers, overview.slots, overview.free_slots),
        (1, 2, 0)
    );
    let managers = client.task_managers().await.unwrap();
    assert_eq!(managers[0].id, "two-taskmanager-1-1");
    assert_eq!((managers[0].slots, managers[0].cpu), (2, Some(0.2)));
    assert_eq!(managers[0].memory, Some(1 << 30));
}

#[tokio::test]
async fn checkpoint_statistics_are_read() {
    let server = MockServer::start().await;
    let target = format!("/jobs/{JOB}/checkpoints");
    answer(
        &server,
        &target,
        200,
        recorded("1.20.5", "jobs_JOB_checkpoints"),
    )
    .await;
    let statistics = client(&server).checkpoints(JOB).await.unwrap().unwrap();
    assert_eq!(
        (statistics.counts.completed, statistics.counts.failed),
        (10, 1)
    );
    let newest = format!("file:/flink-data/checkpoints/{JOB}/chk-11");
    assert_eq!(statistics.newest(), Some(&Location::Path(newest)));
    let completed = statistics.completed.as_ref().unwrap();
    assert_eq!(
        (completed.id, completed.triggered_ms),
        (11, 1_795_470_007_967)
    );
    let failed = statistics.failed.as_ref().unwrap();
    assert_eq!(failed.state, CheckpointState::Failed);
    assert_eq!(
        failed.failure.as_deref(),
        Some("Checkpoint Coordinator is suspending.")
    );
    assert_eq!(statistics.restored.as_ref().unwrap().id, 4);
    assert_eq!(statistics.pending_since_ms(), None);
    assert_eq!(statistics.history.len(), 10);
}

#[tokio::test]
async fn a_checkpoint_in_memory_is_not_addressable() {
    let server = MockServer::start().await;
    let target = format!("/jobs/{JOB}/checkpoints");
    answer(
        &server,
        &target,
        200,
        recorded("1.18.1", "jobs_JOB_checkpoints"),
    )
    .await;
    let statistics = client(&server).checkpoints(JOB).await.unwrap().unwrap();
    assert_eq!(statistics.newest(), Some(&Location::NotAddressable));
}

#[tokio::test]
async fn a_job_without_checkpointing_is_told_from_one_that_is_missing() {
    let server = MockServer::start().await;
    let off = r#"{"errors":["Checkpointing has not been enabled."]}"#;
    let missing = r#"{"errors":["Job a2 not found"]}"#;
    answer(&server, "/jobs/a1/checkpoints", 404, off).await;
    answer(&server, "/jobs/a2/checkpoints", 404, missing).await;
    let client = client(&server);
    assert_eq!(client.checkpoints("a1").await, Ok(None));
    assert!(client.checkpoints("a2").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_savepoint_is_followed_to_its_end() {
    let cause = json!({ "class": "java.util.concurrent.CompletionException",
        "stack-trace": "java.util.concurrent.CompletionException: x\n\tat y\n\
            Caused by: java.lang.UnsupportedOperationException: Not supported yet.\n\tat z",
        "serialized-throwable": "rO0ABQ==" });
    for (body, expected) in [
        (
            json!({ "status": { "id": "IN_PROGRESS" }, "operation": null }),
            "in progress",
        ),
        (
            json!({ "status": { "id": "COMPLETED" }, "operation": { "location": "file:/sp/1" } }),
            "file:/sp/1",
        ),
        (
            json!({ "status": { "id": "COMPLETED" }, "operation": { "failure-cause": cause } }),
            "java.lang.UnsupportedOperationException: Not supported yet.",
        ),
    ] {
        let server = MockServer::start().await;
        let target = format!("/jobs/{JOB}/savepoints/{TRIGGER}");
        answer(&server, &target, 200, body.to_string()).await;
        let seen = match client(&server).savepoint(JOB, TRIGGER).await.unwrap() {
            SavepointProgress::InProgress => "in progress".to_owned(),
            SavepointProgress::Completed(path) => path,
            SavepointProgress::Failed(failure) => {
                assert_eq!(failure.of_savepoint(), SavepointFailure::FormatUnsupported);
                failure.summary()
            }
        };
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_checkpoint_on_demand_is_followed_to_its_path() {
    let server = MockServer::start().await;
    let done = json!({ "status": { "id": "COMPLETED" }, "operation": { "checkpointId": 7 } });
    answer(
        &server,
        &format!("/jobs/{JOB}/checkpoints/{TRIGGER}"),
        200,
        done.to_string(),
    )
    .await;
    let statistics: serde_json::Value =
        serde_json::from_str(&recorded("1.20.5", "jobs_JOB_checkpoints")).unwrap();
    let details = statistics["latest"]["completed"].to_string();
    answer(
        &server,
        &format!("/jobs/{JOB}/checkpoints/details/7"),
        200,
        details,
    )
    .await;
    let client = client(&server);
    let progress = client.checkpoint(JOB, TRIGGER).await.unwrap();
    assert_eq!(progress, CheckpointProgress::Completed(7));
    let location = client.checkpoint_location(JOB, 7).await.unwrap().unwrap();
    assert_eq!(
        location.path(),
        Some(&*format!("file:/flink-data/checkpoints/{JOB}/chk-11"))
    );
}

/// Flink's statistics are up to three seconds old, the answer about a request is not.
#[tokio::test]
async fn a_checkpoint_that_the_statistics_do_not_show_the_end_of_yet_is_not_taken_for_forgotten() {
    let server = MockServer::start().await;
    let text = recorded("1.20.5", "jobs_JOB_checkpoints");
    let statistics: serde_json::Value = serde_json::from_str(&text).unwrap();
    let newest = statistics["history"][0]["id"].as_u64().unwrap();
    answer(&server, &format!("/jobs/{JOB}/checkpoints"), 200, text).await;
    let mut pending = statistics["history"][0].clone();
    pending["status"] = json!("IN_PROGRESS");
    pending["external_path"] = json!(null);
    answer(
        &server,
        &format!("/jobs/{JOB}/checkpoints/details/{newest}"),
        200,
        pending.to_string(),
    )
    .await;
    for unknown in [1, newest + 1] {
        let text = json!({ "errors": [format!("Could not find checkpointing statistics for checkpoint {unknown}.")] });
        let path = format!("/jobs/{JOB}/checkpoints/details/{unknown}");
        answer(&server, &path, 404, text.to_string()).await;
    }
    let client = client(&server);
    for not_yet in [newest, newest + 1] {
        let location = client.checkpoint_location(JOB, not_yet).await.unwrap();
        assert_eq!(location, None, "{not_yet}");
    }
    let error = client.checkpoint_location(JOB, 1).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn a_disposal_is_followed_to_its_end() {
    let server = MockServer::start().await;
    let done = json!({ "status": { "id": "COMPLETED" }, "operation": {} });
    answer(
        &server,
        &format!("/savepoint-disposal/{TRIGGER}"),
        200,
        done.to_string(),
    )
    .await;
    let progress = client(&server).disposal(TRIGGER).await.unwrap();
    assert_eq!(progress, DisposalProgress::Completed);
}

#[tokio::test]
async fn the_cause_of_a_failed_job_is_read() {
    let server = MockServer::start().await;
    let result = json!({ "status": { "id": "COMPLETED" }, "job-execution-result": {
        "id": JOB, "application-status": "FAILED", "accumulator-results": {}, "net-runtime": 5,
        "failure-cause": { "class": "java.lang.RuntimeException",
            "stack-trace": "java.lang.RuntimeException: disk full\n\tat x", "serialized-throwable": "" },
    }});
    answer(
        &server,
        &format!("/jobs/{JOB}/execution-result"),
        200,
        result.to_string(),
    )
    .await;
    let result = client(&server).execution_result(JOB).await.unwrap();
    let ExecutionResult::Ended {
        status,
        failure: Some(failure),
    } = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(
        (status.as_str(), &*failure.summary()),
        ("FAILED", "java.lang.RuntimeException: disk full")
    );
}

#[tokio::test]
async fn exceptions_come_newest_first_with_or_without_labels() {
    let server = MockServer::start().await;
    let entry = |timestamp: i64| {
        json!({ "exceptionName": "java.io.IOException", "stacktrace": "java.io.IOException: x",
            "timestamp": timestamp, "taskName": "Source: src (1/2)", "endpoint": "10.0.0.7:6122",
            "taskManagerId": "tm-1-1", "concurrentExceptions": [] })
    };
    let mut labelled = entry(20);
    labelled["failureLabels"] = json!({ "type": "user" });
    let history =
        json!({ "exceptionHistory": { "entries": [entry(10), labelled], "truncated": false } });
    answer(&server, "/jobs/a1/exceptions", 200, history.to_string()).await;
    for version in ["1.20.5", "2.3.0"] {
        let job = version.replace('.', "");
        let none = recorded(version, "jobs_JOB_exceptions");
        answer(&server, &format!("/jobs/{job}/exceptions"), 200, none).await;
        assert_eq!(
            client(&server).exceptions(&job, 10).await.unwrap(),
            [],
            "{version}"
        );
    }
    let exceptions = client(&server).exceptions("a1", 10).await.unwrap();
    let times: Vec<i64> = exceptions
        .iter()
        .map(|exception| exception.timestamp_ms)
        .collect();
    assert_eq!(times, [20, 10]);
    assert_eq!(exceptions[0].labels["type"], "user");
    assert!(exceptions[1].labels.is_empty());
    assert_eq!(exceptions[1].task.as_deref(), Some("Source: src (1/2)"));
}

#[tokio::test]
async fn vertex_metrics_are_read() {
    let server = MockServer::start().await;
    let list = recorded("1.20.5", "vertex_subtasks_metrics_list");
    let values = recorded("1.20.5", "vertex_subtasks_metrics_get");
    answer(&server, "/jobs/a1/vertices/v1/subtasks/metrics", 200, list).await;
    answer(
        &server,
        "/jobs/a1/vertices/v2/subtasks/metrics",
        200,
        values,
    )
    .await;
    let client = client(&server);
    let names = client.vertex_metric_names("a1", "v1").await.unwrap();
    assert!(names.contains("busyTimeMsPerSecond") && names.contains("slow.numRecordsIn"));
    let metrics = client
        .vertex_metrics("a1", "v2", &["busyTimeMsPerSecond"])
        .await
        .unwrap();
    assert_eq!(
        metrics["busyTimeMsPerSecond"],
        Aggregate {
            min: Some(760.0),
            max: Some(761.0),
            avg: Some(760.5),
            sum: Some(1521.0)
        }
    );
}

#[tokio::test]
async fn a_metric_without_a_number_is_left_out() {
    let server = MockServer::start().await;
    let values = json!([{ "id": "numRestarts", "value": "3" }, { "id": "uptime", "value": "NaN" },
        { "id": "lastCheckpointExternalPath", "value": "n/a" }]);
    answer(&server, "/jobs/a1/metrics", 200, values.to_string()).await;
    let names = [
        "numRestarts",
        "uptime",
        "lastCheckpointExternalPath",
        "absent",
    ];
    let metrics = client(&server).job_metrics("a1", &names).await.unwrap();
    assert_eq!(
        metrics.into_iter().collect::<Vec<_>>(),
        [("numRestarts".to_owned(), 3.0)]
    );
}

#[tokio::test]
async fn resource_requirements_are_read() {
    let server = MockServer::start().await;
    let target = format!("/jobs/{JOB}/resource-requirements");
    answer(
        &server,
        &target,
        200,
        recorded("1.20.5", "jobs_JOB_resource-requirements"),
    )
    .await;
    let requirements = client(&server).resource_requirements(JOB).await.unwrap();
    assert_eq!(requirements.len(), 3);
    assert_eq!(
        requirements["59fa767824610e31f4a11d6125e09bf4"],
        Bounds { lower: 1, upper: 2 }
    );
}

#[tokio::test]
async fn the_time_a_rescale_interrupted_the_job_is_between_its_executions() {
    let uuid = "08e81465cf5984f139b2777923c4fca2";
    for (details, stood) in [("completed", Some(1712)), ("initial", None)] {
        let server = MockServer::start().await;
        for (target, name) in [
            ("overview".to_owned(), "overview".to_owned()),
            (format!("details/{uuid}"), format!("details_{details}")),
        ] {
            let target = format!("/jobs/{JOB}/rescales/{target}");
            let body = recorded("2.3.0", &format!("jobs_JOB_rescales_{name}"));
            answer(&server, &target, 200, body).await;
        }
        let interruption = client(&server).last_interruption(JOB).await.unwrap();
        let ms = interruption.map(|i| i.to.duration_since(i.from).as_millis());
        assert_eq!(ms, stood, "{details}");
    }
}

#[test]
fn rescales_are_recorded_from_2_3_on() {
    let records = |version: &str| {
        let overview = Overview {
            version: version.to_owned(),
            task_managers: 1,
            slots: 1,
            free_slots: 0,
        };
        overview.records_rescales()
    };
    for version in ["2.3.0", "2.10.1", "3.0.0", "2.3-SNAPSHOT"] {
        assert!(records(version), "{version}");
    }
    for version in ["1.20.5", "2.2.9", "", "unknown"] {
        assert!(!records(version), "{version}");
    }
}
