//! The autoscaler's circle: a load that changes, and parallelism that follows.

use flink_e2e::{Compared, Job, Namespace, Operator, Recording, model};
use serde_json::{Value, json};

use crate::job_id;

/// Settings that decide within seconds, for a load whose steps are minutes apart.
fn quick(spec: &mut Value) {
    let settings = [
        ("enabled", "true"),
        ("mode", "auto"),
        ("utilization.target", "0.7"),
        ("metrics.window", "60s"),
        ("stabilization.interval", "10s"),
        ("scale-down.interval", "0s"),
        ("scale-down.max-factor", "0.8"),
        ("catch-up.duration", "1m"),
        ("restart.time", "10s"),
        ("vertex.max-parallelism", "6"),
    ];
    let configuration = &mut spec["flinkConfiguration"];
    for (key, value) in settings {
        configuration[format!("job.autoscaler.{key}")] = json!(value);
    }
    configuration["metrics.fetcher.update-interval"] = json!("2000");
    configuration["pipeline.max-parallelism"] = json!("12");
}

/// The keyed stage takes 3 ms a record: 200 records/s are 0.6 of a subtask, 800 are 2.4.
#[test]
fn the_autoscaler_follows_a_load_that_steps_up_fourfold_and_falls_again() {
    let namespace = Namespace::new("e2e-autoscaler");
    let operator = Operator::start(&namespace);
    let job = Job::apply_with(&namespace, "load", "2.3", "savepoint", |spec| {
        quick(spec);
        spec["job"]["args"] = json!([
            "--rate",
            "step:200@0,800@90s,200@6m",
            "--stages",
            "map:0.2ms,keyed:3ms"
        ]);
    });
    let first = namespace.wait_for_state("load", "STABLE");

    let recording = Recording::of(&namespace, "load");
    let keyed = || {
        recording.look();
        job.parallelism().get("keyed-2").copied()
    };
    namespace.wait_for("three or more subtasks for the fourfold load", |_| {
        keyed().filter(|parallelism| *parallelism >= 3)
    });
    namespace.wait_for("the backlog to go", |_| {
        recording.look();
        job.lag().filter(|lag| *lag < 400.0)
    });
    let up = keyed().expect("a running job");
    assert!((3..=6).contains(&up), "{up} subtasks");

    // The load falls six minutes after the start, so this may wait for most of that.
    let down = namespace.wait_for("less for the old load", |_| {
        keyed().filter(|parallelism| *parallelism <= 2)
    });
    let last = namespace.wait_for_state("load", "STABLE");
    assert_eq!(job_id(&first), job_id(&last), "rescaled in place");
    assert!(down < up);
    job.wait_for_count_above(job.counter("verify.counted").unwrap_or(0));
    assert_eq!(job.counter("verify.violations"), Some(0));

    let events = namespace.run(&["get", "events", "-o", "json"]);
    assert!(events.contains("ScalingReport"), "{events}");
    let said = last
        .pointer("/status/autoscaler/reason")
        .and_then(Value::as_str);
    assert!(said.is_some_and(|reason| !reason.is_empty()));
    like_the_simulator(&recording.compare(operator.program(), &model("rated.yaml")));
}

/// What the simulator has to get right of this job. docs/reference/simulator.md tells what else differs, and why.
fn like_the_simulator(compared: &Compared) {
    for phase in ["200/s from 0", "800/s from 90"] {
        compared.assert(phase, "capacity of a subtask of keyed-2", 0.85..=1.15);
    }
    compared.assert("200/s from 0", "records/s of Source", 0.9..=1.1);
    compared.assert("200/s from 0", "busy share of keyed-2", 0.8..=1.2);
    compared.assert("800/s from 90", "subtasks of keyed-2", 0.5..=2.1);
    compared.assert("800/s from 90", "most records that wait", 0.3..=2.0);
    compared.assert("800/s from 90", "seconds until the first", 0.2..=3.0);
}
