//! Sending one request and reading one answer, over either client.
//!
//! The rule: bounded in time and in size, sent once, redirects not followed.

use std::error::Error;
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;

use super::error::{Category, shortened};
use super::route::{BuildError, Deadlines, Way};

/// Largest answer read, in bytes: job details of thousands of vertices stay well below it.
pub(super) const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// Idle connections are few: there is one JobManager per cluster and many clusters.
const IDLE_PER_HOST: usize = 1;
/// An idle connection is closed after this long, so that ten thousand clusters do not hold ten
/// thousand sockets.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// A request, with everything but the address of the cluster.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// Path and query, beginning with `/`.
    pub(super) target: String,
    pub(super) body: Option<Vec<u8>>,
}

/// Where to send it.
pub(super) struct Address<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) port: u16,
    pub(super) tls: bool,
}

/// Why there is no answer.
pub(super) struct Silence {
    pub(super) category: Category,
    pub(super) message: String,
}

/// The client for ways other than the API server's proxy.
pub(super) fn http_client(deadlines: Deadlines) -> Result<reqwest::Client, BuildError> {
    reqwest::Client::builder()
        .connect_timeout(deadlines.connect)
        .read_timeout(deadlines.read)
        .timeout(deadlines.total)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_FOR)
        .user_agent(concat!("flink-operator/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(BuildError::Client)
}

/// Send and read the whole answer.
pub(super) async fn exchange(
    way: &Way,
    address: &Address<'_>,
    outgoing: Outgoing,
    deadlines: Deadlines,
) -> Result<(StatusCode, Vec<u8>), Silence> {
    let call = async {
        match way {
            Way::Proxy(client) => through_api_server(client, address, outgoing).await,
            Way::Service(http) | Way::Template { http, .. } => {
                direct(http, &base_url(way, address), outgoing).await
            }
        }
    };
    tokio::time::timeout(deadlines.total, call)
        .await
        .unwrap_or_else(|_| {
            Err(Silence {
                category: Category::Timeout,
                message: format!("gave up after {} ms", deadlines.total.as_millis()),
            })
        })
}

fn base_url(way: &Way, address: &Address<'_>) -> String {
    let Address {
        namespace,
        name,
        port,
        tls,
    } = address;
    match way {
        Way::Template { url, .. } => url
            .replace("{namespace}", namespace)
            .replace("{name}", name),
        Way::Service(_) | Way::Proxy(_) => {
            let scheme = if *tls { "https" } else { "http" };
            format!("{scheme}://{name}-rest.{namespace}:{port}")
        }
    }
}

async fn direct(
    http: &reqwest::Client,
    base: &str,
    outgoing: Outgoing,
) -> Result<(StatusCode, Vec<u8>), Silence> {
    let mut request = http.request(outgoing.method, format!("{base}{}", outgoing.target));
    if let Some(body) = outgoing.body {
        request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
    }
    let mut response = request.send().await.map_err(|error| silence(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silence(&error))? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

fn silence(error: &reqwest::Error) -> Silence {
    // Time-outs while connecting had no effect; others may have.
    let category = if error.is_timeout() && !error.is_connect() {
        Category::Timeout
    } else {
        Category::Unreachable
    };
    Silence {
        category,
        message: innermost(error),
    }
}

async fn through_api_server(
    client: &kube::Client,
    address: &Address<'_>,
    outgoing: Outgoing,
) -> Result<(StatusCode, Vec<u8>), Silence> {
    let Address {
        namespace,
        name,
        port,
        tls,
    } = address;
    let scheme = if *tls { "https" } else { "http" };
    let uri = format!(
        "/api/v1/namespaces/{namespace}/services/{scheme}:{name}-rest:{port}/proxy{}",
        outgoing.target
    );
    let request = Request::builder()
        .method(outgoing.method)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(outgoing.body.unwrap_or_default()))
        .map_err(|error| unreachable_because(&error))?;
    let response = client
        .send(request)
        .await
        .map_err(|error| unreachable_because(&error))?;
    let status = response.status();
    match Limited::new(response.into_body(), BODY_LIMIT)
        .collect()
        .await
    {
        Ok(body) => Ok((status, body.to_bytes().to_vec())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Silence {
            category: Category::Unreachable,
            message: innermost(error.as_ref()),
        }),
    }
}

fn unreachable_because(error: &(dyn Error + 'static)) -> Silence {
    Silence {
        category: Category::Unreachable,
        message: innermost(error),
    }
}

fn too_large() -> Silence {
    Silence {
        category: Category::Malformed,
        message: format!("the answer is larger than {} MiB", BODY_LIMIT / 1024 / 1024),
    }
}

/// The last error of a chain; it names the cause ("connection refused").
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    shortened(&last.to_string())
}
