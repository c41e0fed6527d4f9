//! What the autoscaler reads of a job over Flink's REST interface.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use flink_operator::flink::FlinkClient;
use flink_operator::observe::{JobReading, sample};
use flink_scaler::simulate::rest::{Endpoint, hex};
use flink_scaler::simulate::{Job, Load, Model, Stage};
use flink_scaler::{JobGraph, MemoryReading, Sample, ShipStrategy, VertexId};
use jiff::{SignedDuration, Timestamp};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::client;

/// A simulated job that answers in Flink's stead.
#[derive(Clone)]
pub(crate) struct Simulated(Arc<Mutex<(Job, Endpoint)>>);

impl Respond for Simulated {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (job, endpoint) = &mut *self.0.lock().unwrap();
        let query = request.url.query().unwrap_or_default();
        let target = format!("{}?{query}", request.url.path());
        let answer = endpoint.answer(job, request.method.as_str(), &target, &request.body);
        ResponseTemplate::new(answer.status).set_body_raw(answer.json, "application/json")
    }
}

impl Simulated {
    /// Two sources, one of which does not tell what waits, a keyed map that cannot keep up, and a sink.
    pub(crate) fn new(start: Timestamp) -> Self {
        let model = Model {
            stages: vec![
                Stage {
                    partitions: Some(7),
                    ..Stage::source("orders", 10_000.0)
                },
                Stage::source("clicks.raw", 3_000.0),
                Stage {
                    ship: ShipStrategy::Hash,
                    parallelism: 3,
                    max_parallelism: 128,
                    ..Stage::reading("map", 100.0, vec![0, 1])
                },
                Stage {
                    ship: ShipStrategy::Forward,
                    ..Stage::reading("sink", 5_000.0, vec![2])
                },
            ],
            loads: BTreeMap::from([
                (0, Load::steps(&[(0.0, 370.0)])),
                (1, Load::steps(&[(0.0, 90.0)])),
            ]),
            ..Model::default()
        };
        let endpoint = Endpoint::new("shop", start, &BTreeMap::new());
        Self(Arc::new(Mutex::new((Job::new(model, start), endpoint))))
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Job) -> T) -> T {
        work(&mut self.0.lock().unwrap().0)
    }

    /// The graph and the sample that the model itself gives, under Flink's ids.
    fn own(&self) -> (JobGraph, Option<Sample>) {
        let flinks = |id: &VertexId| VertexId::new(hex(id.as_str())).unwrap();
        let (mut graph, mut sample) = self.with(|job| (job.graph(), job.sample()));
        for vertex in &mut graph.vertices {
            vertex.id = flinks(&vertex.id);
            for input in &mut vertex.inputs {
                input.from = flinks(&input.from);
            }
        }
        if let Some(sample) = &mut sample {
            let readings = std::mem::take(&mut sample.vertices).into_iter();
            sample.vertices = readings.map(|(id, read)| (flinks(&id), read)).collect();
        }
        (graph, sample)
    }

    pub(crate) async fn read(&self, client: &FlinkClient) -> (JobGraph, Sample) {
        let now = self.with(|job| job.now());
        let overview = client.overview().await.unwrap();
        let read = sample(client, &hex("shop"), Some(&overview), now)
            .await
            .unwrap();
        let JobReading { graph, sample, .. } = read;
        // The model has no memory of its own; its interface makes it up.
        assert_eq!(sample.heap_used_ratio, Some(0.5));
        assert_eq!(sample.memory.managed, Some(0.0));
        assert!(
            sample.memory.heap > sample.memory.metaspace,
            "both were read"
        );
        assert_eq!(
            read.slot_groups.values().collect::<BTreeSet<_>>().len(),
            1,
            "all vertices share their slots"
        );
        let sample = Sample {
            heap_used_ratio: None,
            gc_ms_per_s: None,
            memory: MemoryReading::UNKNOWN,
            ..sample
        };
        (graph, sample)
    }
}

/// Sums of what is spread over subtasks may differ in the last digit.
pub(crate) fn to_a_millionth(mut sample: Sample) -> Sample {
    for read in sample.vertices.values_mut() {
        let rate = &mut read.records_in_per_second;
        *rate = rate.map(|rate| (rate * 1e6).round() / 1e6);
    }
    sample
}

