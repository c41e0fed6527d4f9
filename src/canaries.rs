//! Changes canaries, so that their passes show that changes are still followed.
//!
//! The rule: a task of its own, apart from the queue it examines. It changes the nonce of a canary and nothing else,
//! and only while this process leads. What is expected of canaries: [`crate::serve::Canaries`].

use std::collections::BTreeMap;
use std::time::Duration;

use flink_crds::FlinkDeployment;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::core::ObjectMeta;
use serde_json::json;
use tokio::time::Instant;

use crate::act::FIELD_MANAGER;
use crate::clock::Clock;
use crate::deadline::deadline;
use crate::leader::Claim;
use crate::serve::{CANARY_LABEL, Canaries};
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::Resource;

/// Looks at the canaries in each timeout.
const LOOKS: u32 = 12;

/// Whether a resource with this metadata is a canary. One that another pass has to clean up after is none.
pub fn is_canary(meta: &ObjectMeta) -> bool {
    let labelled = meta
        .labels
        .as_ref()
        .and_then(|labels| labels.get(CANARY_LABEL))
        .is_some_and(|value| value == "true");
    let held = meta.deletion_timestamp.is_some() && meta.finalizers.is_some();
    labelled && !held
}

/// Change each canary once in every `timeout`, until `stop` resolves.
pub async fn keep(
    canaries: Canaries,
    (client, claim, clock): (Client, Claim, Clock),
    timeout: Duration,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    let mut late = BTreeMap::new();
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(timeout / LOOKS) => {}
        }
        if !claim.held() {
            canaries.rest(Instant::now());
            continue;
        }
        for canary in canaries.due(Instant::now(), timeout) {
            match change(&client, &canary, clock.now().as_second()).await {
                Ok(Some(generation)) => canaries.changed(&canary, generation, Instant::now()),
                Ok(None) => canaries.forget(&canary),
                Err(error) => {
                    canaries.refused(&canary, Chain(&error).to_string(), Instant::now());
                }
            }
        }
        late = tell(&late, canaries.late(Instant::now(), timeout));
    }
}

/// Say who became late, and who is so no more.
fn tell(
    before: &BTreeMap<Resource, String>,
    now: BTreeMap<Resource, String>,
) -> BTreeMap<Resource, String> {
    for (_, complaint) in now
        .iter()
        .filter(|(canary, _)| !before.contains_key(canary))
    {
        tracing::error!("{complaint}; the liveness probe fails until that is over");
    }
    for canary in before.keys().filter(|canary| !now.contains_key(canary)) {
        tracing::info!(
            object.namespace = canary.namespace,
            object.name = canary.name,
            "the canary is well again"
        );
    }
    now
}

/// Give a canary another nonce; its generation then, or nothing if it does not exist any more.
async fn change(
    client: &Client,
    canary: &Resource,
    nonce: i64,
) -> Result<Option<i64>, kube::Error> {
    let api: Api<FlinkDeployment> = Api::namespaced(client.clone(), &canary.namespace);
    let patch = Patch::Merge(json!({ "spec": { "restartNonce": nonce } }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let changed = api.patch_metadata(&canary.name, &params, &patch);
    match deadline(changed).await {
        Ok(object) => Ok(Some(object.metadata.generation.unwrap_or_default())),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
