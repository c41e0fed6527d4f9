//! The configuration of one cluster: the operator's defaults, over them the user's configuration, over
//! that what the other fields of the spec say, over all of it what is enforced. One rule: all errors are returned, not
//! the first.
//! Compared with captured clusters in `resources/tests.rs`.

use std::collections::BTreeMap;

use flink_crds::{
    FlinkDeploymentSpec, FlinkSessionJobSpec, FlinkVersion, JobSpec, KubernetesMode, Resource,
    ResourceRequirements, UpgradeMode,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{
    ConfigError, Defaults, Enforced, FlinkConfig, Memory, flink, memory::Process, quantity, split,
};

/// Key of the number of TaskManagers in a configuration, as the Java operator writes it.
pub const TASK_MANAGER_REPLICAS: &str = "kubernetes.internal.taskmanager.replicas";
const JOB_MANAGER_REPLICAS: &str = "kubernetes.jobmanager.replicas";
/// Key of the Flink version in a configuration.
pub const FLINK_VERSION: &str = "$internal.flink.version";

/// The effective configuration of a FlinkDeployment, the operator's own keys included. What only a
/// deployment knows is added by [`super::deploy::with_deploy`].
pub fn effective(
    defaults: &Defaults,
    namespace: &str,
    name: &str,
    spec: &FlinkDeploymentSpec,
) -> Result<FlinkConfig, Vec<ConfigError>> {
    let mut config = defaults.for_resource(namespace, spec.flink_version);
    if let Some(user) = &spec.flink_configuration {
        config.overlay(FlinkConfig::flatten(&user.0));
    }
    let enforced = defaults.enforced(namespace, spec.flink_version);
    // Before the fields, since some are reckoned from others, and after them, since they stand over these too.
    enforced.lay_over(&mut config);
    config.set_default("kubernetes.rest-service.exposed.type", "ClusterIP");
    config.set_default("web.cancel.enable", "false");
    let mut build = Build {
        config,
        spec,
        errors: Vec::new(),
    };
    build.image();
    build.job_manager();
    build.task_manager();
    match &spec.job {
        Some(job) => build.job(name, job),
        None => build.session(),
    }
    enforced.lay_over(&mut build.config);
    build.identity(namespace, name);
    if build.errors.is_empty() {
        Ok(build.config)
    } else {
        Err(build.errors)
    }
}

/// The effective configuration of a FlinkSessionJob: its cluster's, over it its own, over both what is enforced.
pub fn effective_session_job(
    cluster: &FlinkConfig,
    spec: &FlinkSessionJobSpec,
    enforced: &Enforced,
) -> FlinkConfig {
    let mut config = cluster.clone();
    if let Some(user) = &spec.flink_configuration {
        config.overlay(FlinkConfig::flatten(&user.0));
    }
    enforced.lay_over(&mut config);
    config
}

/// What fields of a spec say, by the keys that they stand for and that can be enforced.
pub fn fields(spec: &FlinkDeploymentSpec) -> FlinkConfig {
    let mut build = Build {
        config: FlinkConfig::new(),
        spec,
        errors: Vec::new(),
    };
    build.image();
    build.job_manager();
    build.task_manager();
    if let Some(job) = &spec.job {
        build.unclaimed_state(job);
    }
    if spec
        .job_manager
        .as_ref()
        .is_none_or(|manager| manager.replicas.is_none())
    {
        build.config.remove(JOB_MANAGER_REPLICAS);
    }
    build.config
}

struct Build<'a> {
    config: FlinkConfig,
    spec: &'a FlinkDeploymentSpec,
    errors: Vec<ConfigError>,
}

