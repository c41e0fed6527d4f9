//! What is wrong with a spec, all of it at once, each with its place and the remedy.
//!
//! The rule: the same checks as the Java operator's, in one pass; the loop prints the same text a
//! webhook would.

use std::fmt;

use flink_crds::{
    FlinkDeploymentSpec, JobManagerSpec, JobSpec, KubernetesMode, TaskManagerSpec, UpgradeMode,
};

use super::recorded::Recorded;
use crate::config::{ConfigError, FlinkConfig, Memory, flink, options};
use crate::resources::{OwnerRef, ingress};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON path of the field.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// It is the Flink version that is not supported.
    pub unsupported_version: bool,
}

impl Violation {
    /// The field at `path` is wrong: `message` says how, without a full stop, `advice` what to do.
    pub fn new(
        path: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            advice: advice.into(),
            unsupported_version: false,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.path, self.message, self.advice)
    }
}

/// Collects violations.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, path: &str, message: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Violation::new(path, message, advice));
    }

    fn check(&mut self, fine: bool, path: &str, message: &str, advice: &str) {
        if !fine {
            self.add(path, message, advice);
        }
    }
}

fn ingress_template(findings: &mut Findings, name: &str, spec: &FlinkDeploymentSpec) {
    let Some(ingress) = &spec.ingress else { return };
    let owner = OwnerRef::managing("FlinkDeployment", name, "");
    // The namespace cannot make it wrong.
    if let Err(error) = ingress::build(("namespace", name), ingress, name, 0, &owner) {
        findings.0.push(Violation::from(&error));
    }
}

/// Check `spec` against the rules, its effective configuration and what is deployed.
pub fn validate(
    name: &str,
    spec: &FlinkDeploymentSpec,
    config: &FlinkConfig,
    deployed: Option<&Recorded>,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    name_is_legal(&mut findings, name);
    version(&mut findings, spec, deployed);
    findings.check(
        spec.service_account
            .as_deref()
            .is_some_and(|account| !account.is_empty()),
        "spec.serviceAccount",
        "a service account for the Flink pods is missing",
        "Set it to one that may create pods and ConfigMaps; the chart makes one called flink.",
    );
    findings.check(
        spec.mode != Some(KubernetesMode::Standalone),
        "spec.mode",
        "standalone mode is not built yet in this operator",
        "Use native mode (leave spec.mode out).",
    );
    forbidden_keys(&mut findings, spec);
    log_configuration(&mut findings, spec);
    ingress_template(&mut findings, name, spec);
    operator_options(&mut findings, config);
    if let Some(job) = &spec.job {
        job_rules(&mut findings, spec, job, config);
    }
    job_manager(&mut findings, spec.job_manager.as_ref(), config);
    task_manager(&mut findings, spec.task_manager.as_ref(), config);
    if let Some(deployed) = deployed {
        transitions(&mut findings, spec, deployed.spec());
    }
    findings.0
}

fn name_is_legal(findings: &mut Findings, name: &str) {
    let legal = name.len() <= 45
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    findings.check(
        legal,
        "metadata.name",
        "the name cannot be used as Flink's cluster id",
        "Use at most 45 lower case letters, digits and hyphens, beginning with a letter and ending \
         with a letter or digit.",
    );
}

fn version(findings: &mut Findings, spec: &FlinkDeploymentSpec, deployed: Option<&Recorded>) {
    let Some(version) = spec.flink_version else {
        return findings.add(
            "spec.flinkVersion",
            "the Flink version is missing",
            "Set it to the version in the image, for example v2_0.",
        );
    };
    if !version.is_supported() {
        findings.add(
            "spec.flinkVersion",
            format!("Flink version {version} is not supported by this operator version"),
            "Supported are v1_15 to v1_20 and v2_0 to v2_4.",
        );
        if let Some(last) = findings.0.last_mut() {
            last.unsupported_version = true;
        }
    }
    let Some(job) = deployed.and_then(Recorded::job) else {
        return;
    };
    let suspended_in_place = job.state == Some(flink_crds::JobState::Suspended)
        && job.upgrade_mode == Some(UpgradeMode::LastState);
    let stateless = spec
        .job
        .as_ref()
        .and_then(|job| job.upgrade_mode)
        .unwrap_or_default()
        == UpgradeMode::Stateless;
    let changed = deployed.and_then(|deployed| deployed.spec().flink_version) != Some(version);
    findings.check(
        !(suspended_in_place && changed && !stateless),
        "spec.flinkVersion",
        "the job was suspended in last-state mode, and its state cannot move to another Flink version",
        "Resume it with the old version first, then upgrade; or set spec.job.upgradeMode: stateless.",
    );
}

