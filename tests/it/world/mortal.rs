//! A process that dies right after a write: the server has done it, and nobody hears of it. Or one that is
//! broken on purpose.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use flink_sim::api::ApiServer;
use http::{Method, Request, Response};
use kube::client::Body;
use tokio::sync::Notify;

/// How many more writes a process makes. Clones share it.
#[derive(Clone)]
pub struct Lifeline {
    left: Arc<AtomicU64>,
    ended: Arc<Notify>,
    sabotage: Option<Sabotage>,
    /// Writes to paths with this in them are refused.
    refused: Arc<Mutex<Option<&'static str>>>,
}

/// What an operator that is broken on purpose does wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// It starts jobs without the savepoint it has.
    ForgetsSavepoints,
}

impl Sabotage {
    fn spoil(self, body: &str) -> String {
        match self {
            Self::ForgetsSavepoints => body.replace("execution.savepoint.path", "x.y"),
        }
    }
}

impl Lifeline {
    /// The first process dies after this many writes; the next one lives.
    pub fn of(writes: u64) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(writes)),
            ended: Arc::default(),
            sabotage: None,
            refused: Arc::default(),
        }
    }

    /// The same, broken on purpose.
    pub fn with(self, sabotage: Option<Sabotage>) -> Self {
        Self { sabotage, ..self }
    }

    /// From now on it dies after this many writes.
    pub fn doom(&self, writes: u64) {
        self.left.store(writes, Ordering::SeqCst);
    }

    /// Nobody dies.
    pub fn endless() -> Self {
        Self::of(u64::MAX)
    }

    /// From now on the server refuses writes to paths with this in them.
    pub fn refuse(&self, part: Option<&'static str>) {
        *self.refused.lock().unwrap() = part;
    }

    /// A client whose writes count.
    pub fn client(&self, server: &ApiServer) -> kube::Client {
        let mortal = Mortal {
            server: server.clone(),
            lifeline: self.clone(),
        };
        kube::Client::new(mortal, "default")
    }

    /// Resolves when the process is to die.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Whether death has come.
    pub fn is_over(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// Whether death will never come.
    pub fn is_endless(&self) -> bool {
        self.left.load(Ordering::SeqCst) > u64::MAX / 2
    }

    /// Take a write off; whether it was the last.
    fn spend(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            == Ok(1)
    }
}

#[derive(Clone)]
struct Mortal {
    server: ApiServer,
    lifeline: Lifeline,
}

impl tower::Service<Request<Body>> for Mortal {
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let writes = request.method() != Method::GET;
        let refused = *self.lifeline.refused.lock().unwrap();
        if writes && refused.is_some_and(|part| request.uri().path().contains(part)) {
            return Box::pin(async { Ok(invalid()) });
        }
        let (mut server, lifeline) = (self.server.clone(), self.lifeline.clone());
        Box::pin(async move {
            let request = match lifeline.sabotage {
                Some(sabotage) => spoiled(request, sabotage).await,
                None => request,
            };
            let answer = server.call(request).await;
            if writes && lifeline.spend() {
                lifeline.ended.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}

async fn spoiled(request: Request<Body>, sabotage: Sabotage) -> Request<Body> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect_bytes().await.unwrap_or_default();
    let text = sabotage.spoil(&String::from_utf8_lossy(&bytes));
    Request::from_parts(parts, Body::from(text.into_bytes()))
}

/// As the API server refuses what its own checks, or somebody's, do not let through.
fn invalid() -> Response<axum::body::Body> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid",
        "message": "the host is not allowed here",
    });
    let mut response = Response::new(axum::body::Body::from(status.to_string()));
    *response.status_mut() = http::StatusCode::UNPROCESSABLE_ENTITY;
    response
}
