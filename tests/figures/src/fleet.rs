//! The resources that the operator is given.

use anyhow::{Context as _, Result};
use flink_e2e::{Namespace, Site, application};
use futures::{StreamExt, TryStreamExt, stream};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::Value;

use crate::watch::Watch;

/// Requests for new resources under way at the same time.
const AT_ONCE: usize = 32;

/// FlinkDeployments in one namespace.
pub struct Fleet {
    api: Api<DynamicObject>,
    /// When things were first seen.
    pub watch: Watch,
    namespace: Namespace,
}

impl Fleet {
    /// None yet.
    pub fn start(site: &Site, prefix: &str) -> Self {
        let namespace = site.namespace(prefix);
        let gvk = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkDeployment");
        let kind = ApiResource::from_gvk(&gvk);
        Self {
            watch: Watch::start(&site.client(), namespace.name(), &kind),
            api: Api::namespaced_with(site.client(), namespace.name(), &kind),
            namespace,
        }
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// Make one.
    pub async fn create(&self, name: &str, manifest: Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(manifest)?;
        self.api
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("failed to create {name}"))?;
        Ok(())
    }

    /// Make many, as fast as the API server takes them.
    pub async fn create_all(&self, names: &[String]) -> Result<()> {
        stream::iter(names)
            .map(|name| self.create(name, application(name)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }
}
