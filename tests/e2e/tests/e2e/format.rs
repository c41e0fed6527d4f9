//! Formats of savepoints that Flink refuses.

use flink_e2e::{Job, Namespace, Operator};
use serde_json::{Value, json};

use crate::{assert_restored_from_savepoint, job_id};

/// Flink cannot write asynchronous state in the canonical format, the default, and says so by failing the job.
#[test]
fn asynchronous_state_is_saved_in_the_native_format_after_one_refusal() {
    let namespace = Namespace::new("e2e-format");
    let _operator = Operator::start(&namespace);
    let job = Job::apply_with(&namespace, "async", "2.3", "savepoint", |spec| {
        spec["job"]["args"] = json!([
            "--rate",
            "constant:100",
            "--stages",
            "map:0.1ms,async:0.1ms",
            "--verify",
            "false"
        ]);
    });
    let first = namespace.wait_for_state("async", "STABLE");
    let counted = job.wait_for_counter("map-1.counted", 500);
    job.patch(&json!({ "job": { "parallelism": 2 } }));
    let second = namespace.wait_for_state("async", "STABLE");
    assert_ne!(job_id(&first), job_id(&second), "upgraded");
    assert_restored_from_savepoint(&second);
    job.wait_for_counter("map-1.counted", counted);

    let events = namespace.run(&["get", "events", "-o", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    let refused = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["reason"] == "SavepointError")
        .map(|event| event["count"].as_u64().unwrap_or(1))
        .sum::<u64>();
    assert_eq!(refused, 1, "the running job is not harmed twice: {events}");
}
