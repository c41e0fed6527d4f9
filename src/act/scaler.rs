//! Writing what the autoscaler remembers to `autoscaler-<name>`, and deleting it.
//!
//! The rule: the resource owns the ConfigMap; where the autoscaler is off there is none.

use flink_crds::FlinkDeployment;
use flink_scaler::store;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{Error, FIELD_MANAGER};
use crate::deadline::deadline;
use crate::domain::ScalerMemory;
use crate::resources::{OwnerRef, names};
use crate::scaler_memory;

/// Most bytes of readings, before they are packed, which leaves a third of them at most. A ConfigMap holds 1 MiB, and what the
/// Java operator left in it stays.
const WINDOW_BYTES: usize = 640 * 1024;

/// Most bytes of the decision log written.
const DECISIONS_BYTES: usize = 64 * 1024;

/// Write `memory`; how many bytes that were.
pub async fn store(
    client: &Client,
    object: &FlinkDeployment,
    memory: &ScalerMemory,
) -> Result<usize, Error> {
    let name = names::autoscaler(&object.name_any());
    let owner = OwnerRef::flink_deployment(&object.name_any(), &object.uid().unwrap_or_default());
    let window = store::window_to_json(&memory.window, WINDOW_BYTES);
    let window = scaler_memory::pack(&window);
    let mut data = json!({
        (store::OVERRIDES_KEY): store::overrides_to_text(&memory.overrides),
        (store::HISTORY_KEY): store::history_to_json(&memory.history),
        (store::DECISIONS_KEY): store::decisions_to_json(&memory.decisions, DECISIONS_BYTES),
        (store::JOB_KEY): store::job_to_json(&memory.graph, &memory.options),
    });
    if let (Some(tuned), Some(data)) = (&memory.memory, data.as_object_mut()) {
        let text = store::config_overrides_to_yaml(&tuned.overrides, &tuned.removals);
        data.insert(store::CONFIG_OVERRIDES_KEY.to_owned(), text.into());
    }
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "ownerReferences": [owner.to_json()],
            "labels": { "component": "autoscaler", "app": object.name_any() },
        },
        "data": data,
        "binaryData": { (store::WINDOW_KEY): window },
    });
    let bytes = map.to_string().len();
    let params = PatchParams::apply(FIELD_MANAGER).force();
    deadline(maps(client, object).patch(&name, &params, &Patch::Apply(map)))
        .await
        .map(|_| bytes)
        .map_err(|source| Error::api("write", "ConfigMap", &name, source))
}

/// Delete it, if it is there.
pub async fn forget(client: &Client, object: &FlinkDeployment) -> Result<(), Error> {
    let name = names::autoscaler(&object.name_any());
    match deadline(maps(client, object).delete(&name, &DeleteParams::default())).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(Error::api("delete", "ConfigMap", &name, source)),
        Ok(_) => Ok(()),
    }
}

fn maps(client: &Client, object: &FlinkDeployment) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}
