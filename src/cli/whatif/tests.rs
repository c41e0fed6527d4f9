//! Questions as they are typed, answers as they are read.

use std::collections::BTreeMap;

use flink_scaler::{
    History, Input, JobGraph, Sample, ShipStrategy, Vertex, VertexId, VertexReading,
};
use jiff::{SignedDuration, Timestamp};

use super::*;

fn id(text: &str) -> VertexId {
    VertexId::new(text).unwrap()
}

/// A source and a sink that is half busy with 100 records/s, each of two subtasks.
fn data() -> BTreeMap<String, String> {
    let vertex = |name: &str, inputs: &[&str]| Vertex {
        id: id(name),
        name: name.to_owned(),
        parallelism: 2,
        max_parallelism: 128,
        inputs: inputs
            .iter()
            .map(|from| Input {
                from: id(from),
                ship: ShipStrategy::Rebalance,
            })
            .collect(),
        finished: false,
    };
    let graph = JobGraph {
        vertices: vec![vertex("source", &[]), vertex("sink", &["source"])],
    };
    let mut window = Window::new(SignedDuration::from_hours(1));
    for second in (0..=900).step_by(10) {
        let mut sample = Sample::at(Timestamp::from_second(1_800_000_000 + second).unwrap());
        let seconds = f64::from(u32::try_from(second).unwrap());
        sample.job_running_since = Some(Timestamp::from_second(1_799_000_000).unwrap());
        for (name, busy) in [("source", 100.0), ("sink", 500.0)] {
            let reading = VertexReading {
                parallelism: 2,
                records_in: Some(100.0 * seconds),
                records_out: Some(100.0 * seconds),
                busy_ms_per_s: Some(busy),
                busy_avg_ms_per_s: Some(busy),
                accumulated_busy_ms: Some(2.0 * busy * seconds),
                backpressured_ms_per_s: Some(0.0),
                records_in_per_second: Some(100.0),
                pending_records: (name == "source").then_some(0.0),
                ..VertexReading::default()
            };
            sample.vertices.insert(id(name), reading);
        }
        window.push(sample);
    }
    let options = [
        ("job.autoscaler.mode", "recommend"),
        ("job.autoscaler.profile", "apache"),
        ("job.autoscaler.catch-up.duration", "0 s"),
    ];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    BTreeMap::from([
        (
            store::JOB_KEY,
            store::job_to_json(&graph, &BTreeMap::from(options)),
        ),
        (
            store::WINDOW_KEY,
            store::window_to_json(&window, usize::MAX),
        ),
        (
            store::HISTORY_KEY,
            store::history_to_json(&History::default()),
        ),
    ])
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

fn stored(data: Option<BTreeMap<String, String>>) -> Stored {
    let deployment = serde_json::from_value(serde_json::json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "name": "orders", "namespace": "shop" },
        "spec": { "job": { "jarURI": "local:///job.jar" }, "flinkConfiguration": {} },
        "status": { "autoscaler": { "mode": "recommend" } },
    }));
    Stored {
        deployment: deployment.unwrap(),
        data,
    }
}

fn asked(rate: Option<f64>, parallelism: &[&str]) -> anyhow::Result<Question> {
    let parallelism: Vec<String> = parallelism.iter().map(|&text| text.to_owned()).collect();
    question(rate, &parallelism)
}

#[test]
fn a_rate_is_answered_with_the_parallelism_of_each_vertex() {
    let answer = WhatIf::of(&stored(Some(data())), &asked(Some(700.0), &[]).unwrap()).unwrap();
    let text = answer.to_string();
    let expected = "\
shop/orders: 700 records/s, by the readings up to 2027-01-15T08:15:00Z

VERTEX  NOW  THEN  BUSY  CAPACITY/S  DEMAND/S
source    2     2   70%        1000       700
sink      2    10   70%        1000       700

It carries 1000 records/s; source is the first that can take no more.
The rescale is expected to interrupt the job for 300 s.
";
    assert!(text.starts_with(expected), "{text}");
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(json["vertices"][1]["parallelism"], 10);
}

#[test]
fn a_parallelism_is_answered_with_what_it_does_to_the_load() {
    let question = asked(Some(700.0), &["sink=4"]).unwrap();
    let text = WhatIf::of(&stored(Some(data())), &question)
        .unwrap()
        .to_string();
    assert!(
        text.contains("sink      2     4  175%         400       700"),
        "{text}"
    );
    assert!(
        text.ends_with("0.00 records wait at the sources; what waits grows by 300.00 records/s.\n"),
        "{text}"
    );
}

#[test]
fn questions_are_read_as_they_are_typed() {
    let pattern = |text| VertexPattern::new(text).unwrap();
    assert_eq!(
        asked(None, &["8"]).unwrap().parallelism,
        Some(Asked::All(8))
    );
    let each = Some(Asked::Each(vec![
        (pattern("a, b=c"), 2),
        (pattern("sink*"), 4),
    ]));
    for typed in [&["a, b=c=2", "sink*=4"][..], &["a, b=c=2,sink*=4"]] {
        assert_eq!(asked(None, typed).unwrap().parallelism, each, "{typed:?}");
    }
    for (rate, typed, why) in [
        (None, &[][..], "nothing is asked"),
        (Some(-1.0), &[], "--rate is not a number"),
        (None, &["0"], "'0' is not a number from 1"),
        (None, &["sink=x"], "'x' is not a number from 1"),
        (None, &["=4"], "no vertex stands before '=4'"),
        (None, &["sink=4,map"], "'map' has no number"),
    ] {
        let error = asked(rate, typed).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_is_missing_for_an_answer_is_named() {
    let question = asked(Some(700.0), &[]).unwrap();
    let with = |key: &str, text: &str| {
        let mut data = data();
        data.insert(key.to_owned(), text.to_owned());
        Some(data)
    };
    let full = data();
    let window = full.get(store::WINDOW_KEY).unwrap();
    for (data, why) in [
        (None, "there is no ConfigMap autoscaler-orders"),
        (with(store::JOB_KEY, ""), "holds no job graph"),
        (
            with(store::JOB_KEY, "{\"version\":2}"),
            "has version 2, this program reads version 1",
        ),
        (
            with(store::WINDOW_KEY, window.get(..500).unwrap()),
            "the stored window is not ours",
        ),
    ] {
        let error = WhatIf::of(&stored(data), &question).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(why), "{error}");
    }
}
