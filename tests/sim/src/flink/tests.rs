//! Stories of simulated jobs.

mod availability;
mod savepoints;

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::FlinkJobState;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const JOB: &str = "197eaf09ad877d34360d12055ada4107";
const TRIGGER: &str = "0123456789abcdef0123456789abcdef";

/// One cluster, its clock, and what a person would do with it.
struct Stage {
    flink: SimFlink,
    key: ClusterKey,
    now: Timestamp,
    config: BTreeMap<String, String>,
    instances: u32,
}

impl Stage {
    fn new(extra: &[(&str, &str)]) -> Self {
        let mut config: BTreeMap<String, String> = [
            ("$internal.flink.version", "v1_20"),
            ("$internal.pipeline.job-id", JOB),
            ("parallelism.default", "2"),
            ("taskmanager.numberOfTaskSlots", "2"),
            ("high-availability.type", "kubernetes"),
            ("high-availability.storageDir", "file:///ha"),
            ("state.checkpoints.dir", "file:///cp"),
            ("state.savepoints.dir", "file:///sp"),
            ("execution.checkpointing.interval", "10s"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        config.extend(
            extra
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        Self {
            flink: SimFlink::new(),
            key: ClusterKey::new("prod", "orders"),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            config,
            instances: 0,
        }
    }

    /// A JobManager that finds `ha` in Kubernetes, and two TaskManagers' worth of slots.
    fn start(&mut self, ha: HaData) {
        self.instances += 1;
        let start = JobManagerStart {
            instance: format!("pod-{}", self.instances),
            config: self.config.clone(),
            application: true,
            ha,
        };
        self.flink.start_job_manager(&self.key, start, self.now);
        self.task_managers(1);
    }

    fn running(extra: &[(&str, &str)]) -> Self {
        let mut stage = Self::new(extra);
        stage.start(HaData::default());
        stage.wait(5);
        assert_eq!(stage.state(), Some(FlinkJobState::Running));
        stage
    }

    fn stop(&mut self) -> HaData {
        let ha = self.flink.ha(&self.key).unwrap_or_default();
        let instance = format!("pod-{}", self.instances);
        self.flink.stop_job_manager(&self.key, &instance, self.now);
        ha
    }

    fn task_managers(&mut self, count: usize) {
        let ids: Vec<String> = (1..=count)
            .map(|n| format!("orders-taskmanager-1-{n}"))
            .collect();
        self.flink.register_task_managers(&self.key, &ids, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.flink.advance(self.now);
    }

    fn ask(&mut self, method: &Method, target: &str, body: &Value) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asked = Asked {
            method,
            path,
            query,
            body,
        };
        self.flink.handle(&self.key, &asked, self.now).unwrap()
    }

    fn get(&mut self, target: &str) -> Value {
        let answer = self.ask(&Method::GET, target, &Value::Null);
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        answer.body
    }

    fn state(&self) -> Option<FlinkJobState> {
        self.flink.job_states(&self.key).get(JOB).copied()
    }

    fn stop_with_savepoint(&mut self, trigger: &str, format: &str) -> u16 {
        let body = json!({ "drain": false, "formatType": format, "triggerId": trigger });
        self.ask(&Method::POST, &format!("/jobs/{JOB}/stop"), &body)
            .status
    }

    fn savepoint(&mut self, trigger: &str) -> Value {
        self.get(&format!("/jobs/{JOB}/savepoints/{trigger}"))
    }

    fn numbers(&self) -> Vec<(Option<&str>, u64)> {
        self.flink.journal().starts(&self.key)
    }
}

#[test]
fn a_job_starts_step_by_step() {
    let mut stage = Stage::new(&[]);
    stage.start(HaData::default());
    let election = stage.ask(&Method::GET, "/jobs/overview", &Value::Null);
    assert_eq!(election.status, 503);
    stage.now += Duration::from_millis(600);
    assert_eq!(
        stage.get("/jobs/overview")["jobs"][0]["state"],
        "INITIALIZING"
    );
    stage.now += Duration::from_millis(600);
    let job = &stage.get("/jobs/overview")["jobs"][0];
    assert_eq!(
        (&job["state"], &job["tasks"]["running"]),
        (&json!("RUNNING"), &json!(0))
    );
    stage.now += Duration::from_secs(2);
    let job = &stage.get("/jobs/overview")["jobs"][0];
    assert_eq!(
        (&job["state"], &job["tasks"]["running"]),
        (&json!("RUNNING"), &json!(4))
    );
    assert_eq!(stage.numbers(), [(None, 0)]);
}

#[test]
fn without_slots_no_task_runs() {
    let mut stage = Stage::new(&[]);
    stage.start(HaData::default());
    stage.task_managers(0);
    stage.wait(60);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
    assert_eq!(stage.flink.wanted_task_managers(&stage.key), 1);
    assert_eq!(stage.numbers(), []);
    stage.task_managers(1);
    stage.wait(2);
    assert_eq!(stage.numbers().len(), 1);
}

#[test]
fn checkpoints_are_taken_and_the_older_one_is_deleted() {
    let mut stage = Stage::running(&[]);
    stage.wait(30);
    let checkpoints = stage.get(&format!("/jobs/{JOB}/checkpoints"));
    let path = format!("file:/cp/{JOB}/chk-{}", checkpoints["counts"]["completed"]);
    assert_eq!(
        checkpoints["latest"]["completed"]["external_path"],
        json!(path)
    );
    assert!(checkpoints["counts"]["completed"].as_u64().unwrap() >= 2);
    let stored: Vec<String> = stage
        .flink
        .storage_mut()
        .snapshots()
        .map(str::to_owned)
        .collect();
    assert_eq!(stored, [path]);
}

#[test]
fn cancelling_an_ended_job_conflicts_and_a_cancelled_one_does_not() {
    let mut stage = Stage::running(&[]);
    let target = format!("/jobs/{JOB}?mode=cancel");
    assert_eq!(stage.ask(&Method::PATCH, &target, &Value::Null).status, 202);
    assert_eq!(stage.state(), Some(FlinkJobState::Cancelling));
    stage.wait(2);
    assert_eq!(stage.state(), Some(FlinkJobState::Canceled));
    assert_eq!(stage.ask(&Method::PATCH, &target, &Value::Null).status, 202);
    assert_eq!(
        stage
            .ask(&Method::PATCH, "/jobs/other?mode=cancel", &Value::Null)
            .status,
        404
    );
    let mut stage = Stage::running(&[]);
    stage.stop_with_savepoint(TRIGGER, "CANONICAL");
    stage.wait(5);
    assert_eq!(stage.ask(&Method::PATCH, &target, &Value::Null).status, 409);
}

#[test]
fn retained_checkpoints_survive_a_cancellation() {
    for (policy, kept) in [("RETAIN_ON_CANCELLATION", 1), ("DELETE_ON_CANCELLATION", 0)] {
        let key = "execution.checkpointing.externalized-checkpoint-retention";
        let mut stage = Stage::running(&[(key, policy)]);
        stage.wait(20);
        stage.ask(
            &Method::PATCH,
            &format!("/jobs/{JOB}?mode=cancel"),
            &Value::Null,
        );
        stage.wait(5);
        assert_eq!(
            stage.flink.storage_mut().snapshots().count(),
            kept,
            "{policy}"
        );
    }
}

#[test]
fn a_failed_task_restarts_the_job_from_its_checkpoint() {
    let mut stage = Stage::running(&[]);
    stage.wait(20);
    stage
        .flink
        .fail_jobs(&stage.key.clone(), "disk full", false, stage.now);
    assert_eq!(stage.state(), Some(FlinkJobState::Restarting));
    stage.wait(5);
    let job = &stage.get("/jobs/overview")["jobs"][0];
    assert_eq!(
        (&job["state"], &job["tasks"]["running"]),
        (&json!("RUNNING"), &json!(4))
    );
    let metrics = stage.get(&format!("/jobs/{JOB}/metrics?get=numRestarts"));
    assert_eq!(metrics, json!([{ "id": "numRestarts", "value": "1" }]));
    let exceptions = stage.get(&format!("/jobs/{JOB}/exceptions"));
    assert_eq!(
        exceptions["exceptionHistory"]["entries"][0]["exceptionName"],
        "java.lang.RuntimeException"
    );
    assert_eq!(stage.flink.journal().losses(&stage.key), Vec::<u64>::new());
}

#[test]
fn only_the_adaptive_scheduler_rescales_in_place() {
    let mut stage = Stage::running(&[]);
    let target = format!("/jobs/{JOB}/resource-requirements");
    assert_eq!(stage.ask(&Method::GET, &target, &Value::Null).status, 500);

    let mut stage = Stage::running(&[("jobmanager.scheduler", "adaptive")]);
    let mut bounds = stage.get(&target);
    let vertex = bounds.as_object().unwrap().keys().next().unwrap().clone();
    bounds[&vertex]["parallelism"] = json!({ "lowerBound": 1, "upperBound": 4 });
    assert_eq!(stage.ask(&Method::PUT, &target, &bounds).status, 200);
    assert_eq!(stage.flink.wanted_task_managers(&stage.key), 2);
    assert_eq!(stage.flink.parallelism(&stage.key)[&vertex], 2);
    stage.task_managers(2);
    stage.wait(5);
    assert_eq!(stage.flink.parallelism(&stage.key)[&vertex], 4);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
    assert_eq!(stage.flink.journal().losses(&stage.key), Vec::<u64>::new());
}

#[test]
fn requirements_must_name_every_vertex() {
    let mut stage = Stage::running(&[("jobmanager.scheduler", "adaptive")]);
    let target = format!("/jobs/{JOB}/resource-requirements");
    assert_eq!(stage.ask(&Method::PUT, &target, &json!({})).status, 400);
}

#[test]
fn a_slow_vertex_is_busy_and_the_lag_grows() {
    let mut stage = Stage::new(&[]);
    stage
        .flink
        .set_profile(&stage.key.clone(), Profile::pipeline(100.0, 40.0));
    stage.start(HaData::default());
    stage.wait(60);
    let vertices = stage.get(&format!("/jobs/{JOB}"))["vertices"].clone();
    let metrics = |stage: &mut Stage, index: usize, name: &str| {
        let id = vertices[index]["id"].as_str().unwrap();
        let target = format!("/jobs/{JOB}/vertices/{id}/subtasks/metrics?get={name}&agg=sum");
        stage.get(&target)[0].clone()
    };
    assert_eq!(metrics(&mut stage, 1, "busyTimeMsPerSecond")["max"], 1000.0);
    let lag = |stage: &mut Stage| {
        metrics(stage, 0, "Source__src.pendingRecords")["sum"]
            .as_f64()
            .unwrap()
    };
    let before = lag(&mut stage);
    stage.wait(10);
    let grown = lag(&mut stage) - before;
    assert!((grown - 200.0).abs() < 1e-6, "{grown}");
}

#[test]
fn a_session_cluster_runs_uploaded_jars() {
    let mut stage = Stage::new(&[]);
    stage.config.remove("$internal.pipeline.job-id");
    let start = JobManagerStart {
        instance: "pod-1".to_owned(),
        config: stage.config.clone(),
        application: false,
        ha: HaData::default(),
    };
    stage
        .flink
        .start_job_manager(&stage.key.clone(), start, stage.now);
    stage.wait(5);
    assert_eq!(stage.get("/jobs/overview")["jobs"], json!([]));
    let uploaded = stage.ask(&Method::POST, "/jars/upload", &Value::Null).body["filename"].clone();
    let jar = uploaded
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let body = json!({ "jobId": JOB, "parallelism": 3, "savepointPath": null });
    let run = stage.ask(&Method::POST, &format!("/jars/{jar}/run"), &body);
    assert_eq!((run.status, run.body), (200, json!({ "jobid": JOB })));
    assert_eq!(stage.flink.wanted_task_managers(&stage.key), 2);
    stage.task_managers(2);
    stage.wait(5);
    assert_eq!(
        stage.get("/jobs/overview")["jobs"][0]["tasks"]["running"],
        6
    );
    assert_eq!(
        stage
            .ask(&Method::DELETE, &format!("/jars/{jar}"), &Value::Null)
            .status,
        200
    );
}
