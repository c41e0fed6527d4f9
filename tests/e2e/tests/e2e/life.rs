//! The main job: deploy, upgrade with its state, survive, delete; and mistakes.

use flink_e2e::{Job, Namespace, Operator};
use serde_json::json;

use crate::{assert_restored_from_savepoint, job_id};

/// Deploy, upgrade with a savepoint while the operator is killed in the middle, rescale in place,
/// lose the JobManager, upgrade from the last state, and delete: no record lost or counted twice.
fn a_life(version: &str, name: &str) {
    let namespace = Namespace::new(name);
    let mut operator = Operator::start(&namespace);
    let job = Job::apply(&namespace, "life", version, "savepoint");
    let first = namespace.wait_for_state("life", "STABLE");
    let before = job.wait_for_count_above(100);

    job.patch(&json!({ "job": { "parallelism": 2 } }));
    namespace.wait_for("the stop to be recorded", |namespace| {
        namespace
            .deployment("life")
            .pointer("/status/pending")
            .cloned()
    });
    operator.kill_and_restart();
    let second = namespace.wait_for_state("life", "STABLE");
    assert_ne!(job_id(&first), job_id(&second), "a new job runs");
    assert_restored_from_savepoint(&second);
    let after = job.wait_for_count_above(before);
    assert_eq!(
        job.counter("verify.violations"),
        Some(0),
        "{before} before, {after} after"
    );

    namespace.run(&[
        "delete",
        "pod",
        "-l",
        "app=life,component=jobmanager",
        "--wait=false",
    ]);
    job.patch(&json!({ "restartNonce": 1, "job": { "upgradeMode": "last-state" } }));
    let third = namespace.wait_for_state("life", "STABLE");
    assert_eq!(
        job_id(&second),
        job_id(&third),
        "last-state keeps the job's id"
    );
    job.wait_for_count_above(after);
    assert_eq!(job.counter("verify.violations"), Some(0));

    namespace.run(&["delete", "flinkdep", "life", "--timeout=120s"]);
    let left = namespace.run(&["get", "deploy,pods,svc,cm", "-l", "app=life", "-o", "name"]);
    assert_eq!(left.trim(), "", "nothing is left");

    // Flink 2 keeps results of applications in the HA storage: one found there would end this one at once.
    let again = Job::apply(&namespace, "life", version, "savepoint");
    namespace.wait_for_state("life", "STABLE");
    again.wait_for_count_above(0);
}

#[test]
fn a_job_on_flink_2_keeps_its_state_through_its_life() {
    a_life("2.3", "e2e-life-2");
}

#[test]
fn a_job_on_flink_1_20_keeps_its_state_through_its_life() {
    a_life("1.20", "e2e-life-1");
}

#[test]
fn a_wrong_image_is_named_and_an_invalid_spec_leaves_the_job_alone() {
    let namespace = Namespace::new("e2e-wrong");
    let _operator = Operator::start(&namespace);
    let job = Job::apply(&namespace, "wrong", "2.3", "stateless");
    job.patch(&json!({ "image": "no.such.registry/missing:1" }));
    namespace.wait_for("the image to be named as the cause", |namespace| {
        let object = namespace.deployment("wrong");
        let error = object.pointer("/status/error")?.as_str()?.to_owned();
        (error.contains("ErrImagePull") || error.contains("ImagePullBackOff")).then_some(())
    });
    job.patch(&json!({ "image": "flink-example:2.3" }));
    let healed = namespace.wait_for_state("wrong", "STABLE");
    assert_eq!(
        healed.pointer("/status/error"),
        None,
        "the error goes with its cause"
    );

    job.patch(&json!({ "jobManager": { "resource": { "memory": "plenty" } } }));
    let told = namespace.wait_for("the mistake to be told", |namespace| {
        let object = namespace.deployment("wrong");
        let error = object.pointer("/status/error")?.as_str()?.to_owned();
        error
            .contains("spec.jobManager.resource.memory")
            .then_some(object)
    });
    assert_eq!(
        told.pointer("/status/jobStatus/state"),
        Some(&json!("RUNNING"))
    );
    assert_eq!(
        job_id(&healed),
        job_id(&told),
        "the running job is left alone"
    );
}
