//! What is asked about: a resource, and what the autoscaler has stored of it.
//!
//! The rule: reads only, two calls; what is missing is said with what to do about it. What is read is understood
//! in [`mod@super::explain`], [`mod@super::whatif`] and [`mod@super::recording`].

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use flink_crds::FlinkDeployment;
use flink_scaler::Settings;
use flink_scaler::store::{self, StoredJob};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use crate::config::FlinkConfig;
use crate::deadline::deadline;
use crate::domain::scaler_settings;
use crate::resources::names;
use crate::scaler_memory;

/// A resource, as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its namespace; `None` is that of the kubeconfig.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let odd = |part: &str| part.is_empty() || part.contains('/');
        if odd(name) || namespace.is_some_and(odd) {
            return Err(
                "write NAMESPACE/NAME, or NAME in the namespace of the kubeconfig".to_owned(),
            );
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

/// What was read.
pub struct Stored {
    /// The resource.
    pub deployment: FlinkDeployment,
    /// The data of its ConfigMap; `None` if there is no such ConfigMap.
    pub data: Option<BTreeMap<String, String>>,
}

/// Read both from the cluster of the kubeconfig.
pub fn read(target: &Target) -> anyhow::Result<Stored> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(async {
            let client = Client::try_default().await.context(
                "failed to find a Kubernetes cluster; set KUBECONFIG to the file that names it",
            )?;
            fetch(&client, target).await
        })
}

/// Read both with this client.
pub async fn fetch(client: &Client, target: &Target) -> anyhow::Result<Stored> {
    let namespace = target.namespace.as_deref();
    let namespace = namespace.unwrap_or(client.default_namespace());
    let name = &target.name;
    let deployments: Api<FlinkDeployment> = Api::namespaced(client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let deployment = deadline(deployments.get_opt(name))
        .await
        .with_context(|| format!("failed to read FlinkDeployment {namespace}/{name}"))?
        .with_context(|| {
            format!(
                "there is no FlinkDeployment {namespace}/{name}; \
                 `kubectl get flinkdeployments --all-namespaces` lists those there are"
            )
        })?;
    let map = names::autoscaler(name);
    let data = deadline(maps.get_opt(&map))
        .await
        .with_context(|| format!("failed to read ConfigMap {namespace}/{map}"))?
        .map(scaler_memory::texts);
    Ok(Stored { deployment, data })
}

impl Stored {
    /// `NAMESPACE/NAME`.
    pub fn title(&self) -> String {
        let metadata = &self.deployment.metadata;
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{}/{}", part(&metadata.namespace), part(&metadata.name))
    }

    /// The name of its ConfigMap.
    pub fn map_name(&self) -> String {
        names::autoscaler(self.deployment.metadata.name.as_deref().unwrap_or_default())
    }

    /// The data of its ConfigMap.
    ///
    /// # Errors
    /// There is no such ConfigMap.
    pub fn readings(&self) -> anyhow::Result<&BTreeMap<String, String>> {
        self.data.as_ref().with_context(|| {
            let map = self.map_name();
            format!("there is no ConfigMap {map}, which holds the readings; the operator writes it within a minute")
        })
    }

    /// The job's graph and options, as its ConfigMap has them.
    ///
    /// # Errors
    /// They are not there, or cannot be read.
    pub fn job(&self) -> anyhow::Result<StoredJob> {
        let map = self.map_name();
        let text = self.readings()?.get(store::JOB_KEY);
        let job = store::job_from_json(text.map_or("", String::as_str));
        if let Some(why) = job.ignored.first() {
            bail!("ConfigMap {map}: {why}");
        }
        if job.value.graph.vertices.is_empty() {
            bail!(
                "ConfigMap {map} holds no job graph; an operator of this version writes it within a minute"
            );
        }
        Ok(job.value)
    }

    /// Why the autoscaler has nothing to say on this resource, if it has not.
    pub fn silence(&self) -> Option<String> {
        let status = self.deployment.status.as_ref();
        if status
            .and_then(|status| status.autoscaler.as_ref())
            .is_some()
        {
            return None;
        }
        let title = self.title();
        if self.deployment.spec.job.is_none() {
            return Some(format!(
                "{title} is a session cluster; the autoscaler looks after application clusters"
            ));
        }
        let own = self.deployment.spec.flink_configuration.as_ref();
        let own = own
            .map(|map| FlinkConfig::flatten(&map.0))
            .unwrap_or_default();
        let state = status.and_then(|status| status.lifecycle_state);
        Some(match scaler_settings(&own) {
            Ok((settings, _)) if settings.is_off() => format!(
                "the autoscaler is off for {title}; set job.autoscaler.mode: recommend in its flinkConfiguration"
            ),
            Ok(_) => format!(
                "the autoscaler has not looked at {title} yet; it does when the job runs{}",
                state.map_or_else(String::new, |state| format!(
                    ", and the resource is {state:?}"
                ))
            ),
            Err(errors) => format!(
                "the autoscaler's settings of {title} cannot be used: {}",
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ")
            ),
        })
    }
}

/// The autoscaler's settings, from the options that were stored of a job.
///
/// # Errors
/// What is wrong with them.
pub fn settings(options: &BTreeMap<String, String>) -> anyhow::Result<Settings> {
    Settings::parse(options).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the stored options cannot be used: {}", errors.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_with_or_without_its_namespace() {
        let target = |text: &str| text.parse::<Target>().ok();
        let named = |namespace: Option<&str>| Target {
            namespace: namespace.map(str::to_owned),
            name: "orders".to_owned(),
        };
        assert_eq!(target("shop/orders"), Some(named(Some("shop"))));
        assert_eq!(target("orders"), Some(named(None)));
        for text in ["", "/orders", "shop/", "a/b/c"] {
            assert_eq!(target(text), None, "{text}");
        }
    }

    #[test]
    fn silence_says_why_and_what_to_do() {
        let silence = |job: bool, config: &[(&str, &str)], status: serde_json::Value| {
            let config: BTreeMap<&str, &str> = config.iter().copied().collect();
            let mut spec =
                serde_json::json!({ "flinkVersion": "v1_20", "flinkConfiguration": config });
            if job {
                spec["job"] = serde_json::json!({ "jarURI": "local:///job.jar" });
            }
            let deployment = serde_json::from_value(serde_json::json!({
                "apiVersion": "flink.apache.org/v1beta1",
                "kind": "FlinkDeployment",
                "metadata": { "name": "orders", "namespace": "shop" },
                "spec": spec,
                "status": status,
            }));
            let stored = Stored {
                deployment: deployment.unwrap(),
                data: None,
            };
            stored.silence().unwrap_or_default()
        };
        let none = || serde_json::json!({});
        let on = &[("job.autoscaler.enabled", "true")];
        for (text, part) in [
            (
                silence(true, &[], none()),
                "is off for shop/orders; set job.autoscaler.mode",
            ),
            (silence(false, on, none()), "is a session cluster"),
            (
                silence(true, on, none()),
                "has not looked at shop/orders yet",
            ),
            (
                silence(true, &[("job.autoscaler.mode", "fast")], none()),
                "job.autoscaler.mode: 'fast' is not one of",
            ),
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(
            silence(
                true,
                on,
                serde_json::json!({ "autoscaler": { "mode": "auto" } })
            ),
            ""
        );
    }
}
