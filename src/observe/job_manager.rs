//! What a JobManager Deployment tells.

use flink_crds::FlinkDeployment;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use kube::ResourceExt;

use crate::config::GENERATION_ANNOTATION;
use crate::domain::JobManager;
use crate::resources::labels;

/// Reduce a Deployment to what decisions need.
pub fn of(deployment: &Deployment, object: &FlinkDeployment, accompanied: bool) -> JobManager {
    let uid = object.uid().unwrap_or_default();
    let status = deployment.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let created = deployment.creation_timestamp();
    let find = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let annotation = |key: &str| deployment.annotations().get(key).cloned();
    JobManager {
        uid: deployment.uid().unwrap_or_default(),
        ours: deployment
            .owner_references()
            .iter()
            .any(|owner| owner.uid == uid),
        deleting: deployment.metadata.deletion_timestamp.is_some(),
        generation: annotation(GENERATION_ANNOTATION).and_then(|text| text.parse().ok()),
        deploy_id: annotation(labels::DEPLOY_ID),
        replicas: deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1),
        available: status.available_replicas.unwrap_or_default(),
        created_at: created.as_ref().map(|time| time.0),
        never_started: find("Available").is_some_and(|available| {
            available.status == "False"
                && available.last_transition_time.is_some()
                && available.last_transition_time == created
        }),
        accompanied,
        replica_failure: find("ReplicaFailure").and_then(replica_failure),
    }
}

fn replica_failure(condition: &DeploymentCondition) -> Option<(String, String)> {
    (condition.status == "True" && condition.reason.as_deref() == Some("FailedCreate")).then(|| {
        let message = condition.message.clone().unwrap_or_default();
        ("FailedCreate".to_owned(), message)
    })
}
