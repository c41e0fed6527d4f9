//! The resources that the operator is given.

use anyhow::{Context as _, Result};
use flink_e2e::{Namespace, Site, application};
use futures::{StreamExt, TryStreamExt, stream};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};

use crate::watch::Watch;

/// Requests for new resources under way at the same time.
const AT_ONCE: usize = 32;

/// FlinkDeployments in one namespace.
pub struct Fleet {
    api: Api<DynamicObject>,
    /// When things were first seen.
    pub watch: Watch,
    _namespace: Namespace,
}

impl Fleet {
    /// None yet.
    pub fn start(site: &Site) -> Self {
        let namespace = site.namespace("figures");
        let gvk = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkDeployment");
        let kind = ApiResource::from_gvk(&gvk);
        Self {
            watch: Watch::start(&site.client(), namespace.name(), &kind),
            api: Api::namespaced_with(site.client(), namespace.name(), &kind),
            _namespace: namespace,
        }
    }

    /// Make one.
    pub async fn create(&self, name: &str) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(application(name))?;
        self.api
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("failed to create {name}"))?;
        Ok(())
    }

    /// Make many, as fast as the API server takes them.
    pub async fn create_all(&self, names: &[String]) -> Result<()> {
        stream::iter(names)
            .map(|name| self.create(name))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }
}
