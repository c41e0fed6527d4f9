//! What a `FlinkDeployment` asks for, with its defaults and configuration worked out.
//!
//! The rule: decisions read this, never the raw resource; what is invalid was replaced by what is
//! deployed, so that a mistake in a new spec leaves the running job managed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flink_crds::{
    AutoscalerStatus, FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, FlinkVersion,
    JobState, ReconciliationState, SavepointFormatType, TunedMemory, UpgradeMode,
};
use flink_scaler::Mode;
use jiff::Timestamp;
use kube::ResourceExt;

use super::ClusterAddress;
use super::adopted::adopted;
use super::error_form::ErrorForm;
use super::exception_events::ExceptionEvents;
use super::extension::{Asked, Rules};
use super::freeze::Freeze;
use super::memory::{MEMORY as TASK_MANAGER_MEMORY, TaskManager, in_force, starts, with_memory};
use super::parallelism::{overrides_in, with_overrides};
use super::recorded::{Recorded, last_reconciled};
use super::snapshot::SnapshotSettings;
use super::validate::{Violation, validate};
use crate::config::effective::{effective, fields};
use crate::config::{
    AUTOSCALER_PREFIX, ConfigError, Defaults, DeployKeys, FlinkConfig, Overruled, Place, flink,
    in_vain, invalid_values, options, unknown_keys,
};
use crate::resources::{BuildInput, build, log_files};

/// The finalizer of the Java operator, so that either can end what the other began.
pub const FINALIZER: &str = "flinkdeployments.flink.apache.org/finalizer";

/// Which resource it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its namespace.
    pub namespace: String,
    /// Its name; also Flink's cluster id.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// It is being deleted.
    pub deleting: bool,
    /// Our finalizer is on it.
    pub finalized: bool,
}

/// A resource, understood.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Which resource.
    pub identity: Identity,
    /// The spec to reconcile.
    pub spec: FlinkDeploymentSpec,
    /// What is wrong with the user's spec; if anything is, `spec` is the deployed one.
    pub violations: Vec<Violation>,
    /// The autoscaler's settings; off if they cannot be read.
    pub scaler: flink_scaler::Settings,
    /// The same as the configuration has them.
    pub scaler_options: BTreeMap<String, String>,
    /// Whether a person froze the autoscaler.
    pub freeze: Option<Freeze>,
    /// Parallelism by vertex that the user's own spec asks for.
    pub own_overrides: BTreeMap<String, u32>,
    /// What a TaskManager is made of by the user's own spec, or by the deployed one if that is invalid.
    pub task_manager: TaskManager,
    /// What another operator's autoscaler has imposed on the job, to be recorded as our own.
    pub adopted: Option<AutoscalerStatus>,
    /// Memory that the autoscaler tuned, as `spec` has it.
    pub memory: Option<TunedMemory>,
    /// What works and yet is hardly meant, of a generation not taken up yet: keys of ours that do not exist,
    /// values that nothing reads now.
    pub advice: Vec<String>,
    /// What the user wrote and what has no say, because the operator's configuration enforces something else.
    pub overruled: Vec<Overruled>,
    /// Flink's configuration for the recorded spec, complete but for deploy-time keys: what a
    /// deployment under way is made with.
    pub deploy_config: FlinkConfig,
    /// Logging files of the pods, by name.
    pub log_files: BTreeMap<String, String>,
    /// Ingresses are ours to manage.
    pub manages_ingress: bool,
    /// Those of its labels by which this operator selects what it looks after.
    pub selected_labels: BTreeMap<String, String>,
    /// How errors are written down.
    pub errors: ErrorForm,
    /// How exceptions of the job are told.
    pub exceptions: ExceptionEvents,
    /// Settings in force: the deployed spec's, with the user's present operator keys over them.
    pub settings: Settings,
}

impl Desired {
    /// Understand a resource against the operator's defaults, without extensions.
    pub fn of(object: &FlinkDeployment, defaults: &Defaults) -> Self {
        Self::under(object, defaults, &Rules::default())
    }

