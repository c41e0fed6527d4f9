//! The options of Flink that the operator reads itself, with the older names that are still accepted.
//! Everything else of Flink's passes through untouched.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ConfigError, FlinkConfig,
    option::{ConfigOption, Scope},
};

macro_rules! flink_options {
    ($($(#[$meta:meta])* $name:ident: $type:ty = $key:literal $(or $default:literal)? $([$($alias:literal),+])?;)+) => {
        $(
            $(#[$meta])*
            pub const $name: ConfigOption<$type> = ConfigOption::new($key, Scope::Resource, "")
                $(.or($default))?
                $(.alias(&[$($alias),+]))?;
        )+

        /// All of them.
        pub const ALL: &[super::Row] = &[$($name.row()),+];
    };
}

flink_options! {
    /// Parallelism of operators that set none.
    PARALLELISM: i32 = "parallelism.default" or "1";
    /// Parallelism of single vertices, by their ids.
    PARALLELISM_OVERRIDES: BTreeMap<String, String> = "pipeline.jobvertex-parallelism-overrides" or "";
    /// Slots of one TaskManager.
    SLOTS: i32 = "taskmanager.numberOfTaskSlots" or "1";
    /// Kind of high availability.
    HA_TYPE: Option<String> = "high-availability.type" ["high-availability", "recovery.mode"];
    /// Directory for the data of high availability.
    HA_STORAGE_DIR: Option<String> = "high-availability.storageDir" ["high-availability.zookeeper.storageDir", "recovery.zookeeper.storageDir"];
    /// Port of the JobManager under high availability.
    HA_JOB_MANAGER_PORT: String = "high-availability.jobmanager.port" or "0" ["recovery.jobmanager.port"];
    /// Directory of savepoints.
    SAVEPOINT_DIR: Option<String> = "execution.checkpointing.savepoint-dir" ["state.savepoints.dir", "savepoints.state.backend.fs.dir"];
    /// Directory of checkpoints.
    CHECKPOINT_DIR: Option<String> = "execution.checkpointing.dir" ["state.checkpoints.dir"];
    /// Time between two checkpoints; none if there are no periodic ones.
    CHECKPOINT_INTERVAL: Option<Duration> = "execution.checkpointing.interval";
    /// Time a checkpoint or savepoint may take.
    CHECKPOINT_TIMEOUT: Duration = "execution.checkpointing.timeout" or "10 min";
    /// Smallest pause between two checkpoints.
    CHECKPOINT_MIN_PAUSE: Duration = "execution.checkpointing.min-pause" or "0 ms";
    /// Number of completed checkpoints whose files Flink keeps.
    CHECKPOINTS_RETAINED: i32 = "execution.checkpointing.num-retained" or "1" ["state.checkpoints.num-retained"];
    /// Number of failed checkpoints a job survives.
    CHECKPOINT_TOLERABLE_FAILURES: i32 = "execution.checkpointing.tolerable-failed-checkpoints" or "0";
    /// Port of the REST interface.
    REST_PORT: u16 = "rest.port" or "8081" ["web.port"];
    /// Port the REST interface binds to.
    REST_BIND_PORT: String = "rest.bind-port" or "8081";
    /// Whether the REST interface speaks TLS.
    REST_TLS: bool = "security.ssl.rest.enabled" or "false";
    /// Whether its clients must have a certificate.
    REST_TLS_CLIENT: bool = "security.ssl.rest.authentication-enabled" or "false";
    /// Port of the JobManager for TaskManagers.
    JOB_MANAGER_RPC_PORT: u16 = "jobmanager.rpc.port" or "6123";
    /// Port of the BLOB server.
    BLOB_PORT: String = "blob.server.port" or "0";
    /// Port of TaskManagers.
    TASK_MANAGER_RPC_PORT: String = "taskmanager.rpc.port" or "0";
    /// Savepoint or checkpoint to start from.
    SAVEPOINT_PATH: Option<String> = "execution.savepoint.path" ["execution.state-recovery.path"];
    /// Whether state that no operator claims may be dropped.
    IGNORE_UNCLAIMED_STATE: bool = "execution.savepoint.ignore-unclaimed-state" or "false" ["execution.state-recovery.ignore-unclaimed-state"];
    /// Id of the job of an application.
    JOB_ID: Option<String> = "$internal.pipeline.job-id";
    /// Arguments of an application's main method.
    PROGRAM_ARGS: Vec<String> = "$internal.application.program-args" or "";
    /// Main class of an application.
    MAIN_CLASS: Option<String> = "$internal.application.main";
}

/// Ports where a cluster listens when its configuration names none.
pub mod port {
    /// REST interface and web interface.
    pub const REST: u16 = 8081;
    /// BLOB server of the JobManager.
    pub const BLOB: u16 = 6124;
    /// TaskManager.
    pub const TASK_MANAGER_RPC: u16 = 6122;
}

/// A kind of high availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HighAvailability {
    /// In ConfigMaps.
    Kubernetes,
    /// In ZooKeeper.
    ZooKeeper,
}

/// The kind of high availability, if it is on.
pub fn high_availability(config: &FlinkConfig) -> Result<Option<HighAvailability>, ConfigError> {
    let kind = config.get(&HA_TYPE)?.unwrap_or_default();
    Ok(match kind.trim().to_ascii_lowercase().as_str() {
        "kubernetes" => Some(HighAvailability::Kubernetes),
        "zookeeper" => Some(HighAvailability::ZooKeeper),
        class if class.ends_with(".kuberneteshaservicesfactory") => {
            Some(HighAvailability::Kubernetes)
        }
        _ => None,
    })
}

/// A port that must be fixed because a Service leads to it. Zero takes `fallback`.
pub fn fixed_port(
    config: &FlinkConfig,
    option: &ConfigOption<String>,
    fallback: u16,
) -> Result<u16, ConfigError> {
    let text = config.get(option)?;
    match text.trim().parse() {
        Ok(0) => Ok(fallback),
        Ok(port) => Ok(port),
        Err(_) => Err(ConfigError::invalid(
            option.key,
            &text,
            "one port, such as 6124; a Service cannot lead to a range of ports",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_option() {
        for row in ALL {
            assert!(row.default.is_none_or(row.accepts), "{}", row.key);
        }
    }

    #[test]
    fn high_availability_is_recognised_by_every_name() {
        let kind = |key: &str, value: &str| {
            high_availability(&FlinkConfig::from_iter([(key, value)])).unwrap()
        };
        let class = "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory";
        for value in ["kubernetes", "KUBERNETES", class] {
            assert_eq!(
                kind("high-availability.type", value),
                Some(HighAvailability::Kubernetes)
            );
            assert_eq!(
                kind("high-availability", value),
                Some(HighAvailability::Kubernetes)
            );
        }
        assert_eq!(
            kind("high-availability", "zookeeper"),
            Some(HighAvailability::ZooKeeper)
        );
        assert_eq!(kind("high-availability", "NONE"), None);
        assert_eq!(high_availability(&FlinkConfig::new()), Ok(None));
    }

    #[test]
    fn a_port_is_fixed_or_refused() {
        let port = |value: &str| {
            fixed_port(
                &FlinkConfig::from_iter([("blob.server.port", value)]),
                &BLOB_PORT,
                6124,
            )
        };
        assert_eq!(port("0"), Ok(6124));
        assert_eq!(port("7000"), Ok(7000));
        assert!(
            port("7000-7010")
                .unwrap_err()
                .to_string()
                .contains("range of ports")
        );
        assert_eq!(fixed_port(&FlinkConfig::new(), &BLOB_PORT, 6124), Ok(6124));
    }
}
