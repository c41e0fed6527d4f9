//! The operator's metrics: one registry of its own, filled by the wiring and read by scrapes.
//!
//! The rule: what is about one resource lives in the book of [`fleet`] and goes with the resource;
//! everything else has labels from closed sets. Nothing here fails a pass: counting is total.
//! Every metric is declared in [`table`]; the tests below hold the two together.

mod api;
mod export;
mod facts;
mod fleet;
mod hearing;
mod lifecycle;
mod process;
mod queue;
#[cfg(test)]
mod reference;
mod switches;
pub mod table;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry, TextEncoder};
use tokio::time::Instant;

pub use api::{ApiLayer, Route};
pub use fleet::{
    DeploymentFacts, Evaluation, Facts, Resource, ResourceType, SnapshotKind, VertexFigures,
};
pub use hearing::Hearing;
pub use switches::Switches;

use self::export::{
    Book, Figures, ProcessFigures, counter, gauge, histogram, histograms, lock, register, registry,
    seconds,
};
use self::fleet::FIGURES;
use self::lifecycle::{Span, Track};
use self::queue::Queue;

/// Why the metrics could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A metric was refused by the registry.
    #[error("metric {name} cannot be registered")]
    Register {
        /// Its name.
        name: String,
        /// The refusal.
        source: prometheus::Error,
    },
    /// The metrics could not be written out.
    #[error("metrics cannot be written in the text format")]
    Encode {
        /// What is wrong with them.
        source: prometheus::Error,
    },
}

/// Who exports: labels that every metric carries.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Name of the pod or machine.
    pub host: String,
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of the operator.
    pub name: String,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Done,
    /// Something in Flink or Kubernetes has to happen first.
    Waiting,
    /// It failed, with a category from a closed set.
    Failed(&'static str),
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Failed(_) => "failed",
        }
    }
}

/// All metrics. Cheap to clone; every clone counts into the same registry.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    switches: Switches,
    book: Book,
    queue: Mutex<Queue>,
    leads: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
    tracks: Mutex<BTreeMap<Resource, Track>>,
    stays: BTreeMap<&'static str, HistogramVec>,
    transitions: BTreeMap<&'static str, HistogramVec>,
    leader: IntGaugeVec,
    reconciles: IntCounterVec,
    reconcile_time: HistogramVec,
    reconcile_errors: IntCounterVec,
    reconciles_running: IntGaugeVec,
    queue_depth: IntGaugeVec,
    queue_longest: GaugeVec,
    queue_wait: HistogramVec,
    watch_failures: IntCounterVec,
    api_requests: IntCounterVec,
    api_time: HistogramVec,
    api_slow: IntCounterVec,
    flink_requests: IntCounterVec,
    flink_time: HistogramVec,
    listeners: hearing::Listeners,
}