    /// Understand a resource against the operator's defaults and the rules that extensions add.
    pub fn under(object: &FlinkDeployment, defaults: &Defaults, rules: &Rules) -> Self {
        let (object, mut violations) = rules.mutated(object);
        let object = object.as_ref();
        let identity = Identity::of(object);
        let status = object
            .status
            .as_ref()
            .map_or_else(Cow::default, Cow::Borrowed);
        let recorded = last_reconciled(&status);
        let (namespace, name) = (identity.namespace.clone(), identity.name.clone());
        let asked = effective(defaults, &namespace, &name, &object.spec);
        let own = own_keys(&object.spec);
        let enforced = defaults.enforced(&namespace, object.spec.flink_version);
        let overruled = enforced.overruled(&own, || fields(&object.spec));
        let mut heard = own.clone();
        enforced.take_out_of(&mut heard);
        violations.extend(mistakes(object, &asked, &heard, (recorded.as_ref(), rules)));
        let deployed = recorded
            .as_ref()
            .and_then(|recorded| effective(defaults, &namespace, &name, recorded.spec()).ok());
        let asked = asked.unwrap_or_else(|_| deployed.clone().unwrap_or_default());
        let mut running = deployed.clone().unwrap_or_else(|| asked.clone());
        running.overlay(operator_keys(&asked));
        let settings = Settings::read(&asked, &running, recorded.as_ref()).or_else(|error| {
            violations.push(Violation::placed(&error, &heard));
            Settings::read(&running, &running, recorded.as_ref())
        });
        let mut settings = settings.unwrap_or_else(|_| Settings::defaults(recorded.as_ref()));
        settings.snapshots = settings.snapshots.within(defaults.operator());
        let errors = ErrorForm::read(&asked).unwrap_or_else(|error| {
            violations.push(Violation::from(&error));
            ErrorForm::default()
        });
        let (mut scaler, scaler_options) = scaler_settings(&asked).unwrap_or_else(|errors| {
            violations.extend(errors.iter().map(Violation::from));
            let before = deployed.as_ref().map(scaler_settings);
            before.and_then(Result::ok).unwrap_or_default()
        });
        // Part of it enforced and part of it tuned would not add up.
        scaler.memory_tuning_enabled &= !enforced.touches(TASK_MANAGER_MEMORY);
        let new = status.observed_generation != Some(identity.generation);
        if new && violations.is_empty() {
            let logs = log_files(&object.spec, defaults);
            let errors = rehearsed(&identity, &object.spec, &asked, logs);
            violations.extend(errors.iter().map(|one| Violation::placed(one, &heard)));
        }
        let task_manager = TaskManager::of(&asked, &own, &object.spec);
        let on = scaler.effective_mode() != Mode::Off;
        let adopted = match (&status.autoscaler, &recorded) {
            (None, Some(recorded)) if on && !new => {
                adopted(&object.spec, recorded.spec(), &task_manager.basis)
            }
            _ => None,
        };
        let imposed = status.autoscaler.as_ref().or(adopted.as_ref());
        let (spec, memory) = if violations.is_empty() {
            let spec = with_overrides(&object.spec, imposed);
            let starts = starts(&spec, recorded.as_ref().map(Recorded::spec));
            let tuned = on && scaler.memory_tuning_enabled;
            let memory = in_force(imposed, &task_manager.basis, (tuned, starts));
            let spec = match &memory {
                Some(memory) => with_memory(spec, memory),
                None => spec,
            };
            (spec, memory)
        } else {
            let kept = recorded
                .as_ref()
                .map_or_else(|| object.spec.clone(), |r| kept(r, &status, &object.spec));
            (kept, imposed.and_then(|scaler| scaler.memory.clone()))
        };
        Self {
            // It is told once for each generation, and looking for it takes longer than most passes.
            advice: if new {
                let own = advice(&own, &violations);
                own.into_iter().chain(errors.advice()).collect()
            } else {
                Vec::new()
            },
            overruled,
            errors,
            exceptions: ExceptionEvents::read(defaults.operator()),
            scaler,
            scaler_options,
            freeze: Freeze::of(object),
            own_overrides: overrides_in(&object.spec),
            task_manager,
            adopted,
            memory,
            deploy_config: deployed.unwrap_or_else(|| asked.clone()),
            log_files: log_files(
                recorded.as_ref().map_or(&object.spec, Recorded::spec),
                defaults,
            )
            .clone(),
            manages_ingress: defaults.manages_ingresses(),
            selected_labels: selected(object.labels(), defaults),
            identity,
            spec,
            violations,
            settings,
        }
    }

    /// Where the deployed cluster's REST interface is.
    pub fn address(&self) -> ClusterAddress {
        ClusterAddress {
            name: self.identity.name.clone(),
            port: self.settings.rest_port,
            tls: self.settings.rest_tls,
        }
    }

    /// The state the job shall be in; a session cluster is always running.
    pub fn job_state(&self) -> JobState {
        self.spec
            .job
            .as_ref()
            .and_then(|job| job.state)
            .unwrap_or_default()
    }

