//! Watches: what triggers passes, and what they look up in memory instead of asking.
//!
//! The rule: every watch is [`seen`](Watches::seen): one that breaks is reported to [`Health`] and goes on by itself.

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};
use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ListParams;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self as watching, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::time::Instant;

use crate::controllers::{self, Scope};
use crate::deadline::deadline;
use crate::namespaces::Stop;
use crate::serve::{Health, WatchOf};
use crate::snapshots::Snapshots;
use crate::telemetry::Metrics;

/// What watching needs.
pub struct Watches<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Which objects.
    pub scope: &'a Scope,
    /// Is told how the watches do.
    pub health: &'a Health,
    /// Counts their failures.
    pub metrics: &'a Metrics,
    /// Ends them.
    pub stop: &'a Stop,
}

impl Watches<'_> {
    /// Keep JobManager Deployments in memory, so that a pass at rest asks the API server nothing; and the
    /// FlinkDeployments whose one has changed, after memory has.
    pub fn job_managers(&self) -> (Store<Deployment>, Triggers<FlinkDeployment>) {
        let api: Api<Deployment> =
            controllers::scoped(self.client, self.scope.namespace.as_deref());
        let (store, writer) = reflector::store();
        let config = watcher::Config::default().labels(controllers::JOB_MANAGERS);
        let stream = watcher(api, config)
            .default_backoff()
            .modify(|deployment| deployment.metadata.managed_fields = None)
            .reflect(writer);
        let (changed, triggers) = mpsc::unbounded();
        self.follow("Deployment", stream, move |event| {
            if let Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) = event {
                for owner in owners(&object) {
                    // Nobody listens any more when the namespace was let go.
                    let _ = changed.unbounded_send(owner);
                }
            }
        });
        (store, triggers)
    }

    /// Keep Ingresses of clusters in memory.
    pub fn ingresses(&self) -> Store<Ingress> {
        let api: Api<Ingress> = controllers::scoped(self.client, self.scope.namespace.as_deref());
        let (store, writer) = reflector::store();
        let config = watcher::Config::default().labels("component=ingress");
        let stream = watcher(api, config)
            .default_backoff()
            .modify(|ingress| ingress.metadata.managed_fields = None)
            .reflect(writer);
        self.follow("Ingress", stream, |_| {});
        store
    }

    /// Keep what matters of FlinkStateSnapshots in memory. Returns whether the kind is installed.
    pub async fn snapshots(&self, snapshots: &Snapshots) -> bool {
        let api: Api<FlinkStateSnapshot> =
            controllers::scoped(self.client, self.scope.namespace.as_deref());
        let first = deadline(api.list_metadata(&ListParams::default().limit(1))).await;
        if matches!(&first, Err(kube::Error::Api(status)) if status.code == 404) {
            tracing::warn!(
                "the kind FlinkStateSnapshot is not installed: snapshots are kept in the status of their \
                 FlinkDeployment. Apply its definition and start the operator again to have resources"
            );
            snapshots.not_installed();
            return false;
        }
        let mut config = watcher::Config::default();
        if let Some(selector) = &self.scope.selector {
            config = config.labels(selector);
        }
        let stream = watcher(api, config).default_backoff();
        let index = snapshots.clone();
        self.follow("FlinkStateSnapshot", stream, move |event| {
            index.take_in(event);
        });
        true
    }

    /// Follow a watch for as long as the process lives.
    fn follow<T: Send + 'static>(
        &self,
        kind: &'static str,
        stream: impl Stream<Item = watching::Result<T>> + Send + 'static,
        mut take_in: impl FnMut(T) + Send + 'static,
    ) {
        let seen = self.seen(kind, stream);
        tokio::spawn(seen.for_each(move |event| {
            if let Ok(event) = event {
                take_in(event);
            }
            futures::future::ready(())
        }));
    }

    /// The same watch, until it is to end; how it does is told to those who ask about the process.
    pub fn seen<T, S>(
        &self,
        kind: &'static str,
        stream: S,
    ) -> impl Stream<Item = watching::Result<T>> + Send + use<T, S>
    where
        T: Send + 'static,
        S: Stream<Item = watching::Result<T>> + Send + 'static,
    {
        let (health, metrics) = (self.health.clone(), self.metrics.clone());
        let of = WatchOf {
            kind,
            namespace: self.scope.namespace.clone(),
        };
        health.watch_begun(&of, Instant::now());
        let (ended, end_of) = (health.clone(), of.clone());
        let stop = self.stop.clone();
        let stop = async move {
            stop.await;
            ended.watch_ended(&end_of);
        };
        stream
            .inspect(move |event| {
                let Err(error) = event else {
                    return health.watch_alive(&of);
                };
                metrics.watch_failed(kind);
                if of.namespace.is_some() && is_forbidden(error) {
                    // One namespace without permission is no reason to start the operator, and so all others, again.
                    health.watch_alive(&of);
                } else {
                    health.watch_broken(&of, &error.to_string(), Instant::now());
                }
                let namespace = of.namespace.as_deref().unwrap_or("(all)");
                tracing::warn!(namespace, %error, "the watch of {kind}s broke");
            })
            .take_until(stop)
    }
}

/// Objects whose pass something else asks for.
pub type Triggers<K> = mpsc::UnboundedReceiver<ObjectRef<K>>;

/// The objects of a kind that own this one.
fn owners<K: Resource<DynamicType = ()>>(object: &impl ResourceExt) -> Vec<ObjectRef<K>> {
    let namespace = object.namespace().unwrap_or_default();
    let of_kind = |owner: &&OwnerReference| {
        owner.kind == K::kind(&()) && owner.api_version == K::api_version(&())
    };
    let owners = object.owner_references().iter().filter(of_kind);
    owners
        .map(|owner| ObjectRef::new(&owner.name).within(&namespace))
        .collect()
}

/// The operator may not see these objects.
fn is_forbidden(error: &watcher::Error) -> bool {
    use kube::Error::Api;
    use watcher::Error::{InitialListFailed, WatchError, WatchStartFailed};
    matches!(
        error,
        InitialListFailed(Api(status)) | WatchStartFailed(Api(status)) | WatchError(status)
            if status.code == 403
    )
}
