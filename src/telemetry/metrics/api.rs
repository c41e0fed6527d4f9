//! Counts requests to the Kubernetes API: a layer around the client, so that no call is missed.
//!
//! The rule: labels come from the shape of the request, never from names of objects.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Metrics;

/// Wraps a Kubernetes client's stack: `ClientBuilder::try_from(config)?.with_layer(&layer)`.
#[derive(Clone)]
pub struct ApiLayer {
    metrics: Metrics,
}

impl ApiLayer {
    /// A layer that counts into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for ApiLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            metrics: self.metrics.clone(),
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = Route::of(
            request.method(),
            request.uri().path(),
            request.uri().query(),
        );
        let mut unanswered = Unanswered {
            metrics: self.metrics.clone(),
            route: Some(route),
            begun: Instant::now(),
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let result = answer.await;
            unanswered.settle(
                result
                    .as_ref()
                    .ok()
                    .map(|response| response.status().as_u16()),
            );
            result
        })
    }
}

/// A request under way. One that is given up, because its deadline passed, counts as failed.
struct Unanswered {
    metrics: Metrics,
    route: Option<Route>,
    begun: Instant,
}

impl Unanswered {
    fn settle(&mut self, code: Option<u16>) {
        if let Some(route) = self.route.take() {
            self.metrics
                .api_call(route.verb, &route.resource, code, self.begun.elapsed());
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.settle(None);
    }
}

/// What a request to the Kubernetes API asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The verb, as RBAC names it.
    pub verb: &'static str,
    /// The resource, with its subresource behind a slash; `other` for what is no resource.
    pub resource: String,
}

impl Route {
    /// Reads it off the method, path and query of a request.
    pub fn of(method: &Method, path: &str, query: Option<&str>) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let below = match parts.next() {
            Some("api") => parts.by_ref().skip(1),
            Some("apis") => parts.by_ref().skip(2),
            _ => {
                return Self {
                    verb: verb(method, false, false),
                    resource: "other".to_owned(),
                };
            }
        };
        let parts: Vec<&str> = below.collect();
        let parts = match parts.as_slice() {
            ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        let resource = parts.first().copied().unwrap_or("other");
        let (name, sub) = (parts.len() > 1, parts.get(2));
        let resource = match sub {
            Some(sub) => format!("{resource}/{sub}"),
            None => resource.to_owned(),
        };
        let watch = query.is_some_and(|query| {
            query
                .split('&')
                .any(|pair| matches!(pair, "watch=true" | "watch=1"))
        });
        Self {
            verb: verb(method, name, watch),
            resource,
        }
    }
}

fn verb(method: &Method, named: bool, watch: bool) -> &'static str {
    match (method.as_str(), named) {
        (_, _) if watch => "watch",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        (_, true) => "get",
        (_, false) => "list",
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::StatusCode;

    use super::*;
    use crate::telemetry::metrics::{Identity, Switches};

    fn route(method: &Method, path: &str, query: Option<&str>) -> (&'static str, String) {
        let route = Route::of(method, path, query);
        (route.verb, route.resource)
    }

    #[test]
    fn requests_are_named_as_rbac_names_them() {
        let flink = "/apis/flink.apache.org/v1beta1";
        for (method, path, query, verb, resource) in [
            (
                Method::GET,
                format!("{flink}/flinkdeployments"),
                None,
                "list",
                "flinkdeployments",
            ),
            (
                Method::GET,
                format!("{flink}/flinkdeployments"),
                Some("allowWatchBookmarks=true&watch=true"),
                "watch",
                "flinkdeployments",
            ),
            (
                Method::PATCH,
                format!("{flink}/namespaces/a/flinkdeployments/b/status"),
                Some("fieldManager=x"),
                "patch",
                "flinkdeployments/status",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods/b".into(),
                None,
                "get",
                "pods",
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/a/pods/b".into(),
                None,
                "delete",
                "pods",
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/a/pods".into(),
                None,
                "deletecollection",
                "pods",
            ),
            (
                Method::POST,
                "/api/v1/namespaces/a/events".into(),
                None,
                "create",
                "events",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a/services/b-rest:8081/proxy/jobs/overview".into(),
                None,
                "get",
                "services/proxy",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a".into(),
                None,
                "get",
                "namespaces",
            ),
            (
                Method::GET,
                "/api/v1/namespaces".into(),
                None,
                "list",
                "namespaces",
            ),
            (Method::GET, "/version".into(), None, "list", "other"),
        ] {
            let resource = resource.to_owned();
            assert_eq!(
                route(&method, &path, query),
                (verb, resource),
                "{method} {path}"
            );
        }
    }

    #[tokio::test]
    async fn answers_and_deadlines_are_counted() {
        let metrics =
            Metrics::new(&Identity::default(), Switches::default()).expect("the table is sound");
        let inner = tower::service_fn(|request: Request<()>| async move {
            if request.uri().path().ends_with("slow") {
                std::future::pending::<()>().await;
            }
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::CONFLICT;
            Ok::<_, Infallible>(response)
        });
        let mut service = ApiLayer::new(metrics.clone()).layer(inner);
        let put = Request::put("/api/v1/namespaces/a/pods/b")
            .body(())
            .expect("a request");
        service.call(put).await.expect("an answer");
        let slow = Request::get("/api/v1/namespaces/a/pods/slow")
            .body(())
            .expect("a request");
        let given_up = service.call(slow);
        drop(given_up);
        let text = metrics.encode().expect("encodes");
        let counted = |verb: &str, code: &str| {
            text.lines().any(|line| {
                line.starts_with("flink_operator_api_requests_total{")
                    && [format!("verb=\"{verb}\""), format!("code=\"{code}\"")]
                        .iter()
                        .all(|label| line.contains(label))
                    && line.ends_with(" 1")
            })
        };
        assert!(
            counted("update", "409") && counted("get", "error"),
            "{text}"
        );
    }
}