    /// How the job is to be upgraded.
    pub fn upgrade_mode(&self) -> UpgradeMode {
        self.spec
            .job
            .as_ref()
            .and_then(|job| job.upgrade_mode)
            .unwrap_or_default()
    }

    /// Whether an application (with a job of its own) or a session cluster is asked for.
    pub fn is_application(&self) -> bool {
        self.spec.job.is_some()
    }

    /// Whether Flink can change the parallelism of the running job without a restart of the cluster.
    pub fn rescales_in_place(&self) -> bool {
        self.settings.in_place_scaling
            && self.settings.adaptive_scheduler
            && self.spec.flink_version >= Some(FlinkVersion::V1_18)
    }

    /// CPUs and bytes of memory that the cluster may use with this many TaskManagers, as text.
    pub fn footprint(&self, task_managers: u32) -> Option<(String, String)> {
        let config = &self.deploy_config;
        let number = |key: &str, default: f64| {
            config
                .raw(key)
                .map_or(Some(default), |text| text.trim().parse::<f64>().ok())
        };
        let cpu = |process: &str| {
            Some(
                number(&format!("kubernetes.{process}.cpu.amount"), 1.0)?
                    * number(&format!("kubernetes.{process}.cpu.limit-factor"), 1.0)?,
            )
        };
        let memory = |process: &str| {
            config
                .memory(&format!("{process}.memory.process.size"))
                .ok()
                .flatten()
        };
        let replicas = config
            .i32("kubernetes.jobmanager.replicas")
            .ok()?
            .unwrap_or(1);
        let cpus = cpu("jobmanager")? * f64::from(replicas)
            + cpu("taskmanager")? * f64::from(task_managers);
        let bytes = memory("jobmanager")?
            .0
            .checked_mul(u64::try_from(replicas).ok()?)?
            .checked_add(
                memory("taskmanager")?
                    .0
                    .checked_mul(u64::from(task_managers))?,
            )?;
        Some((format!("{cpus:?}"), bytes.to_string()))
    }

    /// All violations as one text.
    pub fn violation_text(&self) -> Option<String> {
        let texts: Vec<String> = self.violations.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }
}

impl Identity {
    fn of(object: &FlinkDeployment) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            created: object.creation_timestamp().map(|time| time.0),
            deleting: object.metadata.deletion_timestamp.is_some(),
            finalized: object.finalizers().iter().any(|name| name == FINALIZER),
        }
    }
}

/// What is wrong with the spec: by our rules, by those of extensions, and because its configuration cannot be read.
fn mistakes(
    object: &FlinkDeployment,
    asked: &Result<FlinkConfig, Vec<ConfigError>>,
    own: &FlinkConfig,
    (deployed, rules): (Option<&Recorded>, &Rules),
) -> Vec<Violation> {
    let config = asked.as_ref().unwrap_or(own);
    let name = object.name_any();
    let mut violations = validate(&name, &object.spec, config, deployed);
    violations.extend(rules.violations(&Asked {
        resource: object,
        config,
        deployed: deployed.map(Recorded::spec),
    }));
    let known: BTreeSet<String> = violations.iter().map(|one| one.path.clone()).collect();
    let unread = asked.as_ref().err().into_iter().flatten();
    let unread = unread.map(|error| Violation::placed(error, own));
    violations.extend(unread.filter(|one| !known.contains(&one.path)));
    violations
}

/// What stands in the way of making the cluster's objects, found before anything is stopped for their sake.
fn rehearsed(
    identity: &Identity,
    spec: &FlinkDeploymentSpec,
    config: &FlinkConfig,
    log_files: &BTreeMap<String, String>,
) -> Vec<ConfigError> {
    let keys = DeployKeys {
        owner_uid: &identity.uid,
        generation: identity.generation,
        mode: spec.mode.unwrap_or_default(),
        job_id: spec.job.as_ref().map(|_| "job"),
        savepoint: None,
        deployment_id: "rehearsal",
    };
    let built = build(&BuildInput {
        namespace: &identity.namespace,
        name: &identity.name,
        spec,
        config,
        keys: &keys,
        log_files,
        job_manager_uid: None,
    });
    built.err().unwrap_or_default()
}

