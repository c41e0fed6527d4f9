//! Listeners that post to a real server: one that is quick, slow, failing, down and back again.

mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use flink_crds::LifecycleState::{Deployed, Stable};
use flink_crds::{FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus};
use flink_operator::clock::Clock;
use flink_operator::config::FlinkConfig;
use flink_operator::config::listeners::{LISTENERS, listeners};
use flink_operator::listen::http::HttpListener;
use flink_operator::listen::{Attached, Running};
use flink_operator::telemetry::Metrics;
use flink_operator::telemetry::metrics::{Identity, Switches};
use futures::FutureExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a receiver got, and how it answers: one after another, the last for ever.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<(Value, HeaderMap)>>>,
    answers: Arc<Mutex<Vec<(StatusCode, Duration)>>>,
}

impl Receiver {
    fn answering(answers: &[(u16, u64)]) -> Self {
        let receiver = Self::default();
        let answer = |(code, millis): &(u16, u64)| {
            let code = StatusCode::from_u16(*code).unwrap();
            (code, Duration::from_millis(*millis))
        };
        *receiver.answers.lock().unwrap() = answers.iter().rev().map(answer).collect();
        receiver
    }

    async fn on(&self, port: u16) -> (u16, JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = self.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (port, server)
    }

    fn router(&self) -> Router {
        let router = Router::new().route("/hook", post(take));
        router.with_state(self.clone())
    }

    /// The ids of what it got, in order, once there are so many.
    async fn ids(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.got.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), enough).await;
        let got = self.got.lock().unwrap();
        let ids: Vec<_> = got
            .iter()
            .map(|(notice, _)| notice["id"].as_str().unwrap().to_owned())
            .collect();
        assert!(in_time.is_ok(), "only {ids:?}");
        ids
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let notice = serde_json::from_str(&body).unwrap();
    receiver.got.lock().unwrap().push((notice, headers));
    let (code, delay) = {
        let mut answers = receiver.answers.lock().unwrap();
        let last = answers.last().copied();
        if answers.len() > 1 {
            answers.pop();
        }
        last.unwrap_or((StatusCode::NO_CONTENT, Duration::ZERO))
    };
    tokio::time::sleep(delay).await;
    code
}

fn running(port: u16, parameters: &[(&str, &str)]) -> (Running, Metrics) {
    let url = format!("http://127.0.0.1:{port}/hook");
    let quick = [
        ("class", "http"),
        ("url", &url),
        ("retry.initial-delay", "20 ms"),
        ("retry.max-delay", "40 ms"),
        ("timeout", "300 ms"),
    ];
    let config: FlinkConfig = quick
        .iter()
        .chain(parameters)
        .map(|(key, value)| (format!("{LISTENERS}audit.{key}"), (*value).to_owned()))
        .collect();
    let metrics = Metrics::new(&Identity::default(), Switches::default()).unwrap();
    let never = futures::future::pending().boxed().shared();
    let settings = listeners(&config).unwrap().remove(0);
    let listener = HttpListener::new(settings, Clock::system(), metrics.clone(), never).unwrap();
    let running = Running::start(vec![Attached::new(listener)], &metrics).unwrap();
    (running, metrics)
}

fn event(count: i32) -> Event {
    serde_json::from_value(json!({
        "metadata": { "uid": "e", "name": "Job.1", "namespace": "shop" },
        "involvedObject": {
            "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
            "namespace": "shop", "name": "job", "uid": "u",
        },
        "type": "Warning", "reason": "Error", "message": "no slots", "count": count,
        "source": { "component": "Job" },
    }))
    .unwrap()
}

fn tell(running: &Running, counts: std::ops::RangeInclusive<i32>) {
    for count in counts {
        running
            .newsroom()
            .event(event(count), Timestamp::UNIX_EPOCH);
    }
}

fn metric(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.encode().unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next())
        .map_or(0.0, |number| number.parse().unwrap())
}

const END: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_status_and_an_event_are_posted_as_cloud_events() {
    let receiver = Receiver::default();
    let (port, _server) = receiver.on(0).await;
    let (running, _) = running(port, &[]);
    let status = |state| FlinkDeploymentStatus {
        lifecycle_state: Some(state),
        ..FlinkDeploymentStatus::default()
    };
    let mut job = FlinkDeployment::new("job", FlinkDeploymentSpec::default());
    job.metadata.uid = Some("u".to_owned());
    job.metadata.namespace = Some("shop".to_owned());
    job.status = Some(status(Deployed));
    let news = running.newsroom();
    news.status(&job, &status(Deployed), Some("7"), Timestamp::UNIX_EPOCH);
    news.status(&job, &status(Stable), Some("8"), Timestamp::UNIX_EPOCH);
    tell(&running, 3..=3);
    running.end(END).await;
    assert_eq!(receiver.ids(3).await, ["u/7", "u/8", "e/3"]);
    let got = receiver.got.lock().unwrap();
    let source = "/apis/flink.apache.org/v1beta1/namespaces/shop/flinkdeployments/job";
    let (second, headers) = &got[1];
    assert_eq!(
        second,
        &json!({
            "specversion": "1.0", "type": "dev.flinkoperator.status.v1", "id": "u/8",
            "source": source, "subject": "shop/job", "time": "1970-01-01T00:00:00Z",
            "partitionkey": "u", "datacontenttype": "application/json",
            "data": {
                "resource": {
                    "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
                    "namespace": "shop", "name": "job", "uid": "u", "resourceVersion": "8",
                },
                "generation": null, "state": "STABLE", "previousState": "DEPLOYED",
                "status": { "lifecycleState": "STABLE" },
            },
        })
    );
    assert_eq!(
        headers["content-type"],
        "application/cloudevents+json; charset=utf-8"
    );
    assert_eq!(
        got[0].0["data"]["previousState"],
        Value::Null,
        "the first since the start"
    );
    let (third, _) = &got[2];
    assert_eq!(third["type"], "dev.flinkoperator.event.v1");
    assert_eq!(
        (&third["source"], &third["partitionkey"]),
        (&json!(source), &json!("u"))
    );
    assert_eq!(third["data"]["reason"], "Error");
    assert_eq!(third["data"]["count"], 3);
}

