//! What looks after a namespace: its watches, its controllers, and what they share.
//!
//! The rule: namespaces do not disturb each other; each has watches, caches and queues of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::act::Actor;
use crate::clock::Clock;
use crate::config::options;
use crate::controllers::{self, Context, Scope, SharedDefaults};
use crate::deadline::deadline;
use crate::domain::Rules;
use crate::flink::FlinkRest;
use crate::leader::Claim;
use crate::listen::Newsroom;
use crate::observe::{Hpas, Observer, Rooms};
use crate::prometheus::Prometheus;
use crate::scaler_memory::ScalerMemories;
use crate::serve::Health;
use crate::snapshots::Snapshots;
use crate::telemetry::Metrics;
use crate::watch::Watches;

/// A future, to be cloned, that resolves when something is to end.
pub type Stop = futures::future::Shared<BoxFuture<'static, ()>>;

/// The namespaces that are looked after; `None` is all of them.
pub struct Watched {
    by_name: BTreeMap<Option<String>, oneshot::Sender<()>>,
    running: JoinSet<()>,
    stop: Stop,
}

impl Watched {
    /// None yet; all end when `stop` resolves.
    pub fn none(stop: Stop) -> Self {
        Self {
            by_name: BTreeMap::new(),
            running: JoinSet::new(),
            stop,
        }
    }

    /// Whether these are the ones.
    pub fn is(&self, names: Option<&BTreeSet<String>>) -> bool {
        self.by_name.keys().eq(wanted(names).iter())
    }

    /// Look after these from now on, and let go of the others: passes under way come to their end, and the jobs
    /// are left as they are.
    ///
    /// One that cannot be looked after does not keep the others from it; the first such error is returned.
    pub async fn switch_to(
        &mut self,
        names: Option<BTreeSet<String>>,
        shared: &Shared,
    ) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let wanted = wanted(names.as_ref());
        self.by_name.retain(|present, _| {
            let stays = wanted.contains(present);
            if !stays {
                tracing::info!(namespace = name(present.as_ref()), "let go");
            }
            // Dropping its sender ends what looks after it.
            stays
        });
        for namespace in wanted {
            if self.by_name.contains_key(&namespace) {
                continue;
            }
            let (end, ended) = oneshot::channel::<()>();
            let all = self.stop.clone();
            let stop = async move {
                tokio::select! {
                    () = all => {}
                    _ = ended => {}
                }
            };
            let stop = stop.boxed().shared();
            let begun = shared.look_after(namespace.clone(), &mut self.running, stop);
            match begun.await {
                Ok(()) => {
                    self.by_name.insert(namespace, end);
                }
                Err(error) => {
                    let namespace = name(namespace.as_ref());
                    let error = error.context(format!("{namespace} cannot be looked after"));
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }

    /// Wait until all passes are done, but not longer than this. Returns whether they are.
    pub async fn ended(mut self, limit: Duration) -> bool {
        let all = async { while self.running.join_next().await.is_some() {} };
        tokio::time::timeout(limit, all).await.is_ok()
    }
}

fn wanted(names: Option<&BTreeSet<String>>) -> BTreeSet<Option<String>> {
    match names {
        None => BTreeSet::from([None]),
        Some(names) => names.iter().cloned().map(Some).collect(),
    }
}

fn name(namespace: Option<&String>) -> &str {
    namespace.map_or("(all)", String::as_str)
}

/// What all namespaces share.
pub struct Shared {
    /// The API server.
    pub client: kube::Client,
    /// Flink's REST interface.
    pub flink: FlinkRest,
    /// Prometheus servers.
    pub prometheus: Prometheus,
    /// How many TaskManagers could still be had.
    pub rooms: Rooms,
    /// The right to write.
    pub claim: Claim,
    /// Time and identities.
    pub clock: Clock,
    /// The operator's configuration.
    pub defaults: SharedDefaults,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Is told how the watches do.
    pub health: Health,
    /// What extensions add to understanding a resource.
    pub rules: Rules,
    /// Who is told of what was written.
    pub news: Newsroom,
}

impl Shared {
    /// Look after one namespace (all, if absent) until `stop` resolves; the tasks go into `running`.
    async fn look_after(
        &self,
        namespace: Option<String>,
        running: &mut JoinSet<()>,
        stop: Stop,
    ) -> anyhow::Result<()> {
        let scope = self.scope(namespace)?;
        let watches = Watches {
            client: &self.client,
            scope: &scope,
            health: &self.health,
            metrics: &self.metrics,
            stop: &stop,
        };
        let snapshots = Snapshots::default();
        let installed = watches.snapshots(&snapshots).await;
        let manages_ingresses = self.defaults.get().manages_ingresses();
        let memories = ScalerMemories::default();
        let (job_managers, changed) = watches.job_managers();
        let observer = Observer {
            client: self.client.clone(),
            flink: self.flink.clone(),
            deployments: Some(job_managers),
            ingresses: manages_ingresses.then(|| watches.ingresses()),
            snapshots,
            hpas: Hpas::default(),
            prometheus: self.prometheus.clone(),
            memories: memories.clone(),
            rooms: self.rooms.clone(),
            clock: self.clock.clone(),
            rules: self.rules.clone(),
        };
        let actor = Actor {
            client: self.client.clone(),
            flink: self.flink.clone(),
            memories,
            claim: self.claim.clone(),
            clock: self.clock.clone(),
            news: self.news.clone(),
        };
        let (defaults, metrics) = (self.defaults.clone(), self.metrics.clone());
        let context = Context::new(observer, actor, defaults, metrics);
        let context = Arc::new(context.with_canaries(self.health.canaries().clone()));
        tracing::info!(namespace = name(scope.namespace.as_ref()), "watching");
        if let Some(namespace) = &scope.namespace {
            self.name_if_missing(namespace).await;
        }
        let deployments = controllers::deployments(&watches, changed, Arc::clone(&context));
        let snapshots = installed.then(|| controllers::snapshots(&watches, Arc::clone(&context)));
        running.spawn(async move {
            tokio::join!(deployments, OptionFuture::from(snapshots));
            if let Some(namespace) = &scope.namespace {
                context.metrics.forget_namespace(namespace);
                context.canaries.forget_namespace(namespace);
            }
        });
        Ok(())
    }

    /// A namespace that does not exist is looked after once it is made; people should know.
    async fn name_if_missing(&self, namespace: &str) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        if let Ok(None) = deadline(api.get_metadata_opt(namespace)).await {
            tracing::warn!(
                namespace,
                "this namespace does not exist; it is looked after as soon as it is made"
            );
        }
    }

    fn scope(&self, namespace: Option<String>) -> anyhow::Result<Scope> {
        let defaults = self.defaults.get();
        let config = defaults.operator();
        let parallelism: i32 = config
            .get(&options::RECONCILE_PARALLELISM)
            .context("failed to read how many passes may run at once")?;
        Ok(Scope {
            namespace,
            selector: config
                .get(&options::LABEL_SELECTOR)?
                .map(|selector| selector.as_str().to_owned()),
            concurrency: u16::try_from(parallelism).unwrap_or(0),
        })
    }
}
