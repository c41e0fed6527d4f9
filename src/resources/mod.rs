//! The Kubernetes objects of a cluster, made from a spec and its effective configuration.
//!
//! One rule: the same input gives the same objects, so applying them again changes nothing. One file
//! for each kind; names, labels and owners in one place each. Compared with captured objects of the
//! Java operator in `tests.rs`; tests of single files beside them.

use std::collections::BTreeMap;

use flink_crds::{FlinkDeploymentSpec, FlinkVersion, KubernetesMode};

use crate::config::{
    ConfigError, Defaults, DeployKeys, FlinkConfig, Process, effective::FLINK_VERSION, with_deploy,
};

mod config_map;
pub mod ha;
pub mod ingress;
mod job_manager;
pub mod labels;
pub mod names;
mod object;
mod owner;
mod pod;
pub mod pod_template;
mod service;
mod task_manager;

pub use self::{
    object::{Kind, Object},
    owner::OwnerRef,
};

/// What the objects of a cluster are made from.
#[derive(Debug, Clone, Copy)]
pub struct BuildInput<'a> {
    /// Namespace of the FlinkDeployment.
    pub namespace: &'a str,
    /// Its name, which is the cluster's.
    pub name: &'a str,
    /// Its spec, with what overrides it already applied.
    pub spec: &'a FlinkDeploymentSpec,
    /// Its effective configuration, the operator's own keys included.
    pub config: &'a FlinkConfig,
    /// What only this deployment knows.
    pub keys: &'a DeployKeys<'a>,
    /// The logging files, see [`log_files`].
    pub log_files: &'a BTreeMap<String, String>,
    /// Uid of the JobManager Deployment, which owns the Services and ConfigMaps; `None` as long as there
    /// is none, then the FlinkDeployment owns them. They are made first, so that no pod waits for one.
    pub job_manager_uid: Option<&'a str>,
}

/// The objects of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// Services and ConfigMaps, to be applied first.
    pub accompanying: Vec<Object>,
    /// The JobManager Deployment.
    pub job_manager: Object,
    /// The TaskManager Deployment of a standalone cluster, to be applied last.
    pub task_manager: Option<Object>,
    /// The configuration that the pods get.
    pub cluster_config: FlinkConfig,
}

impl Resources {
    /// All objects in the order in which they are applied.
    pub fn in_order(&self) -> impl Iterator<Item = &Object> {
        self.accompanying
            .iter()
            .chain([&self.job_manager])
            .chain(&self.task_manager)
    }
}

/// The logging files of a cluster: those of its spec, else the operator's.
pub fn log_files<'a>(
    spec: &'a FlinkDeploymentSpec,
    defaults: &'a Defaults,
) -> &'a BTreeMap<String, String> {
    spec.log_configuration
        .as_ref()
        .unwrap_or_else(|| defaults.log_files())
}

/// Builds the objects of a cluster.
///
/// # Errors
/// Every option and field that cannot be used.
pub fn build(input: &BuildInput<'_>) -> Result<Resources, Vec<ConfigError>> {
    let version = input
        .config
        .raw(FLINK_VERSION)
        .and_then(|version| version.parse().ok());
    let version: FlinkVersion = version.ok_or_else(|| {
        vec![ConfigError::field(
            "spec.flinkVersion",
            "must be set, for example to 'v1_20'",
        )]
    })?;
    let cx = Context {
        input,
        version,
        cluster: with_deploy(input.config, input.keys)?,
    };
    let mut errors = Vec::new();
    let template = cx
        .task_manager_template()
        .map_err(|error| errors.push(error))
        .unwrap_or_default();
    let job_manager = job_manager::build(&cx, template.is_some());
    let services = service::build(&cx);
    let flink_config = config_map::flink_config(&cx);
    let task_manager = (cx.mode() == KubernetesMode::Standalone)
        .then(|| task_manager::build(&cx))
        .transpose();
    match (job_manager, services, flink_config, task_manager) {
        (Ok(job_manager), Ok(mut accompanying), Ok(flink_config), Ok(task_manager))
            if errors.is_empty() =>
        {
            accompanying.push(flink_config);
            accompanying.extend(template.map(|template| config_map::pod_template(&cx, &template)));
            Ok(Resources {
                accompanying,
                job_manager,
                task_manager,
                cluster_config: cx.cluster,
            })
        }
        (job_manager, services, flink_config, task_manager) => {
            errors.extend(job_manager.err());
            errors.extend(services.err());
            errors.extend(flink_config.err().into_iter().flatten());
            errors.extend(task_manager.err());
            // Both roles read the common template, so its faults are found twice.
            errors.dedup();
            Err(errors)
        }
    }
}

/// The input, and what is worked out from it once.
struct Context<'a> {
    input: &'a BuildInput<'a>,
    version: FlinkVersion,
    cluster: FlinkConfig,
}

impl Context<'_> {
    fn mode(&self) -> KubernetesMode {
        self.input.spec.mode_or_default()
    }

    /// The image of a cluster that names none.
    fn default_image(&self) -> String {
        format!("flink:{}.{}", self.version.major(), self.version.minor())
    }

    fn accompanying_owner(&self) -> OwnerRef {
        match self.input.job_manager_uid {
            Some(uid) => OwnerRef::job_manager(&names::job_manager(self.input.name), uid),
            None => OwnerRef::flink_deployment(self.input.name, self.input.keys.owner_uid),
        }
    }

    /// The pod template that Flink makes TaskManagers from; only native clusters do.
    fn task_manager_template(&self) -> Result<Option<serde_json::Value>, ConfigError> {
        match self.mode() {
            KubernetesMode::Standalone => Ok(None),
            KubernetesMode::Native => {
                pod_template::of_process(self.input.spec, self.input.config, Process::TaskManager)
            }
        }
    }
}

#[cfg(test)]
mod tests;
