//! The in-memory API server answers as a real one did.
//!
//! `tests/fixtures/api-server` holds requests, and their outcomes as recorded from kube-apiserver. To record anew: a server with this project's CRDs and a namespace `prod`, then
//! `UPDATE=1 KUBECONFIG=... cargo test -p flink-sim --test conformance`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test they help"
)]

mod conformance {
    pub mod requests;
    pub mod show;
}

use std::sync::{Arc, Mutex};

use conformance::requests::{Request, requests};
use conformance::show::Shower;
use flink_sim::SimClock;
use flink_sim::api::ApiServer;
use flink_sim::flink::SimFlink;
use kube::Client;
use kube::client::Body;

const RECORDED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../fixtures/api-server/kubernetes-1.34.txt"
);
const REQUESTS: &str = include_str!("../../fixtures/api-server/requests.txt");

/// Send every request, one after the other, and describe each answer in a line.
async fn outcomes(client: Client) -> String {
    let mut shower = Shower::default();
    let mut lines = String::new();
    for request in requests(REQUESTS) {
        let (code, body) = send(&client, &request, &shower).await;
        lines.push_str(&shower.line(&request, code, &body));
        lines.push('\n');
    }
    lines
}

async fn send(client: &Client, request: &Request, shower: &Shower) -> (u16, String) {
    let body = shower.filled(&request.body);
    let message = http::Request::builder()
        .method(request.method.as_str())
        .uri(shower.filled(&request.path))
        .header("content-type", request.content_type)
        .header("accept", request.accept)
        .body(Body::from(body.into_bytes()))
        .unwrap();
    let answer = client.send(message).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await.unwrap();
    (code, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(start_paused = true)]
async fn the_fake_answers_as_the_real_server_did() {
    let clock = SimClock::tokio("2026-01-01T00:00:00Z".parse().unwrap());
    let server = ApiServer::new(clock, Arc::new(Mutex::new(SimFlink::new())));
    let ours = outcomes(server.client()).await;
    let real = std::fs::read_to_string(RECORDED).unwrap();
    let differences: Vec<String> = real
        .lines()
        .zip(ours.lines())
        .filter(|(real, ours)| real != ours)
        .map(|(real, ours)| format!("real: {real}\nours: {ours}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert_eq!(real.lines().count(), ours.lines().count());
}

#[tokio::test]
async fn outcomes_are_recorded_when_asked_for() {
    if std::env::var_os("UPDATE").is_none() || std::env::var_os("KUBECONFIG").is_none() {
        return;
    }
    let mut config = kube::Config::infer().await.unwrap();
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    std::fs::write(RECORDED, outcomes(client).await).unwrap();
}
