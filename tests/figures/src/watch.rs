//! When things were first seen: JobManager Deployments, and resources that are STABLE.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(20);

#[derive(Default)]
struct Seen {
    resources: BTreeMap<String, bool>,
    deployed: BTreeMap<String, Instant>,
    stable: BTreeMap<String, Instant>,
}

/// Follows one namespace.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Seen>>);

impl Watch {
    /// Begin.
    pub fn start(client: &Client, namespace: &str, kind: &ApiResource) -> Self {
        let watch = Self(Arc::default());
        let deployments: Api<PartialObjectMeta<Deployment>> =
            Api::namespaced(client.clone(), namespace);
        let seen = watch.clone();
        follow(deployments, move |object| {
            let now = Instant::now();
            seen.with(|seen| *seen.deployed.entry(object.name_any()).or_insert(now));
        });
        let resources: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
        let seen = watch.clone();
        follow(resources, move |object| seen.note(&object));
        watch
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, object: &DynamicObject) {
        let state = object.data.pointer("/status/lifecycleState");
        let stable = state.and_then(|state| state.as_str()) == Some("STABLE");
        let now = Instant::now();
        self.with(|seen| {
            seen.resources.insert(object.name_any(), stable);
            if stable {
                seen.stable.entry(object.name_any()).or_insert(now);
            }
        });
    }

    /// How many resources there are.
    pub fn resources(&self) -> usize {
        self.with(|seen| seen.resources.len())
    }

    /// When the JobManager's Deployment was seen.
    pub async fn deployed(&self, name: &str) -> Result<Instant> {
        wait(&format!("the Deployment of {name}"), || {
            self.with(|seen| seen.deployed.get(name).copied())
        })
        .await
    }

    /// When a resource was first seen STABLE.
    pub async fn stable(&self, name: &str) -> Result<Instant> {
        wait(&format!("{name} to be STABLE"), || {
            self.with(|seen| seen.stable.get(name).copied())
        })
        .await
    }

    /// Wait until all are.
    pub async fn all_stable(&self) -> Result<()> {
        wait("all to be STABLE", || {
            self.with(|seen| seen.resources.values().all(|stable| *stable).then_some(()))
        })
        .await
    }
}

/// Hand every object that appears or changes to `note`.
fn follow<K>(api: Api<K>, note: impl Fn(K) + Send + 'static)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    tokio::spawn(async move {
        let stream = watcher(api, watcher::Config::default());
        let mut stream = std::pin::pin!(stream.default_backoff().applied_objects());
        while let Some(event) = stream.next().await {
            if let Ok(object) = event {
                note(object);
            }
        }
    });
}

async fn wait<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    let mut told = began;
    while began.elapsed() < PATIENCE {
        if let Some(found) = check() {
            return Ok(found);
        }
        if told.elapsed() > Duration::from_secs(15) {
            told = Instant::now();
            eprintln!("... waiting for {what}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bail!("waited {} s in vain for {what}", PATIENCE.as_secs())
}
