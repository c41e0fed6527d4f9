//! A mutator: pods carry the label of their owner, so that costs can be told apart.

use flink_crds::FlinkDeploymentSpec;
use flink_operator::domain::Mutator;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::owner::OWNER;

/// Adds the label `cost-center` to all pods of a job that has an owner.
pub struct CostCenter;

const KEYS: [&str; 2] = [
    "kubernetes.jobmanager.labels",
    "kubernetes.taskmanager.labels",
];

impl Mutator for CostCenter {
    fn name(&self) -> &'static str {
        "cost-center"
    }

    fn deployment(&self, metadata: &ObjectMeta, spec: &mut FlinkDeploymentSpec) {
        let labels = metadata.labels.as_ref();
        let Some(owner) = labels.and_then(|labels| labels.get(OWNER)) else {
            return;
        };
        let config = spec.flink_configuration.get_or_insert_default();
        for key in KEYS {
            // What the user wrote stays.
            let label = format!("cost-center:{owner}");
            config.0.entry(key).or_insert_with(|| label.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use flink_crds::FlinkDeployment;
    use flink_operator::config::Defaults;
    use flink_operator::domain::{Desired, Rules};
    use serde_json::json;

    use super::*;
    use crate::owner::OwnerNeeded;

    fn desired(labels: &serde_json::Value) -> Desired {
        let object: FlinkDeployment = serde_json::from_value(json!({
            "metadata": { "name": "job", "namespace": "shop", "labels": labels },
            "spec": {
                "image": "flink:2.0", "flinkVersion": "v2_0", "serviceAccount": "flink",
                "jobManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
                "taskManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
                "job": { "jarURI": "local:///job.jar", "parallelism": 2, "upgradeMode": "stateless" },
            },
        }))
        .unwrap();
        let mut rules = Rules::default();
        rules.validate_with(OwnerNeeded);
        rules.mutate_with(CostCenter);
        Desired::under(&object, &Defaults::builtin(), &rules)
    }

    #[test]
    fn a_job_with_an_owner_is_deployed_with_its_cost_center() {
        let desired = desired(&json!({ "owner": "data" }));
        assert_eq!(desired.violation_text(), None);
        for key in KEYS {
            assert_eq!(desired.deploy_config.raw(key), Some("cost-center:data"));
        }
    }

    #[test]
    fn a_job_without_an_owner_is_refused() {
        assert_eq!(
            desired(&json!({})).violation_text().as_deref(),
            Some("metadata.labels[owner]: nobody owns this job. Set it to the name of your team.")
        );
    }
}
