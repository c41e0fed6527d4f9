//! What passes over objects of every kind share: their frame, the lag of the watch, and what follows
//! from a failure.
//!
//! The rule: nothing here knows what a kind is about.

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::api::Api;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::controller::{Action, Config, Error, applier};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::utils::StreamBackoff;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use tokio::time::Instant;
use tracing::Instrument;

use super::context::key;
use super::{Context, invalid};
use crate::act::{self, Kind};
use crate::canaries::is_canary;
use crate::deadline::deadline;
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::{self, Outcome, ResourceType};
use crate::watch::Watches;

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
    ) -> impl Future<Output = Result<Passed, act::Error>> + Send;
}

/// How a pass ended that did not fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// When to look again if nothing changes before.
    pub look_again: Option<Duration>,
    /// Something in Flink or Kubernetes has to happen first.
    pub waits: bool,
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

/// Give objects of a kind their passes until the watches are to end: those that changed, those that `others`
/// ask for, and those whose time has come.
pub fn run<K: Managed>(
    watches: &Watches<'_>,
    others: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    context: Arc<Context>,
) -> impl Future<Output = ()> + Send + 'static {
    let scope = watches.scope.clone();
    let objects: Api<Guarded<K>> = scoped(watches.client, scope.namespace.as_deref());
    let mut config = watcher::Config::default();
    if let Some(selector) = &scope.selector {
        config = config.labels(selector);
    }
    let (store, writer) = reflector::store();
    let seen = watches.seen(K::TYPE.as_str(), watcher(objects, config).reflect(writer));
    let (known, counted) = (store.clone(), context.clone());
    let changed = seen.try_filter_map(move |event| {
        let object = take_in(event, &known, scope.namespace.as_deref(), &counted);
        ready(Ok(object))
    });
    let others = others
        .map(|object| ObjectRef::new(&object.name).within(&object.namespace.unwrap_or_default()));
    let counted = context.clone();
    let all = stream::select(changed.boxed(), others.map(Ok).boxed())
        .inspect_ok(move |object| counted.metrics.wanted(&named::<K>(object), Instant::now()));
    let queue = StreamBackoff::new(all, watcher::DefaultBackoff::default())
        .take_until(watches.stop.clone());
    let (known, counted) = (store.clone(), context.clone());
    applier(
        move |object, context| Box::pin(unbroken(object, known.clone(), context)),
        on_error::<K>,
        context,
        store,
        queue,
        Config::default().concurrency(scope.concurrency),
    )
    .for_each(move |outcome| {
        if let Err(error) = outcome {
            if let Error::ObjectNotFound(gone) = &error {
                // Gone since, or none of ours: it does not wait for a pass.
                counted.forget(&named::<K>(gone));
            }
            tracing::debug!(error = %Chain(&error), "controller");
        }
        ready(())
    })
}

type Guarded<K> = DeserializeGuard<K>;

/// What a watch event asks for; objects that are gone leave nothing behind.
fn take_in<K: Managed>(
    event: Event<Guarded<K>>,
    known: &Store<Guarded<K>>,
    namespace: Option<&str>,
    context: &Context,
) -> Option<ObjectRef<Guarded<K>>> {
    match event {
        Event::Apply(object) | Event::InitApply(object) => {
            let (meta, resource) = (object.meta(), resource::<K>(&object));
            if is_canary(meta) {
                let generation = meta.generation.unwrap_or_default();
                context
                    .canaries
                    .wanted(&resource, generation, Instant::now());
            } else {
                context.canaries.forget(&resource);
            }
            Some(ObjectRef::from_obj(&object))
        }
        Event::Delete(object) => {
            context.forget(&resource::<K>(&object));
            None
        }
        Event::InitDone => {
            // What was deleted while the watch was broken is told of by its absence only.
            let exists = |it: &metrics::Resource| {
                let named = ObjectRef::new(&it.name).within(&it.namespace);
                known.get(&named).is_some()
            };
            context.metrics.forget_all_but((K::TYPE, namespace), exists);
            None
        }
        Event::Init => None,
    }
}

