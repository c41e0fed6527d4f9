//! What looks after a namespace: its watches, its controllers, and what they share.
//!
//! The rule: namespaces do not disturb each other; each has watches, caches and queues of its own.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::act::Actor;
use crate::clock::Clock;
use crate::config::{Defaults, options};
use crate::controllers::{self, Context, Scope};
use crate::flink::FlinkRest;
use crate::leader::Claim;
use crate::observe::{Hpas, Observer, Rooms};
use crate::prometheus::Prometheus;
use crate::scaler_memory::ScalerMemories;
use crate::serve::Health;
use crate::snapshots::Snapshots;
use crate::telemetry::Metrics;
use crate::watch::Watches;

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
    pub defaults: Defaults,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Is told how the watches do.
    pub health: Health,
}

impl Shared {
    /// Look after one namespace (all, if absent) until `stop` resolves; the tasks go into `running`.
    pub async fn look_after(
        &self,
        namespace: Option<String>,
        running: &mut JoinSet<()>,
        stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<()> {
        let scope = self.scope(namespace)?;
        let watches = Watches {
            client: &self.client,
            scope: &scope,
            health: &self.health,
            metrics: &self.metrics,
        };
        let snapshots = Snapshots::default();
        let installed = watches.snapshots(&snapshots).await;
        let memories = ScalerMemories::default();
        let observer = Observer {
            client: self.client.clone(),
            flink: self.flink.clone(),
            deployments: Some(watches.job_managers()),
            snapshots,
            hpas: Hpas::default(),
            prometheus: self.prometheus.clone(),
            memories: memories.clone(),
            rooms: self.rooms.clone(),
            clock: self.clock.clone(),
        };
        let actor = Actor {
            client: self.client.clone(),
            flink: self.flink.clone(),
            memories,
            claim: self.claim.clone(),
            clock: self.clock.clone(),
        };
        let (defaults, metrics) = (self.defaults.clone(), self.metrics.clone());
        let context = Arc::new(Context::new(observer, actor, defaults, metrics));
        tracing::info!(
            namespace = scope.namespace.as_deref().unwrap_or("(all)"),
            "watching"
        );
        if installed {
            running.spawn(controllers::snapshots(
                self.client.clone(),
                scope.clone(),
                Arc::clone(&context),
                stop.clone(),
            ));
        }
        let client = self.client.clone();
        running.spawn(controllers::deployments(client, scope, context, stop));
        Ok(())
    }

    fn scope(&self, namespace: Option<String>) -> anyhow::Result<Scope> {
        let config = self.defaults.operator();
        let parallelism: i32 = config
            .get(&options::RECONCILE_PARALLELISM)
            .context("failed to read how many passes may run at once")?;
        Ok(Scope {
            namespace,
            selector: config.get(&options::LABEL_SELECTOR)?,
            concurrency: u16::try_from(parallelism).unwrap_or(0),
        })
    }
}
