//! What the outside may ask of the process: is it alive, is it ready, what has it counted.
//!
//! The rule: [`Health`] judges, this file's server only repeats the verdict. The health port answers
//! every path as Kubernetes probes expect, `OK` with 200 or `ERROR` with 500, whatever the path,
//! so that probes written for the Java operator keep working.
//! Alive means that no watch has been broken for longer than patience allows and no canary is late; ready means that
//! the caches were filled and no watch is broken now.

mod canaries;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::Instant;

pub use canaries::{Canaries, LABEL as CANARY_LABEL};

use crate::telemetry::Metrics;
use crate::telemetry::logs::Chain;

/// How long a watch may stay broken before the process asks to be restarted. An API server that
/// is upgraded is back sooner; a client that cannot recover by itself is not.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Why a port could not be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error("cannot listen on {address}: free the port or set another one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("the server on {address} ended")]
    Serve {
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What is known about the health of the process. Every clone is the same.
#[derive(Clone)]
pub struct Health {
    patience: Duration,
    /// What is expected of canaries, and how long it may take.
    canaries: (Canaries, Duration),
    state: Arc<Mutex<Vitals>>,
}

#[derive(Default)]
struct Vitals {
    ready: bool,
    watches: BTreeMap<WatchOf, Watch>,
}

/// A watch: the kind, and the namespace if it is not of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchOf {
    /// What is watched.
    pub kind: &'static str,
    /// Where; everywhere if absent.
    pub namespace: Option<String>,
}

