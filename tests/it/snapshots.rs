//! Decisions about a `FlinkStateSnapshot`, state by state.

use flink_crds::{FlinkJobState, FlinkStateSnapshot, FlinkStateSnapshotStatus, SnapshotState};
use flink_operator::domain::snapshot::{
    Pace, SNAPSHOT_FINALIZER, SnapshotKind, SnapshotObserved, SnapshotPlan, SnapshotProgress,
    SnapshotStep, Target, decide, needs_target, refused,
};
use flink_operator::domain::{ClusterAddress, Reason, Sighting, Violation};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;

/// A snapshot and what is seen, through several passes.
struct Stage {
    snapshot: FlinkStateSnapshot,
    observed: SnapshotObserved,
}

impl Stage {
    fn of(spec: &Value) -> Self {
        let snapshot = serde_json::from_value(json!({
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkStateSnapshot",
            "metadata": {
                "name": "one", "namespace": "default", "generation": 1,
                "finalizers": [SNAPSHOT_FINALIZER],
            },
            "spec": spec,
        }))
        .unwrap();
        let target = Target {
            address: ClusterAddress {
                name: "job".to_owned(),
                port: 8081,
                tls: false,
            },
            job: Some("j1".to_owned()),
            state: Sighting::Seen(FlinkJobState::Running),
            changing: false,
            directory: Some("file:///sp".to_owned()),
            checkpoint_type: "FULL".to_owned(),
            version: Some(flink_crds::FlinkVersion::V1_20),
        };
        let observed = SnapshotObserved {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            target: Sighting::Seen(target),
            progress: Sighting::not_read(),
            fresh_trigger: "t1".to_owned(),
            pace: Pace {
                progress: Duration::from_secs(10),
                reconcile: Duration::from_mins(1),
            },
            violations: Vec::new(),
        };
        Self { snapshot, observed }
    }

    fn savepoint() -> Self {
        Self::of(&json!({
            "jobReference": { "kind": "FlinkDeployment", "name": "job" }, "savepoint": {},
        }))
    }

    fn with(mut self, spec: &Value) -> Self {
        let mut value = serde_json::to_value(&self.snapshot.spec).unwrap();
        for (key, field) in spec.as_object().unwrap() {
            value[key] = field.clone();
        }
        self.snapshot.spec = serde_json::from_value(value).unwrap();
        self
    }

    fn target(&mut self) -> &mut Target {
        match &mut self.observed.target {
            Sighting::Seen(target) => target,
            _ => panic!("the target is not seen"),
        }
    }

    fn later(&mut self, seconds: i64) {
        self.observed.now += SignedDuration::from_secs(seconds);
    }

    fn delete(&mut self) {
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.observed.now);
        self.snapshot.metadata.deletion_timestamp = Some(now);
    }

    /// One pass; its status and labels are there for the next.
    fn pass(&mut self) -> SnapshotPlan {
        let plan = decide(&self.snapshot, &self.observed);
        self.snapshot.status = Some(plan.status.clone());
        for step in &plan.steps {
            if let SnapshotStep::Label(labels) = step {
                self.snapshot.metadata.labels = Some(labels.clone());
            }
        }
        plan
    }

    fn status(&self) -> FlinkStateSnapshotStatus {
        self.snapshot.status.clone().unwrap()
    }

    fn state(&self) -> SnapshotState {
        self.status().state.unwrap()
    }

    fn label(&self, key: &str) -> &str {
        let labels = self.snapshot.metadata.labels.as_ref().unwrap();
        &labels[key]
    }

    fn progress(&mut self, progress: SnapshotProgress) {
        self.observed.progress = Sighting::Seen(progress);
    }
}

fn reasons(plan: &SnapshotPlan) -> Vec<String> {
    plan.events
        .iter()
        .map(|event| event.reason.to_string())
        .collect()
}

fn takes(plan: &SnapshotPlan) -> Option<(&str, &str)> {
    plan.steps.iter().find_map(|step| match step {
        SnapshotStep::Take(request) => Some((request.trigger.as_str(), request.format.as_str())),
        _ => None,
    })
}

fn disposes(plan: &SnapshotPlan) -> bool {
    let dispose = |step: &SnapshotStep| matches!(step, SnapshotStep::Dispose { .. });
    plan.steps.iter().any(dispose)
}

fn failure(cause: &str) -> SnapshotProgress {
    SnapshotProgress::Failed {
        cause: cause.to_owned(),
        format_unsupported: cause == "format",
    }
}

