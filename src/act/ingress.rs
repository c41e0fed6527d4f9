//! The Ingress of a cluster.

use flink_crds::FlinkDeployment;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams};
use kube::{Client, ResourceExt};

use super::{Error, cluster};
use crate::deadline::deadline;
use crate::resources::{Object, names};

/// Make it, or bring it to this state.
pub async fn apply(
    client: &Client,
    object: &FlinkDeployment,
    ingress: &Object,
) -> Result<(), Error> {
    let namespace = object.namespace().unwrap_or_default();
    cluster::apply(client, &namespace, ingress).await.map(drop)
}

/// Delete it; one that is gone is fine.
pub async fn delete(client: &Client, object: &FlinkDeployment) -> Result<(), Error> {
    let namespace = object.namespace().unwrap_or_default();
    let name = names::ingress(&object.name_any());
    let api: Api<Ingress> = Api::namespaced(client.clone(), &namespace);
    match deadline(api.delete(&name, &DeleteParams::default())).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(|source| Error::api("delete", "Ingress", &name, source)),
    }
}
