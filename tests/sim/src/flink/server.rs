//! The simulated Flink over HTTP: `/{namespace}/{name}/...` for any number of clusters.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::Value;

use super::{Asked, ClusterKey, SimFlink};
use crate::SimClock;

/// Largest request read, in bytes; jars are larger but are not looked into.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

#[derive(Clone)]
struct Served {
    flink: Arc<Mutex<SimFlink>>,
    clock: SimClock,
}

/// Routes that answer for every cluster of `flink`, at the time of `clock`.
pub fn router(flink: Arc<Mutex<SimFlink>>, clock: SimClock) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Served { flink, clock })
}

/// Serve until the task is dropped.
pub async fn serve(
    listener: tokio::net::TcpListener,
    flink: Arc<Mutex<SimFlink>>,
    clock: SimClock,
) -> std::io::Result<()> {
    axum::serve(listener, router(flink, clock)).await
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches('/');
    let mut segments = path.splitn(3, '/');
    let (Some(namespace), Some(name)) = (segments.next(), segments.next()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let key = ClusterKey::new(namespace, name);
    let rest = format!("/{}", segments.next().unwrap_or_default());
    let bytes = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let asked = Asked {
        method: &parts.method,
        path: &rest,
        query: parts.uri.query().unwrap_or_default(),
        body: &body,
    };
    let now = served.clock.now();
    let mut flink = served.flink.lock().unwrap_or_else(PoisonError::into_inner);
    match flink.handle(&key, &asked, now) {
        None => (StatusCode::SERVICE_UNAVAILABLE, "no JobManager").into_response(),
        Some(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or_default();
            let json = [(header::CONTENT_TYPE, "application/json")];
            (status, json, Body::from(answer.body.to_string())).into_response()
        }
    }
}