fn forbidden_keys(findings: &mut Findings, spec: &FlinkDeploymentSpec) {
    let Some(map) = &spec.flink_configuration else {
        return;
    };
    let flat = FlinkConfig::flatten(&map.0);
    for key in [
        "kubernetes.namespace",
        "kubernetes.cluster-id",
        "high-availability.cluster-id",
    ] {
        findings.check(
            flat.raw(key).is_none(),
            &format!("spec.flinkConfiguration[{key}]"),
            "the operator sets this key itself",
            "Remove it.",
        );
    }
}

fn log_configuration(findings: &mut Findings, spec: &FlinkDeploymentSpec) {
    const FILES: [&str; 2] = ["log4j-console.properties", "logback-console.xml"];
    for file in spec.log_configuration.iter().flat_map(|files| files.keys()) {
        findings.check(
            FILES.contains(&file.as_str()),
            &format!("spec.logConfiguration[{file}]"),
            "this file is not read by Flink in a container",
            "Use log4j-console.properties or logback-console.xml.",
        );
    }
}

fn operator_options(findings: &mut Findings, config: &FlinkConfig) {
    let on = |option| config.get(option).unwrap_or(false);
    findings.check(
        !on(&options::ROLLBACK_ENABLED) || has_ha(config),
        "spec.flinkConfiguration[kubernetes.operator.deployment.rollback.enabled]",
        "rollback needs high availability",
        "Set high-availability.type: kubernetes and high-availability.storageDir.",
    );
    findings.check(
        !on(&options::HEALTH_CHECK_ENABLED) || on(&options::JM_RECOVERY_ENABLED),
        "spec.flinkConfiguration[kubernetes.operator.cluster.health-check.enabled]",
        "the health check restarts clusters, which needs their recovery to be on",
        "Set kubernetes.operator.jm-deployment-recovery.enabled: true.",
    );
}

fn job_rules(
    findings: &mut Findings,
    spec: &FlinkDeploymentSpec,
    job: &JobSpec,
    config: &FlinkConfig,
) {
    let replicas = spec.task_manager.as_ref().and_then(|tm| tm.replicas);
    findings.check(
        replicas.is_some() || job.parallelism.is_some_and(|parallelism| parallelism >= 1),
        "spec.job.parallelism",
        "the parallelism must be at least 1",
        "Set it, or spec.taskManager.replicas.",
    );
    let mode = job.upgrade_mode.unwrap_or_default();
    findings.check(
        mode == UpgradeMode::Stateless || is_there(config, &flink::CHECKPOINT_DIR),
        "spec.flinkConfiguration[execution.checkpointing.dir]",
        &format!("upgradeMode {mode} needs a checkpoint directory"),
        "Set execution.checkpointing.dir (state.checkpoints.dir before Flink 1.20) to durable storage.",
    );
    let wants_savepoints = mode == UpgradeMode::Savepoint
        || job.savepoint_trigger_nonce.is_some()
        || config.is_set(&options::PERIODIC_SAVEPOINT_INTERVAL)
        || config.is_set(&options::UPGRADE_MAX_CHECKPOINT_AGE);
    findings.check(
        !wants_savepoints || is_there(config, &flink::SAVEPOINT_DIR),
        "spec.flinkConfiguration[execution.checkpointing.savepoint-dir]",
        "savepoints are asked for, and there is no directory for them",
        "Set execution.checkpointing.savepoint-dir (state.savepoints.dir before Flink 1.20).",
    );
}