#[test]
fn a_savepoint_is_recorded_asked_for_polled_and_completed() {
    let mut stage = Stage::savepoint();
    let plan = stage.pass();
    assert_eq!(takes(&plan), Some(("t1", "CANONICAL")));
    assert_eq!(stage.state(), SnapshotState::InProgress);
    assert_eq!(stage.status().trigger_id.as_deref(), Some("t1"));
    assert_eq!(stage.label("snapshot.state"), "IN_PROGRESS");
    assert_eq!(stage.label("snapshot.trigger-type"), "MANUAL");
    assert_eq!(stage.label("job-reference.name"), "job");

    stage.progress(SnapshotProgress::InProgress);
    let plan = stage.pass();
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.look_again, Some(Duration::from_secs(10)));

    stage.later(10);
    stage.progress(SnapshotProgress::Completed(Some("file:/sp/1".to_owned())));
    let plan = stage.pass();
    assert_eq!(stage.state(), SnapshotState::Completed);
    assert_eq!(stage.status().path.as_deref(), Some("file:/sp/1"));
    assert_eq!(
        stage.status().result_timestamp.as_deref(),
        Some("2026-01-01T00:00:10Z")
    );
    assert_eq!(stage.label("snapshot.state"), "COMPLETED");
    assert_eq!(plan.look_again, None);
    let before = stage.status();
    let rest = stage.pass();
    assert!(rest.steps.is_empty() && stage.status() == before, "at rest");
    assert!(!needs_target(&stage.snapshot), "and asks nothing");
}

#[test]
fn conditions_say_whether_it_is_ready_under_way_or_stalled() {
    let on = |stage: &Stage| -> Vec<String> {
        let conditions = stage.status().conditions.unwrap_or_default();
        let on = conditions.iter().filter(|one| one.status == "True");
        on.map(|one| format!("{} {}", one.type_, one.reason))
            .collect()
    };
    let mut stage = Stage::savepoint();
    let _ = stage.pass();
    assert_eq!(on(&stage), ["Reconciling InProgress"]);
    stage.progress(SnapshotProgress::Completed(Some("file:///sp/1".to_owned())));
    let _ = stage.pass();
    assert_eq!(on(&stage), ["Ready Completed"]);
    let mut lost = Stage::savepoint();
    lost.observed.target = Sighting::Absent;
    let _ = lost.pass();
    assert_eq!(on(&lost), ["Stalled Abandoned"]);
    let conditions = lost.status().conditions.unwrap_or_default();
    let stalled = conditions.iter().find(|one| one.type_ == "Stalled");
    assert_eq!(
        stalled.map(|one| &one.message),
        lost.status().error.as_ref()
    );
}

#[test]
fn what_a_validator_refuses_fails_with_place_and_advice_before_flink_is_asked() {
    for already_exists in [false, true] {
        let mut stage = Stage::savepoint().with(&json!({
            "savepoint": { "path": "file:///elsewhere", "alreadyExists": already_exists },
        }));
        let refusal = Violation::new("spec.savepoint.path", "it is not ours", "Leave it out.");
        stage.observed.violations = vec![refusal];
        let plan = stage.pass();
        assert_eq!(stage.state(), SnapshotState::Failed);
        assert_eq!(takes(&plan), None);
        assert_eq!(reasons(&plan), [Reason::ValidationError.to_string()]);
        let error = stage.status().error;
        let expected = "spec.savepoint.path: it is not ours. Leave it out.";
        assert_eq!(error.as_deref(), Some(expected));
        let again = stage.pass();
        assert_eq!(reasons(&again), [""; 0], "it is told once");
    }
}

#[test]
fn a_request_that_did_not_arrive_is_sent_again_under_the_same_id() {
    let mut stage = Stage::savepoint();
    let _ = stage.pass();
    stage.observed.fresh_trigger = "t2".to_owned();
    stage.observed.progress = Sighting::Absent;
    assert_eq!(takes(&stage.pass()), Some(("t1", "CANONICAL")));
    stage.observed.progress = Sighting::Unknown("no answer".to_owned());
    assert_eq!(takes(&stage.pass()), None, "blind is not empty");
    assert_eq!(stage.state(), SnapshotState::InProgress);
}

#[test]
fn a_request_that_flink_may_have_forgotten_is_not_sent_again() {
    let mut stage = Stage::savepoint().with(&json!({ "backoffLimit": 0 }));
    let _ = stage.pass();
    stage.later(300);
    stage.observed.progress = Sighting::Absent;
    let plan = stage.pass();
    assert_eq!(takes(&plan), None);
    assert_eq!(stage.state(), SnapshotState::Failed);
    let error = stage.status().error.unwrap();
    assert!(error.contains("no longer knows request t1"), "{error}");
}

