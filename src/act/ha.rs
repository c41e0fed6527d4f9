//! Flink's high-availability ConfigMaps.

use flink_crds::FlinkDeployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};

use super::Error;
use crate::deadline::deadline;
use crate::resources::ha;

/// Delete all of them; the state they point to is given up or recorded elsewhere.
pub async fn delete(client: &Client, object: &FlinkDeployment) -> Result<(), Error> {
    let api: Api<ConfigMap> =
        Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    for map in list(&api, object).await? {
        let name = map.name_any();
        match deadline(api.delete(&name, &DeleteParams::default())).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => {
                other.map_err(|source| Error::api("delete", "ConfigMap", &name, source))?;
            }
        }
    }
    Ok(())
}

/// Remove stored job graphs, or a restarted JobManager would bring the old graph back.
pub async fn forget_job_graphs(client: &Client, object: &FlinkDeployment) -> Result<(), Error> {
    let api: Api<ConfigMap> =
        Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    for map in list(&api, object).await? {
        let data = map.data.clone().unwrap_or_default();
        let removed: serde_json::Map<String, serde_json::Value> = data
            .keys()
            .filter(|key| ha::job_graph_keys([key.as_str()]).len() == 1)
            .map(|key| (key.clone(), serde_json::Value::Null))
            .collect();
        if removed.is_empty() {
            continue;
        }
        let name = map.name_any();
        let patch = serde_json::json!({ "data": removed });
        deadline(api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)))
            .await
            .map_err(|source| Error::api("remove job graphs from", "ConfigMap", &name, source))?;
    }
    Ok(())
}

async fn list(api: &Api<ConfigMap>, object: &FlinkDeployment) -> Result<Vec<ConfigMap>, Error> {
    let name = object.name_any();
    let params = ListParams::default().labels(&ha::selector(&name));
    let maps = deadline(api.list(&params))
        .await
        .map_err(|source| Error::api("list the high-availability", "ConfigMap", &name, source))?;
    Ok(maps
        .items
        .into_iter()
        .filter(|map| ha::is_metadata(&name, &map.name_any(), map.labels()))
        .collect())
}
