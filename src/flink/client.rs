//! One cluster's REST interface: addressing, sending, classifying, decoding.
//!
//! The rule: every call goes through [`FlinkClient::call`].

use std::fmt::Write as _;

use http::Method;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;

use super::error::{Category, RestError, classify};
use super::route::{CallReport, DEFAULT_PORT, FlinkRest};
use super::transport::{Address, Outgoing, exchange};

/// What may not stand as it is in one segment of a path or in one value of a query.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The REST interface of one Flink cluster.
#[derive(Clone, Debug)]
pub struct FlinkClient {
    rest: FlinkRest,
    namespace: String,
    name: String,
    port: u16,
    tls: bool,
}

/// One request before it is addressed.
pub(super) struct Call {
    pub(super) method: Method,
    /// Method and path with placeholders, for errors and counters.
    pub(super) endpoint: &'static str,
    /// Path and query.
    pub(super) target: String,
    pub(super) body: Option<serde_json::Value>,
}

impl Call {
    pub(super) fn get(endpoint: &'static str, target: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            endpoint,
            target: target.into(),
            body: None,
        }
    }

    pub(super) fn post(
        endpoint: &'static str,
        target: impl Into<String>,
        body: serde_json::Value,
    ) -> Self {
        Self {
            method: Method::POST,
            endpoint,
            target: target.into(),
            body: Some(body),
        }
    }
}

/// `text` as one segment of a path or one value of a query.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Append `key=value` to the query of `target`.
pub(super) fn with_query(mut target: String, key: &str, value: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    let _ = write!(target, "{separator}{key}={value}");
    target
}

impl FlinkClient {
    pub(super) fn new(rest: FlinkRest, namespace: &str, name: &str) -> Self {
        Self {
            rest,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port: DEFAULT_PORT,
            tls: false,
        }
    }

    /// On another port, the cluster's `rest.port`.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With TLS, the cluster's `security.ssl.rest.enabled`.
    #[must_use]
    pub fn with_tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Make one call and decode its answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, RestError> {
        let endpoint = call.endpoint;
        let started = tokio::time::Instant::now();
        let result = self.send(call).await.and_then(|(status, body)| {
            serde_json::from_slice(&body).map_err(|error| {
                self.error(
                    endpoint,
                    Category::Malformed,
                    Some(status),
                    error.to_string(),
                )
            })
        });
        self.report(endpoint, started, result.as_ref().err());
        result
    }

    /// Make one call whose answer says nothing beyond success.
    pub(super) async fn call_without_answer(&self, call: Call) -> Result<(), RestError> {
        let endpoint = call.endpoint;
        let started = tokio::time::Instant::now();
        let result = self.send(call).await.map(drop);
        self.report(endpoint, started, result.as_ref().err());
        result
    }

    async fn send(&self, call: Call) -> Result<(u16, Vec<u8>), RestError> {
        let address = Address {
            namespace: &self.namespace,
            name: &self.name,
            port: self.port,
            tls: self.tls,
        };
        let outgoing = Outgoing {
            method: call.method,
            target: call.target,
            body: call.body.map(|body| body.to_string().into_bytes()),
        };
        let (status, body) = exchange(&self.rest.way, &address, outgoing, self.rest.deadlines)
            .await
            .map_err(|silence| {
                self.error(call.endpoint, silence.category, None, silence.message)
            })?;
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        let (category, message) = classify(status, &body);
        Err(self.error(call.endpoint, category, Some(status.as_u16()), message))
    }

    fn report(
        &self,
        endpoint: &'static str,
        started: tokio::time::Instant,
        error: Option<&RestError>,
    ) {
        if let Some(on_call) = &self.rest.on_call {
            on_call(CallReport {
                endpoint,
                failure: error.map(|error| error.category),
                took: started.elapsed(),
            });
        }
    }

    pub(super) fn error(
        &self,
        endpoint: &'static str,
        category: Category,
        status: Option<u16>,
        message: String,
    ) -> RestError {
        let cluster = format!("{}/{}", self.namespace, self.name);
        RestError {
            category,
            endpoint,
            cluster,
            status,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_path_stays_one_segment() {
        assert_eq!(escaped("a1/../b?c=d&e"), "a1%2F..%2Fb%3Fc%3Dd%26e");
        assert_eq!(
            escaped("Source__src.numRecordsIn"),
            "Source__src.numRecordsIn"
        );
    }

    #[test]
    fn queries_are_joined() {
        let target = with_query("/x".to_owned(), "get", "a,b");
        assert_eq!(with_query(target, "agg", "min"), "/x?get=a,b&agg=min");
    }
}
