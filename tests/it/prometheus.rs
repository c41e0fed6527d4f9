//! Readings from Prometheus: of a real server that scrapes what a simulated job exposes, and of broken ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flink_operator::cli::recording::Past;
use flink_operator::observe::{Unread, from_prometheus};
use flink_operator::prometheus::{Error, Flaw, Prometheus, Question, Server, Token, Which, past};
use flink_scaler::backtest::Recording;
use flink_scaler::simulate::rest::hex;
use flink_scaler::{History, JobGraph, Sample, Settings, VertexId, VertexReading};
use jiff::{SignedDuration, Timestamp};
use wiremock::matchers::{any, header, header_exists, method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::flink::client;
use super::flink::sample::{Simulated, served_since, to_a_millionth};

fn question() -> Question {
    Question::of(&Settings::default(), "prod", "orders")
}

fn server(url: &str) -> Server<'_> {
    Server {
        url,
        timeout: Duration::from_secs(5),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real server dates by the real time"
)]
fn real_now() -> Timestamp {
    Timestamp::now()
}

/// What Flink's reporter exposes of a simulated job, perhaps twice.
#[derive(Clone)]
struct Exposed {
    job: Simulated,
    twice: Arc<AtomicBool>,
}

impl Respond for Exposed {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let (graph, sample) = self.job.with(|job| (job.graph(), job.sample().unwrap()));
        let mut text = exposition(&graph, &sample, "tm-1");
        if self.twice.load(Ordering::Relaxed) {
            text += &exposition(&graph, &sample, "tm-2");
        }
        ResponseTemplate::new(200).set_body_raw(text, "text/plain; version=0.0.4")
    }
}

