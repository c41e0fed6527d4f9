//! The simulated Flink answers with the fields of the real one, as recorded from 1.18.1, 1.20.5 and 2.3.0.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flink_sim::flink::{Asked, ClusterKey, HaData, JobManagerStart, Profile, SimFlink};
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

const JOB: &str = "197eaf09ad877d34360d12055ada4107";

fn recorded(version: &str, name: &str) -> Option<Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let file = format!("{root}/../fixtures/rest/{version}/{name}.json");
    std::fs::read_to_string(file)
        .ok()
        .map(|text| serde_json::from_str(&text).unwrap())
}

/// Every path to a value with the kind of value; ids are written `*`, elements of a list are one.
fn shape(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect("", value, &mut paths);
    paths
}

fn collect(path: &str, value: &Value, paths: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            for item in items {
                collect(&format!("{path}[]"), item, paths);
            }
            "list"
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let id = key.len() == 32 && key.chars().all(|digit| digit.is_ascii_hexdigit());
                collect(
                    &format!("{path}.{}", if id { "*" } else { key }),
                    value,
                    paths,
                );
            }
            "object"
        }
    };
    paths.insert(format!("{path}: {kind}"));
}

/// A running job of this version with a checkpoint, adaptive where the recording was.
fn simulated(version: &str) -> (SimFlink, ClusterKey, Timestamp) {
    let (internal, adaptive) = match version {
        "1.18.1" => ("v1_18", false),
        "1.20.5" => ("v1_20", true),
        _ => ("v2_3", false),
    };
    let mut config: BTreeMap<String, String> = [
        ("$internal.flink.version", internal),
        ("$internal.pipeline.job-id", JOB),
        ("taskmanager.numberOfTaskSlots", "2"),
        ("state.checkpoints.dir", "file:///flink-data/checkpoints"),
        ("execution.checkpointing.interval", "10s"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let mut flink = SimFlink::new();
    let key = ClusterKey::new("prod", "orders");
    if adaptive {
        config.insert("jobmanager.scheduler".to_owned(), "adaptive".to_owned());
        config.insert(
            "execution.savepoint.path".to_owned(),
            "file:/sp/1".to_owned(),
        );
        flink.storage_mut().put_snapshot("file:/sp/1", 5);
        flink.set_profile(&key, Profile::pipeline(50.0, 100.0));
    }
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let job_manager = JobManagerStart {
        instance: "pod-1".to_owned(),
        config,
        application: true,
        ha: HaData::default(),
    };
    flink.start_job_manager(&key, job_manager, start);
    flink.register_task_managers(&key, &["orders-taskmanager-1-1".to_owned()], start);
    let mut now = start + Duration::from_secs(13);
    flink.advance(now);
    if adaptive {
        // The recording holds a checkpoint that failed because the job was restarted.
        flink.fail_jobs(&key, "rescaled", false, now);
    }
    now += Duration::from_secs(26);
    flink.advance(now);
    (flink, key, now)
}

#[test]
fn answers_have_the_fields_of_the_recorded_ones() {
    let endpoints = [
        ("config", "/config"),
        ("overview", "/overview"),
        ("taskmanagers", "/taskmanagers"),
        ("jobs", "/jobs"),
        ("jobs_overview", "/jobs/overview"),
        ("jobs_JOB", "/jobs/JOB"),
        ("jobs_JOB_checkpoints", "/jobs/JOB/checkpoints"),
        ("jobs_JOB_metrics", "/jobs/JOB/metrics"),
        (
            "jobs_JOB_resource-requirements",
            "/jobs/JOB/resource-requirements",
        ),
    ];
    let mut compared = 0;
    for version in ["1.18.1", "1.20.5", "2.3.0"] {
        let (mut flink, key, now) = simulated(version);
        for (name, path) in endpoints {
            let Some(real) = recorded(version, name) else {
                continue;
            };
            let path = path.replace("JOB", JOB);
            let asked = Asked {
                method: &Method::GET,
                path: &path,
                query: "",
                body: &Value::Null,
            };
            let ours = flink.handle(&key, &asked, now).unwrap().body;
            let (real, ours) = (shape(&real), shape(&ours));
            let missing: Vec<_> = real.difference(&ours).collect();
            let invented: Vec<_> = ours.difference(&real).collect();
            assert!(
                missing.is_empty() && invented.is_empty(),
                "{version} {path}\nmissing: {missing:#?}\ninvented: {invented:#?}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 20, "only {compared} recordings were found");
}

#[test]
fn exceptions_have_the_fields_of_their_version() {
    for version in ["1.18.1", "1.20.5", "2.3.0"] {
        let (mut flink, key, now) = simulated(version);
        let path = format!("/jobs/{JOB}/exceptions");
        let asked = Asked {
            method: &Method::GET,
            path: &path,
            query: "",
            body: &Value::Null,
        };
        let ours = flink.handle(&key, &asked, now).unwrap().body;
        let real = recorded(version, "jobs_JOB_exceptions").unwrap();
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(keys(&ours), keys(&real), "{version}");
    }
}

#[test]
fn the_metrics_the_operator_reads_have_the_recorded_names_and_fields() {
    let (mut flink, key, now) = simulated("1.20.5");
    let mut get = |path: &str, query: &str| {
        let asked = Asked {
            method: &Method::GET,
            path,
            query,
            body: &Value::Null,
        };
        flink.handle(&key, &asked, now).unwrap().body
    };
    let names = |value: &Value| -> BTreeSet<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|metric| metric["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let vertices = get(&format!("/jobs/{JOB}"), "")["vertices"].clone();
    let slow = vertices[1]["id"].as_str().unwrap().to_owned();
    let path = format!("/jobs/{JOB}/vertices/{slow}/subtasks/metrics");
    let real = recorded("1.20.5", "vertex_subtasks_metrics_list").unwrap();
    let invented: Vec<_> = names(&get(&path, ""))
        .difference(&names(&real))
        .cloned()
        .collect();
    assert_eq!(invented, Vec::<String>::new());
    let real = recorded("1.20.5", "vertex_subtasks_metrics_get").unwrap();
    let query = format!(
        "get={}&agg=min,max,avg,sum",
        Vec::from_iter(names(&real)).join(",")
    );
    let ours = get(&path, &query);
    assert_eq!(names(&ours), names(&real));
    assert_eq!(shape(&ours), shape(&real));
    let real = recorded("1.20.5", "jobmanager_metrics").unwrap();
    assert!(names(&get("/jobmanager/metrics", "")).is_subset(&names(&real)));
}