/// What stays managed while the user's spec `asked` is invalid: the deployed one, running if it was being
/// brought up. How to keep its state the deployed one does not say: there it is how the job was last started, the first
/// time without state. The user does, unless that gave up what the last start still had.
fn kept(
    recorded: &Recorded,
    status: &FlinkDeploymentStatus,
    asked: &FlinkDeploymentSpec,
) -> FlinkDeploymentSpec {
    let mut spec = recorded.spec().clone();
    let mode = asked.job.as_ref().and_then(|job| job.upgrade_mode);
    if let (Some(job), Some(mode)) = (&mut spec.job, mode)
        && mode != UpgradeMode::Stateless
    {
        job.upgrade_mode = Some(mode);
    }
    let phase = status.reconciliation_status.as_ref().and_then(|r| r.state);
    if let Some(job) = &mut spec.job
        && matches!(
            phase,
            Some(ReconciliationState::Upgrading | ReconciliationState::RollingBack)
        )
    {
        job.state = Some(JobState::Running);
    }
    spec
}

/// The labels whose keys the operator's selector names.
fn selected(labels: &BTreeMap<String, String>, defaults: &Defaults) -> BTreeMap<String, String> {
    let Ok(Some(selector)) = defaults.operator().get(&options::LABEL_SELECTOR) else {
        return BTreeMap::new();
    };
    labels
        .iter()
        .filter(|(key, _)| selector.names(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The keys a user wrote, flat.
fn own_keys(spec: &FlinkDeploymentSpec) -> FlinkConfig {
    spec.flink_configuration
        .as_ref()
        .map(|map| FlinkConfig::flatten(&map.0))
        .unwrap_or_default()
}

/// What to tell the user about these keys, beside what is wrong.
fn advice(own: &FlinkConfig, violations: &[Violation]) -> Vec<String> {
    let told = |error: &ConfigError| match error {
        ConfigError::Invalid { key, .. } => violations.iter().any(|v| v.to_string().contains(key)),
        _ => false,
    };
    let unknown = unknown_keys(own).into_iter().map(|key| key.to_string());
    let unreadable = invalid_values(own).into_iter().filter(|error| !told(error));
    unknown
        .chain(unreadable.map(|error| error.to_string()))
        .chain(in_vain(own, Place::Resource))
        .collect()
}

/// Options as the configuration has them.
type Options = BTreeMap<String, String>;

/// The autoscaler's settings in this configuration, and the options they are read from.
pub fn scaler_settings(
    config: &FlinkConfig,
) -> Result<(flink_scaler::Settings, Options), Vec<flink_scaler::SettingsError>> {
    let own = config
        .iter()
        .filter(|(key, _)| key.contains(AUTOSCALER_PREFIX));
    let options: Options = own
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Ok((flink_scaler::Settings::parse(&options)?, options))
}

/// Keys that take effect without an upgrade: ours, and where savepoints go.
fn operator_keys(config: &FlinkConfig) -> FlinkConfig {
    let is_ours = |key: &str| {
        key.starts_with("kubernetes.operator.")
            || key.starts_with("job.autoscaler.")
            || key == "execution.checkpointing.savepoint-dir"
            || key == "state.savepoints.dir"
    };
    config.iter().filter(|(key, _)| is_ours(key)).collect()
}

/// Flink's name of a savepoint format; what is not known is left to Flink's default.
fn format_name(format: SavepointFormatType) -> &'static str {
    match format {
        SavepointFormatType::Native => "NATIVE",
        SavepointFormatType::Canonical | SavepointFormatType::Unknown => "CANONICAL",
    }
}

/// Options that decisions depend on, typed.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one documented option of its own"
)]
pub struct Settings {
    /// Base interval of looking.
    pub reconcile_interval: Duration,
    /// Interval while something is under way.
    pub progress_interval: Duration,
    /// Delay until a started JobManager is asked.
    pub rest_delay: Duration,
    /// Savepoint upgrades of jobs that do not run fall back to last-state.
    pub last_state_fallback: bool,
    /// Last-state upgrades cancel the job rather than delete its JobManager.
    pub cancel_for_last_state: bool,
    /// Take a savepoint if the newest checkpoint is older.
    pub max_checkpoint_age: Option<Duration>,
    /// Rescale in place where Flink can.
    pub in_place_scaling: bool,
    /// The running cluster uses the adaptive scheduler.
    pub adaptive_scheduler: bool,
    /// How long a new spec may take until its job runs.
    pub readiness_timeout: Duration,
    /// Recreate a lost JobManager.
    pub recovery: bool,
    /// Start failed jobs again.
    pub restart_failed: bool,
    /// Keep a terminal job's JobManager this long.
    pub shutdown_ttl: Duration,
    /// Take a savepoint when the resource is deleted.
    pub savepoint_on_deletion: bool,
    /// Drain when stopping with a savepoint.
    pub drain: bool,
    /// Format of savepoints.
    pub savepoint_format: String,
    /// The user chose the format; otherwise another may be used where Flink needs it.
    pub savepoint_format_chosen: bool,
    /// Where savepoints go.
    pub savepoint_directory: Option<String>,
    /// High availability is on in the deployed cluster.
    pub ha_deployed: bool,
    /// High availability is on in the configuration asked for.
    pub ha_desired: bool,
    /// Port of Flink's REST interface.
    pub rest_port: u16,
    /// Flink's REST interface speaks TLS.
    pub rest_tls: bool,
    /// Slots per TaskManager.
    pub slots: u32,
    /// A job id the user fixed.
    pub fixed_job_id: Option<String>,
    /// Flink's version of the deployed cluster.
    pub deployed_version: Option<FlinkVersion>,
    /// Snapshots: when they are taken, how many are kept.
    pub snapshots: SnapshotSettings,
}

