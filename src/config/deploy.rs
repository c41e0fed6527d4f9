//! What is added to an effective configuration when a cluster is deployed, and what is taken out
//! because it is the operator's own. One rule: paths that outlive a deployment get its unique id, so a
//! cluster of the same name never finds the results of an earlier one.

use flink_crds::{API_VERSION, FlinkVersion, KubernetesMode};

use super::{ConfigError, FlinkConfig, effective::FLINK_VERSION, flink, is_ours, split};

/// Annotation with the generation of the resource that a JobManager Deployment was made from.
pub const GENERATION_ANNOTATION: &str = "flinkdeployment.flink.apache.org/generation";
/// Path that stands for "the latest state, known only to the high availability metadata". A JobManager
/// that loses this metadata fails on the path instead of starting empty.
pub const LAST_STATE_PATH: &str = "KUBERNETES_OPERATOR_LAST_STATE";

/// The part of a configuration that only one deployment knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployKeys<'a> {
    /// Uid of the FlinkDeployment.
    pub owner_uid: &'a str,
    /// Its generation.
    pub generation: i64,
    /// How the cluster runs.
    pub mode: KubernetesMode,
    /// Id of an application's job; `None` for a session cluster.
    pub job_id: Option<&'a str>,
    /// What the job starts from: a path, or [`LAST_STATE_PATH`].
    pub savepoint: Option<&'a str>,
    /// An id that no other deployment has, for the result stores.
    pub deployment_id: &'a str,
}

/// The configuration that the pods get: `config` with the keys of this deployment and with what a
/// cluster on Kubernetes needs, without the operator's own keys.
///
/// # Errors
/// Every value that cannot be used, such as a range of ports.
pub fn with_deploy(
    config: &FlinkConfig,
    keys: &DeployKeys<'_>,
) -> Result<FlinkConfig, Vec<ConfigError>> {
    let mut cluster = config.clone();
    cluster.retain(|key| !is_ours(key));
    let mut errors = Vec::new();
    let name = cluster
        .raw("kubernetes.cluster-id")
        .unwrap_or_default()
        .to_owned();
    owner(&mut cluster, &name, keys);
    collect(&mut errors, annotate(&mut cluster, keys.generation));
    restore(&mut cluster, keys);
    collect(&mut errors, result_stores(&mut cluster, &name, keys));
    if keys.mode == KubernetesMode::Native {
        entrypoint(&mut cluster, keys.job_id.is_some());
    }
    collect(&mut errors, addresses(&mut cluster, &name));
    if errors.is_empty() {
        Ok(cluster)
    } else {
        Err(errors)
    }
}

fn collect(errors: &mut Vec<ConfigError>, result: Result<(), ConfigError>) {
    errors.extend(result.err());
}

fn owner(config: &mut FlinkConfig, name: &str, keys: &DeployKeys<'_>) {
    let reference = [
        ("apiVersion", API_VERSION),
        ("blockOwnerDeletion", "true"),
        ("controller", "false"),
        ("kind", "FlinkDeployment"),
        ("name", name),
        ("uid", keys.owner_uid),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let reference = split::join_map(reference.iter().map(|(key, value)| (key, value)));
    config.set("kubernetes.jobmanager.owner.reference", reference);
}

fn annotate(config: &mut FlinkConfig, generation: i64) -> Result<(), ConfigError> {
    const KEY: &str = "kubernetes.jobmanager.annotations";
    let mut annotations = config.map(KEY)?;
    annotations.insert(GENERATION_ANNOTATION.to_owned(), generation.to_string());
    // Nested YAML may have given them as keys below this one; both forms cannot stand side by side.
    config.retain(|key| {
        !key.strip_prefix(KEY)
            .is_some_and(|rest| rest.starts_with('.'))
    });
    config.set(KEY, split::join_map(&annotations));
    Ok(())
}

/// The path and the job id. A path of the user's own would bring back old state on every restart.
fn restore(config: &mut FlinkConfig, keys: &DeployKeys<'_>) {
    let option = &flink::SAVEPOINT_PATH;
    for key in std::iter::once(&option.key).chain(option.aliases) {
        config.remove(key);
    }
    if let Some(path) = keys.savepoint {
        config.set(option.key, path);
    }
    if let Some(job_id) = keys.job_id {
        config.set(flink::JOB_ID.key, job_id);
    }
}

/// Where an application notes that it has ended. The note must outlive it, or a restarted JobManager
/// would run the job again; it must not be found by the next cluster of the same name.
fn result_stores(
    config: &mut FlinkConfig,
    name: &str,
    keys: &DeployKeys<'_>,
) -> Result<(), ConfigError> {
    let Some(storage) = config
        .get(&flink::HA_STORAGE_DIR)?
        .filter(|_| keys.job_id.is_some())
    else {
        return Ok(());
    };
    let version: Option<FlinkVersion> = config
        .raw(FLINK_VERSION)
        .and_then(|version| version.parse().ok());
    let mut stores = vec!["job-result-store"];
    if version.is_some_and(|version| version >= FlinkVersion::V2_3) {
        stores.push("application-result-store");
    }
    for store in stores {
        let path = format!(
            "{}/{store}/{name}/{}",
            storage.trim_end_matches('/'),
            keys.deployment_id
        );
        config.set(format!("{store}.storage-path"), path);
        config.set_default(format!("{store}.delete-on-commit"), "false");
    }
    Ok(())
}

fn entrypoint(config: &mut FlinkConfig, application: bool) {
    let kind = if application {
        "Application"
    } else {
        "Session"
    };
    config.set(
        "kubernetes.internal.jobmanager.entrypoint.class",
        format!("org.apache.flink.kubernetes.entrypoint.Kubernetes{kind}ClusterEntrypoint"),
    );
    config.set("internal.cluster.execution-mode", "NORMAL");
}

/// Fixed ports, because Services lead to them, and the JobManager's address.
fn addresses(config: &mut FlinkConfig, name: &str) -> Result<(), ConfigError> {
    for (option, fallback) in [
        (&flink::BLOB_PORT, flink::port::BLOB),
        (&flink::TASK_MANAGER_RPC_PORT, flink::port::TASK_MANAGER_RPC),
        (&flink::REST_BIND_PORT, flink::port::REST),
    ] {
        fix_port(config, option, fallback)?;
    }
    if flink::high_availability(config)?.is_some() {
        let rpc = config.get(&flink::JOB_MANAGER_RPC_PORT)?;
        return fix_port(config, &flink::HA_JOB_MANAGER_PORT, rpc);
    }
    let namespace = config.raw("kubernetes.namespace").unwrap_or_default();
    let address = format!("{name}.{namespace}");
    config.set("jobmanager.rpc.address", address);
    Ok(())
}

/// Writes a port only where it would be chosen at random.
fn fix_port(
    config: &mut FlinkConfig,
    option: &super::ConfigOption<String>,
    fallback: u16,
) -> Result<(), ConfigError> {
    let port = flink::fixed_port(config, option, fallback)?;
    if config.get(option)?.trim() != port.to_string() {
        config.set(option.key, port.to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
