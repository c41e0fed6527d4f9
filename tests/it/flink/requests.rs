//! What is sent, with Flink's field names.

use std::collections::BTreeMap;

use flink_operator::flink::Bounds;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{TRIGGER, client};

/// A server that accepts everything; what it was sent is read afterwards.
async fn accepting() -> MockServer {
    let server = MockServer::start().await;
    let accepted = ResponseTemplate::new(202).set_body_json(json!({ "request-id": TRIGGER }));
    Mock::given(any())
        .respond_with(accepted)
        .mount(&server)
        .await;
    server
}

/// Method, path with query, and body of the only request.
async fn sent(server: &MockServer) -> (String, String, Value) {
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    let url = &requests[0].url;
    let target = url.query().map_or(url.path().to_owned(), |query| {
        format!("{}?{query}", url.path())
    });
    let body = if requests[0].body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&requests[0].body).unwrap()
    };
    (requests[0].method.to_string(), target, body)
}

#[tokio::test]
async fn a_stop_carries_our_trigger_id() {
    let server = accepting().await;
    let client = client(&server);
    client
        .stop_with_savepoint("a1", TRIGGER, Some("s3://sp"), true, "NATIVE")
        .await
        .unwrap();
    let body = json!({ "targetDirectory": "s3://sp", "drain": true, "formatType": "NATIVE",
        "triggerId": TRIGGER });
    assert_eq!(
        sent(&server).await,
        ("POST".to_owned(), "/jobs/a1/stop".to_owned(), body)
    );
}

#[tokio::test]
async fn a_stop_without_a_directory_leaves_the_choice_to_flink() {
    let server = accepting().await;
    client(&server)
        .stop_with_savepoint("a1", TRIGGER, None, false, "CANONICAL")
        .await
        .unwrap();
    let body = json!({ "drain": false, "formatType": "CANONICAL", "triggerId": TRIGGER });
    assert_eq!(sent(&server).await.2, body);
}

#[tokio::test]
async fn a_savepoint_does_not_cancel() {
    let server = accepting().await;
    client(&server)
        .trigger_savepoint("a1", TRIGGER, Some("s3://sp"), "CANONICAL")
        .await
        .unwrap();
    let body = json!({ "target-directory": "s3://sp", "cancel-job": false,
        "formatType": "CANONICAL", "triggerId": TRIGGER });
    assert_eq!(
        sent(&server).await,
        ("POST".to_owned(), "/jobs/a1/savepoints".to_owned(), body)
    );
}

#[tokio::test]
async fn a_checkpoint_names_its_kind() {
    let server = accepting().await;
    client(&server)
        .trigger_checkpoint("a1", TRIGGER, "FULL")
        .await
        .unwrap();
    let body = json!({ "checkpointType": "FULL", "triggerId": TRIGGER });
    assert_eq!(
        sent(&server).await,
        ("POST".to_owned(), "/jobs/a1/checkpoints".to_owned(), body)
    );
}

#[tokio::test]
async fn a_disposal_names_the_path() {
    let server = accepting().await;
    assert_eq!(
        client(&server)
            .dispose_savepoint("s3://sp/1")
            .await
            .unwrap(),
        TRIGGER
    );
    let body = json!({ "savepoint-path": "s3://sp/1" });
    assert_eq!(
        sent(&server).await,
        ("POST".to_owned(), "/savepoint-disposal".to_owned(), body)
    );
}

#[tokio::test]
async fn a_cancellation_is_a_patch() {
    let server = accepting().await;
    client(&server).cancel("a1").await.unwrap();
    let expected = (
        "PATCH".to_owned(),
        "/jobs/a1?mode=cancel".to_owned(),
        Value::Null,
    );
    assert_eq!(sent(&server).await, expected);
}

#[tokio::test]
async fn bounds_are_put_for_every_vertex() {
    let server = accepting().await;
    let bounds = BTreeMap::from([
        ("v1".to_owned(), Bounds { lower: 1, upper: 4 }),
        ("v2".to_owned(), Bounds { lower: 2, upper: 2 }),
    ]);
    client(&server)
        .set_resource_requirements("a1", &bounds)
        .await
        .unwrap();
    let (method, target, body) = sent(&server).await;
    assert_eq!(
        (method.as_str(), target.as_str()),
        ("PUT", "/jobs/a1/resource-requirements")
    );
    assert_eq!(
        body,
        json!({ "v1": { "parallelism": { "lowerBound": 1, "upperBound": 4 } },
            "v2": { "parallelism": { "lowerBound": 2, "upperBound": 2 } } })
    );
}

#[tokio::test]
async fn metrics_are_asked_for_by_name_with_all_aggregates() {
    let server = MockServer::start().await;
    let none = ResponseTemplate::new(200).set_body_json(json!([]));
    Mock::given(any()).respond_with(none).mount(&server).await;
    client(&server)
        .vertex_metrics("a1", "v1", &["x", "Source__y z.n"])
        .await
        .unwrap();
    let (_, target, _) = sent(&server).await;
    assert_eq!(
        target,
        "/jobs/a1/vertices/v1/subtasks/metrics?get=x,Source__y%20z.n&agg=min,max,avg,sum"
    );
}

#[tokio::test]
async fn a_job_id_cannot_change_the_path() {
    let server = accepting().await;
    client(&server).cancel("a1/../../jars?x=").await.unwrap();
    let (_, target, _) = sent(&server).await;
    assert_eq!(target, "/jobs/a1%2F..%2F..%2Fjars%3Fx%3D?mode=cancel");
}