impl Settings {
    /// Read them: `desired` is the configuration asked for, `deployed` that of the running cluster.
    pub fn read(
        desired: &FlinkConfig,
        deployed: &FlinkConfig,
        recorded: Option<&Recorded>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            reconcile_interval: desired.get(&options::RECONCILE_INTERVAL)?.0,
            progress_interval: desired.get(&options::PROGRESS_CHECK_INTERVAL)?.0,
            rest_delay: desired.get(&options::REST_READY_DELAY)?,
            last_state_fallback: desired.get(&options::UPGRADE_LAST_STATE_FALLBACK_ENABLED)?,
            cancel_for_last_state: desired.get(&options::UPGRADE_LAST_STATE_CANCEL_ENABLED)?,
            max_checkpoint_age: desired.get(&options::UPGRADE_MAX_CHECKPOINT_AGE)?,
            in_place_scaling: desired.get(&options::UPGRADE_INPLACE_SCALING_ENABLED)?,
            adaptive_scheduler: deployed
                .raw("jobmanager.scheduler")
                .is_some_and(|scheduler| scheduler.eq_ignore_ascii_case("adaptive")),
            readiness_timeout: desired.get(&options::READINESS_TIMEOUT)?,
            recovery: desired.get(&options::JM_RECOVERY_ENABLED)?,
            restart_failed: desired.get(&options::JOB_RESTART_FAILED)?,
            shutdown_ttl: desired.get(&options::JM_SHUTDOWN_TTL)?,
            savepoint_on_deletion: desired.get(&options::JOB_SAVEPOINT_ON_DELETION)?,
            drain: desired.get(&options::JOB_DRAIN_ON_SAVEPOINT_DELETION)?,
            savepoint_format: format_name(desired.get(&options::SAVEPOINT_FORMAT_TYPE)?).to_owned(),
            savepoint_format_chosen: desired.is_set(&options::SAVEPOINT_FORMAT_TYPE),
            savepoint_directory: desired.get(&flink::SAVEPOINT_DIR)?,
            ha_deployed: flink::high_availability(deployed)?.is_some(),
            ha_desired: flink::high_availability(desired)?.is_some(),
            rest_port: deployed.get(&flink::REST_PORT)?,
            rest_tls: deployed.get(&flink::REST_TLS)?,
            slots: u32::try_from(desired.get(&flink::SLOTS)?)
                .unwrap_or(1)
                .max(1),
            fixed_job_id: desired.get(&flink::JOB_ID)?,
            deployed_version: recorded.and_then(|recorded| recorded.spec().flink_version),
            snapshots: SnapshotSettings::read(desired)?,
        })
    }

    /// What is in force if nothing at all can be read.
    fn defaults(recorded: Option<&Recorded>) -> Self {
        let nothing = FlinkConfig::new();
        #[expect(
            clippy::expect_used,
            reason = "a test of the option table reads every default"
        )]
        Self::read(&nothing, &nothing, recorded).expect("the declared defaults can be read")
    }

    /// TaskManagers that a spec needs: its replicas, or enough for its parallelism.
    pub fn task_managers(&self, spec: &FlinkDeploymentSpec) -> i32 {
        if let Some(replicas) = spec.task_manager.as_ref().and_then(|tm| tm.replicas) {
            return replicas;
        }
        let parallelism = spec
            .job
            .as_ref()
            .and_then(|job| job.parallelism)
            .unwrap_or_default();
        let parallelism = u32::try_from(parallelism).unwrap_or_default();
        i32::try_from(parallelism.div_ceil(self.slots)).unwrap_or(i32::MAX)
    }
}
