//! Listeners at work: a queue and a task each.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::news::{Audience, News, of_event, of_status};
use super::queue::Queue;
use super::{Failure, Listener};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Hearing;

/// The log speaks of a listener's losses this often at most.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// Two listeners have the same name.
#[derive(Debug, thiserror::Error)]
#[error("two listeners are called {0}; give each a name of its own")]
pub struct DuplicateName(String);

/// A listener before it is started.
pub struct Attached {
    name: String,
    capacity: usize,
    serve: Box<dyn FnOnce(Arc<Outlet>) -> BoxFuture<'static, ()> + Send>,
}

impl Attached {
    /// `listener`, to be started.
    pub fn new(listener: impl Listener) -> Self {
        Self {
            name: listener.name().to_owned(),
            capacity: listener.capacity(),
            serve: Box::new(|outlet| serve(listener, outlet).boxed()),
        }
    }
}

/// What waits for one listener.
struct Outlet {
    name: String,
    queue: Queue<News>,
    metrics: Metrics,
    /// Dropped since the log last spoke of it, and when it did.
    dropped: Mutex<(u64, Option<Instant>)>,
}

impl Outlet {
    fn put(&self, news: News) {
        if self.queue.put(news).is_some() {
            self.lose(1);
        }
        self.metrics.waits_for(&self.name, self.queue.len());
    }

    /// So many will not be told.
    fn lose(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.metrics.heard(&self.name, Hearing::Dropped, count);
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.0 = dropped.0.saturating_add(count);
        let silent = dropped.1.is_none_or(|said| said.elapsed() >= SAID_EVERY);
        if silent {
            tracing::warn!(
                listener = self.name,
                dropped = dropped.0,
                "the listener is too slow or down: the oldest of what waits for it is dropped"
            );
            *dropped = (0, Some(Instant::now()));
        }
    }
}

/// Where passes leave what they wrote. Clones are the same; without listeners it costs nothing.
#[derive(Clone, Default)]
pub struct Newsroom {
    outlets: Arc<[Arc<Outlet>]>,
    /// Uids of resources that were told since the start.
    told: Arc<Mutex<HashSet<String>>>,
}

impl Newsroom {
    /// A pass found `before` and wrote `status`, at this version; or it wrote nothing, which is news only of a resource
    /// that was not told before.
    pub fn status<K>(&self, before: &K, status: &K::Status, version: Option<&str>, at: Timestamp)
    where
        K: Audience,
        K::Status: Clone,
    {
        if self.outlets.is_empty() {
            return;
        }
        let first = self.told().insert(before.uid().unwrap_or_default());
        if version.is_none() && !first {
            return;
        }
        let mut object = before.clone();
        *object.status_mut() = Some(status.clone());
        if let Some(version) = version {
            object.meta_mut().resource_version = Some(version.to_owned());
        }
        let before = before.status().filter(|_| !first).cloned();
        self.tell(&of_status(object, before, at));
    }

    /// An event was written.
    pub fn event(&self, event: Event, at: Timestamp) {
        if !self.outlets.is_empty() {
            self.tell(&of_event(event, at));
        }
    }

    /// The resource goes.
    pub fn forget(&self, object: &impl ResourceExt) {
        if let Some(uid) = object.uid() {
            self.told().remove(&uid);
        }
    }

    fn tell(&self, news: &News) {
        for outlet in &*self.outlets {
            outlet.put(news.clone());
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The listeners of a process.
pub struct Running {
    newsroom: Newsroom,
    tasks: JoinSet<()>,
}

impl Running {
    /// Start them.
    ///
    /// # Errors
    /// When two have the same name.
    pub fn start(listeners: Vec<Attached>, metrics: &Metrics) -> Result<Self, DuplicateName> {
        let mut names = HashSet::new();
        let mut outlets = Vec::new();
        let mut tasks = JoinSet::new();
        for Attached {
            name,
            capacity,
            serve,
        } in listeners
        {
            if !names.insert(name.clone()) {
                return Err(DuplicateName(name));
            }
            let outlet = Arc::new(Outlet {
                name,
                queue: Queue::new(capacity),
                metrics: metrics.clone(),
                dropped: Mutex::default(),
            });
            tasks.spawn(serve(Arc::clone(&outlet)));
            outlets.push(outlet);
        }
        let newsroom = Newsroom {
            outlets: outlets.into(),
            told: Arc::default(),
        };
        Ok(Self { newsroom, tasks })
    }

    /// Where passes leave what they wrote.
    pub fn newsroom(&self) -> Newsroom {
        self.newsroom.clone()
    }

    /// Take nothing more in, and give the listeners this long for what waits. The rest is dropped.
    pub async fn end(mut self, limit: Duration) {
        for outlet in &*self.newsroom.outlets {
            outlet.queue.close();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_ok() {
            return;
        }
        for outlet in &*self.newsroom.outlets {
            let left = outlet.queue.len();
            if left > 0 {
                outlet.lose(left);
            }
        }
    }
}

async fn serve<L: Listener>(listener: L, outlet: Arc<Outlet>) {
    while let Some(news) = outlet.queue.take().await {
        outlet.metrics.waits_for(&outlet.name, outlet.queue.len());
        let call = AssertUnwindSafe(hear(&listener, &news)).catch_unwind();
        let how = match call.await {
            Ok(Ok(())) => Hearing::Delivered,
            Ok(Err(error)) => {
                let error = crate::telemetry::logs::Chain(error.as_ref());
                tracing::warn!(listener = outlet.name, notice = news.id(), %error, "a listener failed");
                Hearing::Failed
            }
            Err(_) => {
                tracing::error!(
                    listener = outlet.name,
                    notice = news.id(),
                    "a listener panicked"
                );
                Hearing::Panicked
            }
        };
        outlet.metrics.heard(&outlet.name, how, 1);
    }
}

async fn hear<L: Listener>(listener: &L, news: &News) -> Result<(), Failure> {
    match news {
        News::Deployment(written) => listener.deployment_status(written).await,
        News::Snapshot(written) => listener.snapshot_status(written).await,
        News::Event(written) => listener.event(written).await,
    }
}

#[cfg(test)]
mod tests;
