//! What a call says when Flink does not answer, or answers with an error.

use std::time::Duration;

use flink_operator::flink::{Category, Deadlines, FlinkRest, RouteChoice};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{JOB, answer, client, client_within, kube_client, recorded};

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let url = format!("http://{gone}");
    let rest = FlinkRest::new(
        RouteChoice::Template(url.clone()),
        kube_client(&url),
        Deadlines::default(),
    );
    let error = rest.unwrap().of("prod", "orders").jobs().await.unwrap_err();
    assert_eq!(error.category, Category::Unreachable);
    assert!(error.is_blind());
    assert_eq!(error.cluster, "prod/orders");
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let server = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_mins(1));
    Mock::given(any()).respond_with(late).mount(&server).await;
    let client = client_within(&server, Deadlines::within(Duration::from_millis(50)));
    let error = client.jobs().await.unwrap_err();
    assert_eq!(error.category, Category::Timeout);
    assert!(error.is_blind());
}

#[tokio::test]
async fn a_scheduler_that_cannot_rescale_is_unsupported() {
    let server = MockServer::start().await;
    let target = format!("/jobs/{JOB}/resource-requirements");
    answer(
        &server,
        &target,
        500,
        recorded("2.3.0", "jobs_JOB_resource-requirements"),
    )
    .await;
    let error = client(&server)
        .resource_requirements(JOB)
        .await
        .unwrap_err();
    assert_eq!(error.category, Category::Unsupported);
    assert!(error.is_refusal());
    assert!(
        error
            .message
            .starts_with("java.lang.UnsupportedOperationException"),
        "{error}"
    );
}

#[tokio::test]
async fn an_election_in_progress_is_unreachable() {
    let server = MockServer::start().await;
    let election = r#"{"errors":["Service temporarily unavailable due to an ongoing leader election. Please refresh."]}"#;
    answer(&server, "/jobs/overview", 503, election).await;
    let error = client(&server).jobs().await.unwrap_err();
    assert_eq!(
        (error.category, error.status),
        (Category::Unreachable, Some(503))
    );
}

#[tokio::test]
async fn a_login_page_is_not_a_list_of_jobs() {
    let server = MockServer::start().await;
    answer(&server, "/jobs/overview", 200, "<html>please log in</html>").await;
    let error = client(&server).jobs().await.unwrap_err();
    assert_eq!(error.category, Category::Malformed);
    assert!(error.is_blind());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "/elsewhere");
    Mock::given(any())
        .respond_with(elsewhere)
        .expect(1)
        .mount(&server)
        .await;
    let error = client(&server).jobs().await.unwrap_err();
    assert_eq!(error.category, Category::Unreachable);
}

#[tokio::test]
async fn a_failure_is_reported_once_and_not_retried() {
    let server = MockServer::start().await;
    let broken = ResponseTemplate::new(500).set_body_string(r#"{"errors":["boom"]}"#);
    Mock::given(any())
        .respond_with(broken)
        .expect(1)
        .mount(&server)
        .await;
    let (sender, receiver) = std::sync::mpsc::channel();
    let rest = FlinkRest::new(
        RouteChoice::Template(server.uri()),
        kube_client(&server.uri()),
        Deadlines::default(),
    );
    let rest = rest
        .unwrap()
        .counted(move |report| sender.send(report).unwrap());
    rest.of("prod", "orders").cancel(JOB).await.unwrap_err();
    let report = receiver.try_recv().unwrap();
    assert_eq!(
        (report.endpoint, report.failure),
        ("PATCH /jobs/:job", Some(Category::Server))
    );
    assert!(receiver.try_recv().is_err());
}

#[tokio::test]
async fn an_ended_job_cannot_be_cancelled_and_a_missing_one_is_not_found() {
    for (status, text, expected) in [
        (
            409,
            "Job cancellation failed because the job has already reached another terminal state (FINISHED).",
            Category::Conflict,
        ),
        (404, "Job could not be found.", Category::NotFound),
    ] {
        let server = MockServer::start().await;
        let body = serde_json::json!({ "errors": [text] });
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let error = client(&server).cancel(JOB).await.unwrap_err();
        assert_eq!((error.category, error.message.as_str()), (expected, text));
    }
}

#[tokio::test]
async fn an_unknown_trigger_is_not_found() {
    let server = MockServer::start().await;
    let body = r#"{"errors":["There is no savepoint operation with triggerId=t1 for job a1."]}"#;
    answer(&server, "/jobs/a1/savepoints/t1", 404, body).await;
    assert!(
        client(&server)
            .savepoint("a1", "t1")
            .await
            .unwrap_err()
            .is_not_found()
    );
}
