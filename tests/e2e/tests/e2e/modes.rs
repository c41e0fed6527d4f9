//! What holds the autoscaler back and what hurries it, on one real job: recommending, frozen, a schedule, a
//! HorizontalPodAutoscaler beside it; and memory that it tunes on another.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of a test fail it, and a schedule is of real time"
)]

use std::ops::Not;

use flink_e2e::{Job, Namespace, Operator};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::job_id;

const FREEZE: &str = "flinkdeployment.flink.apache.org/autoscaler-freeze";

fn scaler_option(key: &str, value: &str) -> Value {
    json!({ "flinkConfiguration": { (format!("job.autoscaler.{key}")): value } })
}

/// Settings that decide within seconds.
fn quick(spec: &mut Value) {
    for (key, value) in [
        ("enabled", "true"),
        ("metrics.window", "20s"),
        ("stabilization.interval", "5s"),
        ("restart.time", "10s"),
        ("vertex.max-parallelism", "4"),
    ] {
        spec["flinkConfiguration"][format!("job.autoscaler.{key}")] = json!(value);
    }
    spec["flinkConfiguration"]["metrics.fetcher.update-interval"] = json!("2000");
    spec["flinkConfiguration"]["pipeline.max-parallelism"] = json!("12");
}

/// The condition `AbleToScale`: its status and its reason.
fn able_to_scale(object: &Value) -> Option<(String, String)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == "AbleToScale")?;
    let text = |key: &str| Some(found.get(key)?.as_str()?.to_owned());
    Some((text("status")?, text("reason")?))
}

fn wait_for_condition(namespace: &Namespace, status: &str, reason: &str) -> Value {
    namespace.wait_for(&format!("AbleToScale={status} ({reason})"), |namespace| {
        let object = namespace.deployment("modes");
        let said = able_to_scale(&object)?;
        (said == (status.to_owned(), reason.to_owned())).then_some(object)
    })
}

/// What the status says of the vertex that has the work to do.
fn keyed<'o>(object: &'o Value, field: &str) -> Option<&'o Value> {
    let vertices = object.pointer("/status/autoscaler/vertices")?.as_array()?;
    vertices
        .iter()
        .find(|vertex| vertex["name"] == "keyed-2")?
        .get(field)
}

/// Every hour that this test may see.
fn now_and_later() -> String {
    let hour = Timestamp::now().to_zoned(TimeZone::UTC).hour();
    format!("* * {hour},{} ? * *", (hour + 1).rem_euclid(24))
}

/// The program tells why nothing happens, and how many subtasks twice the load would need.
fn asked_by_a_person(namespace: &Namespace, operator: &Operator) {
    let told = operator.ask(&["explain", "e2e-modes/modes"]);
    let told = told.expect("an explanation");
    assert!(told.contains("keyed-2") && told.contains(FREEZE), "{told}");
    let answer = namespace.wait_for("readings that are stored", |_| {
        operator.ask(&["whatif", "e2e-modes/modes", "--rate", "800", "-o", "json"])
    });
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let vertices = answer["vertices"].as_array().expect("vertices");
    let keyed = vertices.iter().find(|vertex| vertex["name"] == "keyed-2");
    let needed = keyed.and_then(|vertex| vertex["uncapped"].as_u64());
    assert!(matches!(needed, Some(3..=6)), "{answer}");
}

