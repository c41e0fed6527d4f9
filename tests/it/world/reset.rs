//! An autoscaler that is asked to forget a job it has rescaled.

use std::time::Duration;

use flink_crds::LifecycleState;
use flink_sim::api::FaultPlan;
use serde_json::json;

use super::Stage;
use super::mortal::Lifeline;
use super::stories::autoscales;

/// The process dies after so many writes since it was asked. Everything is forgotten all the same, and the job is back at
/// what its spec says.
async fn forgets(writes: u64) {
    let lifeline = Lifeline::endless();
    let stage = &mut Stage::new(writes, FaultPlan::NONE, lifeline.clone());
    autoscales(stage).await;
    let input = |stage: &Stage, rate| {
        let now = stage.world.clock.now();
        stage.world.flink().set_input(&stage.key, rate, now);
    };
    input(stage, 320.0);
    stage.scales(4).await;
    stage.settle(LifecycleState::Stable).await;
    input(stage, 80.0);
    let nonce = json!({ "job": { "autoscalerResetNonce": 1 } });
    stage.patch(nonce).await;
    lifeline.doom(writes);
    stage.settle(LifecycleState::Stable).await;
    stage.lives(Duration::from_mins(1)).await;
    let running = stage.world.flink().parallelism(&stage.key);
    assert!(running.values().all(|n| *n == 1), "{writes}: {running:?}");
    let scaler = stage.status().await.autoscaler.unwrap_or_default();
    assert!(scaler.overrides.is_empty(), "{writes}: {scaler:?}");
    assert_eq!(scaler.last_scaling, None, "{writes}: it remembers");
    let map = stage
        .world
        .api
        .get("configmaps", "default", "autoscaler-job");
    if let Some(map) = map {
        let data = &map["data"];
        let history = data["scalerHistory"].as_str().unwrap_or_default();
        assert!(history.contains(r#""scalings":[]"#), "{writes}: {data}");
        assert_eq!(data["parallelismOverrides"], "", "{writes}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_by_nonce_stays_forgotten_though_the_process_dies_after_any_write() {
    // The status, the ConfigMap, the event, the note that it is done; then an upgrade as any other.
    for writes in 1..=6 {
        forgets(writes).await;
    }
}
