//! Watches beside those of the controllers: what passes look up in memory instead of asking.
//!
//! The rule: a watch that breaks is reported to [`Health`] and goes on by itself.

use flink_crds::FlinkStateSnapshot;
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use crate::controllers::{self, Scope};
use crate::deadline::deadline;
use crate::namespaces::Stop;
use crate::serve::Health;
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
    /// Keep JobManager Deployments in memory, so that a pass at rest asks the API server nothing.
    pub fn job_managers(&self) -> Store<Deployment> {
        let api: Api<Deployment> =
            controllers::scoped(self.client, self.scope.namespace.as_deref());
        let (store, writer) = reflector::store();
        let config = watcher::Config::default().labels(controllers::JOB_MANAGERS);
        let stream = watcher(api, config)
            .default_backoff()
            .modify(|deployment| deployment.metadata.managed_fields = None)
            .reflect(writer);
        self.follow("Deployment", stream, |_| {});
        store
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
        stream: impl Stream<Item = Result<T, watcher::Error>> + Send + 'static,
        mut take_in: impl FnMut(T) + Send + 'static,
    ) {
        let (health, metrics) = (self.health.clone(), self.metrics.clone());
        let namespace = self.scope.namespace.clone();
        health.watch_begun(kind, tokio::time::Instant::now());
        let end = (health.clone(), self.stop.clone());
        let all = stream.take_until(end.1).for_each(move |event| {
            match event {
                Ok(event) => {
                    health.watch_alive(kind);
                    take_in(event);
                }
                Err(error) => {
                    metrics.watch_failed(kind);
                    let (reason, now) = (error.to_string(), tokio::time::Instant::now());
                    match &namespace {
                        // One namespace without permission is no reason to start the operator, and so all others,
                        // again.
                        Some(_) if is_forbidden(&error) => health.watch_alive(kind),
                        _ => health.watch_broken(kind, &reason, now),
                    }
                    let namespace = namespace.as_deref().unwrap_or("(all)");
                    tracing::warn!(namespace, %error, "the watch of {kind}s broke");
                }
            }
            futures::future::ready(())
        });
        tokio::spawn(async move {
            all.await;
            // What is not watched any more cannot be broken.
            end.0.watch_alive(kind);
        });
    }
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