/// A pass in a task of its own: a panic in it is an error of this pass and ends nothing else.
async fn unbroken<K: Managed>(
    object: Arc<Guarded<K>>,
    known: Store<Guarded<K>>,
    context: Arc<Context>,
) -> Result<Action, act::Error> {
    let (named, started) = (resource::<K>(&*object), Instant::now());
    let task = reconcile::<K>(Arc::clone(&object), Arc::clone(&context));
    let outcome = tokio::spawn(task.in_current_span()).await;
    let outcome = outcome.unwrap_or_else(|_| {
        let error = act::Error::Crashed;
        let how = Outcome::Failed(error.category());
        context
            .metrics
            .observe_reconcile(K::TYPE, how, started.elapsed());
        context.metrics.ended(&named);
        Err(error)
    });
    if known.get(&ObjectRef::from_obj(&*object)).is_none() {
        // It was deleted during the pass, which has counted it once more.
        context.forget(&named);
    }
    outcome
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
    object: Arc<Guarded<K>>,
    context: Arc<Context>,
) -> Result<Action, act::Error> {
    let resource = resource::<K>(&*object);
    if let Err(not_leader) = context.actor.claim.check() {
        // Who does not lead neither asks nor counts: the leader does.
        context.metrics.forget(&resource);
        return Err(not_leader.into());
    }
    let started = Instant::now();
    context.metrics.begun(&resource, started);
    let span = tracing::info_span!(
        "pass",
        kind = K::TYPE.as_str(),
        object.namespace = object.namespace().unwrap_or_default(),
        object.name = object.name_any(),
    );
    let outcome = tokio::time::timeout(PASS_LIMIT, Box::pin(guarded(&object, &context)))
        .instrument(span)
        .await;
    let outcome = outcome.unwrap_or_else(|_| {
        Err(act::Error::Stuck {
            seconds: PASS_LIMIT.as_secs(),
        })
    });
    let how = match &outcome {
        Ok(passed) if passed.waits => Outcome::Waiting,
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(error.category()),
    };
    let ended = Instant::now();
    let took = ended.saturating_duration_since(started);
    context.metrics.observe_reconcile(K::TYPE, how, took);
    context.metrics.ended(&resource);
    let passed = outcome?;
    context.retries.forget(&key(&resource));
    Ok(passed
        .look_again
        .map_or_else(Action::await_change, |delay| {
            context.metrics.wanted(&resource, ended + delay);
            Action::requeue(delay)
        }))
}

async fn guarded<K: Managed>(object: &Guarded<K>, context: &Context) -> Result<Passed, act::Error> {
    let meta = object.meta();
    if is_canary(meta) {
        let generation = meta.generation.unwrap_or_default();
        context.canaries.passed(&resource::<K>(object), generation);
        return Ok(Passed::default());
    }
    match &object.0 {
        Ok(object) => Box::pin(pass(object, context)).await,
        Err(error) => {
            invalid::report::<K>(&context.actor, error).await?;
            Ok(Passed::default())
        }
    }
}

/// One pass over an object as the watch gave it.
pub async fn pass<K: Managed>(object: &K, context: &Context) -> Result<Passed, act::Error> {
    let Some(object) = current(object, context).await? else {
        context.forget(&resource::<K>(object));
        return Ok(Passed::default());
    };
    Box::pin(K::pass(&object, context)).await
}

/// The object as it is now: the watch may lag behind our own last write.
async fn current<'a, K: Managed>(
    object: &'a K,
    context: &Context,
) -> Result<Option<Cow<'a, K>>, act::Error> {
    let ours = context
        .written
        .lock()
        .ok()
        .and_then(|memory| memory.get(&key(&resource::<K>(object))).cloned());
    let version = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
    let lags =
        ours.is_some() && version(object.meta().resource_version.as_ref()) < version(ours.as_ref());
    if !lags {
        return Ok(Some(Cow::Borrowed(object)));
    }
    let name = object.name_any();
    let api: Api<K> = Api::namespaced(
        context.actor.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    let present = deadline(api.get_opt(&name))
        .await
        .map_err(|source| act::Error::of::<K>("read", &name, source))?;
    Ok(present.map(Cow::Owned))
}

/// End a pass: remember what was written.
pub fn end<K: Managed>(
    object: &K,
    context: &Context,
    outcome: act::Outcome,
    passed: Passed,
) -> Result<Passed, act::Error> {
    if let Some(version) = outcome.written
        && let Ok(mut memory) = context.written.lock()
    {
        memory.insert(key(&resource::<K>(object)), version);
    }
    if let Some(error) = outcome.error {
        return Err(error);
    }
    Ok(passed)
}

/// The object in metrics; `object` may be one that cannot be read as its kind.
pub fn resource<K: Managed>(object: &impl Resource) -> metrics::Resource {
    let meta = object.meta();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let name = meta.name.as_deref().unwrap_or_default();
    metrics::Resource::new(K::TYPE, namespace, name)
}

/// The object that a reference names, in metrics.
fn named<K: Managed>(object: &ObjectRef<impl reflector::Lookup>) -> metrics::Resource {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    metrics::Resource::new(K::TYPE, namespace, &object.name)
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
    let resource = resource::<K>(&*object);
    let key = key(&resource);
    let delay = context.retries.after(&key, error);
    context.metrics.wanted(&resource, Instant::now() + delay);
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
