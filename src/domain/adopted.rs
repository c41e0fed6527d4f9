//! What the Java operator's autoscaler has put over a spec, taken over as our own.
//!
//! The rule: it is known only by the spec recorded as deployed, which differs from the user's in just that. So the
//! job goes on as it runs; where it explains the difference in part only, nothing is taken over. Tests are below.

use flink_crds::{AutoscalerStatus, FlinkDeploymentSpec, TunedMemory};

use super::change::{SpecChange, change_of};
use super::memory::with_memory;
use super::parallelism::{overrides_in, with_overrides};
use crate::config::FlinkConfig;

/// Overrides that make of the user's spec the recorded one.
pub fn adopted(
    spec: &FlinkDeploymentSpec,
    recorded: &FlinkDeploymentSpec,
    basis: &str,
) -> Option<AutoscalerStatus> {
    let differs =
        |spec: &FlinkDeploymentSpec| change_of(recorded, spec).effect >= SpecChange::Scale;
    if !differs(spec) {
        return None;
    }
    let overrides = overrides_in(recorded).into_iter();
    let scaler = AutoscalerStatus {
        overrides: overrides
            .filter_map(|(vertex, n)| Some((vertex, i32::try_from(n).ok()?)))
            .collect(),
        memory: memory(spec, recorded, basis),
        ..AutoscalerStatus::default()
    };
    let laid = with_overrides(spec, Some(&scaler));
    let laid = match &scaler.memory {
        Some(memory) => with_memory(laid, memory),
        None => laid,
    };
    (!differs(&laid)).then_some(scaler)
}

/// The options of memory in which both differ.
fn memory(
    spec: &FlinkDeploymentSpec,
    recorded: &FlinkDeploymentSpec,
    basis: &str,
) -> Option<TunedMemory> {
    let flat = |spec: &FlinkDeploymentSpec| {
        let map = spec.flink_configuration.as_ref();
        let mut config = map
            .map(|map| FlinkConfig::flatten(&map.0))
            .unwrap_or_default();
        config.retain(|key| key.starts_with("taskmanager.memory."));
        config
    };
    let (own, tuned) = (flat(spec), flat(recorded));
    let imposed = tuned
        .iter()
        .filter(|(key, value)| own.raw(key) != Some(value));
    let removed = own.iter().filter(|(key, _)| !tuned.contains(key));
    let memory = TunedMemory {
        basis: Some(basis.to_owned()),
        required: None,
        overrides: imposed
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        removals: removed.map(|(key, _)| key.to_owned()).collect(),
    };
    (!memory.overrides.is_empty()).then_some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Defaults;
    use crate::domain::{Desired, recorded};
    use flink_crds::{FlinkDeployment, FlinkDeploymentStatus, ReconciliationStatus};
    use serde_json::{Value, json};

    /// A spec with these options and this memory, as a user or the Java operator has it.
    fn spec(memory: &str, more: &Value) -> FlinkDeploymentSpec {
        let mut spec = json!({
            "image": "flink:1.20", "flinkVersion": "v1_20", "serviceAccount": "flink",
            "jobManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
            "taskManager": { "resource": { "cpu": 1.0, "memory": memory } },
            "flinkConfiguration": { "job.autoscaler.enabled": "true" },
            "job": { "jarURI": "local:///job.jar", "parallelism": 1, "state": "running" },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec["flinkConfiguration"][key] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    /// A resource with what the Java operator recorded of it.
    fn left(own: FlinkDeploymentSpec, deployed: &FlinkDeploymentSpec) -> Desired {
        let mut object = FlinkDeployment::new("basic", own);
        object.metadata.generation = Some(1);
        object.status = Some(FlinkDeploymentStatus {
            observed_generation: Some(1),
            reconciliation_status: Some(ReconciliationStatus {
                last_reconciled_spec: Some(recorded::write(deployed, false)),
                ..ReconciliationStatus::default()
            }),
            ..FlinkDeploymentStatus::default()
        });
        Desired::of(&object, &Defaults::builtin())
    }

    fn imposed() -> Value {
        json!({
            "pipeline.jobvertex-parallelism-overrides": "b:4,a:1",
            "taskmanager.memory.process.size": "468249671 bytes",
            "taskmanager.memory.managed.fraction": "0.0",
        })
    }

    #[test]
    fn what_the_java_autoscaler_has_imposed_stays_in_force() {
        let deployed = spec("468249671", &imposed());
        let fixed = json!({ "taskmanager.memory.managed.size": "100m" });
        let desired = left(spec("1024m", &fixed), &deployed);
        let scaler = desired.adopted.clone().unwrap();
        assert_eq!(scaler.overrides.len(), 2);
        let memory = scaler.memory.unwrap();
        assert_eq!(memory.removals, ["taskmanager.memory.managed.size"]);
        assert_eq!(
            desired.memory.map(|memory| memory.overrides),
            Some(memory.overrides)
        );
        let change = change_of(&deployed, &desired.spec);
        assert!(change.effect <= SpecChange::Ignore, "{change:?}");
    }

    #[test]
    fn a_captured_job_that_was_rescaled_has_nothing_to_be_changed() {
        let object: FlinkDeployment =
            serde_saphyr::from_str(include_str!("../../tests/fixtures/java/rescaled-1.20.yaml"))
                .unwrap();
        let desired = Desired::of(&object, &Defaults::builtin());
        assert_eq!(desired.violations, []);
        let scaler = desired.adopted.unwrap();
        assert_eq!(scaler.overrides.values().copied().max(), Some(4));
        assert_eq!(scaler.memory, None);
        let deployed = recorded::last_reconciled(&object.status.unwrap()).unwrap();
        let change = change_of(deployed.spec(), &desired.spec);
        assert_eq!(change.effect, SpecChange::None, "{change:?}");
    }

    #[test]
    fn a_spec_that_differs_in_more_is_the_users() {
        let deployed = spec("468249671", &imposed());
        let mut other = spec("1024m", &json!({}));
        other.image = Some("flink:other".to_owned());
        assert_eq!(left(other, &deployed).adopted, None);
        let same = spec("1024m", &json!({}));
        assert_eq!(left(same.clone(), &same).adopted, None);
        // Where the autoscaler is off, the spec counts again, as with the Java operator.
        let off = spec("1024m", &json!({ "job.autoscaler.enabled": "false" }));
        assert_eq!(left(off, &deployed).adopted, None);
    }
}
