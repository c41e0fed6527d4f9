//! Memory of TaskManagers that the autoscaler tuned, laid over the user's spec.
//!
//! The rule: the user's spec is never written, and what it says of memory wins as soon as it changes. What
//! runs keeps the memory it has; another takes effect when the job starts. Tests are below and in
//! `tests/scenarios/autoscale_memory*.txt`.

use std::collections::BTreeMap;

use flink_crds::{
    AutoscalerStatus, FlinkDeploymentSpec, JobState, ResourceRequirements, TunedMemory,
};
use flink_scaler::memory::{REMOVED, TaskManagerSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::config::{FlinkConfig, Memory, Process, process_memory};

/// What the keys of memory of TaskManagers start with.
pub const MEMORY: &str = "taskmanager.memory.";
const PROCESS: &str = "taskmanager.memory.process.size";
const OLD_MANAGED: &str = "taskmanager.memory.size";
/// What is tried after memory was refused has to be larger by this part of it.
const REFUSED_MARGIN: u64 = 10;
const MANAGED: &str = "taskmanager.memory.managed.size";

/// What a TaskManager is made of, by the user's spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskManager {
    /// CPUs it asks for.
    pub cpu: Option<f64>,
    /// Memory of its process, in bytes.
    pub memory: Option<u64>,
    /// Its pools, if tuning could change them.
    pub pools: Option<TaskManagerSpec>,
    /// What the user's own spec says of memory, and which job it is: tuning done on something else is void.
    pub basis: String,
}

impl TaskManager {
    /// From the configuration that `spec` leads to, `own` being the part of it written there.
    pub fn of(asked: &FlinkConfig, own: &FlinkConfig, spec: &FlinkDeploymentSpec) -> Self {
        let memory = process_memory(asked, Process::TaskManager).ok();
        // What stands in the operator's defaults cannot be taken out of a spec.
        let removable = |key: &&str| !asked.contains(key) || own.contains(key);
        let pools = memory
            .filter(|_| REMOVED.iter().all(removable))
            .and_then(|memory| TaskManagerSpec::of(&pools(asked, memory)));
        Self {
            cpu: cpu(asked),
            memory: memory.map(|memory| memory.0),
            pools,
            basis: basis(own, spec),
        }
    }
}

/// Flink's own default is one CPU for each slot.
fn cpu(config: &FlinkConfig) -> Option<f64> {
    let set = match config.raw("kubernetes.taskmanager.cpu.amount") {
        Some(text) => text.trim().parse::<f64>().ok()?,
        None => -1.0,
    };
    if set > 0.0 {
        return Some(set);
    }
    let slots = config.get(&crate::config::flink::SLOTS).ok()?;
    Some(f64::from(slots.max(1)))
}

fn pools(config: &FlinkConfig, process: Memory) -> BTreeMap<String, String> {
    let mut pools: BTreeMap<String, String> = config
        .below("taskmanager.")
        .map(|(key, value)| (format!("taskmanager.{key}"), value.to_owned()))
        .collect();
    pools.insert(PROCESS.to_owned(), process.0.to_string());
    if let Some(managed) = pools.get(OLD_MANAGED).cloned() {
        pools.entry(MANAGED.to_owned()).or_insert(managed);
    }
    pools
}

