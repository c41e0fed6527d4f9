//! Flink's memory model, as far as the operator needs it: the total memory of a process, which is what
//! its container requests. If that is not set, it is the sum of the parts that are.

use super::{
    ConfigError, FlinkConfig, Memory,
    option::{ConfigOption, Scope},
};

type Size = ConfigOption<Option<Memory>>;

const fn size(key: &'static str) -> Size {
    ConfigOption::new(key, Scope::Resource, "")
}

const JM_PROCESS: Size = size("jobmanager.memory.process.size").alias(&["jobmanager.heap.size"]);
const JM_FLINK: Size = size("jobmanager.memory.flink.size");
const JM_HEAP: Size = size("jobmanager.memory.heap.size");
const JM_OFF_HEAP: Size = size("jobmanager.memory.off-heap.size").or("128m");
const JM_METASPACE: Size = size("jobmanager.memory.jvm-metaspace.size").or("256m");

const TM_PROCESS: Size = size("taskmanager.memory.process.size").alias(&["taskmanager.heap.size"]);
const TM_FLINK: Size =
    size("taskmanager.memory.flink.size").alias(&["taskmanager.memory.total-flink.size"]);
const TM_TASK_HEAP: Size = size("taskmanager.memory.task.heap.size");
const TM_TASK_OFF_HEAP: Size = size("taskmanager.memory.task.off-heap.size").or("0 bytes");
const TM_MANAGED: Size =
    size("taskmanager.memory.managed.size").alias(&["taskmanager.memory.size"]);
const TM_FRAMEWORK_HEAP: Size = size("taskmanager.memory.framework.heap.size").or("128m");
const TM_FRAMEWORK_OFF_HEAP: Size = size("taskmanager.memory.framework.off-heap.size").or("128m");
const TM_METASPACE: Size = size("taskmanager.memory.jvm-metaspace.size").or("256m");

/// A process of a Flink cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The JobManager.
    JobManager,
    /// A TaskManager.
    TaskManager,
}

impl Process {
    /// The first part of its configuration keys.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::JobManager => "jobmanager",
            Self::TaskManager => "taskmanager",
        }
    }

    /// The key of its total memory.
    pub const fn memory_key(self) -> &'static str {
        match self {
            Self::JobManager => JM_PROCESS.key,
            Self::TaskManager => TM_PROCESS.key,
        }
    }
}

/// The total memory of a process.
///
/// # Errors
/// If no size is set from which it follows, or one cannot be read.
pub fn process_memory(config: &FlinkConfig, process: Process) -> Result<Memory, ConfigError> {
    let (total, metaspace) = match process {
        Process::JobManager => (&JM_PROCESS, &JM_METASPACE),
        Process::TaskManager => (&TM_PROCESS, &TM_METASPACE),
    };
    if let Some(total) = config.get(total)? {
        return Ok(total);
    }
    let flink = match process {
        Process::JobManager => job_manager_flink(config)?,
        Process::TaskManager => task_manager_flink(config)?,
    };
    let jvm = add([flink, bytes(config, metaspace)?]);
    let overhead = Share::read(
        config,
        &format!("{}.memory.jvm-overhead", process.prefix()),
        OVERHEAD,
    )?;
    Ok(Memory(add([jvm, overhead.beside(jvm)])))
}

/// Whether a size is set from which the total memory follows.
pub fn has_process_memory(config: &FlinkConfig, process: Process) -> bool {
    match process {
        Process::JobManager => [JM_PROCESS, JM_FLINK, JM_HEAP]
            .iter()
            .any(|o| config.is_set(o)),
        Process::TaskManager => {
            config.is_set(&TM_PROCESS)
                || config.is_set(&TM_FLINK)
                || (config.is_set(&TM_TASK_HEAP) && config.is_set(&TM_MANAGED))
        }
    }
}

fn job_manager_flink(config: &FlinkConfig) -> Result<u64, ConfigError> {
    if let Some(flink) = config.get(&JM_FLINK)? {
        return Ok(flink.0);
    }
    match config.get(&JM_HEAP)? {
        Some(heap) => Ok(add([heap.0, bytes(config, &JM_OFF_HEAP)?])),
        None => Err(missing(Process::JobManager)),
    }
}

fn task_manager_flink(config: &FlinkConfig) -> Result<u64, ConfigError> {
    if let Some(flink) = config.get(&TM_FLINK)? {
        return Ok(flink.0);
    }
    let (Some(heap), Some(managed)) = (config.get(&TM_TASK_HEAP)?, config.get(&TM_MANAGED)?) else {
        return Err(missing(Process::TaskManager));
    };
    let parts = add([
        heap.0,
        managed.0,
        bytes(config, &TM_TASK_OFF_HEAP)?,
        bytes(config, &TM_FRAMEWORK_HEAP)?,
        bytes(config, &TM_FRAMEWORK_OFF_HEAP)?,
    ]);
    let network = Share::read(config, "taskmanager.memory.network", NETWORK)?;
    Ok(add([parts, network.beside(parts)]))
}