impl Build<'_> {
    fn image(&mut self) {
        let Self { config, spec, .. } = self;
        if let Some(version) = spec.flink_version {
            config.set(FLINK_VERSION, version.as_str());
        }
        if let Some(image) = &spec.image {
            config.set(image_key(spec.flink_version), image);
        }
        if let Some(policy) = &spec.image_pull_policy {
            config.set("kubernetes.container.image.pull-policy", policy);
        }
        if let Some(account) = &spec.service_account {
            config.set("kubernetes.service-account", account);
        }
    }

    fn job_manager(&mut self) {
        let Some(manager) = &self.spec.job_manager else {
            return;
        };
        self.resources(
            Process::JobManager,
            manager.resource.as_ref(),
            manager.resources.as_ref(),
        );
        let replicas = manager.replicas_or_default();
        if replicas > 0 {
            self.config.set(JOB_MANAGER_REPLICAS, replicas.to_string());
        }
    }

    fn task_manager(&mut self) {
        let Some(manager) = &self.spec.task_manager else {
            return;
        };
        self.resources(
            Process::TaskManager,
            manager.resource.as_ref(),
            manager.resources.as_ref(),
        );
        if let Some(replicas) = manager.replicas.filter(|replicas| *replicas > 0) {
            self.config.set(TASK_MANAGER_REPLICAS, replicas.to_string());
        }
    }

    fn resources(
        &mut self,
        process: Process,
        old: Option<&Resource>,
        new: Option<&ResourceRequirements>,
    ) {
        let field = match process {
            Process::JobManager => "spec.jobManager",
            Process::TaskManager => "spec.taskManager",
        };
        match new.filter(|resources| !resources.is_empty()) {
            Some(resources) => {
                let path = format!("{field}.resources");
                self.amount(process, resources, "memory", &path);
                self.amount(process, resources, "cpu", &path);
            }
            None => {
                if let Some(resource) = old {
                    self.old_resource(process, resource, &format!("{field}.resource"));
                }
            }
        }
    }

    fn old_resource(&mut self, process: Process, resource: &Resource, path: &str) {
        if let Some(text) = &resource.memory {
            match Memory::parse_resource(text) {
                Some(memory) => self.config.set(process.memory_key(), memory.to_string()),
                None => self
                    .errors
                    .push(not_memory(&format!("{path}.memory"), text)),
            }
        }
        if let Some(cpu) = resource.cpu {
            self.set_cpu(process, cpu);
        }
    }

    /// Sets the amount of a resource from its request, else its limit, and the factor between them.
    fn amount(
        &mut self,
        process: Process,
        resources: &ResourceRequirements,
        name: &str,
        path: &str,
    ) {
        let request = self.read(
            resources.requests.as_ref(),
            name,
            &format!("{path}.requests.{name}"),
        );
        let limit = self.read(
            resources.limits.as_ref(),
            name,
            &format!("{path}.limits.{name}"),
        );
        let Some(amount) = request.or(limit) else {
            return;
        };
        match amount {
            Amount::Memory(memory) => self.config.set(process.memory_key(), memory.to_string()),
            Amount::Cpu(cpu) => self.set_cpu(process, cpu),
        }
        if let (Some(request), Some(limit)) = (request, limit) {
            let factor = limit.number() / request.number();
            if factor < 1.0 || !factor.is_finite() {
                let problem =
                    "the limit is below the request; raise the limit or lower the request";
                self.errors
                    .push(ConfigError::field(format!("{path}.limits.{name}"), problem));
            }
            let key = format!("kubernetes.{}.{name}.limit-factor", process.prefix());
            self.config.set(key, double(factor));
        }
    }

    fn read(
        &mut self,
        quantities: Option<&BTreeMap<String, Quantity>>,
        name: &str,
        path: &str,
    ) -> Option<Amount> {
        let text = &quantities?.get(name)?.0;
        let amount = match name {
            "memory" => Memory::parse_resource(text).map(Amount::Memory),
            _ => quantity::parse(text).map(Amount::Cpu),
        };
        if amount.is_none() {
            self.errors.push(match name {
                "memory" => not_memory(path, text),
                _ => ConfigError::field(
                    path,
                    format!("'{text}' is not a number of CPUs; write it as '500m' or '1.5'"),
                ),
            });
        }
        amount
    }

    fn set_cpu(&mut self, process: Process, cpu: f64) {
        let process = process.prefix();
        self.config
            .set(format!("kubernetes.{process}.cpu.amount"), double(cpu));
        if self
            .spec
            .flink_version
            .is_some_and(|version| version < FlinkVersion::V1_17)
        {
            self.config
                .set(format!("kubernetes.{process}.cpu"), double(cpu));
        }
    }

    fn job(&mut self, name: &str, job: &JobSpec) {
        self.target(job);
        self.parallelism(job);
        let config = &mut self.config;
        // A job that has ended must stay visible until the operator has seen how.
        config.set("execution.shutdown-on-application-finish", "false");
        config.set_default("execution.submit-failed-job-on-application-error", "true");
        config.set_default("pipeline.name", name);
        if job.upgrade_mode_or_default() == UpgradeMode::LastState {
            config.set_default(flink::CHECKPOINT_INTERVAL.key, "5 min");
        }
        config.set_default(
            "execution.checkpointing.externalized-checkpoint-retention",
            "RETAIN_ON_CANCELLATION",
        );
        if let Some(class) = &job.entry_class {
            config.set(flink::MAIN_CLASS.key, class);
        }
        config.set(
            flink::PROGRAM_ARGS.key,
            split::join(job.args_or_default(), ';'),
        );
        self.unclaimed_state(job);
    }

    fn unclaimed_state(&mut self, job: &JobSpec) {
        if let Some(allowed) = job.allow_non_restored_state {
            let key = flink::IGNORE_UNCLAIMED_STATE.key;
            self.config.set(key, allowed.to_string());
        }
    }

    fn target(&mut self, job: &JobSpec) {
        let config = &mut self.config;
        match self.spec.mode_or_default() {
            KubernetesMode::Native => {
                config.set("execution.target", "kubernetes-application");
                if let Some(jar) = &job.jar_uri {
                    config.set("pipeline.jars", split::join([jar], ';'));
                }
            }
            KubernetesMode::Standalone => {
                config.set("execution.target", "remote");
                config.set("kubernetes.internal.cluster-mode", "APPLICATION");
                if let Some(jar) = &job.jar_uri {
                    // In this mode the jar is read from the class path, where it is a file.
                    let jar = jar
                        .strip_prefix("local:")
                        .map_or_else(|| jar.clone(), |path| format!("file:{path}"));
                    config.set("pipeline.classpaths", split::join([jar], ';'));
                }
            }
        }
    }

    fn parallelism(&mut self, job: &JobSpec) {
        let standalone = self.spec.mode_or_default() == KubernetesMode::Standalone;
        let slots = self.read_option(&flink::SLOTS).unwrap_or(1).max(1);
        let replicas = self
            .spec
            .task_manager
            .as_ref()
            .and_then(|manager| manager.replicas);
        let written = job.parallelism.filter(|parallelism| *parallelism > 0);
        let parallelism = match replicas.filter(|replicas| *replicas > 0) {
            Some(replicas) => Some(replicas.saturating_mul(slots)),
            None if standalone => self.largest_override().or(written),
            None => written,
        };
        let Some(parallelism) = parallelism else {
            return;
        };
        self.config
            .set(flink::PARALLELISM.key, parallelism.to_string());
        if standalone {
            let needed = parallelism / slots + i32::from(parallelism % slots != 0);
            self.config
                .set_default(TASK_MANAGER_REPLICAS, needed.to_string());
        }
    }

    fn largest_override(&mut self) -> Option<i32> {
        let overrides = self.read_option(&flink::PARALLELISM_OVERRIDES)?;
        overrides
            .values()
            .filter_map(|value| value.trim().parse().ok())
            .max()
    }

    fn session(&mut self) {
        let config = &mut self.config;
        match self.spec.mode_or_default() {
            KubernetesMode::Native => config.set("execution.target", "kubernetes-session"),
            KubernetesMode::Standalone => {
                config.set("execution.target", "remote");
                config.set("kubernetes.internal.cluster-mode", "SESSION");
            }
        }
    }

    fn identity(&mut self, namespace: &str, name: &str) {
        self.config.set("kubernetes.namespace", namespace);
        self.config.set("kubernetes.cluster-id", name);
        match flink::high_availability(&self.config) {
            Ok(Some(_)) => self.config.set("high-availability.cluster-id", name),
            Ok(None) => {}
            Err(error) => self.errors.push(error),
        }
    }

    fn read_option<T: super::Value>(&mut self, option: &super::ConfigOption<T>) -> Option<T> {
        self.config
            .get(option)
            .map_err(|error| self.errors.push(error))
            .ok()
    }
}

#[derive(Clone, Copy)]
enum Amount {
    Memory(Memory),
    Cpu(f64),
}

impl Amount {
    #[expect(
        clippy::cast_precision_loss,
        reason = "memory sizes are far below 2^53 bytes"
    )]
    const fn number(self) -> f64 {
        match self {
            Self::Memory(memory) => memory.0 as f64,
            Self::Cpu(cpu) => cpu,
        }
    }
}

/// The key of the image, which was renamed in Flink 1.17.
const fn image_key(version: Option<FlinkVersion>) -> &'static str {
    match version {
        Some(
            FlinkVersion::V1_13 | FlinkVersion::V1_14 | FlinkVersion::V1_15 | FlinkVersion::V1_16,
        ) => "kubernetes.container.image",
        _ => "kubernetes.container.image.ref",
    }
}

/// A number as Java prints it: always with a decimal point.
fn double(number: f64) -> String {
    format!("{number:?}")
}

fn not_memory(path: &str, text: &str) -> ConfigError {
    let problem = format!("'{text}' is not a memory size; write it as '2048m', '2 gb' or '2Gi'");
    ConfigError::field(path, problem)
}

#[cfg(test)]
mod tests;
