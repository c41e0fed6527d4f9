//! A listener of the configuration: what it is told of a resource's life, by the program as it is.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use flink_e2e::{application, repository};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::SITE;

/// What was posted, each with the answer it got.
type Posts = Arc<Mutex<Vec<(Value, StatusCode)>>>;

async fn take(State(posts): State<Posts>, headers: HeaderMap, body: String) -> StatusCode {
    let notice = serde_json::from_str(&body).unwrap();
    let mut posts = posts.lock().unwrap();
    // It is down for the first three, and wants its token.
    let known = headers
        .get("authorization")
        .is_some_and(|value| value == "Bearer letmein");
    let answer = match posts.len() {
        _ if !known => StatusCode::UNAUTHORIZED,
        0..3 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::NO_CONTENT,
    };
    posts.push((notice, answer));
    answer
}

/// A receiver; what it got, and its port.
fn receiver() -> (Posts, u16) {
    let posts = Posts::default();
    let router = Router::new()
        .route("/", post(take))
        .with_state(posts.clone());
    let port = SITE.runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        port
    });
    (posts, port)
}

#[test]
fn cloud_events_of_a_resource_arrive_in_order_though_the_receiver_is_down_at_first() {
    let namespace = SITE.namespace("api-listeners");
    let (posts, port) = receiver();
    let folder = std::env::temp_dir().join("flink-operator-e2e-api-listeners.conf");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), "letmein\n").unwrap();
    let base = std::fs::read_to_string(repository().join("tests/e2e/conf/config.yaml")).unwrap();
    let listener = "kubernetes.operator.plugins.listeners.audit";
    let token = folder.join("token");
    let settings = format!(
        "{base}\n{listener}.class: http\n{listener}.url: http://127.0.0.1:{port}/\n\
         {listener}.bearer-token-file: {}\n{listener}.retry.initial-delay: 100 ms\n",
        token.display()
    );
    std::fs::write(folder.join("config.yaml"), settings).unwrap();
    let mut operator = SITE
        .launch("api-listeners", "e2e")
        .settings(&folder)
        .argument("--watch-namespaces", namespace.name())
        .start();

    namespace.apply(&application("job"));
    namespace.wait_for_state("job", "STABLE");
    let stable = |notice: &Value| notice["data"]["state"] == "STABLE";
    let told = || -> Vec<Value> {
        let posts = posts.lock().unwrap();
        let arrived = posts.iter().filter(|(_, answer)| answer.is_success());
        arrived.map(|(notice, _)| notice.clone()).collect()
    };
    namespace.wait_for("the last notice", |_| {
        told().iter().any(stable).then_some(())
    });

    let posted: Vec<String> = posts.lock().unwrap()[..4]
        .iter()
        .map(|(n, _)| n["id"].to_string())
        .collect();
    assert!(
        posted.iter().all(|id| *id == posted[0]),
        "the same id each time: {posted:?}"
    );
    let notices = told();
    let statuses: Vec<&Value> = notices
        .iter()
        .filter(|n| n["type"] == "dev.flinkoperator.status.v1")
        .collect();
    assert_eq!(statuses[0]["data"]["previousState"], Value::Null);
    for pair in statuses.windows(2) {
        assert_eq!(
            pair[0]["data"]["state"], pair[1]["data"]["previousState"],
            "{pair:?}"
        );
    }
    let reasons: Vec<&str> = notices
        .iter()
        .filter_map(|n| n["data"]["reason"].as_str())
        .collect();
    assert_eq!(reasons[0], "Submit");
    assert!(reasons.contains(&"JobStatusChanged"), "{reasons:?}");

    // Another process tells how things are, under the id they had.
    let last = statuses.last().unwrap()["id"].clone();
    let before = told().len();
    operator.kill_and_restart();
    let again = namespace.wait_for("the first notice of another process", |_| {
        let status = |n: &&Value| n["type"] == "dev.flinkoperator.status.v1";
        told()[before..].iter().find(status).cloned()
    });
    assert_eq!(again["id"], last);
    let log = std::fs::read_to_string(operator.log()).unwrap();
    assert!(
        log.contains(">>> Status[Job]      | Info    | STABLE"),
        "{log}"
    );
}