#[tokio::test]
async fn a_receiver_that_fails_or_is_too_slow_gets_the_same_id_again_before_the_next() {
    let receiver = Receiver::answering(&[(503, 0), (200, 2_000), (401, 0), (204, 0)]);
    let (port, _server) = receiver.on(0).await;
    let (running, metrics) = running(port, &[]);
    tell(&running, 1..=2);
    running.end(END).await;
    assert_eq!(receiver.ids(5).await, ["e/1", "e/1", "e/1", "e/1", "e/2"]);
    assert!(metric(&metrics, "flink_operator_listener_retries_total") > 2.5);
}

#[tokio::test]
async fn what_happens_while_the_receiver_is_down_is_delivered_in_order_when_it_is_back() {
    let receiver = Receiver::default();
    let (port, server) = receiver.on(0).await;
    let (running, metrics) = running(port, &[]);
    tell(&running, 1..=1);
    receiver.ids(1).await;
    server.abort();
    let _ = server.await;
    tell(&running, 2..=4);
    while metric(&metrics, "flink_operator_listener_retries_total") < 1.5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, _server) = receiver.on(port).await;
    let mut ids = receiver.ids(4).await;
    // The connection that was open when the server went may have carried one through.
    ids.dedup();
    assert_eq!(ids, ["e/1", "e/2", "e/3", "e/4"]);
    running.end(END).await;
}

#[tokio::test]
async fn a_notice_that_is_refused_for_good_does_not_stand_in_the_way_of_the_next() {
    let receiver = Receiver::answering(&[(400, 0), (204, 0)]);
    let (port, _server) = receiver.on(0).await;
    let (running, metrics) = running(port, &[]);
    tell(&running, 1..=2);
    running.end(END).await;
    assert_eq!(receiver.ids(2).await, ["e/1", "e/2"]);
    let failed = r#"outcome="failed""#;
    let text = metrics.encode().unwrap();
    assert!(
        text.lines()
            .any(|line| line.contains(failed) && line.ends_with(" 1")),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_is_read_anew_for_each_delivery_and_headers_go_along() {
    let receiver = Receiver::default();
    let (port, _server) = receiver.on(0).await;
    let folder = std::env::temp_dir().join(format!("flink-operator-listener-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let (token, headers) = (folder.join("token"), folder.join("headers"));
    std::fs::write(&token, "one\n").unwrap();
    std::fs::write(&headers, "X-Team: data\n\nX-Key: k:1\n").unwrap();
    let files = [
        ("bearer-token-file", token.to_str().unwrap()),
        ("headers-file", headers.to_str().unwrap()),
    ];
    let (running, _) = running(port, &files);
    tell(&running, 1..=1);
    receiver.ids(1).await;
    std::fs::write(&token, "two").unwrap();
    tell(&running, 2..=2);
    running.end(END).await;
    let got = receiver.got.lock().unwrap();
    let sent: Vec<_> = got
        .iter()
        .map(|(_, headers)| &headers["authorization"])
        .collect();
    assert_eq!(sent, ["Bearer one", "Bearer two"]);
    assert_eq!(got[0].1["x-team"], "data");
    assert_eq!(got[0].1["x-key"], "k:1");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error_at_start_that_names_the_key() {
    // It is there, and no certificate.
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (parameter, file, expected) in [
        ("bearer-token-file", "/nowhere", "No such file"),
        ("headers-file", "/nowhere", "No such file"),
        ("ca-file", "/nowhere", "No such file"),
        ("ca-file", manifest, "it holds no certificate in PEM form"),
    ] {
        let config: FlinkConfig = [("class", "http"), ("url", "https://a"), (parameter, file)]
            .iter()
            .map(|(key, value)| (format!("{LISTENERS}audit.{key}"), (*value).to_owned()))
            .collect();
        let metrics = Metrics::new(&Identity::default(), Switches::default()).unwrap();
        let never = futures::future::pending().boxed().shared();
        let settings = listeners(&config).unwrap().remove(0);
        let made = HttpListener::new(settings, Clock::system(), metrics, never);
        let error = made.err().expect("refused").to_string();
        let key = format!("{LISTENERS}audit.{parameter}: '{file}' cannot be used");
        assert!(
            error.starts_with(&key) && error.contains(expected),
            "{error}"
        );
    }
}
