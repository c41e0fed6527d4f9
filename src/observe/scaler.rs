//! What the autoscaler decides from: a fresh sample, and what it remembers.
//!
//! The rule: memory that cannot be read is unknown, not empty, so nothing is decided on half of it.

use std::time::Duration;

use flink_scaler::history::Outcome;
use flink_scaler::settings::MetricsSource;
use flink_scaler::{DecisionLog, History, Interruption, Window, store};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;

use super::health::{self, Rhythm};
use super::sample::Unread;
use super::{CheckpointsRead, JobReading, Observer, sample};
use crate::deadline::deadline;
use crate::domain::{Desired, ScalerView, Sighting, sampling_pace};
use crate::flink::{FlinkClient, Overview};
use crate::prometheus::{Question, Server};
use crate::resources::names;
use crate::scaler_memory::{self, Remembered};

/// Take a sample of `job` and put it to what is remembered.
pub async fn look(
    observer: &Observer,
    client: &FlinkClient,
    desired: &Desired,
    overview: Option<&Overview>,
    (job, statistics): (&str, impl Future<Output = CheckpointsRead>),
) -> Sighting<ScalerView> {
    let (namespace, name) = (&desired.identity.namespace, &desired.identity.name);
    let keep = Window::length(&desired.scaler);
    let mut memory = match observer.memories.get(namespace, name) {
        Some(memory) => memory,
        None => match stored(observer, namespace, name, keep).await {
            Ok(memory) => memory,
            Err(error) => {
                let map = names::autoscaler(name);
                return Sighting::Unknown(format!("ConfigMap {map}: {error}"));
            }
        },
    };
    let now = observer.clock.now();
    let (read, checkpoints, room, interruption) = tokio::join!(
        read(observer, client, desired, overview, job, now),
        statistics,
        observer.rooms.left(&observer.client, desired, now),
        interruption(client, overview, job, &memory.history),
    );
    let read = match read {
        Ok(read) => read,
        Err(error) => return Sighting::Unknown(error.to_string()),
    };
    let since = read.sample.job_running_since;
    let failures = health::recent_failures(client, job, (since, now)).await;
    memory.window.set_keep(keep);
    // A pass may follow at once on another, of which every change of an object is a reason.
    memory
        .window
        .push_apart(read.sample, apart(sampling_pace(desired)));
    observer.memories.put(namespace, name, memory.clone());
    Sighting::Seen(ScalerView {
        graph: read.graph,
        slot_groups: read.slot_groups,
        room,
        window: memory.window,
        history: memory.history,
        decisions: memory.decisions,
        savepoint_in_progress: health::savepoint_in_progress(
            checkpoints.as_ref().as_ref().ok().and_then(Option::as_ref),
        ),
        checkpoints: health::of(
            &checkpoints,
            &Rhythm::of(&desired.deploy_config),
            (since, now),
        ),
        failures,
        interruption,
        store_after: memory.store_after,
    })
}

/// Samples that come sooner than this after the one before tell less than nothing: see [`Window::push_apart`].
fn apart(pace: Duration) -> SignedDuration {
    SignedDuration::try_from(pace / 2).unwrap_or(SignedDuration::MAX)
}

/// How the rescale that is waited for interrupted the job, if Flink records that. What it does not say is measured
/// by the job's start instead, so a failure is no reason to wait.
async fn interruption(
    client: &FlinkClient,
    overview: Option<&Overview>,
    job: &str,
    history: &History,
) -> Option<Interruption> {
    let awaited = history.last()?.outcome == Outcome::Open;
    if !awaited || !overview?.records_rescales() {
        return None;
    }
    client.last_interruption(job).await.ok().flatten()
}

/// A sample from where the settings say.
async fn read(
    observer: &Observer,
    client: &FlinkClient,
    desired: &Desired,
    overview: Option<&Overview>,
    job: &str,
    now: Timestamp,
) -> Result<JobReading, Unread> {
    let settings = &desired.scaler;
    match (settings.metrics_source, &settings.prometheus_url) {
        (MetricsSource::Prometheus, Some(url)) => {
            let (namespace, name) = (&desired.identity.namespace, &desired.identity.name);
            let question = Question::of(settings, namespace, name);
            let server = Server {
                url,
                timeout: settings.prometheus_timeout,
            };
            let source = (&observer.prometheus, server, &question);
            sample::from_prometheus(client, source, job, overview, now).await
        }
        _ => Ok(sample::sample(client, job, overview, now).await?),
    }
}

/// What the ConfigMap holds; nothing, if there is none.
async fn stored(
    observer: &Observer,
    namespace: &str,
    name: &str,
    keep: SignedDuration,
) -> Result<Remembered, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(observer.client.clone(), namespace);
    let map = deadline(api.get_opt(&names::autoscaler(name))).await?;
    let data = map.map(scaler_memory::texts).unwrap_or_default();
    let text = |key: &str| data.get(key).map(String::as_str);
    let window = text(store::WINDOW_KEY).map(|text| store::window_from_json(text, keep));
    let history = text(store::HISTORY_KEY).map(store::history_from_json);
    let decisions = text(store::DECISIONS_KEY).map(store::decisions_from_json);
    let ignored = window.iter().flat_map(|window| &window.ignored);
    let ignored = ignored.chain(history.iter().flat_map(|history| &history.ignored));
    for reason in ignored.chain(decisions.iter().flat_map(|decisions| &decisions.ignored)) {
        tracing::warn!(%reason, "part of what the autoscaler stored is passed over");
    }
    Ok(Remembered {
        window: window.map_or_else(|| Window::new(keep), |window| window.value),
        history: history.map_or_else(History::default, |history| history.value),
        decisions: decisions.map_or_else(DecisionLog::default, |decisions| decisions.value),
        store_after: None,
    })
}