impl Metrics {
    /// Makes and registers every metric of [`table::ALL`].
    ///
    /// # Errors
    /// When the registry refuses one, which only a mistake in the table can bring about.
    pub fn new(identity: &Identity, switches: Switches) -> Result<Self, Error> {
        let registry = registry(identity)?;
        let book = Book::default();
        let figures = Figures::new(FIGURES, book.clone())?;
        register(&registry, "figures of resources", figures)?;
        register(&registry, "process", ProcessFigures::new()?)?;
        let build = gauge(&registry, &table::BUILD)?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let inner = Inner {
            stays: histograms(&registry, &table::STATE_TIME)?,
            transitions: histograms(&registry, &table::TRANSITION_TIME)?,
            leader: gauge(&registry, &table::LEADER)?,
            reconciles: counter(&registry, &table::RECONCILES)?,
            reconcile_time: histogram(&registry, &table::RECONCILE_TIME, "")?,
            reconcile_errors: counter(&registry, &table::RECONCILE_ERRORS)?,
            reconciles_running: gauge(&registry, &table::RECONCILES_RUNNING)?,
            queue_depth: gauge(&registry, &table::QUEUE_DEPTH)?,
            queue_longest: seconds(&registry, &table::QUEUE_LONGEST)?,
            queue_wait: histogram(&registry, &table::QUEUE_WAIT, "")?,
            watch_failures: counter(&registry, &table::WATCH_FAILURES)?,
            api_requests: counter(&registry, &table::API_REQUESTS)?,
            api_time: histogram(&registry, &table::API_TIME, "")?,
            api_slow: counter(&registry, &table::API_SLOW)?,
            flink_requests: counter(&registry, &table::FLINK_REQUESTS)?,
            flink_time: histogram(&registry, &table::FLINK_TIME, "")?,
            listeners: hearing::Listeners::new(&registry)?,
            tracks: Mutex::default(),
            queue: Mutex::default(),
            leads: OnceLock::new(),
            switches,
            registry,
            book,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Counts a pass that ended.
    pub fn observe_reconcile(&self, kind: ResourceType, outcome: Outcome, took: Duration) {
        let kind = kind.as_str();
        self.inner
            .reconciles
            .with_label_values(&[kind, outcome.as_str()])
            .inc();
        self.inner
            .reconcile_time
            .with_label_values(&[kind])
            .observe(took.as_secs_f64());
        if let Outcome::Failed(category) = outcome {
            self.inner
                .reconcile_errors
                .with_label_values(&[kind, category])
                .inc();
        }
    }

    /// A pass over a resource is wanted at this time.
    pub fn wanted(&self, resource: &Resource, at: Instant) {
        lock(&self.inner.queue).wanted(resource, at);
    }

    /// A pass over a resource begins.
    pub fn begun(&self, resource: &Resource, now: Instant) {
        let waited = lock(&self.inner.queue).begun(resource, now);
        if let Some(waited) = waited {
            self.inner
                .queue_wait
                .with_label_values(&[resource.kind.as_str()])
                .observe(waited.as_secs_f64());
        }
    }

    /// A pass over a resource ended.
    pub fn ended(&self, resource: &Resource) {
        lock(&self.inner.queue).ended(resource);
    }

    /// How it is known whether this process may write; asked at each scrape. The first answer to this stands.
    pub fn leads_when(&self, leads: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.inner.leads.set(Box::new(leads));
    }

    /// What is known about a resource now; replaces what was known.
    pub fn set_resource(&self, resource: &Resource, facts: Facts, now: Timestamp) {
        if let Some(state) = facts.lifecycle() {
            self.time_lifecycle(resource, state, now);
        }
        self.inner.book.with(|fleet| fleet.set(resource, facts));
    }

    /// Nobody looks after this namespace any more: its series end.
    pub fn forget_namespace(&self, namespace: &str) {
        let mut resources = self.inner.book.with(|fleet| fleet.of_namespace(namespace));
        resources.extend(lock(&self.inner.queue).of_namespace(namespace));
        for resource in &resources {
            self.forget(resource);
        }
    }

    /// Of a kind, in one namespace or in all, only these exist.
    pub fn forget_all_but(
        &self,
        (kind, namespace): (ResourceType, Option<&str>),
        exists: impl Fn(&Resource) -> bool,
    ) {
        let known = self.inner.book.with(|fleet| fleet.of_kind(kind));
        let ours = |resource: &Resource| namespace.is_none_or(|it| it == resource.namespace);
        for resource in known.iter().filter(|it| ours(it) && !exists(it)) {
            self.forget(resource);
        }
    }

    /// The resource is gone, and with it every series that names it.
    pub fn forget(&self, resource: &Resource) {
        lock(&self.inner.tracks).remove(resource);
        lock(&self.inner.queue).forget(resource);
        if self.inner.book.with(|fleet| fleet.forget(resource)) {
            let labels = [resource.namespace.as_str(), resource.kind.as_str()];
            for family in self
                .inner
                .stays
                .values()
                .chain(self.inner.transitions.values())
            {
                // An error here means that the series never existed, which is what is wanted.
                let _ = family.remove_label_values(&labels);
            }
        }
    }

    /// An evaluation of the autoscaler ended.
    pub fn evaluated(&self, resource: &Resource, evaluation: Evaluation) {
        self.inner
            .book
            .with(|fleet| fleet.evaluated(resource, evaluation));
    }

    /// The autoscaler's figures for every vertex of a job, by vertex id; replaces the earlier ones.
    pub fn set_vertices(&self, resource: &Resource, vertices: BTreeMap<String, VertexFigures>) {
        self.inner
            .book
            .with(|fleet| fleet.set_vertices(resource, vertices));
    }

    /// The autoscaler does not look after this job: its figures end.
    pub fn unscaled(&self, resource: &Resource) {
        self.inner.book.with(|fleet| fleet.unscaled(resource));
    }

    /// A watch broke off with an error.
    pub fn watch_failed(&self, kind: &'static str) {
        self.inner.watch_failures.with_label_values(&[kind]).inc();
    }

    /// A request to the Kubernetes API ended; no `code` when no answer came. Done by [`ApiLayer`].
    pub fn api_call(&self, verb: &str, resource: &str, code: Option<u16>, took: Duration) {
        let code = code.map_or_else(|| "error".to_owned(), |code| code.to_string());
        self.inner
            .api_requests
            .with_label_values(&[verb, resource, &code])
            .inc();
        if verb != "watch" {
            self.inner
                .api_time
                .with_label_values(&[verb])
                .observe(took.as_secs_f64());
            if took > self.inner.switches.slow {
                self.inner.api_slow.with_label_values(&[verb]).inc();
            }
        }
    }

    /// A request to Flink ended. Both texts come from closed sets: the call, and how it went.
    pub fn rest_call(&self, endpoint: &'static str, result: &'static str, took: Duration) {
        self.inner
            .flink_requests
            .with_label_values(&[endpoint, result])
            .inc();
        self.inner
            .flink_time
            .with_label_values(&[endpoint])
            .observe(took.as_secs_f64());
    }

    /// Everything, in the Prometheus text format.
    ///
    /// # Errors
    /// When a metric has no legal text form.
    pub fn encode(&self) -> Result<String, Error> {
        self.take_stock(Instant::now());
        let mut families = self.inner.registry.gather();
        let off = self.inner.switches.off();
        families.retain(|family| !off.contains(family.name()));
        TextEncoder::new()
            .encode_to_string(&families)
            .map_err(|source| Error::Encode { source })
    }

    /// Sets what is only known at the moment of a scrape.
    fn take_stock(&self, now: Instant) {
        let leads = self.inner.leads.get().is_some_and(|leads| leads());
        let leader = self.inner.leader.with_label_values::<&str>(&[]);
        leader.set(i64::from(leads));
        let queue = lock(&self.inner.queue);
        for kind in ResourceType::ALL {
            let (standing, kind) = (queue.standing(kind, now), &[kind.as_str()]);
            let inner = &self.inner;
            let running = inner.reconciles_running.with_label_values(kind);
            running.set(standing.running.into());
            let depth = inner.queue_depth.with_label_values(kind);
            depth.set(standing.waiting.into());
            let longest = inner.queue_longest.with_label_values(kind);
            longest.set(standing.longest.as_secs_f64());
        }
    }

    fn time_lifecycle(&self, resource: &Resource, state: &'static str, now: Timestamp) {
        let ended = match lock(&self.inner.tracks).entry(resource.clone()) {
            Entry::Occupied(mut track) => track.get_mut().see(state, now),
            Entry::Vacant(place) => {
                place.insert(Track::begin(state, now));
                Vec::new()
            }
        };
        // Without a namespace they are of the operator as a whole.
        let by_namespace = self.inner.switches.lifecycle_by_namespace;
        let namespace = if by_namespace {
            resource.namespace.as_str()
        } else {
            ""
        };
        let labels = [namespace, resource.kind.as_str()];
        for (span, seconds) in ended {
            let family = match span {
                Span::State(state) => self.inner.stays.get(state),
                Span::Transition(name) => self.inner.transitions.get(name),
            };
            if let Some(family) = family {
                family.with_label_values(&labels).observe(seconds);
            }
        }
    }
}

#[cfg(test)]
mod tests;
