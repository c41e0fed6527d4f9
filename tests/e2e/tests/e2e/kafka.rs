//! The autoscaler on a job that reads a real topic: the examples `kafka.yaml` and `autoscaling-kafka.yaml`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "helpers of a test fail it, its table is for people, and its load is of real time"
)]

use std::cell::RefCell;
use std::fs;

use flink_e2e::{Job, Namespace, Operator, Recording, Trace, example, model};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::job_id;

/// Partitions of the topic, as the example says.
const PARTITIONS: u64 = 12;

const NAME: &str = "autoscaling-kafka";

/// The example's job with files of its own, and settings that decide within seconds.
fn job(namespace: &Namespace) -> Value {
    let own = format!("/var/lib/flink-e2e/{}", namespace.name());
    let text = example("autoscaling-kafka.yaml")
        .replace("/var/lib/flink-examples/autoscaling-kafka", &own);
    let mut job: Value = serde_saphyr::from_str(&text).expect("an example in YAML");
    let configuration = &mut job["spec"]["flinkConfiguration"];
    for (key, value) in [
        ("job.autoscaler.metrics.window", "30s"),
        ("job.autoscaler.stabilization.interval", "10s"),
        ("job.autoscaler.scale-down.interval", "0s"),
        ("job.autoscaler.catch-up.duration", "1m"),
        ("job.autoscaler.restart.time", "10s"),
        ("metrics.fetcher.update-interval", "2000"),
    ] {
        configuration[key] = json!(value);
    }
    job
}

/// What the program that fills the topic said when it began: how many records there are.
fn records_in_topic(namespace: &Namespace) -> Option<u64> {
    let said = namespace.attempt(&["logs", "deployment/kafka-load"]).ok()?;
    let count = said.split_once("holds ")?.1.split_once(" records")?.0;
    count.parse().ok()
}

/// A load, the job that reads it, and what was seen of both.
struct Course<'a> {
    namespace: &'a Namespace,
    job: Job<'a>,
    trace: RefCell<Trace>,
    recording: Recording<'a>,
    /// When which rate began.
    rates: RefCell<Vec<(Timestamp, u32)>>,
}

impl Course<'_> {
    /// From now on `rate` records/s; the second of it.
    fn step(&self, rate: u32) -> f64 {
        let rate_text = format!("RATE=constant:{rate}");
        self.namespace
            .run(&["set", "env", "deployment/kafka-load", &rate_text]);
        self.trace.borrow_mut().step(f64::from(rate));
        self.rates.borrow_mut().push((Timestamp::now(), rate));
        self.trace.borrow().seconds()
    }

    /// Subtasks of the source and records that wait for it.
    fn look(&self) -> Option<(u64, f64)> {
        self.recording.look();
        let subtasks = self
            .job
            .parallelism()
            .into_iter()
            .find_map(|(name, subtasks)| name.starts_with("Source: kafka").then_some(subtasks))?;
        let lag = self.job.lag()?;
        self.trace.borrow_mut().saw(subtasks, lag);
        Some((subtasks, lag))
    }

    fn wait_for(&self, what: &str, mut wish: impl FnMut(u64, f64) -> bool) {
        self.namespace.wait_for(what, |_| {
            self.look().filter(|(subtasks, lag)| wish(*subtasks, *lag))
        });
        self.trace.borrow_mut().note(format!("seen: {what}"));
    }
}

/// The model of the job with what came to it. Two subtasks read 500 records/s from the start on, while 200 came.
fn model_of(course: &Course<'_>, (waited, at): (f64, Timestamp)) -> String {
    let began = course.recording.began();
    let after = |at: Timestamp| at.duration_since(began).as_secs_f64().max(0.0);
    let mut points = vec![json!([0.0, 200.0])];
    points.extend(
        course
            .rates
            .borrow()
            .iter()
            .map(|(at, rate)| json!([after(*at), rate])),
    );
    let load = json!({ "points": points });
    let backlog = waited + after(at) * 300.0;
    format!(
        "{}\nloads: {{ 0: {load} }}\nbacklog: {backlog:.0}\n",
        model("kafka.yaml")
    )
}

/// Puts the trace where the operator's log is, also when the test fails.
impl Drop for Course<'_> {
    fn drop(&mut self) {
        let table = self.trace.borrow().to_string();
        let file = std::env::temp_dir().join("flink-operator-e2e-kafka-trace.log");
        fs::write(&file, &table).ok();
        println!("{table}");
    }
}

/// One subtask reads 250 records/s, so that 200 are 0.8 of a subtask, 1000 are 4, and 2200 are 8.8, which at 70 % is 13.
#[test]
fn a_source_of_twelve_partitions_works_off_its_lag_with_twelve_subtasks_at_most_and_loses_nothing()
{
    let namespace = Namespace::new("e2e-kafka");
    let operator = Operator::start(&namespace);
    namespace
        .attempt_with(&["apply", "-f", "-"], &example("kafka.yaml"))
        .expect("an example that can be applied");
    namespace.wait_for("the topic", records_in_topic);
    namespace.apply(&job(&namespace));
    let first = namespace.wait_for_state(NAME, "STABLE");
    let course = Course {
        namespace: &namespace,
        job: Job::existing(&namespace, NAME),
        trace: RefCell::default(),
        recording: Recording::of(&namespace, NAME),
        rates: RefCell::default(),
    };
    course.trace.borrow_mut().step(200.0);
    let backlog = namespace.wait_for("how much waits at the start", |_| course.look());
    let backlog = (backlog.1, Timestamp::now());
    course.wait_for("the backlog of the start to go", |_, lag| lag < 400.0);

    let fivefold = course.step(1000);
    course.wait_for("five or more subtasks for 1000/s", |subtasks, _| {
        subtasks >= 5
    });
    course.wait_for("the lag at 1000/s to go", |_, lag| lag < 1000.0);
    let peak = course.trace.borrow().most_lag_since(fivefold);
    course
        .trace
        .borrow_mut()
        .note(format!("most lag at 1000/s: {peak}"));

    let beyond = course.step(2200);
    course.wait_for("a subtask for each partition", |subtasks, _| {
        subtasks == PARTITIONS
    });
    course.wait_for("the lag at 2200/s to go", |_, lag| lag < 2200.0);
    let peak = course.trace.borrow().most_lag_since(beyond);
    course
        .trace
        .borrow_mut()
        .note(format!("most lag at 2200/s: {peak}"));

    course.step(200);
    course.wait_for("few subtasks for the old load", |subtasks, _| subtasks <= 3);
    assert_eq!(course.trace.borrow().most_subtasks(), PARTITIONS);

    course.step(0);
    namespace.run(&[
        "rollout",
        "status",
        "deployment/kafka-load",
        "--timeout=120s",
    ]);
    let written = namespace.wait_for("the number of records", records_in_topic);
    course.job.wait_for_counter("verify.counted", written - 1);
    assert_eq!(
        course.job.counter("verify.counted"),
        Some(written),
        "each record once"
    );
    assert_eq!(course.job.counter("verify.violations"), Some(0));
    let last = namespace.wait_for_state(NAME, "STABLE");
    assert_eq!(job_id(&first), job_id(&last), "rescaled in place");

    let events = namespace.run(&["get", "events", "-o", "json"]);
    assert!(events.contains("ScalingReport"), "{events}");
    let model = model_of(&course, backlog);
    // Printed, for docs/reference/simulator.md; what has to be alike is asserted where no other pods disturb a broker.
    course.recording.compare(operator.program(), &model);
}
