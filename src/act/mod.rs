//! Carrying a plan out: the status first, then its steps, then its events.
//!
//! The rule: writes only, each safe to repeat, each behind the leader's claim and a deadline; nothing
//! is decided here. Tests: `tests/it/world/`.

mod audit;
mod cluster;
pub mod events;
mod ha;
mod ingress;
mod job;
mod metadata;
mod scaler;
pub mod snapshot;
pub mod status;

use std::fmt::Debug;

use flink_crds::FlinkDeployment;
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::core::object::HasStatus;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::config::ConfigError;
use crate::deadline::deadline;
use crate::domain::{Announcement, Component, FINALIZER, Plan, Reason, ScalerMemory, Step};
use crate::flink::{FlinkRest, RestError};
use crate::leader::{Claim, NotLeader};
use crate::listen::{Audience, Newsroom};
use crate::scaler_memory::{Remembered, ScalerMemories, written_again_after};
use crate::telemetry::logs::Chain;

/// A kind of resource that has passes.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
{
}

/// Owner of the fields we apply.
pub const FIELD_MANAGER: &str = "flink-operator";

/// What stopped a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody wrote the resource since it was read; look again.
    #[error("the resource changed since it was read")]
    Conflict,
    /// This process does not lead; another one acts.
    #[error("this process is not the leader")]
    NotLeader,
    /// The API server refused or failed.
    #[error("failed to {action} {kind} {name}")]
    Api {
        /// What was tried.
        action: &'static str,
        /// On which kind.
        kind: String,
        /// On which object.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// Flink refused or failed.
    #[error("failed to {action}")]
    Flink {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: Box<RestError>,
    },
    /// The files of a savepoint cannot be deleted.
    #[error("failed to dispose of the savepoint {path}: {cause}")]
    Disposal {
        /// Where they are.
        path: String,
        /// Why not.
        cause: String,
    },
    /// A pass took too long.
    #[error("the pass was given up after {seconds} s")]
    Stuck {
        /// Its limit.
        seconds: u64,
    },
    /// A pass broke off.
    #[error("the pass broke off, which is a mistake in the operator: report the panic in its log")]
    Crashed,
    /// The objects of a cluster cannot be built from its configuration.
    #[error("failed to build the objects of the cluster: {}", texts(.0))]
    Build(Vec<ConfigError>),
}

impl From<NotLeader> for Error {
    fn from(_: NotLeader) -> Self {
        Self::NotLeader
    }
}

impl Error {
    pub(crate) fn api(action: &'static str, kind: &str, name: &str, source: kube::Error) -> Self {
        match &source {
            // Another one wrote the resource the pass is about.
            kube::Error::Api(status) if status.code == 409 && kind.starts_with("Flink") => {
                Self::Conflict
            }
            _ => Self::Api {
                action,
                kind: kind.to_owned(),
                name: name.to_owned(),
                source: Box::new(source),
            },
        }
    }

    /// The same, of an object of kind `K`.
    pub(crate) fn of<K: Resource<DynamicType = ()>>(
        action: &'static str,
        name: &str,
        source: kube::Error,
    ) -> Self {
        Self::api(action, &K::kind(&()), name, source)
    }

    fn flink(action: &'static str, source: RestError) -> Self {
        Self::Flink {
            action,
            source: Box::new(source),
        }
    }

    /// A closed set of words for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NotLeader => "not-leader",
            Self::Api { .. } => "api",
            Self::Flink { .. } | Self::Disposal { .. } => "flink",
            Self::Build(_) => "build",
            Self::Stuck { .. } => "stuck",
            Self::Crashed => "crashed",
        }
    }

    /// What was asked for can never be: only another spec (or another right) helps.
    pub fn concerns_the_spec(&self) -> bool {
        match self {
            Self::Build(_) => true,
            Self::Api { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422))
            }
            Self::Flink { source, .. } => source.is_refusal(),
            Self::Conflict
            | Self::NotLeader
            | Self::Disposal { .. }
            | Self::Stuck { .. }
            | Self::Crashed => false,
        }
    }
}

