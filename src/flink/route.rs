//! How a cluster is reached: by its Service's name, through the API server, or by a template.
//!
//! The rule: chosen once at the start; a call never falls back from one way to another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::error::Category;
use super::{FlinkClient, transport};
use crate::domain::ClusterAddress;

/// Port of Flink's REST interface unless `rest.port` says otherwise.
pub(super) const DEFAULT_PORT: u16 = 8081;

/// Which way to use; the value of a command-line flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RouteChoice {
    /// The Service's name when this process runs inside a cluster, else the API server's proxy.
    #[default]
    Auto,
    /// The DNS name of the Service `<name>-rest`.
    Service,
    /// The API server's proxy to the Service `<name>-rest`.
    Proxy,
    /// A URL in which `{namespace}` and `{name}` are replaced.
    Template(String),
}

impl FromStr for RouteChoice {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        match text {
            "auto" => Ok(Self::Auto),
            "service" => Ok(Self::Service),
            "proxy" => Ok(Self::Proxy),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Template(url.trim_end_matches('/').to_owned()))
            }
            other => Err(BuildError::Route {
                text: other.to_owned(),
            }),
        }
    }
}

impl fmt::Display for RouteChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Service => "service",
            Self::Proxy => "proxy",
            Self::Template(url) => url,
        })
    }
}

/// Limits of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// To open a connection.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// From the first byte sent to the last one read.
    pub total: Duration,
}

impl Deadlines {
    /// Limits for calls that may take `total`; connecting and each pause get a part of it.
    pub fn within(total: Duration) -> Self {
        Self {
            connect: total.min(Duration::from_secs(3)),
            read: total,
            total,
        }
    }
}

impl Default for Deadlines {
    /// Ten seconds, the default of `kubernetes.operator.flink.client.timeout`.
    fn default() -> Self {
        Self::within(Duration::from_secs(10))
    }
}

/// Why the REST interface cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Not one of the known ways.
    #[error("\"{text}\" is no way to reach Flink; use auto, service, proxy or a URL with {{name}}")]
    Route {
        /// What was given.
        text: String,
    },
    /// The HTTP client could not be made.
    #[error("failed to make the HTTP client for Flink's REST interface")]
    Client(#[source] reqwest::Error),
}

/// What became of one call, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// The call, for example `GET /jobs/:job`; from a closed set.
    pub endpoint: &'static str,
    /// `None` for success.
    pub failure: Option<Category>,
    /// From start to end.
    pub took: Duration,
}

/// Flink's REST interfaces of all clusters. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct FlinkRest {
    pub(super) way: Way,
    pub(super) deadlines: Deadlines,
    pub(super) on_call: Option<Arc<dyn Fn(CallReport) + Send + Sync>>,
}

#[derive(Clone)]
pub(super) enum Way {
    Service(reqwest::Client),
    Proxy(kube::Client),
    Template {
        http: reqwest::Client,
        url: Arc<str>,
    },
}

impl FlinkRest {
    /// Reach clusters as `choice` says; `kube` is used for the API server's proxy only.
    pub fn new(
        choice: RouteChoice,
        kube: kube::Client,
        deadlines: Deadlines,
    ) -> Result<Self, BuildError> {
        let inside = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let way = match (choice, inside) {
            (RouteChoice::Proxy, _) | (RouteChoice::Auto, false) => Way::Proxy(kube),
            (RouteChoice::Service, _) | (RouteChoice::Auto, true) => {
                Way::Service(transport::http_client(deadlines)?)
            }
            (RouteChoice::Template(url), _) => Way::Template {
                http: transport::http_client(deadlines)?,
                url: url.into(),
            },
        };
        Ok(Self {
            way,
            deadlines,
            on_call: None,
        })
    }

    /// Tell `on_call` of every call made.
    #[must_use]
    pub fn counted(mut self, on_call: impl Fn(CallReport) + Send + Sync + 'static) -> Self {
        self.on_call = Some(Arc::new(on_call));
        self
    }

    /// The REST interface of the cluster `name` in `namespace`, on Flink's default port, without TLS.
    pub fn of(&self, namespace: &str, name: &str) -> FlinkClient {
        FlinkClient::new(self.clone(), namespace, name)
    }

    /// The REST interface of the cluster in `namespace` at this address.
    pub fn at(&self, namespace: &str, address: &ClusterAddress) -> FlinkClient {
        self.of(namespace, &address.name)
            .on_port(address.port)
            .with_tls(address.tls)
    }
}

impl fmt::Debug for FlinkRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Service(_) => "service",
            Way::Proxy(_) => "proxy",
            Way::Template { url, .. } => url,
        };
        f.debug_struct("FlinkRest")
            .field("way", &way)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_back_as_written() {
        for text in [
            "auto",
            "service",
            "proxy",
            "http://127.0.0.1:9000/{namespace}/{name}",
        ] {
            assert_eq!(text.parse::<RouteChoice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_route_names_the_known_ones() {
        let error = "dns".parse::<RouteChoice>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"dns\" is no way to reach Flink; use auto, service, proxy or a URL with {name}"
        );
    }

    #[test]
    fn connecting_gets_a_part_of_the_whole_time() {
        let deadlines = Deadlines::within(Duration::from_secs(1));
        assert!(deadlines.connect <= deadlines.total);
        assert_eq!(Deadlines::default().connect, Duration::from_secs(3));
    }
}