#[test]
fn failures_are_tried_again_as_often_as_the_limit_says_and_with_growing_delays() {
    let mut stage = Stage::savepoint().with(&json!({ "backoffLimit": 1 }));
    let _ = stage.pass();
    stage.progress(failure("disk full"));
    let plan = stage.pass();
    assert_eq!(reasons(&plan), ["SavepointError"]);
    assert_eq!(stage.state(), SnapshotState::TriggerPending);
    assert_eq!(stage.status().failures, Some(1));
    assert_eq!(plan.look_again, Some(Duration::from_secs(10)));
    stage.later(4);
    assert_eq!(stage.pass().look_again, Some(Duration::from_secs(6)));
    stage.later(6);
    stage.observed.fresh_trigger = "t2".to_owned();
    assert_eq!(takes(&stage.pass()), Some(("t2", "CANONICAL")));
    let plan = stage.pass();
    assert!(plan.events.is_empty(), "the same cause is told once");
    assert_eq!(stage.state(), SnapshotState::Failed);
    assert_eq!(stage.status().failures, Some(2));
    assert_eq!(takes(&stage.pass()), None);
}

#[test]
fn without_a_limit_it_is_tried_for_ever() {
    let mut stage = Stage::savepoint();
    for _ in 0..50 {
        stage.later(3_600);
        assert!(takes(&stage.pass()).is_some());
        stage.progress(failure("disk full"));
        let _ = stage.pass();
        assert_eq!(stage.state(), SnapshotState::TriggerPending);
    }
}

#[test]
fn a_refused_request_counts_as_a_failure() {
    let mut stage = Stage::savepoint().with(&json!({ "backoffLimit": 0 }));
    let plan = decide(&stage.snapshot, &stage.observed);
    let failed = refused(&stage.snapshot, &plan, &stage.observed, "no directory");
    stage.snapshot.status = Some(failed.status.clone());
    assert_eq!(stage.state(), SnapshotState::Failed);
    assert_eq!(stage.status().error.as_deref(), Some("no directory"));
    assert_eq!(reasons(&failed), ["SavepointError"]);
}

#[test]
fn a_format_the_state_cannot_be_written_in_is_tried_once() {
    let mut open = Stage::savepoint();
    let _ = open.pass();
    open.progress(failure("format"));
    let _ = open.pass();
    open.later(10);
    assert_eq!(takes(&open.pass()), Some(("t1", "NATIVE")));

    let mut chosen =
        Stage::savepoint().with(&json!({ "savepoint": { "formatType": "CANONICAL" } }));
    let _ = chosen.pass();
    chosen.progress(failure("format"));
    let _ = chosen.pass();
    assert_eq!(chosen.state(), SnapshotState::Failed, "never a second time");
    let error = chosen.status().error.unwrap();
    assert!(error.contains("formatType: NATIVE"), "{error}");
}

