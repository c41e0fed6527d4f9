//! A Kubernetes API server in memory, behind `kube::Client`.
//!
//! [`ApiServer::client`] is what the operator gets; a test uses [`ApiServer::create`], [`ApiServer::get`]
//! and their like, which meet no faults and are not audited. Requests to a Service's proxy go to the
//! simulated Flink.
//!
//! The rule: one lock, never held across an await; the same requests in the same order give the same
//! answers.

mod apply;
mod audit;
mod direct;
mod failure;
mod faults;
mod gc;
mod kinds;
mod patch;
mod path;
mod read;
mod request;
mod selector;
mod store;
mod verbs;
mod watch;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::client::Body as ClientBody;
use serde_json::Value;

pub use audit::{Audit, Write};
pub use failure::Failure;
pub use faults::{Fault, FaultPlan};
pub(crate) use gc::{Chore, chores, released};
pub(crate) use kinds::of_object as kind_of_object;
pub use kinds::{KINDS, Kind};
pub(crate) use patch::merge as merge_patch;

use crate::SimClock;
use crate::flink::SimFlink;
use faults::Faults;
use store::Store;

/// A simulated Flink that several parts share.
pub type SharedFlink = Arc<Mutex<SimFlink>>;

/// The server. Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    flink: SharedFlink,
    clock: SimClock,
}

/// Objects, and the revision they were listed at.
type CachedList = (u64, Arc<Vec<Arc<Value>>>);

struct State {
    store: Store,
    faults: Faults,
    audit: Audit,
    /// Plurals whose kinds are not installed.
    absent: BTreeSet<String>,
    /// What garbage collection has seen.
    collected: u64,
    /// Lists by plural and selector, each with the revision it was made at.
    lists: BTreeMap<(String, String), CachedList>,
}

impl ApiServer {
    /// An empty server at the time of `clock`, whose Services lead to `flink`.
    pub fn new(clock: SimClock, flink: SharedFlink) -> Self {
        let state = State {
            store: Store::default(),
            faults: Faults::new(0, FaultPlan::NONE),
            audit: Audit::default(),
            absent: BTreeSet::new(),
            collected: 0,
            lists: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            flink,
            clock,
        }
    }

    /// A client of this server, as the operator uses it. Needs a tokio runtime.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// From now on meet faults of this plan, chosen by this seed.
    pub fn set_faults(&self, seed: u64, plan: FaultPlan) {
        self.state().faults = Faults::new(seed, plan);
    }

    /// From now on meet exactly these faults, each once: at the call of this number, counted from here, or at
    /// the first one after it that can meet it. `seed` decides how old an old list is.
    pub fn set_script(&self, seed: u64, script: Vec<(u64, Fault)>) {
        self.state().faults = Faults::scripted(seed, script);
    }

    /// Revision of the last change of the kind with this plural; 0 if there was none.
    pub fn changed_at(&self, plural: &str) -> u64 {
        self.state().store.changed_at(&direct::kind_key(plural))
    }

    /// Faults met since they were set.
    pub fn faults_met(&self) -> u64 {
        self.state().faults.met
    }

    /// What clients asked for so far.
    pub fn audit(&self) -> Audit {
        self.state().audit.clone()
    }

    /// Forget what clients asked for so far.
    pub fn clear_audit(&self) {
        self.state().audit.clear();
    }

    /// Answer as if the kind with this plural was not installed.
    pub fn uninstall(&self, plural: &str) {
        self.state().absent.insert(plural.to_owned());
    }

    /// Forget old revisions: watches that resume from before now get 410.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Close every watch.
    pub fn drop_watches(&self) {
        self.state().store.drop_watches();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flink(&self) -> MutexGuard<'_, SimFlink> {
        self.flink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl tower::Service<Request<ClientBody>> for ApiServer {
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ClientBody>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { Ok(server.answer(request).await) })
    }
}

#[cfg(test)]
mod tests;
