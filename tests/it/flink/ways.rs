//! Reaching a cluster through the API server's proxy, or by a template.

use flink_operator::flink::{Category, Deadlines, FlinkRest, RouteChoice};
use serde_json::json;
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{JOB, TRIGGER, kube_client, recorded};

const PROXY: &str = "/api/v1/namespaces/prod/services/http:orders-rest:8081/proxy";

fn through_proxy(server: &MockServer) -> FlinkRest {
    FlinkRest::new(
        RouteChoice::Proxy,
        kube_client(&server.uri()),
        Deadlines::default(),
    )
    .unwrap()
}

#[tokio::test]
async fn the_proxy_carries_every_method() {
    let server = MockServer::start().await;
    let list = recorded("1.20.5", "jobs_overview");
    Mock::given(method("GET"))
        .and(path(format!("{PROXY}/jobs/overview")))
        .respond_with(ResponseTemplate::new(200).set_body_string(list))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("PATCH"))
        .and(path(format!("{PROXY}/jobs/{JOB}")))
        .and(query_param("mode", "cancel"))
        .respond_with(ResponseTemplate::new(202).set_body_string("{}"))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path(format!("{PROXY}/jobs/{JOB}/stop")))
        .and(body_json(
            json!({ "drain": false, "formatType": "NATIVE", "triggerId": TRIGGER }),
        ))
        .respond_with(ResponseTemplate::new(202).set_body_json(json!({ "request-id": TRIGGER })))
        .expect(1)
        .mount(&server)
        .await;
    let client = through_proxy(&server).of("prod", "orders");
    assert_eq!(client.jobs().await.unwrap()[0].id, JOB);
    client.cancel(JOB).await.unwrap();
    client
        .stop_with_savepoint(JOB, TRIGGER, None, false, "NATIVE")
        .await
        .unwrap();
}

#[tokio::test]
async fn the_port_and_tls_are_part_of_the_proxys_path() {
    let server = MockServer::start().await;
    Mock::given(path(
        "/api/v1/namespaces/prod/services/https:orders-rest:9091/proxy/config",
    ))
    .respond_with(ResponseTemplate::new(200).set_body_string(recorded("1.20.5", "config")))
    .mount(&server)
    .await;
    let client = through_proxy(&server)
        .of("prod", "orders")
        .on_port(9091)
        .with_tls(true);
    assert_eq!(client.config().await.unwrap().version, "1.20.5");
}

#[tokio::test]
async fn the_proxys_own_errors_are_not_flinks() {
    for (code, reason, message) in [
        (
            503,
            "ServiceUnavailable",
            "no endpoints available for service \"http:orders-rest:8081\"",
        ),
        (404, "NotFound", "services \"orders-rest\" not found"),
        (403, "Forbidden", "services \"orders-rest\" is forbidden"),
        (409, "Conflict", "try again"),
    ] {
        let server = MockServer::start().await;
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": message, "reason": reason, "code": code });
        let answer = ResponseTemplate::new(code).set_body_json(status);
        Mock::given(method("GET"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let error = through_proxy(&server)
            .of("prod", "orders")
            .job(JOB)
            .await
            .unwrap_err();
        assert_eq!(error.category, Category::Unreachable, "{code}");
        assert_eq!(error.message, message);
    }
}

#[tokio::test]
async fn flinks_errors_pass_the_proxy() {
    let server = MockServer::start().await;
    let missing = json!({ "errors": [format!("Job {JOB} not found")] });
    let answer = ResponseTemplate::new(404).set_body_json(missing);
    Mock::given(method("GET"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let error = through_proxy(&server)
        .of("prod", "orders")
        .job(JOB)
        .await
        .unwrap_err();
    assert!(error.is_not_found());
}

#[tokio::test]
async fn a_template_names_namespace_and_cluster() {
    let server = MockServer::start().await;
    Mock::given(path("/flink/prod/orders/config"))
        .respond_with(ResponseTemplate::new(200).set_body_string(recorded("1.18.1", "config")))
        .mount(&server)
        .await;
    let url = format!("{}/flink/{{namespace}}/{{name}}/", server.uri());
    let rest = FlinkRest::new(
        url.parse().unwrap(),
        kube_client(&server.uri()),
        Deadlines::default(),
    );
    let config = rest.unwrap().of("prod", "orders").config().await.unwrap();
    assert_eq!(config.version, "1.18.1");
}
