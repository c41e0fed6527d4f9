//! What passes over objects of every kind share: their frame, the lag of the watch, and what follows
//! from a failure.
//!
//! The rule: nothing here knows what a kind is about.

use std::sync::Arc;
use std::time::Duration;

use kube::api::Api;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use tokio::time::Instant;

use super::{Context, invalid};
use crate::act::{self, Kind};
use crate::deadline::deadline;
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::{self, Outcome, ResourceType};

/// Longest time one pass may take before it is given up; the next one decides anew.
const PASS_LIMIT: Duration = Duration::from_mins(2);

/// A kind of which each object gets passes.
pub trait Managed: Kind + Send + Sync + 'static {
    /// The kind in metrics and logs.
    const TYPE: ResourceType;

    /// What `status.error` says of a mistake: the JSON document that tools of the Java operator read.
    fn error_text(reason: &str, message: &str) -> String {
        serde_json::json!({ "type": reason, "message": message }).to_string()
    }

    /// One pass over an object that is as it is now.
    fn pass(
        object: &Self,
        context: &Context,
    ) -> impl Future<Output = Result<Action, act::Error>> + Send;
}

/// What is watched, and how many objects at once get a pass.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The namespace; all if absent.
    pub namespace: Option<String>,
    /// A label selector.
    pub selector: Option<String>,
    /// Passes at once; 0 is without limit.
    pub concurrency: u16,
}

/// A controller over a kind, to which other streams may be added before [`run`].
pub fn controller<K: Managed>(client: &Client, scope: &Scope) -> Controller<DeserializeGuard<K>> {
    let objects: Api<DeserializeGuard<K>> = scoped(client, scope.namespace.as_deref());
    let mut watched = watcher::Config::default();
    if let Some(selector) = &scope.selector {
        watched = watched.labels(selector);
    }
    Controller::new(objects, watched).with_config(Config::default().concurrency(scope.concurrency))
}

/// Run it until `stop` resolves.
pub async fn run<K: Managed>(
    controller: Controller<DeserializeGuard<K>>,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    use futures::StreamExt;
    controller
        .graceful_shutdown_on(stop)
        .run(reconcile::<K>, on_error::<K>, context)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(error = %Chain(&error), "controller");
            }
        })
        .await;
}

/// Objects of a kind, in one namespace or in all.
pub fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    namespace.map_or_else(
        || Api::all(client.clone()),
        |namespace| Api::namespaced(client.clone(), namespace),
    )
}

async fn reconcile<K: Managed>(
    object: Arc<DeserializeGuard<K>>,
    context: Arc<Context>,
) -> Result<Action, act::Error> {
    let started = Instant::now();
    let span = tracing::info_span!(
        "pass",
        kind = K::TYPE.as_str(),
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
        .observe_reconcile(K::TYPE, how, started.elapsed());
    if outcome.is_ok() {
        context.retries.forget(&key::<K>(&*object));
    }
    outcome
}

async fn guarded<K: Managed>(
    object: &DeserializeGuard<K>,
    context: &Context,
) -> Result<Action, act::Error> {
    match &object.0 {
        Ok(object) => Box::pin(pass(object, context)).await,
        Err(error) => invalid::report::<K>(&context.actor, error).await,
    }
}

/// One pass over an object as the watch gave it.
pub async fn pass<K: Managed>(object: &K, context: &Context) -> Result<Action, act::Error> {
    let Some(object) = current(object, context).await? else {
        context.metrics.forget(&resource(object));
        if let Ok(mut memory) = context.written.lock() {
            memory.remove(&key::<K>(object));
        }
        return Ok(Action::await_change());
    };
    Box::pin(K::pass(&object, context)).await
}

/// The object as it is now: the watch may lag behind our own last write.
async fn current<K: Managed>(object: &K, context: &Context) -> Result<Option<K>, act::Error> {
    let ours = context
        .written
        .lock()
        .ok()
        .and_then(|memory| memory.get(&key::<K>(object)).cloned());
    let version = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
    let lags =
        ours.is_some() && version(object.meta().resource_version.as_ref()) < version(ours.as_ref());
    if !lags {
        return Ok(Some(object.clone()));
    }
    let name = object.name_any();
    let api: Api<K> = Api::namespaced(
        context.actor.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    deadline(api.get_opt(&name))
        .await
        .map_err(|source| act::Error::of::<K>("read", &name, source))
}

/// End a pass: remember what was written, and when to come back.
pub fn end<K: Managed>(
    object: &K,
    context: &Context,
    outcome: act::Outcome,
    look_again: Option<Duration>,
) -> Result<Action, act::Error> {
    if let Some(version) = outcome.written
        && let Ok(mut memory) = context.written.lock()
    {
        memory.insert(key::<K>(object), version);
    }
    if let Some(error) = outcome.error {
        return Err(error);
    }
    Ok(look_again.map_or_else(Action::await_change, Action::requeue))
}

/// The object in metrics.
pub fn resource<K: Managed>(object: &K) -> metrics::Resource {
    let namespace = object.namespace().unwrap_or_default();
    metrics::Resource::new(K::TYPE, &namespace, &object.name_any())
}

/// The object in memory; `object` may be one that cannot be read as its kind.
fn key<K: Managed>(object: &impl Resource) -> String {
    format!(
        "{}/{}/{}",
        K::TYPE.as_str(),
        object.meta().namespace.as_deref().unwrap_or_default(),
        object.meta().name.as_deref().unwrap_or_default()
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature the controller asks for"
)]
fn on_error<K: Managed>(
    object: Arc<DeserializeGuard<K>>,
    error: &act::Error,
    context: Arc<Context>,
) -> Action {
    let key = key::<K>(&*object);
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