/// 400 records/s of 3 ms are 1.2 of a subtask, so that one is too few and the schedule's four are more than enough.
#[test]
fn a_job_is_recommended_frozen_raised_by_a_schedule_and_left_to_a_horizontal_pod_autoscaler() {
    let namespace = Namespace::new("e2e-modes");
    let operator = Operator::start(&namespace);
    let job = Job::apply_with(&namespace, "modes", "2.3", "savepoint", |spec| {
        quick(spec);
        spec["flinkConfiguration"]["job.autoscaler.mode"] = json!("recommend");
        spec["job"]["args"] = json!(["--rate", "constant:400", "--stages", "map:0.2ms,keyed:3ms"]);
    });
    let first = namespace.wait_for_state("modes", "STABLE");
    let subtasks = || job.parallelism().get("keyed-2").copied();

    // Recommending: said, and not done.
    namespace.wait_for("a recommendation", |namespace| {
        keyed(&namespace.deployment("modes"), "target")?
            .as_u64()
            .filter(|target| *target >= 2)
    });
    wait_for_condition(&namespace, "False", "RecommendsOnly");
    assert_eq!(subtasks(), Some(1));

    // Frozen: the same in mode auto.
    namespace.run(&["annotate", "flinkdep", "modes", &format!("{FREEZE}=true")]);
    job.patch(&scaler_option("mode", "auto"));
    let frozen = wait_for_condition(&namespace, "False", "Frozen");
    assert!(frozen.pointer("/status/autoscaler/frozen").is_some());
    let held = namespace.wait_for("the freeze to hold back a rescale", |namespace| {
        let object = namespace.deployment("modes");
        let reason = object.pointer("/status/autoscaler/state")?.as_str()?;
        (reason == "Frozen").then_some(object)
    });
    assert!(keyed(&held, "target").and_then(Value::as_u64) >= Some(2));
    assert_eq!(subtasks(), Some(1));
    asked_by_a_person(&namespace, &operator);

    // A schedule asks for more than the load does, and gets it without a restart of the job.
    let floor = format!("{} => min 4 [keyed-2]", now_and_later());
    job.patch(&scaler_option("schedules", &floor));
    namespace.run(&["annotate", "flinkdep", "modes", &format!("{FREEZE}-")]);
    namespace.wait_for("four subtasks by schedule", |_| {
        subtasks().filter(|n| *n == 4)
    });
    let raised = wait_for_condition(&namespace, "True", "ReadyForNewScale");
    assert_eq!(job_id(&first), job_id(&raised), "rescaled in place");
    assert!(raised.pointer("/status/autoscaler/schedule").is_some());

    // Another autoscaler: it goes first. This one knows no metric, so it does nothing itself.
    namespace.apply(&json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "rival" },
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 10,
            "scaleTargetRef": {
                "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "modes",
            },
            "metrics": [{ "type": "External", "external": {
                "metric": { "name": "unknown" }, "target": { "type": "Value", "value": "1" },
            }}],
        },
    }));
    let beside = wait_for_condition(&namespace, "False", "ScalingConflict");
    let conflict = beside
        .pointer("/status/autoscaler/conflict")
        .and_then(Value::as_str);
    assert!(
        conflict.is_some_and(|text| text.contains("rival")),
        "{conflict:?}"
    );
    let events = namespace.run(&["get", "events", "-o", "json"]);
    assert!(events.contains("ScalingConflict"), "{events}");
    namespace.run(&["delete", "hpa", "rival"]);
    wait_for_condition(&namespace, "True", "ReadyForNewScale");
    job.wait_for_count_above(job.counter("verify.counted").unwrap_or(0));
    assert_eq!(job.counter("verify.violations"), Some(0));
}

/// 400 records/s of 3 ms are 1.2 of a subtask, so that one is too few. Flink 2.3 starts an application without the
/// parallelism that is imposed on its vertices, so that comes after the start.
#[test]
fn a_rescale_by_upgrade_gives_task_managers_the_memory_that_was_tuned_and_the_job_runs_with_it() {
    const SIZE: &str = "taskmanager.memory.process.size";
    let namespace = Namespace::new("e2e-memory");
    let _operator = Operator::start(&namespace);
    let job = Job::apply_with(&namespace, "memory", "2.3", "savepoint", |spec| {
        quick(spec);
        for (key, value) in [
            ("job.autoscaler.mode", "auto"),
            ("job.autoscaler.memory.tuning.enabled", "true"),
            (
                "kubernetes.operator.job.upgrade.inplace-scaling.enabled",
                "false",
            ),
        ] {
            spec["flinkConfiguration"][key] = json!(value);
        }
        spec["job"]["args"] = json!(["--rate", "constant:400", "--stages", "map:0.2ms,keyed:3ms"]);
    });
    let first = namespace.wait_for_state("memory", "STABLE");
    let tuned = namespace.wait_for("memory that was tuned", |namespace| {
        let object = namespace.deployment("memory");
        let memory = object.pointer("/status/autoscaler/memory/overrides")?;
        let size = memory.get(SIZE)?.as_str()?.trim_end_matches(" bytes");
        size.parse::<u64>().ok()
    });
    assert!(tuned < 1024 << 20, "no less than the spec's: {tuned}");
    let last = namespace.wait_for_state("memory", "STABLE");
    assert_ne!(job_id(&first), job_id(&last), "rescaled by upgrade");
    let pods = namespace.wait_for("TaskManagers of that size", |namespace| {
        let selector = "app=memory,component=taskmanager";
        let pods = namespace.run(&["get", "pods", "-l", selector, "-o", "json"]);
        let pods: Value = serde_json::from_str(&pods).ok()?;
        let request = "/spec/containers/0/resources/requests/memory";
        let sizes = pods["items"]
            .as_array()?
            .iter()
            .map(|pod| pod.pointer(request)?.as_str());
        let sizes: Vec<String> = sizes
            .map(|size| size.map(str::to_owned))
            .collect::<Option<_>>()?;
        sizes.is_empty().not().then_some(sizes)
    });
    // Flink asks for whole mebibytes.
    let whole = tuned >> 20 << 20;
    assert!(
        pods.iter().all(|size| bytes(size) == Some(whole)),
        "{pods:?} of {tuned}"
    );
    namespace.wait_for("two subtasks", |_| {
        let subtasks = job.parallelism().get("keyed-2").copied()?;
        (subtasks >= 2).then_some(())
    });
    assert!(
        last.pointer("/status/autoscaler/refusedMemory").is_none(),
        "{last}"
    );
    job.wait_for_count_above(job.counter("verify.counted").unwrap_or(0));
    assert_eq!(job.counter("verify.violations"), Some(0));
}

/// A quantity of memory as Kubernetes writes it, in bytes.
fn bytes(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(char::is_alphabetic);
    let factor = match quantity.strip_prefix(digits)? {
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "" => 1,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