fn texts(errors: &[ConfigError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// How far a plan came.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Resource version of the status that was written.
    pub written: Option<String>,
    /// What stopped it.
    pub error: Option<Error>,
}

/// What acting needs.
#[derive(Clone)]
pub struct Actor {
    /// The API server.
    pub client: Client,
    /// Flink's REST interface.
    pub flink: FlinkRest,
    /// The right to write.
    pub claim: Claim,
    /// What the autoscaler remembers.
    pub memories: ScalerMemories,
    /// For the times of events.
    pub clock: Clock,
    /// Who is told of what was written.
    pub news: Newsroom,
}

impl Actor {
    /// Carry out `plan` for `object`.
    pub async fn act(&self, object: &FlinkDeployment, plan: &Plan) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(error) = self.carry_out(object, plan, &mut outcome.written).await {
            if error.concerns_the_spec() {
                self.record_failure(object, plan, &error, &mut outcome.written)
                    .await;
            }
            outcome.error = Some(error);
        }
        outcome
    }

    async fn carry_out(
        &self,
        object: &FlinkDeployment,
        plan: &Plan,
        written: &mut Option<String>,
    ) -> Result<(), Error> {
        let writes = plan.steps.iter().any(Step::writes);
        self.record(object, (&plan.status, writes), &plan.events, written)
            .await?;
        for step in &plan.steps {
            self.claim.check()?;
            if step.writes() && !step.repeats() {
                tracing::info!(%step, "step");
            }
            self.take(object, plan, step).await?;
        }
        if let Some(afterwards) = &plan.afterwards {
            let present = as_recorded(object, &plan.status, written.as_ref());
            if let Some(version) = self.write_status(&present, afterwards).await? {
                *written = Some(version);
            }
        }
        Ok(())
    }

    /// What comes before the steps of a plan: its status is written, or where nothing differs and steps would
    /// follow, the object is still the one that was looked at; then people are told.
    async fn record<K>(
        &self,
        object: &K,
        (status, steps): (&K::Status, bool),
        events: &[Announcement],
        written: &mut Option<String>,
    ) -> Result<(), Error>
    where
        K: Kind + Audience,
        K::Status: PartialEq + Serialize + Clone,
    {
        self.claim.check()?;
        let version = self.write_status(object, status).await?;
        if version.is_some() {
            *written = version;
        } else if steps {
            self.still_current(object).await?;
        }
        for announcement in events {
            self.announce(object, announcement).await;
        }
        Ok(())
    }

    /// A step was refused for good: people must see why in the status.
    async fn record_failure(
        &self,
        object: &FlinkDeployment,
        plan: &Plan,
        error: &Error,
        written: &mut Option<String>,
    ) {
        // A line is one failure.
        let message = Chain(error).to_string().replace('\n', " ");
        let status = plan.errors.with_error(&plan.status, "Error", &message);
        let present = as_recorded(object, &plan.status, written.as_ref());
        if present.status.as_ref() == Some(&status) {
            return;
        }
        let announcement = Announcement {
            warning: true,
            reason: Reason::Error,
            component: Component::JobManagerDeployment,
            message,
            detail: None,
        };
        match self.write_status(&present, &status).await {
            Ok(Some(version)) => *written = Some(version),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %Chain(&error), "failed to record a failure"),
        }
        self.announce(object, &announcement).await;
    }

    /// Steps that follow from an old view must not be taken: ask for the present version first.
    async fn still_current<K: Kind>(&self, object: &K) -> Result<(), Error> {
        let name = object.name_any();
        let api: Api<K> =
            Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        let present = deadline(api.get_metadata(&name))
            .await
            .map_err(|source| Error::of::<K>("read", &name, source))?;
        if present.resource_version() == object.resource_version() {
            Ok(())
        } else {
            Err(Error::Conflict)
        }
    }

    /// Write a status if it differs, into the log and to the listeners too. Returns the object's version afterwards.
    async fn write_status<K>(&self, object: &K, status: &K::Status) -> Result<Option<String>, Error>
    where
        K: Kind + Audience,
        K::Status: PartialEq + Serialize + Clone,
    {
        let version = status::write(&self.client, object, status).await?;
        if version.is_some() {
            audit::status(object, status);
        }
        let now = self.clock.now();
        self.news.status(object, status, version.as_deref(), now);
        Ok(version)
    }

    /// Tell people: an event, a line of the log, and the listeners.
    pub async fn announce<K>(&self, object: &K, announcement: &Announcement)
    where
        K: Resource<DynamicType = ()>,
    {
        audit::event(object, announcement);
        let now = self.clock.now();
        if let Some(event) = events::write(&self.client, object, announcement, now).await {
            self.news.event(event, now);
        }
    }

    async fn take(&self, object: &FlinkDeployment, plan: &Plan, step: &Step) -> Result<(), Error> {
        let flink = || {
            self.flink
                .at(&object.namespace().unwrap_or_default(), &plan.cluster)
        };
        match step {
            Step::AddFinalizer => metadata::finalizer(&self.client, object, FINALIZER, true).await,
            Step::RemoveFinalizer => {
                self.news.forget(object);
                metadata::finalizer(&self.client, object, FINALIZER, false).await
            }
            Step::Deploy(deployment) => cluster::deploy(&self.client, object, deployment).await,
            Step::DeleteCluster => cluster::delete(&self.client, object).await,
            Step::DeleteHaMetadata => ha::delete(&self.client, object).await,
            Step::StopWithSavepoint(request) => job::stop(&flink(), request).await,
            Step::Cancel { job } => job::cancel(&flink(), job).await,
            Step::Rescale { job, upper } => job::rescale(&flink(), job, upper).await,
            Step::ApplyIngress(ingress) => ingress::apply(&self.client, object, ingress).await,
            Step::DeleteIngress => ingress::delete(&self.client, object).await,
            Step::MakeSnapshot(new) => snapshot::make(&self.client, object, new).await,
            Step::DeleteSnapshot(name) => snapshot::delete(&self.client, object, name).await,
            Step::TakeSnapshot(request) => snapshot::take(&flink(), request).await,
            Step::DisposeSavepoint(path) => snapshot::dispose(&flink(), path).await,
            Step::KeepScaler(memory) => self.keep(object, memory).await,
            Step::ForgetScaler => {
                let namespace = object.namespace().unwrap_or_default();
                self.memories.forget(&namespace, &object.name_any());
                scaler::forget(&self.client, object).await
            }
        }
    }

    async fn keep(&self, object: &FlinkDeployment, memory: &ScalerMemory) -> Result<(), Error> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let before = self.memories.get(&namespace, &name);
        let mut store_after = before.and_then(|before| before.store_after);
        if memory.store {
            let bytes = scaler::store(&self.client, object, memory).await?;
            store_after = Some(self.clock.now() + written_again_after(bytes));
        }
        let remembered = Remembered {
            window: memory.window.clone(),
            history: memory.history.clone(),
            decisions: memory.decisions.clone(),
            store_after,
        };
        self.memories.put(&namespace, &name, remembered);
        Ok(())
    }
}

/// The object after its status was recorded, at the version that was written.
fn as_recorded<K>(object: &K, status: &K::Status, written: Option<&String>) -> K
where
    K: Kind + HasStatus,
    K::Status: Clone,
{
    let mut present = object.clone();
    *present.status_mut() = Some(status.clone());
    if let Some(version) = written {
        present.meta_mut().resource_version = Some(version.clone());
    }
    present
}