fn missing(process: Process) -> ConfigError {
    ConfigError::Missing {
        key: process.memory_key().to_owned(),
        expected:
            "the total memory of the process, such as '2 gb', here or in the resources of the spec"
                .to_owned(),
    }
}

fn bytes(config: &FlinkConfig, option: &Size) -> Result<u64, ConfigError> {
    Ok(config.get(option)?.map_or(0, |memory| memory.0))
}

fn add<const N: usize>(parts: [u64; N]) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

/// A part of the memory that is a fraction of the whole, within limits.
#[derive(Clone, Copy)]
struct Share {
    fraction: f64,
    min: u64,
    max: u64,
}

/// JVM overhead: 10 % of the process, 192 MiB to 1 GiB.
const OVERHEAD: Share = Share {
    fraction: 0.1,
    min: 192 << 20,
    max: 1 << 30,
};
/// Network memory: 10 % of Flink's memory, at least 64 MiB.
const NETWORK: Share = Share {
    fraction: 0.1,
    min: 64 << 20,
    max: u64::MAX,
};

impl Share {
    fn read(config: &FlinkConfig, key: &str, default: Self) -> Result<Self, ConfigError> {
        let fraction_key = format!("{key}.fraction");
        let fraction = config.typed(&fraction_key)?.unwrap_or(default.fraction);
        if !(0.0..1.0).contains(&fraction) {
            let expected = "a fraction of at least 0 and below 1, such as 0.1";
            return Err(ConfigError::invalid(
                &fraction_key,
                &fraction.to_string(),
                expected,
            ));
        }
        let min = config
            .memory(&format!("{key}.min"))?
            .map_or(default.min, |memory| memory.0);
        let max = config
            .memory(&format!("{key}.max"))?
            .map_or(default.max, |memory| memory.0);
        Ok(Self {
            fraction,
            min,
            max: max.max(min),
        })
    }

    /// The size of the part when the other parts together are `rest`.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes of processes are far below 2^53 bytes, and the fraction is below one"
    )]
    fn beside(&self, rest: u64) -> u64 {
        let share = rest as f64 * (self.fraction / (1.0 - self.fraction));
        (share as u64).clamp(self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(process: Process, entries: &[(&str, &str)]) -> Result<u64, ConfigError> {
        process_memory(&entries.iter().copied().collect(), process).map(Memory::as_mib)
    }

    #[test]
    fn a_total_is_taken_as_it_is() {
        assert_eq!(
            total(
                Process::JobManager,
                &[("jobmanager.memory.process.size", "1600m")]
            ),
            Ok(1600)
        );
        assert_eq!(
            total(Process::JobManager, &[("jobmanager.heap.size", "1g")]),
            Ok(1024)
        );
        assert_eq!(
            total(
                Process::TaskManager,
                &[("taskmanager.memory.process.size", "2 gb")]
            ),
            Ok(2048)
        );
    }

    #[test]
    fn a_total_is_the_sum_of_its_parts() {
        // 1024 + 256 metaspace, a ninth of that is below the least overhead of 192.
        assert_eq!(
            total(
                Process::JobManager,
                &[("jobmanager.memory.flink.size", "1g")]
            ),
            Ok(1472)
        );
        // 896 + 128 off-heap = 1024.
        assert_eq!(
            total(
                Process::JobManager,
                &[("jobmanager.memory.heap.size", "896m")]
            ),
            Ok(1472)
        );
        // 8192 + 256 = 8448; a ninth is 938.67.
        assert_eq!(
            total(
                Process::TaskManager,
                &[("taskmanager.memory.flink.size", "8g")]
            ),
            Ok(9386)
        );
        // Overhead ends at 1 GiB.
        assert_eq!(
            total(
                Process::TaskManager,
                &[("taskmanager.memory.flink.size", "20g")]
            ),
            Ok(20 * 1024 + 256 + 1024)
        );
        // 512 + 512 + 256 framework = 1280; network a ninth is 142.2; + 256; overhead 192.
        let parts = [
            ("taskmanager.memory.task.heap.size", "512m"),
            ("taskmanager.memory.managed.size", "512m"),
        ];
        assert_eq!(total(Process::TaskManager, &parts), Ok(1870));
        assert!(has_process_memory(
            &parts.into_iter().collect(),
            Process::TaskManager
        ));
    }

    #[test]
    fn without_any_size_the_key_to_set_is_named() {
        let error = total(Process::JobManager, &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("jobmanager.memory.process.size is not set; give it"),
            "{error}"
        );
        assert!(!has_process_memory(
            &FlinkConfig::new(),
            Process::TaskManager
        ));
        let fraction = [
            ("jobmanager.memory.flink.size", "1g"),
            ("jobmanager.memory.jvm-overhead.fraction", "1.5"),
        ];
        assert!(
            total(Process::JobManager, &fraction)
                .unwrap_err()
                .to_string()
                .contains("below 1")
        );
    }
}