fn job_manager(findings: &mut Findings, spec: Option<&JobManagerSpec>, config: &FlinkConfig) {
    resources(
        findings,
        "spec.jobManager",
        spec.and_then(|spec| spec.resource.as_ref()),
        spec.and_then(|spec| spec.resources.as_ref()),
        has_memory(config, "jobmanager"),
    );
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    findings.check(
        replicas >= 1,
        "spec.jobManager.replicas",
        "there must be at least one JobManager",
        "Set it to 1, or remove it. To stop the job, set spec.job.state: suspended.",
    );
    findings.check(
        replicas <= 1 || has_ha(config),
        "spec.jobManager.replicas",
        "more than one JobManager needs high availability",
        "Set high-availability.type: kubernetes and high-availability.storageDir, or replicas: 1.",
    );
}

fn task_manager(findings: &mut Findings, spec: Option<&TaskManagerSpec>, config: &FlinkConfig) {
    resources(
        findings,
        "spec.taskManager",
        spec.and_then(|spec| spec.resource.as_ref()),
        spec.and_then(|spec| spec.resources.as_ref()),
        has_memory(config, "taskmanager"),
    );
    findings.check(
        spec.and_then(|spec| spec.replicas)
            .is_none_or(|replicas| replicas >= 1),
        "spec.taskManager.replicas",
        "there must be at least one TaskManager",
        "Set it to 1 or more, or remove it. To stop the job, set spec.job.state: suspended.",
    );
}

fn resources(
    findings: &mut Findings,
    path: &str,
    legacy: Option<&flink_crds::Resource>,
    kubernetes: Option<&flink_crds::ResourceRequirements>,
    memory_in_config: bool,
) {
    if let Some(cpu) = legacy.and_then(|resource| resource.cpu) {
        findings.check(
            cpu.is_finite() && cpu > 0.0,
            &format!("{path}.resource.cpu"),
            "the number of CPUs must be above 0",
            "Set it to 0.5 or 1, for example.",
        );
    }
    let mut parse = |field: String, text: &str| {
        let resource = field.rsplit('.').next().unwrap_or_default().to_owned();
        match amount(&resource, text) {
            Some(amount) if amount > 0.0 => Some(amount),
            Some(_) => {
                findings.add(
                    &field,
                    "the amount must be above 0",
                    "Set it to 1 or 2g, for example.",
                );
                None
            }
            None => {
                let message = format!("{text:?} is not an amount of a resource");
                findings.add(
                    &field,
                    message,
                    "Write it like 0.5, 500m, 2048m, 2g or 2Gi.",
                );
                None
            }
        }
    };
    let mut memory = memory_in_config;
    if let Some(text) = legacy.and_then(|resource| resource.memory.as_deref()) {
        memory = true;
        parse(format!("{path}.resource.memory"), text);
    }
    if let Some(text) = legacy.and_then(|resource| resource.ephemeral_storage.as_deref()) {
        parse(format!("{path}.resource.ephemeralStorage"), text);
    }
    let requests = kubernetes
        .and_then(|resources| resources.requests.clone())
        .unwrap_or_default();
    let limits = kubernetes
        .and_then(|resources| resources.limits.clone())
        .unwrap_or_default();
    memory |= requests.contains_key("memory") || limits.contains_key("memory");
    let mut beyond = Vec::new();
    for (resource, limit) in &limits {
        let limit = parse(format!("{path}.resources.limits.{resource}"), &limit.0);
        let request = requests
            .get(resource)
            .and_then(|request| parse(format!("{path}.resources.requests.{resource}"), &request.0));
        if limit
            .zip(request)
            .is_some_and(|(limit, request)| request > limit)
        {
            beyond.push(resource.clone());
        }
    }
    for (resource, request) in requests
        .iter()
        .filter(|(name, _)| !limits.contains_key(*name))
    {
        parse(format!("{path}.resources.requests.{resource}"), &request.0);
    }
    for resource in beyond {
        findings.add(
            &format!("{path}.resources.requests.{resource}"),
            "the request is larger than the limit",
            "Lower the request or raise the limit.",
        );
    }
    findings.check(
        memory,
        &format!("{path}.resource.memory"),
        "the memory of the process is not set",
        "Set it to 2048m, for example.",
    );
}

