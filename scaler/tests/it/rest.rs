//! Flink's REST interface of a simulated job.

use std::collections::BTreeMap;

use flink_scaler::{
    ShipStrategy, VertexId,
    simulate::{
        Job, Load, Model, Stage,
        rest::{Answer, Endpoint, hex},
    },
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::at;

/// A source of 8 partitions and a keyed map of 2 ms a record, under 100 records per second, after two minutes.
fn job() -> (Job, Endpoint) {
    let model = Model {
        stages: vec![
            Stage {
                partitions: Some(8),
                ..Stage::source("events", 10_000.0)
            },
            Stage {
                ship: ShipStrategy::Hash,
                parallelism: 2,
                ..Stage::reading("map", 500.0, vec![0])
            },
        ],
        loads: BTreeMap::from([(0, Load::steps(&[(0.0, 100.0)]))]),
        ..Model::default()
    };
    let mut job = Job::new(model, at(0));
    job.pass(SignedDuration::from_secs(120));
    let settings = BTreeMap::from([("job.autoscaler.enabled".to_owned(), "true".to_owned())]);
    (job, Endpoint::new("pipeline", at(0), &settings))
}

fn ask(endpoint: &mut Endpoint, job: &Job, method: &str, target: &str, body: &str) -> (u16, Value) {
    let Answer { status, json } = endpoint.answer(job, method, target, body.as_bytes());
    (status, serde_json::from_str(&json).unwrap())
}

fn get(endpoint: &mut Endpoint, job: &Job, target: &str) -> Value {
    let (status, value) = ask(endpoint, job, "GET", target, "{}");
    assert_eq!(status, 200, "{target}: {value}");
    value
}

/// The path of something of the job.
fn of_job(endpoint: &Endpoint, rest: &str) -> String {
    format!("/v1/jobs/{}{rest}", endpoint.id())
}

#[test]
fn the_job_is_listed_with_its_tasks() {
    let (job, mut endpoint) = job();
    let list = get(&mut endpoint, &job, "/v1/jobs/overview");
    assert_eq!(list["jobs"][0]["jid"], hex("pipeline"));
    assert_eq!(list["jobs"][0]["state"], "RUNNING");
    assert_eq!(list["jobs"][0]["tasks"]["total"], 3);
    assert_eq!(list["jobs"][0]["tasks"]["running"], 3);
    assert_eq!(list, get(&mut endpoint, &job, "/jobs/overview"));
}

#[test]
fn the_detail_has_the_graph_and_the_counters_of_the_sample() {
    let (job, mut endpoint) = job();
    let target = of_job(&endpoint, "");
    let detail = get(&mut endpoint, &job, &target);
    assert_eq!(detail["timestamps"]["RUNNING"], at(0).as_millisecond());
    assert_eq!(detail["now"], at(120).as_millisecond());
    let [source, map] = &detail["vertices"].as_array().unwrap()[..] else {
        panic!("{detail}")
    };
    assert_eq!(source["metrics"]["read-records"], 0);
    assert_eq!(map["id"], hex("map"));
    assert_eq!(
        (&map["parallelism"], &map["status"]),
        (&json!(2), &json!("RUNNING"))
    );
    let sample = job.sample().unwrap();
    let read = &sample.vertices[&VertexId::new("map").unwrap()];
    assert!(read.records_in.unwrap() > 10_000.0);
    assert_eq!(map["metrics"]["read-records"].as_f64(), read.records_in);
    assert_eq!(
        map["metrics"]["accumulated-busy-time"].as_f64(),
        read.accumulated_busy_ms
    );
    let input = &detail["plan"]["nodes"][1]["inputs"][0];
    assert_eq!(
        (&input["id"], &input["ship_strategy"]),
        (&json!(hex("events")), &json!("HASH"))
    );
}

#[test]
fn metrics_are_listed_and_read_by_name() {
    let (job, mut endpoint) = job();
    let target = of_job(
        &endpoint,
        &format!("/vertices/{}/subtasks/metrics", hex("events")),
    );
    let list = get(&mut endpoint, &job, &target);
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    let partitions = names.iter().filter(|name| name.ends_with(".currentOffset"));
    assert_eq!(partitions.count(), 8);
    assert!(
        names.contains(&"Source__events.pendingRecords"),
        "{names:?}"
    );

    let some =
        format!("{target}?get=busyTimeMsPerSecond,Source__events.numRecordsIn,absent&agg=max,sum");
    let read = get(&mut endpoint, &job, &some);
    let [busy, taken] = &read.as_array().unwrap()[..] else {
        panic!("{read}")
    };
    let sample = job.sample().unwrap();
    let expected = &sample.vertices[&VertexId::new("events").unwrap()];
    assert_eq!(busy["max"].as_f64(), expected.busy_ms_per_s);
    assert_eq!(busy.get("avg"), None);
    assert_eq!(taken["sum"].as_f64(), expected.records_in);

    let slots = get(
        &mut endpoint,
        &job,
        "/v1/jobmanager/metrics?get=taskSlotsTotal",
    );
    assert_eq!(slots, json!([{ "id": "taskSlotsTotal", "value": "2" }]));
    let heap = "/v1/taskmanagers/metrics?get=Status.JVM.Memory.Heap.Max&agg=max";
    assert!(get(&mut endpoint, &job, heap)[0]["max"].as_f64().unwrap() > 0.0);
}

#[test]
fn settings_are_the_jobs_over_the_adaptive_scheduler() {
    let (job, mut endpoint) = job();
    let target = of_job(&endpoint, "/jobmanager/config");
    assert_eq!(
        get(&mut endpoint, &job, &target),
        json!([
            { "key": "job.autoscaler.enabled", "value": "true" },
            { "key": "jobmanager.scheduler", "value": "adaptive" },
        ])
    );
}

#[test]
fn requirements_are_taken_once_and_told_from_then_on() {
    let (mut job, mut endpoint) = job();
    let target = of_job(&endpoint, "/resource-requirements");
    let bounds = |most: u32| json!({ "parallelism": { "lowerBound": 1, "upperBound": most } });
    let present = json!({ hex("events"): bounds(1), hex("map"): bounds(2) });
    assert_eq!(get(&mut endpoint, &job, &target), present);
    assert_eq!(endpoint.take_request(), None);

    let wanted = json!({ hex("events"): bounds(1), hex("map"): bounds(4) });
    let (status, _) = ask(&mut endpoint, &job, "PUT", &target, &wanted.to_string());
    assert_eq!(status, 200);
    job.rescale(&endpoint.take_request().unwrap());
    assert_eq!(endpoint.take_request(), None);
    assert_eq!(job.parallelism(), [1, 4]);
    assert_eq!(get(&mut endpoint, &job, &target), wanted);
    let list = get(&mut endpoint, &job, "/v1/jobs/overview");
    assert_eq!(list["jobs"][0]["state"], "RESTARTING");
    assert_eq!(list["jobs"][0]["tasks"]["running"], 0);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (job, mut endpoint) = job();
    let target = of_job(&endpoint, "/resource-requirements");
    let bounds = |least: u32, most: u32| json!({ "parallelism": { "lowerBound": least, "upperBound": most } });
    for (body, says) in [
        (json!([1]), "cannot be read"),
        (json!({ hex("map"): bounds(1, 2) }), "is missing"),
        (
            json!({ hex("events"): bounds(1, 1), hex("map"): bounds(3, 2) }),
            "not within",
        ),
        (
            json!({ hex("events"): bounds(1, 1), hex("map"): bounds(1, 9999) }),
            "not within",
        ),
        (
            json!({ hex("events"): bounds(1, 1), hex("map"): bounds(1, 2), "x": bounds(1, 1) }),
            "no vertex x",
        ),
    ] {
        let (status, value) = ask(&mut endpoint, &job, "PUT", &target, &body.to_string());
        let message = value["errors"][0].as_str().unwrap();
        assert!(
            status == 400 && message.contains(says),
            "{body}: {status} {message}"
        );
    }
    assert_eq!(endpoint.take_request(), None);
    for target in [
        "/v1/jobs/ffff",
        "/v1/nothing",
        "",
        "/v1/jobs/ffff/checkpoints",
    ] {
        assert_eq!(
            ask(&mut endpoint, &job, "GET", target, "").0,
            404,
            "{target}"
        );
    }
    let vertex = of_job(&endpoint, "/vertices/ffff/subtasks/metrics");
    assert_eq!(ask(&mut endpoint, &job, "GET", &vertex, "").0, 404);
}
