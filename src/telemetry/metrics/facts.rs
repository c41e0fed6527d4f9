//! What the metrics say about a resource, read off its status.
//!
//! The rule: states keep the names the API gives them; the sets of [`table`] hold all of them, which
//! the tests below check against the schemas.

use flink_crds::{
    FlinkBlueGreenDeploymentStatus, FlinkDeploymentStatus, FlinkSessionJobStatus,
    FlinkStateSnapshotSpec, FlinkStateSnapshotStatus, LifecycleState,
};
use serde::Serialize;

use super::fleet::{DeploymentFacts, Facts, SnapshotKind};
use super::table;

impl Facts {
    /// Of a FlinkDeployment.
    pub fn of_deployment(status: &FlinkDeploymentStatus) -> Self {
        let info = |key: &str| status.cluster_info.as_ref().and_then(|info| info.get(key));
        let number = |key: &str| {
            info(key)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default()
        };
        Self::Deployment(DeploymentFacts {
            lifecycle: lifecycle(status.lifecycle_state),
            job_manager: name(
                &status.job_manager_deployment_status.unwrap_or_default(),
                table::JOB_MANAGERS,
            ),
            flink_version: info("flink-version").cloned(),
            cpu: number("total-cpu"),
            memory: number("total-memory"),
            state_size: number("state-size"),
        })
    }

    /// Of a FlinkSessionJob.
    pub fn of_session_job(status: &FlinkSessionJobStatus) -> Self {
        Self::SessionJob {
            lifecycle: lifecycle(status.lifecycle_state),
        }
    }

    /// Of a FlinkStateSnapshot.
    pub fn of_snapshot(spec: &FlinkStateSnapshotSpec, status: &FlinkStateSnapshotStatus) -> Self {
        let kind = match spec.checkpoint {
            Some(_) => SnapshotKind::Checkpoint,
            None => SnapshotKind::Savepoint,
        };
        Self::Snapshot {
            kind,
            state: name(&status.state.unwrap_or_default(), table::SNAPSHOTS),
        }
    }

    /// Of a FlinkBlueGreenDeployment.
    pub fn of_blue_green(status: &FlinkBlueGreenDeploymentStatus) -> Self {
        let job = status
            .job_status
            .as_ref()
            .and_then(|job| job.state.as_ref());
        Self::BlueGreen {
            state: name(&status.blue_green_state, table::BLUE_GREEN),
            job: job.map(|state| name(state, table::JOBS)),
        }
    }
}

fn lifecycle(state: Option<LifecycleState>) -> &'static str {
    name(&state.unwrap_or(LifecycleState::Created), table::LIFECYCLES)
}

/// The name of a state, out of a set that outlives the status it was read from.
fn name(state: &impl Serialize, set: &[&'static str]) -> &'static str {
    let value = serde_json::to_value(state).unwrap_or_default();
    let text = value.as_str().unwrap_or_default();
    set.iter()
        .find(|known| **known == text)
        .copied()
        .unwrap_or("UNKNOWN")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flink_crds::{
        FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob, FlinkStateSnapshot,
    };
    use kube::CustomResourceExt;
    use serde_json::{Value, json};

    use super::*;

    /// The values the schema allows for a field of the status.
    fn allowed<K: CustomResourceExt>(field: &str) -> BTreeSet<String> {
        let schema = serde_json::to_value(K::crd()).expect("a CRD is JSON");
        let status =
            &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        let field = field
            .split('.')
            .fold(status, |at, part| &at["properties"][part]);
        let values = field["enum"].as_array().expect("an enumeration").iter();
        values
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    #[test]
    fn every_state_of_the_api_has_its_metric() {
        assert_eq!(
            allowed::<FlinkDeployment>("lifecycleState"),
            set(table::LIFECYCLES)
        );
        assert_eq!(
            allowed::<FlinkSessionJob>("lifecycleState"),
            set(table::LIFECYCLES)
        );
        let job_managers = allowed::<FlinkDeployment>("jobManagerDeploymentStatus");
        assert_eq!(job_managers, set(table::JOB_MANAGERS));
        assert_eq!(
            allowed::<FlinkStateSnapshot>("state"),
            set(table::SNAPSHOTS)
        );
        let blue_green = allowed::<FlinkBlueGreenDeployment>("blueGreenState");
        assert_eq!(blue_green, set(table::BLUE_GREEN));
        assert_eq!(
            allowed::<FlinkBlueGreenDeployment>("jobStatus.state"),
            set(table::JOBS)
        );
    }

    #[test]
    fn a_deployment_is_read_off_its_status() {
        let status = serde_json::from_value(json!({
            "lifecycleState": "ROLLED_BACK",
            "jobManagerDeploymentStatus": "DEPLOYED_NOT_READY",
            "clusterInfo": {"flink-version": "1.20.5", "total-cpu": "1.5", "total-memory": "2048"},
        }))
        .expect("a status");
        let facts = DeploymentFacts {
            lifecycle: "ROLLED_BACK",
            job_manager: "DEPLOYED_NOT_READY",
            flink_version: Some("1.20.5".to_owned()),
            cpu: 1.5,
            memory: 2048.0,
            state_size: 0.0,
        };
        assert_eq!(Facts::of_deployment(&status), Facts::Deployment(facts));
    }

    #[test]
    fn a_resource_without_a_status_has_just_been_created() {
        let facts = Facts::of_session_job(&FlinkSessionJobStatus::default());
        assert_eq!(facts.state(), "CREATED");
        let missing = Facts::of_deployment(&FlinkDeploymentStatus::default());
        assert!(matches!(missing, Facts::Deployment(facts) if facts.job_manager == "MISSING"));
    }

    #[test]
    fn a_snapshot_is_a_checkpoint_when_its_spec_asks_for_one() {
        let spec = serde_json::from_value(json!({"checkpoint": {}})).expect("a spec");
        let status = serde_json::from_value(json!({"state": "FAILED"})).expect("a status");
        let facts = Facts::Snapshot {
            kind: SnapshotKind::Checkpoint,
            state: "FAILED",
        };
        assert_eq!(Facts::of_snapshot(&spec, &status), facts);
    }
}
