//! The controller of FlinkDeployments.

use std::sync::Arc;
use std::time::Duration;

use flink_crds::FlinkDeployment;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use super::{Context, invalid, scaling};
use crate::act;
use crate::deadline::deadline;
use crate::domain::{Desired, decide, needs};
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::{Facts, Outcome, Resource, ResourceType};

/// Longest time one pass may take before it is given up; the next one decides anew.
const PASS_LIMIT: Duration = Duration::from_mins(2);

/// Run the controller over `namespace` (all, if absent) until `stop` resolves.
pub async fn run(
    client: Client,
    namespace: Option<String>,
    selector: Option<String>,
    concurrency: u16,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let deployments: Api<DeserializeGuard<FlinkDeployment>> = scoped(&client, namespace.as_deref());
    let job_managers: Api<Deployment> = scoped(&client, namespace.as_deref());
    let mut watched = watcher::Config::default();
    if let Some(selector) = selector {
        watched = watched.labels(&selector);
    }
    Controller::new(deployments, watched)
        .owns(
            job_managers,
            watcher::Config::default().labels(super::JOB_MANAGERS),
        )
        .with_config(Config::default().concurrency(concurrency))
        .graceful_shutdown_on(stop)
        .run(reconcile, on_error, context)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(error = %Chain(&error), "controller");
            }
        })
        .await;
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    namespace.map_or_else(
        || Api::all(client.clone()),
        |namespace| Api::namespaced(client.clone(), namespace),
    )
}

async fn reconcile(
    object: Arc<DeserializeGuard<FlinkDeployment>>,
    context: Arc<Context>,
) -> Result<Action, act::Error> {
    let started = Instant::now();
    let span = tracing::info_span!(
        "pass",
        kind = "FlinkDeployment",
        object.namespace = object.namespace().unwrap_or_default(),
        object.name = object.name_any(),
    );
    let outcome = {
        use tracing::Instrument;
        tokio::time::timeout(PASS_LIMIT, Box::pin(guarded(&object, &context)))
            .instrument(span)
            .await
    };
    let outcome = outcome.unwrap_or_else(|_| {
        Err(act::Error::Stuck {
            seconds: PASS_LIMIT.as_secs(),
        })
    });
    let how = match &outcome {
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(error.category()),
    };
    context
        .metrics
        .observe_reconcile(ResourceType::FlinkDeployment, how, started.elapsed());
    if outcome.is_ok() {
        context.retries.forget(&key(&*object));
    }
    outcome
}

async fn guarded(
    object: &DeserializeGuard<FlinkDeployment>,
    context: &Context,
) -> Result<Action, act::Error> {
    match &object.0 {
        Ok(object) => Box::pin(pass(object, context)).await,
        Err(error) => invalid::report(&context.actor, error).await,
    }
}

/// One pass: observe, decide, act.
pub async fn pass(object: &FlinkDeployment, context: &Context) -> Result<Action, act::Error> {
    let Some(object) = current(object, context).await? else {
        context.metrics.forget(&resource(object));
        return Ok(Action::await_change());
    };
    let status = object.status.clone().unwrap_or_default();
    let desired = Desired::of(&object, &context.defaults());
    let needs = needs(&desired, &status);
    let look = context.observer.observe(&object, &desired, &status, &needs);
    let observed = Box::pin(look).await;
    let plan = decide(&desired, &status, &observed);
    for waiting in &plan.waiting {
        tracing::debug!(%waiting, "waiting");
    }
    let facts = Facts::of_deployment(&plan.status);
    context
        .metrics
        .set_resource(&resource(&object), facts, observed.now);
    match &plan.verdict {
        Some(verdict) => scaling::measure(&context.metrics, &resource(&object), verdict),
        None if plan.status.autoscaler.is_none() => context.metrics.unscaled(&resource(&object)),
        None => {}
    }
    let outcome = context.actor.act(&object, &plan).await;
    if let Some(version) = outcome.written
        && let Ok(mut memory) = context.written.lock()
    {
        memory.insert(key(&object), version);
    }
    if let Some(error) = outcome.error {
        return Err(error);
    }
    Ok(plan
        .look_again
        .map_or_else(Action::await_change, Action::requeue))
}

/// The object as it is now: the watch may lag behind our own last write.
async fn current(
    object: &FlinkDeployment,
    context: &Context,
) -> Result<Option<FlinkDeployment>, act::Error> {
    let ours = context
        .written
        .lock()
        .ok()
        .and_then(|memory| memory.get(&key(object)).cloned());
    let version = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
    let lags = ours.is_some()
        && version(object.metadata.resource_version.as_ref()) < version(ours.as_ref());
    if !lags {
        return Ok(Some(object.clone()));
    }
    let name = object.name_any();
    let api: Api<FlinkDeployment> = Api::namespaced(
        context.actor.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    deadline(api.get_opt(&name))
        .await
        .map_err(|source| act::Error::api("read", "FlinkDeployment", &name, source))
}

fn resource(object: &FlinkDeployment) -> Resource {
    let namespace = object.namespace().unwrap_or_default();
    Resource::new(
        ResourceType::FlinkDeployment,
        &namespace,
        &object.name_any(),
    )
}

fn key<K: kube::Resource>(object: &K) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature the controller asks for"
)]
fn on_error(
    object: Arc<DeserializeGuard<FlinkDeployment>>,
    error: &act::Error,
    context: Arc<Context>,
) -> Action {
    let key = key(&*object);
    let delay = context.retries.after(&key, error);
    match error {
        act::Error::Conflict | act::Error::NotLeader => {
            tracing::debug!(object = key, error = %Chain(error), "pass given up");
        }
        _ => tracing::warn!(
            object = key,
            error = %Chain(error),
            retry_in_ms = delay.as_millis(),
            "pass failed"
        ),
    }
    Action::requeue(delay)
}
