//! Parallelism by hand, and a job that is stopped and started.

use flink_e2e::{Job, Namespace, Operator};
use serde_json::{Value, json};

use crate::job_id;

/// `kubectl scale`, and wait until the job has `subtasks` everywhere.
fn scale(namespace: &Namespace, job: &Job<'_>, replicas: u64, subtasks: u64) -> Value {
    let wanted = format!("--replicas={replicas}");
    namespace.run(&["scale", "flinkdep", "elastic", &wanted]);
    namespace.wait_for(&format!("{subtasks} subtasks"), |_| {
        let parallelism = job.parallelism();
        (!parallelism.is_empty() && parallelism.values().all(|n| *n == subtasks)).then_some(())
    });
    let object = namespace.wait_for_state("elastic", "STABLE");
    let shown = namespace.run(&[
        "get",
        "flinkdep",
        "elastic",
        "--subresource=scale",
        "-o",
        "jsonpath={.status.replicas}",
    ]);
    assert_eq!(
        shown,
        replicas.to_string(),
        "what an autoscaler of pods reads"
    );
    object
}

#[test]
fn kubectl_scale_works_in_place_and_by_upgrade_and_a_suspended_job_resumes_with_its_state() {
    let namespace = Namespace::new("e2e-elastic");
    let _operator = Operator::start(&namespace);
    let job = Job::apply_with(&namespace, "elastic", "1.20", "savepoint", |spec| {
        spec["taskManager"]["replicas"] = json!(1);
        spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!("1");
    });
    let first = namespace.wait_for_state("elastic", "STABLE");

    let in_place = scale(&namespace, &job, 2, 2);
    assert_eq!(job_id(&first), job_id(&in_place), "the same job goes on");

    job.patch(&json!({ "flinkConfiguration": { "jobmanager.scheduler": "default" } }));
    let fixed = namespace.wait_for_state("elastic", "STABLE");
    let before = job.wait_for_count_above(100);
    let upgraded = scale(&namespace, &job, 1, 1);
    assert_ne!(job_id(&fixed), job_id(&upgraded), "scaled by an upgrade");
    let counted = job.wait_for_count_above(before);
    assert_eq!(job.counter("verify.violations"), Some(0));

    job.patch(&json!({ "job": { "state": "suspended" } }));
    namespace.wait_for_state("elastic", "SUSPENDED");
    // The JobManager stays for a while, so that the finished job can be looked at.
    namespace.wait_for("the TaskManagers to be gone", |namespace| {
        let task_managers = "app=elastic,component=taskmanager";
        let pods = namespace.run(&["get", "pods", "-l", task_managers, "-o", "name"]);
        pods.trim().is_empty().then_some(())
    });
    job.patch(&json!({ "job": { "state": "running" } }));
    namespace.wait_for_state("elastic", "STABLE");
    job.wait_for_count_above(counted);
    assert_eq!(job.counter("verify.violations"), Some(0));

    let stateful = namespace.deployment("elastic");
    job.patch(&json!({ "restartNonce": 1, "job": { "upgradeMode": "stateless" } }));
    let fresh = namespace.wait_for_state("elastic", "STABLE");
    assert_ne!(job_id(&stateful), job_id(&fresh));
    assert!(
        job.wait_for_count_above(0) < counted,
        "a stateless upgrade starts from nothing"
    );
}