#[test]
fn a_job_that_is_gone_or_does_not_run_abandons_it() {
    type Case = (&'static str, fn(&mut Stage));
    let cases: [Case; 3] = [
        ("was not found", |stage| {
            stage.observed.target = Sighting::Absent;
        }),
        ("is not running", |stage| {
            stage.target().state = Sighting::Seen(FlinkJobState::Suspended);
        }),
        ("is not running", |stage| stage.target().job = None),
    ];
    for (why, change) in cases {
        for asked in [false, true] {
            let mut stage = Stage::savepoint();
            if asked {
                let _ = stage.pass();
                stage.observed.progress = Sighting::Unknown("no JobManager".to_owned());
            }
            change(&mut stage);
            let plan = stage.pass();
            assert_eq!(stage.state(), SnapshotState::Abandoned, "{why} {asked}");
            assert_eq!(reasons(&plan), [Reason::SnapshotAbandoned.to_string()]);
            let error = stage.status().error.unwrap();
            assert!(error.contains(why), "{error}");
            stage.delete();
            let end = stage.pass();
            assert!(end.steps.contains(&SnapshotStep::RemoveFinalizer), "{why}");
        }
    }
}

#[test]
fn what_cannot_be_seen_or_is_changing_is_waited_for() {
    let cases: [fn(&mut Stage); 3] = [
        |stage| stage.observed.target = Sighting::Unknown("no answer".to_owned()),
        |stage| stage.target().state = Sighting::Unknown("no answer".to_owned()),
        |stage| stage.target().changing = true,
    ];
    for change in cases {
        let mut stage = Stage::savepoint();
        change(&mut stage);
        let plan = stage.pass();
        assert_eq!(stage.state(), SnapshotState::TriggerPending);
        assert!(plan.waiting.is_some() && takes(&plan).is_none());
    }
}

#[test]
fn an_existing_savepoint_is_complete_at_once() {
    let adopted = json!({ "savepoint": { "alreadyExists": true, "path": "file:/sp/old" } });
    let mut stage = Stage::of(&adopted);
    let _ = stage.pass();
    assert_eq!(stage.state(), SnapshotState::Completed);
    assert_eq!(stage.status().path.as_deref(), Some("file:/sp/old"));
}

#[test]
fn a_spec_that_can_never_be_carried_out_says_what_to_write() {
    for (spec, remedy) in [
        (json!({ "savepoint": {} }), "spec.jobReference"),
        (
            json!({ "savepoint": { "alreadyExists": true } }),
            "spec.savepoint.path",
        ),
        (
            json!({ "jobReference": { "kind": "FlinkDeployment", "name": "job" } }),
            "spec.checkpoint",
        ),
    ] {
        let mut stage = Stage::of(&spec);
        let plan = stage.pass();
        assert_eq!(stage.state(), SnapshotState::Failed);
        assert_eq!(reasons(&plan), ["ValidationError"]);
        let error = stage.status().error.unwrap();
        assert!(error.contains(remedy), "{error}");
    }
}

#[test]
fn without_a_directory_the_error_names_the_options() {
    let mut stage = Stage::savepoint().with(&json!({ "backoffLimit": 0 }));
    stage.target().directory = None;
    let _ = stage.pass();
    let error = stage.status().error.unwrap();
    assert!(
        error.contains("execution.checkpointing.savepoint-dir"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_needs_flink_1_17_and_says_when_its_path_is_forgotten() {
    let checkpoint = || {
        Stage::of(&json!({
            "jobReference": { "kind": "FlinkDeployment", "name": "job" }, "checkpoint": {},
        }))
    };
    let mut old = checkpoint();
    old.target().version = Some(flink_crds::FlinkVersion::V1_16);
    let _ = old.pass();
    assert_eq!(old.state(), SnapshotState::Failed);

    let mut stage = checkpoint();
    let plan = stage.pass();
    assert_eq!(takes(&plan), Some(("t1", "FULL")));
    assert_eq!(
        SnapshotKind::of(&stage.snapshot.spec),
        SnapshotKind::Checkpoint
    );
    stage.progress(SnapshotProgress::Completed(None));
    let plan = stage.pass();
    assert_eq!(stage.state(), SnapshotState::Completed);
    assert_eq!(reasons(&plan), ["CheckpointError"]);
}

fn complete(spec: &Value) -> Stage {
    let mut stage = Stage::savepoint().with(spec);
    let _ = stage.pass();
    stage.progress(SnapshotProgress::Completed(Some("file:/sp/1".to_owned())));
    let _ = stage.pass();
    stage.delete();
    stage
}

#[test]
fn deleting_the_resource_deletes_the_files_if_that_is_asked_for() {
    let mut disposing = complete(&json!({}));
    let plan = disposing.pass();
    assert!(disposes(&plan));
    assert_eq!(plan.steps.last(), Some(&SnapshotStep::RemoveFinalizer));
    let mut keeping = complete(&json!({ "savepoint": { "disposeOnDelete": false } }));
    let plan = keeping.pass();
    assert_eq!(plan.steps, [SnapshotStep::RemoveFinalizer]);
    assert!(!needs_target(&keeping.snapshot));
}

#[test]
fn files_wait_for_the_job_but_not_for_one_that_is_gone() {
    let mut stage = complete(&json!({}));
    stage.target().state = Sighting::Seen(FlinkJobState::Suspended);
    let plan = stage.pass();
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(reasons(&plan), ["CleanupFailed"]);
    assert!(stage.pass().events.is_empty(), "told once");
    stage.observed.target = Sighting::Unknown("no answer".to_owned());
    assert!(stage.pass().steps.is_empty(), "blind is not empty");
    stage.observed.target = Sighting::Absent;
    let plan = stage.pass();
    assert_eq!(plan.steps, [SnapshotStep::RemoveFinalizer]);
    assert!(plan.events[0].message.contains("file:/sp/1"));
}

#[test]
fn a_deletion_waits_for_what_is_being_written() {
    let mut stage = Stage::savepoint();
    let _ = stage.pass();
    stage.delete();
    stage.progress(SnapshotProgress::InProgress);
    assert!(stage.pass().steps.is_empty());
    stage.progress(SnapshotProgress::Completed(Some("file:/sp/1".to_owned())));
    assert!(disposes(&stage.pass()));
}

#[test]
fn before_anything_else_comes_the_finalizer() {
    let mut stage = Stage::savepoint();
    stage.snapshot.metadata.finalizers = None;
    let plan = stage.pass();
    assert_eq!(plan.steps, [SnapshotStep::AddFinalizer]);
    assert_eq!(plan.status, FlinkStateSnapshotStatus::default());
}