impl fmt::Display for WatchOf {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "watch of {}s", self.kind)?;
        match &self.namespace {
            Some(namespace) => write!(to, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// How a watch is doing.
enum Watch {
    /// Never heard from since this time.
    Begun(Instant),
    /// The last thing heard was good.
    Alive,
    /// Broken since this time, for this reason.
    Broken(Instant, String),
}

/// A verdict: what is wrong, in words. Nothing wrong is good.
pub type Complaints = Vec<String>;

impl Health {
    /// Not ready yet, nothing watched yet. `patience` is how long a watch may stay broken, `canary` how long the
    /// change of a canary may go without a pass.
    pub fn new(patience: Duration, canary: Duration) -> Self {
        Self {
            patience,
            canaries: (Canaries::default(), canary),
            state: Arc::default(),
        }
    }

    /// The canaries.
    pub const fn canaries(&self) -> &Canaries {
        &self.canaries.0
    }

    /// The caches are filled and passes run; or no longer.
    pub fn set_ready(&self, ready: bool) {
        self.with(|vitals| vitals.ready = ready);
    }

    /// A watch begins; from now on it is expected to come up.
    pub fn watch_begun(&self, watch: &WatchOf, now: Instant) {
        self.with(|vitals| {
            let known = vitals.watches.entry(watch.clone());
            known.or_insert(Watch::Begun(now));
        });
    }

    /// A watch delivered something.
    pub fn watch_alive(&self, watch: &WatchOf) {
        self.with(|vitals| {
            // Nearly always known and alive already: nothing is to be allocated for each event.
            match vitals.watches.get_mut(watch) {
                Some(known) => *known = Watch::Alive,
                None => drop(vitals.watches.insert(watch.clone(), Watch::Alive)),
            }
        });
    }

    /// A watch broke off; it is begun again by itself. The time counts from the first failure in a row.
    pub fn watch_broken(&self, watch: &WatchOf, reason: &str, now: Instant) {
        self.with(|vitals| {
            let since = match vitals.watches.get(watch) {
                Some(Watch::Begun(since) | Watch::Broken(since, _)) => *since,
                Some(Watch::Alive) | None => now,
            };
            vitals
                .watches
                .insert(watch.clone(), Watch::Broken(since, reason.to_owned()));
        });
    }

    /// Nobody watches this any more, so it cannot be broken.
    pub fn watch_ended(&self, watch: &WatchOf) {
        self.with(|vitals| vitals.watches.remove(watch));
    }

    /// What would be cured by a restart.
    pub fn liveness(&self, now: Instant) -> Complaints {
        self.with(|vitals| {
            let overdue = |since: &Instant| now.duration_since(*since) > self.patience;
            let complaints = vitals.watches.iter().filter_map(|(of, watch)| match watch {
                Watch::Broken(since, reason) if overdue(since) => {
                    let seconds = now.duration_since(*since).as_secs();
                    Some(format!("{of} broken for {seconds} s: {reason}"))
                }
                Watch::Begun(since) if overdue(since) => Some(format!("{of} never came up")),
                _ => None,
            });
            let (canaries, timeout) = &self.canaries;
            let late = canaries.late(now, *timeout).into_values();
            complaints.chain(late).collect()
        })
    }

    /// What keeps the process from doing its work now.
    pub fn readiness(&self) -> Complaints {
        self.with(|vitals| {
            let starting = (!vitals.ready).then(|| "still starting".to_owned());
            let watches = vitals.watches.iter().filter_map(|(of, watch)| match watch {
                Watch::Begun(_) => Some(format!("{of} is coming up")),
                Watch::Broken(_, reason) => Some(format!("{of} is broken: {reason}")),
                Watch::Alive => None,
            });
            starting.into_iter().chain(watches).collect()
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut Vitals) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the health port answers: `/readyz`, `/metrics`, and liveness for every other path.
pub fn health_router(health: Health, metrics: Metrics) -> Router {
    let alive = health.clone();
    Router::new()
        .route("/readyz", get(async move || verdict(&health.readiness())))
        .fallback(async move || verdict(&alive.liveness(Instant::now())))
        .merge(metrics_router(metrics))
}

/// What the metrics port answers: `/metrics` and nothing else.
pub fn metrics_router(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(metrics)
}

/// Takes the port.
///
/// # Errors
/// When it is taken or may not be used.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

/// Serves until `shutdown` ends; answers under way are finished first.
///
/// # Errors
/// When the server ends by itself.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let address = listener
        .local_addr()
        .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(|source| Error::Serve { address, source })
}

fn verdict(complaints: &Complaints) -> Response {
    if complaints.is_empty() {
        return (StatusCode::OK, "OK").into_response();
    }
    let text = format!("ERROR\n{}\n", complaints.join("\n"));
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Chain(&error).to_string()).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{Identity, Resource, ResourceType, Switches};

    fn metrics() -> Metrics {
        Metrics::new(&Identity::default(), Switches::default()).expect("the table is sound")
    }

    const CANARY: Duration = Duration::from_mins(1);

    fn health() -> Health {
        Health::new(PATIENCE, CANARY)
    }

    fn of(kind: &'static str) -> WatchOf {
        WatchOf {
            kind,
            namespace: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_be_broken_for_a_while() {
        let health = health();
        health.watch_alive(&of("Deployment"));
        health.watch_broken(&of("Deployment"), "connection refused", Instant::now());
        assert!(health.liveness(Instant::now()).is_empty());
        tokio::time::advance(PATIENCE / 2).await;
        health.watch_broken(&of("Deployment"), "connection reset", Instant::now());
        tokio::time::advance(PATIENCE / 2 + Duration::from_secs(1)).await;
        let complaints = health.liveness(Instant::now());
        assert_eq!(
            complaints,
            ["watch of Deployments broken for 301 s: connection reset"]
        );
        health.watch_alive(&of("Deployment"));
        assert!(health.liveness(Instant::now()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_never_comes_up_is_not_alive_for_ever() {
        let health = health();
        health.watch_begun(&of("Pod"), Instant::now());
        assert!(health.liveness(Instant::now()).is_empty());
        tokio::time::advance(PATIENCE + Duration::from_secs(1)).await;
        assert_eq!(
            health.liveness(Instant::now()),
            ["watch of Pods never came up"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn ready_needs_every_watch() {
        let health = health();
        health.watch_begun(&of("Pod"), Instant::now());
        assert_eq!(
            health.readiness(),
            ["still starting", "watch of Pods is coming up"]
        );
        health.set_ready(true);
        health.watch_alive(&of("Pod"));
        assert!(health.readiness().is_empty());
        health.watch_broken(&of("Pod"), "forbidden", Instant::now());
        assert_eq!(health.readiness(), ["watch of Pods is broken: forbidden"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_of_one_namespace_says_nothing_of_anothers() {
        let health = health();
        health.set_ready(true);
        let [shop, garden] = ["shop", "garden"].map(|namespace| WatchOf {
            kind: "Pod",
            namespace: Some(namespace.to_owned()),
        });
        health.watch_broken(&shop, "forbidden", Instant::now());
        health.watch_alive(&garden);
        assert_eq!(
            health.readiness(),
            ["watch of Pods in shop is broken: forbidden"]
        );
        health.watch_ended(&shop);
        assert!(health.readiness().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_canary_is_no_life() {
        let health = health();
        let canary = Resource::new(ResourceType::FlinkDeployment, "shop", "bird");
        health.canaries().wanted(&canary, 1, Instant::now());
        assert!(health.liveness(Instant::now()).is_empty());
        tokio::time::advance(CANARY + Duration::from_secs(1)).await;
        let complaints = health.liveness(Instant::now());
        assert!(complaints[0].contains("shop/bird"), "{complaints:?}");
        health.canaries().passed(&canary, 1);
        assert!(health.liveness(Instant::now()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_watch_is_no_broken_one() {
        let health = health();
        health.watch_alive(&of("Pod"));
        tokio::time::advance(PATIENCE * 100).await;
        assert!(health.liveness(Instant::now()).is_empty());
    }

    /// Serves on a port of the machine's choice; its address and what ends it.
    async fn start(router: Router) -> (String, tokio::sync::oneshot::Sender<()>) {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        tokio::spawn(serve(listener, router, async {
            let _ = stopped.await;
        }));
        (format!("http://{address}"), stop)
    }

    async fn ask(url: String) -> (u16, String) {
        let answer = reqwest::get(url).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    #[tokio::test]
    async fn any_path_of_the_health_port_answers_as_the_java_operator_does() {
        let health = Health::new(Duration::ZERO, CANARY);
        let (base, _stop) = start(health_router(health.clone(), metrics())).await;
        for path in ["/", "/healthz", "/anything/else"] {
            assert_eq!(
                ask(format!("{base}{path}")).await,
                (200, "OK".to_owned()),
                "{path}"
            );
        }
        let long_ago = Instant::now() - Duration::from_secs(2);
        health.watch_broken(&of("Pod"), "forbidden", long_ago);
        for path in ["/", "/healthz"] {
            let (code, text) = ask(format!("{base}{path}")).await;
            assert_eq!((code, text.lines().next()), (500, Some("ERROR")), "{path}");
        }
    }

    #[tokio::test]
    async fn readiness_and_metrics_are_served_beside_it() {
        let health = health();
        let (base, _stop) = start(health_router(health.clone(), metrics())).await;
        assert_eq!(ask(format!("{base}/readyz")).await.0, 500);
        health.set_ready(true);
        assert_eq!(ask(format!("{base}/readyz")).await, (200, "OK".to_owned()));
        let (code, text) = ask(format!("{base}/metrics")).await;
        assert_eq!(code, 200);
        assert!(text.contains("flink_operator_build_info"), "{text}");
    }

    #[tokio::test]
    async fn the_metrics_port_serves_nothing_else() {
        let (base, _stop) = start(metrics_router(metrics())).await;
        assert_eq!(ask(format!("{base}/metrics")).await.0, 200);
        assert_eq!(ask(format!("{base}/healthz")).await.0, 404);
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_remedy() {
        let taken = listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a free port");
        let address = taken.local_addr().expect("it is bound");
        let error = listen(address).await.expect_err("it is taken");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
