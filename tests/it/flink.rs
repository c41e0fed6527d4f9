//! The client of Flink's REST interface against recorded answers and broken servers.

mod answers;
mod failures;
mod requests;
pub(crate) mod sample;
mod simulated;
mod ways;

use flink_operator::flink::{Deadlines, FlinkClient, FlinkRest, RouteChoice};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A job id of the recordings.
const JOB: &str = "197eaf09ad877d34360d12055ada4107";
/// A trigger id of ours.
const TRIGGER: &str = "0123456789abcdef0123456789abcdef";

/// The text of a recorded answer.
fn recorded(version: &str, name: &str) -> String {
    let file = format!(
        "{}/tests/fixtures/rest/{version}/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A Kubernetes client that leads to `uri`.
fn kube_client(uri: &str) -> kube::Client {
    let mut config = kube::Config::new(uri.parse().unwrap());
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

/// A client of the cluster `orders` in `prod` that reaches `server` by a template.
pub(crate) fn client(server: &MockServer) -> FlinkClient {
    client_within(server, Deadlines::default())
}

fn client_within(server: &MockServer, deadlines: Deadlines) -> FlinkClient {
    let choice = RouteChoice::Template(server.uri());
    FlinkRest::new(choice, kube_client(&server.uri()), deadlines)
        .unwrap()
        .of("prod", "orders")
}

/// Answer `GET` of `target` with `body`.
async fn answer(server: &MockServer, target: &str, status: u16, body: impl Into<String>) {
    Mock::given(method("GET"))
        .and(path(target))
        .respond_with(ResponseTemplate::new(status).set_body_raw(body.into(), "application/json"))
        .mount(server)
        .await;
}