fn basis(own: &FlinkConfig, spec: &FlinkDeploymentSpec) -> String {
    let manager = spec.task_manager.as_ref();
    let resource = manager.and_then(|manager| manager.resource.as_ref()?.memory.clone());
    let resources = manager.and_then(|manager| manager.resources.as_ref());
    let quantity = |of: Option<&BTreeMap<String, Quantity>>| Some(of?.get("memory")?.0.clone());
    let fields = [
        ("resource", resource),
        (
            "requests",
            quantity(resources.and_then(|r| r.requests.as_ref())),
        ),
        (
            "limits",
            quantity(resources.and_then(|r| r.limits.as_ref())),
        ),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let keys = own
        .below(MEMORY)
        .map(|(key, value)| format!("{key}={value}"));
    let job = std::iter::once(format!("job={:016x}", job(spec)));
    fields.chain(keys).chain(job).collect::<Vec<_>>().join(" ")
}

/// A mark of the job that runs and of how wide it runs where people say so: another one may need other buffers,
/// and does not start without them.
fn job(spec: &FlinkDeploymentSpec) -> u64 {
    let job = spec.job.as_ref();
    let manager = spec.task_manager.as_ref();
    let text = serde_json::json!([
        spec.image,
        spec.flink_version,
        job.map(|job| (&job.jar_uri, &job.entry_class, &job.args)),
        manager.and_then(|manager| manager.replicas),
    ])
    .to_string();
    // FNV-1a: the mark has to be the same in every build, as it is kept in the status.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The tuned memory that belongs into the spec to reconcile: the one deployed, while a job runs; the one that
/// is wanted, if nothing runs and the job is to start, or if the running job cannot do without it.
pub fn in_force(
    scaler: Option<&AutoscalerStatus>,
    basis: &str,
    (tuned, starts): (bool, bool),
) -> Option<TunedMemory> {
    let scaler = scaler?;
    let next = scaler.next_memory.as_ref();
    let required = next.filter(|next| next.required == Some(true));
    let chosen = match (starts, required) {
        (true, _) => next.or(scaler.memory.as_ref()).filter(|_| tuned),
        (false, Some(required)) => Some(required),
        (false, None) => scaler.memory.as_ref(),
    };
    chosen
        .filter(|memory| memory.basis.as_deref() == Some(basis) && !memory.overrides.is_empty())
        .map(|memory| TunedMemory {
            required: None,
            ..memory.clone()
        })
}

/// Whether `spec` has this memory.
pub fn carries(spec: &FlinkDeploymentSpec, memory: &TunedMemory) -> bool {
    let config = spec.flink_configuration.as_ref();
    let config = config.map_or_else(FlinkConfig::new, |map| FlinkConfig::flatten(&map.0));
    let has = |(key, value): (&String, &String)| config.raw(key) == Some(value.as_str());
    memory.overrides.iter().all(has)
}

/// Whether the job did not come up with memory that was about as much, or more. Memory is reckoned anew with each
/// rescale, and a little more is the same again.
pub fn refused(
    scaler: Option<&AutoscalerStatus>,
    basis: &str,
    overrides: &BTreeMap<String, String>,
) -> bool {
    let size = |overrides: &BTreeMap<String, String>| {
        Some(Memory::parse_flink(overrides.get(PROCESS)?)?.0)
    };
    let Some(refused) = scaler.and_then(|scaler| scaler.refused_memory.as_ref()) else {
        return false;
    };
    let more = size(overrides)
        .zip(size(&refused.overrides))
        .is_some_and(|(now, then)| now > then.saturating_add(then / REFUSED_MARGIN));
    refused.basis.as_deref() == Some(basis) && !more
}

/// Whether the job of `spec` starts with whatever is recorded next, nothing of it running now.
pub fn starts(spec: &FlinkDeploymentSpec, recorded: Option<&FlinkDeploymentSpec>) -> bool {
    let state = |spec: &FlinkDeploymentSpec| {
        let job = spec.job.as_ref();
        job.and_then(|job| job.state).unwrap_or_default()
    };
    state(spec) == JobState::Running
        && recorded.is_none_or(|recorded| state(recorded) == JobState::Suspended)
}

/// `spec` with this memory.
pub fn with_memory(mut spec: FlinkDeploymentSpec, memory: &TunedMemory) -> FlinkDeploymentSpec {
    let map = spec.flink_configuration.get_or_insert_default();
    let mut config = FlinkConfig::flatten(&map.0);
    config.retain(|key| !memory.removals.iter().any(|removed| removed == key));
    for (key, value) in &memory.overrides {
        config.set(key, value);
    }
    map.0 = config
        .iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    let total = memory.overrides.get(PROCESS);
    if let (Some(total), Some(manager)) = (
        total.and_then(|text| Memory::parse_flink(text)),
        &mut spec.task_manager,
    ) {
        // The fields of the spec win over its configuration.
        if let Some(written) = manager.resource.as_mut().and_then(|r| r.memory.as_mut()) {
            *written = total.0.to_string();
        }
        if let Some(resources) = &mut manager.resources {
            resize(resources, total);
        }
    }
    spec
}

/// Request and limit for a process of this size, the limit as much larger as it was.
fn resize(resources: &mut ResourceRequirements, total: Memory) {
    fn written(quantities: &mut Option<BTreeMap<String, Quantity>>) -> Option<&mut Quantity> {
        quantities.as_mut()?.get_mut("memory")
    }
    let request = written(&mut resources.requests).map(|request| {
        let before = Memory::parse_resource(&request.0);
        total.0.to_string().clone_into(&mut request.0);
        before
    });
    if let Some(limit) = written(&mut resources.limits) {
        let before = Memory::parse_resource(&limit.0);
        let factor = match (request.flatten(), before) {
            (Some(request), Some(limit)) if request.0 > 0 => (limit.0, request.0),
            _ => (1, 1),
        };
        let scaled = (u128::from(total.0) * u128::from(factor.0)).div_ceil(u128::from(factor.1));
        limit.0 = scaled.to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(manager: &Value, config: &Value) -> FlinkDeploymentSpec {
        let spec = json!({ "taskManager": manager, "flinkConfiguration": config, "job": {} });
        serde_json::from_value(spec).unwrap()
    }

    fn tuned(basis: &str) -> TunedMemory {
        TunedMemory {
            basis: Some(basis.to_owned()),
            required: None,
            overrides: BTreeMap::from([(PROCESS.to_owned(), "1 gb".to_owned())]),
            removals: vec!["taskmanager.memory.flink.size".to_owned()],
        }
    }

    #[test]
    fn fields_of_the_spec_follow_the_tuned_size_and_nested_options_are_taken_out() {
        let laid = with_memory(
            spec(
                &json!({ "resource": { "memory": "4g" } }),
                &json!({ "taskmanager": { "memory": { "flink": { "size": "3g" } } }, "a": 1 }),
            ),
            &tuned(""),
        );
        let json = serde_json::to_value(&laid).unwrap();
        assert_eq!(
            json.pointer("/taskManager/resource/memory"),
            Some(&json!("1073741824"))
        );
        assert_eq!(
            json.get("flinkConfiguration"),
            Some(&json!({ "a": "1", (PROCESS): "1 gb" }))
        );
    }

    #[test]
    fn a_limit_keeps_its_distance_from_the_request() {
        let sized = |resources: Value| {
            let laid = with_memory(
                spec(&json!({ "resources": resources }), &json!({})),
                &tuned(""),
            );
            let json = serde_json::to_value(&laid).unwrap();
            json.pointer("/taskManager/resources").cloned().unwrap()
        };
        assert_eq!(
            sized(
                json!({ "requests": { "memory": "4Gi", "cpu": "1" }, "limits": { "memory": "6Gi" } })
            ),
            json!({ "requests": { "memory": "1073741824", "cpu": "1" }, "limits": { "memory": "1610612736" } })
        );
        assert_eq!(
            sized(json!({ "limits": { "memory": "6Gi" } })),
            json!({ "limits": { "memory": "1073741824" } })
        );
    }

    #[test]
    fn what_runs_keeps_its_memory_and_what_starts_gets_the_new_one() {
        let scaler = |memory, next_memory| AutoscalerStatus {
            memory,
            next_memory,
            ..AutoscalerStatus::default()
        };
        let next = TunedMemory {
            removals: Vec::new(),
            ..tuned("memory=4g")
        };
        let both = scaler(Some(tuned("memory=4g")), Some(next.clone()));
        let chosen = |scaler, basis, tuned, starts| in_force(Some(scaler), basis, (tuned, starts));
        assert_eq!(chosen(&both, "memory=4g", true, false), both.memory);
        assert_eq!(chosen(&both, "memory=4g", true, true), both.next_memory);
        // Turned off, it goes with the next start and not before.
        assert_eq!(chosen(&both, "memory=4g", false, false), both.memory);
        assert_eq!(chosen(&both, "memory=4g", false, true), None);
        // Of another spec nothing is kept.
        assert_eq!(chosen(&both, "memory=8g", true, false), None);
        let required = TunedMemory {
            required: Some(true),
            ..next.clone()
        };
        let needs = scaler(Some(tuned("memory=4g")), Some(required));
        assert_eq!(chosen(&needs, "memory=4g", true, false), Some(next));
    }

    #[test]
    fn another_job_or_other_sizes_are_another_basis() {
        let of = |manager: Value, jar: &str| {
            let mut spec = spec(&manager, &json!({}));
            spec.job = serde_json::from_value(json!({ "jarURI": jar })).unwrap();
            TaskManager::of(&FlinkConfig::new(), &FlinkConfig::new(), &spec).basis
        };
        let size = |memory: &str| json!({ "resource": { "memory": memory } });
        assert_eq!(of(size("4g"), "a.jar"), of(size("4g"), "a.jar"));
        assert_ne!(of(size("4g"), "a.jar"), of(size("8g"), "a.jar"));
        assert_ne!(of(size("4g"), "a.jar"), of(size("4g"), "b.jar"));
        let replicas = json!({ "resource": { "memory": "4g" }, "replicas": 3 });
        assert_ne!(of(size("4g"), "a.jar"), of(replicas, "a.jar"));
    }

    #[test]
    fn sizes_are_read_from_the_spec_and_not_tuned_where_defaults_fix_them() {
        let own: FlinkConfig = [("taskmanager.memory.flink.size", "1 gb")]
            .into_iter()
            .collect();
        let shape = TaskManager::of(&own, &own, &spec(&json!({}), &json!({})));
        assert_eq!(shape.memory, Some((1472) << 20));
        assert_eq!(shape.cpu, Some(1.0), "as many as slots");
        assert!(shape.pools.is_some());
        assert!(
            shape.basis.starts_with("flink.size=1 gb job="),
            "{}",
            shape.basis
        );
        let fixed = TaskManager::of(&own, &FlinkConfig::new(), &spec(&json!({}), &json!({})));
        assert_eq!(fixed.pools, None);
        let silent = TaskManager::of(
            &FlinkConfig::new(),
            &FlinkConfig::new(),
            &spec(&json!({}), &json!({})),
        );
        assert_eq!((silent.memory, silent.pools), (None, None));
    }
}