/// A job, and the server that answers for it.
async fn served() -> (Simulated, MockServer) {
    served_since(Timestamp::from_second(1_800_000_000).unwrap()).await
}

/// The same, started then.
pub(crate) async fn served_since(start: Timestamp) -> (Simulated, MockServer) {
    let server = MockServer::start().await;
    let simulated = Simulated::new(start);
    Mock::given(any())
        .respond_with(simulated.clone())
        .mount(&server)
        .await;
    (simulated, server)
}

#[tokio::test]
async fn a_simulated_job_is_read_as_it_is() {
    let (simulated, server) = served().await;
    let client = client(&server);
    for minutes in [1, 4, 30] {
        simulated.with(|job| job.pass(SignedDuration::from_mins(minutes)));
        let (graph, expected) = simulated.own();
        let read = simulated.read(&client).await;
        assert_eq!(read.0, graph);
        assert_eq!(to_a_millionth(read.1), to_a_millionth(expected.unwrap()));
    }
    let held = |read: &Sample| {
        let source = &read.vertices[&VertexId::new(hex("orders")).unwrap()];
        (source.pending_records, source.partitions)
    };
    let (waits, partitions) = held(&simulated.read(&client).await.1);
    assert!(waits > Some(1000.0), "{waits:?}");
    assert_eq!(partitions, Some(7));
}

#[tokio::test]
async fn a_question_without_an_answer_makes_the_sample_unreadable() {
    for (question, endpoint) in [
        ("/subtasks/metrics?get=", "subtasks/metrics"),
        ("/subtasks/metrics", "subtasks/metrics"),
        ("/taskmanagers/metrics", "taskmanagers/metrics"),
    ] {
        let (simulated, server) = served().await;
        simulated.with(|job| job.pass(SignedDuration::from_mins(5)));
        Mock::given(move |request: &Request| request.url.as_str().contains(question))
            .respond_with(ResponseTemplate::new(500).set_body_string("no"))
            .with_priority(1)
            .mount(&server)
            .await;
        let now = simulated.with(|job| job.now());
        let error = sample(&client(&server), &hex("shop"), None, now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(endpoint), "{error}");
    }
}

#[tokio::test]
async fn c49_memory_is_that_of_the_fullest_task_manager() {
    let (simulated, server) = served().await;
    simulated.with(|job| job.pass(SignedDuration::from_mins(5)));
    let largest = |(id, max): (&str, u32)| serde_json::json!({ "id": id, "min": 1.0, "avg": 2.0, "max": f64::from(max) });
    let answer: Vec<_> = [
        ("Status.JVM.Memory.Heap.Used", 100),
        ("Status.JVM.Memory.Heap.Max", 200),
        ("Status.Flink.Memory.Managed.Used", 133),
        ("Status.JVM.Memory.Metaspace.Used", 22),
    ]
    .map(largest)
    .into();
    Mock::given(|request: &Request| request.url.path().ends_with("/taskmanagers/metrics"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .with_priority(1)
        .mount(&server)
        .await;
    let now = simulated.with(|job| job.now());
    let read = sample(&client(&server), &hex("shop"), None, now)
        .await
        .unwrap()
        .sample;
    assert_eq!(read.heap_used_ratio, Some(0.5));
    let expected = MemoryReading {
        heap: Some(100.0),
        managed: Some(133.0),
        metaspace: Some(22.0),
    };
    assert_eq!(read.memory, expected);
}

#[tokio::test]
async fn a_job_that_restarts_has_no_start_and_no_readings() {
    let (simulated, server) = served().await;
    let sink = VertexId::new("sink").unwrap();
    simulated.with(|job| {
        job.pass(SignedDuration::from_mins(5));
        job.rescale(&BTreeMap::from([(sink, 2)]));
    });
    assert_eq!(simulated.own().1, None);
    let (_, read) = simulated.read(&client(&server)).await;
    assert_eq!(read.job_running_since, None);
    let busy = read.vertices.values().map(|read| read.busy_ms_per_s);
    assert_eq!(busy.collect::<Vec<_>>(), [None; 4]);
}
