//! Everything around the operator, put together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ApiServer, SharedFlink};
use crate::flink::SimFlink;
use crate::node::Node;
use crate::{SimClock, flink};

/// How often the node looks around while a world runs.
const TICK: Duration = Duration::from_millis(250);

/// An API server, a Flink and a node with one clock. Cheap to clone; clones are the same world.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: SimClock,
    /// The API server.
    pub api: ApiServer,
    flink: SharedFlink,
    node: Arc<Mutex<Node>>,
}

impl World {
    /// An empty world at `base`, whose time follows tokio's; tests pause that.
    pub fn new(base: Timestamp) -> Self {
        Self::with_clock(SimClock::tokio(base))
    }

    /// An empty world with this clock.
    pub fn with_clock(clock: SimClock) -> Self {
        let flink = Arc::new(Mutex::new(SimFlink::new()));
        let api = ApiServer::new(clock.clone(), Arc::clone(&flink));
        let node = Arc::new(Mutex::new(Node::new(api.clone(), Arc::clone(&flink))));
        Self {
            clock,
            api,
            flink,
            node,
        }
    }

    /// A client of the API server, as the operator uses it.
    pub fn client(&self) -> kube::Client {
        self.api.client()
    }

    /// The simulated Flink; do not hold it across an await.
    pub fn flink(&self) -> MutexGuard<'_, SimFlink> {
        self.flink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node; do not hold it across an await.
    pub fn node(&self) -> MutexGuard<'_, Node> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round of the node.
    pub fn tick(&self) {
        let now = self.clock.now();
        // Reads of the in-memory server cannot fail, and a write that fails is repeated.
        let _ = self.node().tick(now);
    }

    /// Let the node look around until the task is aborted.
    pub fn run(&self) -> tokio::task::JoinHandle<()> {
        let world = self.clone();
        tokio::spawn(async move {
            loop {
                world.tick();
                tokio::time::sleep(TICK).await;
            }
        })
    }

    /// Wait until `holds`, at most `limit`; false if it does not come to hold.
    pub async fn until(&self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let end = tokio::time::Instant::now() + limit;
        while !holds(self) {
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(TICK).await;
        }
        true
    }

    /// Flink's REST interface over HTTP, for processes that reach it by a URL.
    pub fn router(&self) -> axum::Router {
        flink::router(Arc::clone(&self.flink), self.clock.clone())
    }
}