fn exposition(graph: &JobGraph, sample: &Sample, tm: &str) -> String {
    let mut text = String::new();
    let job = hex("shop");
    for vertex in &graph.vertices {
        let read = &sample.vertices[&vertex.id];
        let id = hex(vertex.id.as_str());
        let source = vertex.inputs.is_empty();
        for subtask in 0..read.parallelism {
            let labels =
                format!(r#"job_id="{job}",task_id="{id}",tm_id="{tm}",subtask_index="{subtask}""#);
            let mut line = |metric: &str, more: &str, value: f64| {
                writeln!(text, "flink_taskmanager_{metric}{{{labels}{more}}} {value}").unwrap();
            };
            for (metric, value) in task(read, source, subtask) {
                line(&format!("job_task_{metric}"), "", value);
            }
            if source {
                let of_first =
                    |value: Option<f64>| value.map(|value| if subtask == 0 { value } else { 0.0 });
                let operator = format!(r#",operator_name="Source:_{}""#, vertex.name);
                for (metric, value) in [
                    ("numRecordsIn", read.records_in),
                    ("numRecordsOut", read.records_out),
                    ("numRecordsInPerSecond", read.records_in_per_second),
                    ("pendingRecords", read.pending_records),
                ] {
                    if let Some(value) = of_first(value) {
                        line(&format!("job_task_operator_{metric}"), &operator, value);
                    }
                }
                for partition in 0..read.partitions.unwrap_or_default() {
                    let more = format!(r#",topic="t",partition="{partition}""#);
                    let metric =
                        "job_task_operator_KafkaSourceReader_topic_partition_currentOffset";
                    line(metric, &more, 1.0);
                }
            }
        }
    }
    for (metric, value) in [("Used", 512.0), ("Max", 1024.0)] {
        let metric = format!("flink_taskmanager_Status_JVM_Memory_Heap_{metric}");
        writeln!(text, r#"{metric}{{tm_id="{tm}"}} {value}"#).unwrap();
        // Of another cluster: not to be taken into account.
        writeln!(text, r#"{metric}{{tm_id="other"}} 4096"#).unwrap();
    }
    text
}

/// The share of one subtask: sums lie with the first, of what has extremes the first has the most.
fn task(read: &VertexReading, source: bool, subtask: u32) -> Vec<(&'static str, f64)> {
    let n = f64::from(read.parallelism);
    let sum = |value: Option<f64>| value.map(|value| if subtask == 0 { value } else { 0.0 });
    let busy = || {
        let (most, mean, least) = (
            read.busy_ms_per_s?,
            read.busy_avg_ms_per_s?,
            read.busy_min_ms_per_s?,
        );
        Some(match subtask {
            0 => most,
            1 => least,
            _ => (mean * n - most - least) / (n - 2.0),
        })
    };
    let own = |value: Option<f64>| if source { sum(Some(0.0)) } else { sum(value) };
    [
        ("numRecordsIn", own(read.records_in)),
        ("numRecordsInPerSecond", own(read.records_in_per_second)),
        ("numRecordsOut", sum(read.records_out)),
        ("busyTimeMsPerSecond", busy()),
        ("backPressuredTimeMsPerSecond", read.backpressured_ms_per_s),
        ("idleTimeMsPerSecond", read.idle_ms_per_s),
        ("accumulateBusyTimeMs", sum(read.accumulated_busy_ms)),
        (
            "accumulateBackPressuredTimeMs",
            sum(read.accumulated_backpressured_ms),
        ),
        ("accumulateIdleTimeMs", sum(read.accumulated_idle_ms)),
    ]
    .into_iter()
    .filter_map(|(metric, value)| Some((metric, value?)))
    .collect()
}

/// A Prometheus process; it ends with the test.
struct Process {
    child: Child,
    folder: std::path::PathBuf,
    url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Debian's Prometheus, which scrapes `target` every second. `None` where it is not installed, which in CI it is.
fn prometheus(target: &str) -> Option<Process> {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let folder = std::env::temp_dir().join(format!("flink-operator-prometheus-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: flink\n  static_configs:\n  - targets: ['{target}']\n"
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => Some(Process {
            child,
            folder,
            url: format!("http://127.0.0.1:{port}"),
        }),
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "prometheus: {error}");
            eprintln!("NOT TESTED: prometheus is not there; `apt-get install prometheus`");
            None
        }
    }
}

#[tokio::test]
async fn a_real_prometheus_gives_the_sample_that_flink_gives() {
    let (job, flink) = served_since(real_now() - SignedDuration::from_hours(1)).await;
    job.with(|job| job.pass(SignedDuration::from_mins(30)));
    let target = MockServer::start().await;
    let twice = Arc::new(AtomicBool::new(false));
    let exposed = Exposed {
        job: job.clone(),
        twice: twice.clone(),
    };
    Mock::given(any())
        .respond_with(exposed)
        .mount(&target)
        .await;
    let Some(process) = prometheus(&target.address().to_string()) else {
        return;
    };
    let source = Prometheus::new(None).unwrap();
    let (client, question) = (client(&flink), question());
    let ask = async || {
        let source = (&source, server(&process.url), &question);
        from_prometheus(&client, source, &hex("shop"), None, real_now()).await
    };
    let read = eventually(&ask, Result::is_ok).await.unwrap();
    let (graph, mut expected) = job.read(&client).await;
    assert_eq!(read.graph, graph);
    let mut sample = read.sample;
    assert_eq!(sample.heap_used_ratio, Some(0.5));
    let age = real_now().duration_since(sample.at);
    assert!(age < SignedDuration::from_secs(30), "{age}");
    sample.heap_used_ratio = None;
    (expected.at, expected.slots_total, expected.slots_available) = (sample.at, None, None);
    let expected = to_a_millionth(expected);
    assert_eq!(to_a_millionth(sample), expected);

    let now = real_now().as_second();
    let ids: Vec<VertexId> = graph
        .vertices
        .iter()
        .map(|vertex| vertex.id.clone())
        .collect();
    let expression = question.expression(Which::Vertices(&ids));
    let range = source
        .range(&server(&process.url), &expression, (now - 3, now + 1), 1)
        .await;
    let past = past::samples(&question, &graph, &[range.unwrap()])
        .pop()
        .unwrap();
    assert_eq!(
        to_a_millionth(past).vertices,
        expected.vertices,
        "the same from the past"
    );

    let past = Past {
        title: "prod/orders".to_owned(),
        recording: Recording::new(graph, Vec::new(), History::default()),
        options: BTreeMap::new(),
        notes: Vec::new(),
    };
    let url = process.url.clone();
    let read = move || past.from_prometheus(&url, None, ((now - 3, now + 1), 1));
    let past = tokio::task::spawn_blocking(read).await.unwrap().unwrap();
    assert!(!past.recording.is_empty());
    assert!(
        past.notes[0].contains("prometheus.labels is not set"),
        "{:?}",
        past.notes
    );

    twice.store(true, Ordering::Relaxed);
    let doubled = eventually(&ask, Result::is_err).await.unwrap_err();
    assert!(
        matches!(doubled, Unread::Flaw(Flaw::Count { .. })),
        "{doubled}"
    );
}

async fn eventually<T, F: Future<Output = T>>(ask: &impl Fn() -> F, good: fn(&T) -> bool) -> T {
    let mut answer = ask().await;
    for _ in 0..300 {
        if good(&answer) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = ask().await;
    }
    answer
}

/// What an answer of this kind leads to.
async fn asked(answer: ResponseTemplate, timeout: Duration) -> Error {
    let broken = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/v1/query"))
        .respond_with(answer)
        .mount(&broken)
        .await;
    let url = broken.uri();
    let server = Server { url: &url, timeout };
    let source = Prometheus::new(None).unwrap();
    source.instant(&server, "up").await.unwrap_err()
}

#[tokio::test]
async fn every_failure_of_a_server_has_its_reason() {
    let long = Duration::from_secs(5);
    let refused = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples"}"#;
    let error = asked(ResponseTemplate::new(422).set_body_string(refused), long).await;
    assert!(
        error
            .to_string()
            .ends_with("answers 422: query processing would load too many samples"),
        "{error}"
    );
    let page = ResponseTemplate::new(302).insert_header("Location", "http://127.0.0.1:1/");
    let error = asked(page, long).await;
    assert!(
        matches!(error, Error::Refused { status: 302, .. }),
        "{error}"
    );
    let late = ResponseTemplate::new(200).set_delay(long);
    let error = asked(late, Duration::from_millis(50)).await;
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let source = Prometheus::new(None).unwrap();
    let error = source
        .instant(&server("http://127.0.0.1:1"), "up")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    let error = source
        .instant(&server("prometheus:9090"), "up")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("is no address; write http://"),
        "{error}"
    );
}

#[tokio::test]
async fn the_token_goes_to_the_operators_own_server_only() {
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let own = MockServer::start().await;
    Mock::given(header("Authorization", "Bearer s3cret"))
        .respond_with(ResponseTemplate::new(200).set_body_string(empty))
        .expect(1)
        .mount(&own)
        .await;
    let other = MockServer::start().await;
    Mock::given(header_exists("Authorization"))
        .respond_with(ResponseTemplate::new(500))
        .expect(0)
        .mount(&other)
        .await;
    let file = std::env::temp_dir().join(format!("flink-operator-token-{}", std::process::id()));
    std::fs::write(&file, "s3cret\n").unwrap();
    let source = Prometheus::new(Some(Token {
        file: file.clone(),
        url: own.uri(),
    }));
    let source = source.unwrap();
    source.instant(&server(&own.uri()), "up").await.unwrap();
    let _ = source.instant(&server(&other.uri()), "up").await;
    std::fs::remove_file(&file).unwrap();
    let error = source.instant(&server(&own.uri()), "up").await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error}");
}
