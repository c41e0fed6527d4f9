//! Asking a Prometheus server.
//!
//! The rule: asked once, bounded in time and size, redirects not followed; of an answer that is not Prometheus'
//! only the status is told, so that no server's page ends up in a resource.

use std::path::PathBuf;
use std::time::Duration;

use prometheus_http_query::Client;
use prometheus_http_query::response::Data;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

/// Largest answer read, in bytes: a day of a job with a hundred vertices stays below it.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// Longest message of a server that is passed on, in letters.
const MESSAGE_LIMIT: usize = 300;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error(
        "job.autoscaler.prometheus.url: '{0}' is no address; write http://HOST:9090 for example"
    )]
    Address(String),
    /// The token cannot be read.
    #[error("the token for Prometheus {server}: {file}: {why}")]
    Token {
        /// The server it is for.
        server: String,
        /// Where it should be.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody answers.
    #[error("Prometheus {server} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        server: String,
        /// The innermost cause.
        why: String,
    },
    /// No answer in time.
    #[error(
        "Prometheus {server} gave no answer within {seconds} s; see job.autoscaler.prometheus.timeout"
    )]
    Timeout {
        /// The server.
        server: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It refuses the question.
    #[error("Prometheus {server} answers {status}: {why}")]
    Refused {
        /// The server.
        server: String,
        /// The HTTP status.
        status: u16,
        /// What it says, if it speaks as Prometheus does.
        why: String,
    },
    /// What it answers is not understood.
    #[error("Prometheus {server}: the answer is not understood: {why}")]
    Malformed {
        /// The server.
        server: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A server, as the settings name it.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its address.
    pub url: &'a str,
    /// How long it is waited for.
    pub timeout: Duration,
}

/// A token, and the one server that may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The file it is in; read anew each time, since tokens change.
    pub file: PathBuf,
    /// The address of the server.
    pub url: String,
}

/// A client for any Prometheus server; clones share its connections.
#[derive(Clone)]
pub struct Prometheus {
    http: reqwest::Client,
    token: Option<Token>,
}

impl Prometheus {
    /// A client. The token is sent to its own server only.
    pub fn new(token: Option<Token>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_max_idle_per_host(2)
            .user_agent(concat!("flink-operator/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, token })
    }

    /// The value of an expression now.
    pub async fn instant(&self, server: &Server<'_>, expression: &str) -> Result<Data, Error> {
        let authorization = self.authorization(server)?;
        let mut query = self
            .client(server)?
            .query(expression)
            .timeout(millis(server.timeout));
        if let Some(value) = authorization {
            query = query.header(AUTHORIZATION, value);
        }
        within(server, async {
            understood(server, query.post_raw().await).await
        })
        .await
    }

    /// The values of an expression every `step` seconds from one second to another.
    pub async fn range(
        &self,
        server: &Server<'_>,
        expression: &str,
        (from, to): (i64, i64),
        step: u32,
    ) -> Result<Data, Error> {
        let authorization = self.authorization(server)?;
        let mut query = self
            .client(server)?
            .query_range(expression, from, to, f64::from(step))
            .timeout(millis(server.timeout));
        if let Some(value) = authorization {
            query = query.header(AUTHORIZATION, value);
        }
        within(server, async {
            understood(server, query.post_raw().await).await
        })
        .await
    }

    fn client(&self, server: &Server<'_>) -> Result<Client, Error> {
        let address = || Error::Address(server.url.to_owned());
        let url = reqwest::Url::parse(server.url).map_err(|_| address())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(address());
        }
        Client::from(self.http.clone(), server.url).map_err(|_| address())
    }

    fn authorization(&self, server: &Server<'_>) -> Result<Option<HeaderValue>, Error> {
        let Some(token) = self.token.as_ref().filter(|token| token.url == server.url) else {
            return Ok(None);
        };
        let error = |why: String| Error::Token {
            server: server.url.to_owned(),
            file: token.file.display().to_string(),
            why,
        };
        let text =
            std::fs::read_to_string(&token.file).map_err(|cause| error(cause.to_string()))?;
        let value = HeaderValue::try_from(format!("Bearer {}", text.trim()));
        let mut value = value.map_err(|_| error("it holds no token".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

async fn within<T>(
    server: &Server<'_>,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(server.timeout, call)
        .await
        .unwrap_or_else(|_| {
            Err(Error::Timeout {
                server: server.url.to_owned(),
                seconds: server.timeout.as_secs(),
            })
        })
}

async fn understood(
    server: &Server<'_>,
    sent: Result<reqwest::Response, prometheus_http_query::Error>,
) -> Result<Data, Error> {
    let mut response = sent.map_err(|error| unreachable(server, &error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(server, &error))?
    {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(Error::Malformed {
                server: server.url.to_owned(),
                why: format!("it is larger than {} MiB", BODY_LIMIT / 1024 / 1024),
            });
        }
        body.extend_from_slice(&chunk);
    }
    answer(server.url, status.as_u16(), &body)
}

/// The last error of a chain names the cause.
fn unreachable(server: &Server<'_>, error: &(dyn std::error::Error + 'static)) -> Error {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    Error::Unreachable {
        server: server.url.to_owned(),
        why: last.to_string(),
    }
}

/// What Prometheus wraps its answers in.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Success { data: Data },
    Error { error: String },
}

/// What an answer says.
fn answer(server: &str, status: u16, body: &[u8]) -> Result<Data, Error> {
    let server = server.to_owned();
    match serde_json::from_slice(body) {
        Ok(Answer::Success { data }) if (200..300).contains(&status) => Ok(data),
        Ok(Answer::Error { error }) => Err(Error::Refused {
            server,
            status,
            why: error.chars().take(MESSAGE_LIMIT).collect(),
        }),
        Err(why) if (200..300).contains(&status) => Err(Error::Malformed {
            server,
            why: why.to_string().chars().take(MESSAGE_LIMIT).collect(),
        }),
        Ok(Answer::Success { .. }) | Err(_) => Err(Error::Refused {
            server,
            status,
            why: "that is not how Prometheus answers; does the address lead to one?".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        answer("http://prom:9090", status, body.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_a_server_says_is_passed_on_if_it_is_prometheus() {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#;
        assert_eq!(
            said(400, refused),
            "Prometheus http://prom:9090 answers 400: 1:5: parse error"
        );
        let foreign = said(403, "<html>secret page</html>");
        assert!(
            foreign.contains("403") && !foreign.contains("secret"),
            "{foreign}"
        );
        let malformed = said(200, r#"{"status":"success"}"#);
        assert!(
            malformed.contains("not understood: missing field `data`"),
            "{malformed}"
        );
    }

    #[test]
    fn numbers_that_are_none_are_read() {
        let body = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"task_id":"a"},"value":[1700000000.5,"NaN"]}]}}"#;
        let data = answer("x", 200, body.as_bytes()).unwrap();
        let series = data.as_vector().unwrap();
        assert!(series[0].sample().value().is_nan());
    }
}
