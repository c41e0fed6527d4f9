//! The objects of one Flink cluster.
//!
//! The order matters: what the pods mount exists before the pods do. At first it belongs to the
//! FlinkDeployment; once the JobManager Deployment exists, to that, as Flink's own client has it, so
//! that deleting the Deployment takes everything along.

use flink_crds::FlinkDeployment;
use k8s_openapi::api::apps::v1::Deployment as Apps;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::{Error, FIELD_MANAGER, ha};
use crate::config::DeployKeys;
use crate::deadline::deadline;
use crate::domain::Deployment;
use crate::resources::{BuildInput, Kind, Object, build, labels};

/// Make the cluster; what exists already is brought to the same state.
pub async fn deploy(
    client: &Client,
    object: &FlinkDeployment,
    deployment: &Deployment,
) -> Result<(), Error> {
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let owner_uid = object.uid().unwrap_or_default();
    ha::forget_job_graphs(client, object).await?;
    let keys = DeployKeys {
        owner_uid: &owner_uid,
        generation: deployment.generation,
        mode: deployment.spec.mode.unwrap_or_default(),
        job_id: deployment.job_id.as_deref(),
        savepoint: deployment.restore_path.as_deref(),
        deployment_id: &deployment.deploy_id,
    };
    let input = BuildInput {
        namespace: &namespace,
        name: &name,
        spec: &deployment.spec,
        config: &deployment.config,
        keys: &keys,
        log_files: &deployment.log_files,
        job_manager_uid: None,
    };
    let resources = build(&input).map_err(Error::Build)?;
    for accompanying in &resources.accompanying {
        apply(client, &namespace, accompanying).await?;
    }
    let marked = marked(resources.job_manager, &deployment.deploy_id);
    let job_manager = apply(client, &namespace, &marked).await?;
    let uid = job_manager.uid().unwrap_or_default();
    let owned = build(&BuildInput {
        job_manager_uid: Some(&uid),
        ..input
    })
    .map_err(Error::Build)?;
    for accompanying in &owned.accompanying {
        apply(client, &namespace, accompanying).await?;
    }
    Ok(())
}

/// The JobManager Deployment with our mark on it, by which the next pass recognises it.
fn marked(mut job_manager: Object, deploy_id: &str) -> Object {
    if let Some(Value::Object(metadata)) = job_manager.body.get_mut("metadata") {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(annotations) = annotations {
            annotations.insert(labels::DEPLOY_ID.to_owned(), deploy_id.into());
        }
    }
    job_manager
}

/// Bring an object to this state; only its metadata is wanted back.
pub(super) async fn apply(
    client: &Client,
    namespace: &str,
    object: &Object,
) -> Result<PartialObjectMeta<DynamicObject>, Error> {
    let resource = match object.kind {
        Kind::Deployment => GroupVersionKind::gvk("apps", "v1", "Deployment"),
        Kind::Ingress => GroupVersionKind::gvk("networking.k8s.io", "v1", "Ingress"),
        core @ (Kind::Service | Kind::ConfigMap) => GroupVersionKind::gvk("", "v1", core.as_str()),
    };
    let resource = ApiResource::from_gvk(&resource);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    deadline(api.patch_metadata(&object.name, &params, &Patch::Apply(&object.body)))
        .await
        .map_err(|source| Error::api("apply", object.kind.as_str(), &object.name, source))
}

/// Delete the JobManager Deployment and, through it, its pods and all it owns.
pub async fn delete(client: &Client, object: &FlinkDeployment) -> Result<(), Error> {
    let name = object.name_any();
    let api: Api<Apps> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let failed = |source| Error::api("delete", "Deployment", &name, source);
    let Some(present) = deadline(api.get_metadata_opt(&name))
        .await
        .map_err(failed)?
    else {
        return Ok(());
    };
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        preconditions: Some(Preconditions {
            uid: present.metadata.uid,
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match deadline(api.delete(&name, &params)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop).map_err(failed),
    }
}