fn transitions(findings: &mut Findings, spec: &FlinkDeploymentSpec, old: &FlinkDeploymentSpec) {
    findings.check(
        spec.job.is_some() == old.job.is_some(),
        "spec.job",
        "a session cluster cannot become an application, nor the reverse",
        "Create another FlinkDeployment.",
    );
    findings.check(
        spec.mode.unwrap_or_default() == old.mode.unwrap_or_default(),
        "spec.mode",
        "the mode of a deployed cluster cannot be changed",
        "Create another FlinkDeployment.",
    );
    let (Some(new), Some(old)) = (&spec.job, &old.job) else {
        return;
    };
    let redeploys = new.savepoint_redeploy_nonce.is_some()
        && new.savepoint_redeploy_nonce != old.savepoint_redeploy_nonce;
    findings.check(
        !redeploys
            || new
                .initial_savepoint_path
                .as_deref()
                .is_some_and(|path| !path.is_empty()),
        "spec.job.initialSavepointPath",
        "savepointRedeployNonce was changed, and there is no path to start from",
        "Set it to the savepoint to start from.",
    );
}

fn has_ha(config: &FlinkConfig) -> bool {
    flink::high_availability(config).is_ok_and(|kind| kind.is_some())
}

fn is_there(config: &FlinkConfig, option: &crate::config::ConfigOption<Option<String>>) -> bool {
    config
        .get(option)
        .is_ok_and(|value| value.is_some_and(|text| !text.is_empty()))
}

/// The memory of a process follows from the configuration alone.
fn has_memory(config: &FlinkConfig, process: &str) -> bool {
    [
        "memory.process.size",
        "memory.flink.size",
        "memory.heap.size",
        "memory.task.heap.size",
    ]
    .iter()
    .any(|key| config.contains(&format!("{process}.{key}")))
        || config.contains(&format!("{process}.heap.size"))
}

/// An amount of a resource: Flink's way of writing memory, or a Kubernetes quantity.
fn amount(resource: &str, text: &str) -> Option<f64> {
    if resource == "cpu" {
        let (number, factor) = text
            .strip_suffix('m')
            .map_or((text, 1.0), |text| (text, 0.001));
        return number
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .map(|n| n * factor);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "only compared with other such amounts"
    )]
    Memory::parse_resource(text).map(|memory| memory.0 as f64)
}

/// A key among those the user wrote.
fn own(key: &str) -> String {
    format!("spec.flinkConfiguration[{key}]")
}

impl From<&flink_scaler::SettingsError> for Violation {
    fn from(error: &flink_scaler::SettingsError) -> Self {
        use flink_scaler::SettingsError::{Range, Unreadable};
        let (key, message) = match error {
            Unreadable {
                key,
                value,
                expected,
            } => (key.as_str(), format!("'{value}' is not {expected}")),
            Range { key, value, remedy } => (*key, format!("{value} {remedy}")),
        };
        Self::new(
            own(key),
            message,
            "Until then the autoscaler does as before.",
        )
    }
}

impl From<&ConfigError> for Violation {
    fn from(error: &ConfigError) -> Self {
        let (path, message, advice) = match error {
            ConfigError::Invalid {
                key,
                value,
                expected,
            } => {
                let message = format!("'{value}' is not {expected}");
                (own(key), message, "Correct the value.")
            }
            ConfigError::Missing { key, expected } => (
                own(key),
                format!("it is not set; give it {expected}"),
                "Set it.",
            ),
            ConfigError::Overlap {
                shorter, remedy, ..
            } => {
                let text = error.to_string();
                let text = text.strip_suffix(&format!("; {remedy}")).unwrap_or(&text);
                let mut advice = remedy.clone();
                if let Some(first) = advice.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                return Self::new(own(shorter), text, format!("{advice}."));
            }
            ConfigError::Field { path, problem } => {
                (path.clone(), problem.clone(), "Correct the field.")
            }
        };
        Self::new(path, message, advice)
    }
}

impl Violation {
    /// The same, of a value that stands in the operator's configuration if it is none of the user's `keys`.
    pub fn placed(error: &ConfigError, keys: &FlinkConfig) -> Self {
        let mut violation = Self::from(error);
        if let ConfigError::Invalid { key, .. } = error
            && keys.raw(key).is_none()
        {
            violation.path = format!("the operator's configuration[{key}]");
        }
        violation
    }
}
