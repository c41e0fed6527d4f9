//! What people are told, and that it is told once: exceptions of the job, and an Ingress that is refused.

use std::time::Duration;

use flink_crds::LifecycleState;
use flink_sim::api::FaultPlan;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::mortal::Lifeline;
use super::{Stage, manifest};

/// A job at rest.
async fn stable() -> Stage {
    let mut stage = Stage::new(1, FaultPlan::NONE, Lifeline::endless());
    stage.create(&manifest()).await;
    stage.settle(LifecycleState::Stable).await;
    stage.rests().await;
    stage
}

/// Messages and counts of the events with this reason.
async fn events(stage: &Stage, reason: &str) -> Vec<(String, i32)> {
    let api: Api<Event> = Api::namespaced(stage.world.client(), "default");
    let events = api.list(&ListParams::default()).await.unwrap();
    let of_reason = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some(reason));
    of_reason
        .map(|event| {
            assert!(event.name_any().contains('.'));
            let message = event.message.clone().unwrap_or_default();
            (message, event.count.unwrap_or_default())
        })
        .collect()
}

/// The job throws, and runs again.
async fn throws(stage: &mut Stage, message: &str) {
    stage.lives(Duration::from_secs(20)).await;
    let now = stage.world.clock.now();
    stage
        .world
        .flink()
        .fail_jobs(&stage.key, message, false, now);
    stage.lives(Duration::from_mins(2)).await;
}

#[tokio::test(start_paused = true)]
async fn an_exception_is_told_once_though_the_process_is_replaced_and_the_same_again_is_counted() {
    let mut stage = stable().await;
    throws(&mut stage, "cannot reach broker-1 at attempt 7").await;
    stage.replace();
    stage.lives(Duration::from_mins(2)).await;
    let told = events(&stage, "JobException").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0.contains("cannot reach broker-1"), "{told:?}");
    assert_eq!(told[0].1, 1);
    throws(&mut stage, "cannot reach broker-2 at attempt 8").await;
    let told = events(&stage, "JobException").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0.contains("cannot reach broker-2"), "{told:?}");
    assert_eq!(told[0].1, 2);
    throws(&mut stage, "disk full").await;
    assert_eq!(events(&stage, "JobException").await.len(), 2);
    stage.rests().await;
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_is_refused_is_told_once_and_made_when_it_can_be() {
    let mut stage = stable().await;
    stage.lifeline.refuse(Some("/ingresses/"));
    let ingress = json!({ "ingress": { "template": "flink.example.org/{{name}}" } });
    stage.patch(ingress).await;
    stage.lives(Duration::from_mins(5)).await;
    let told = events(&stage, "Error").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, 1, "{told:?}");
    let status = stage.status().await;
    let error = status.error.clone().unwrap_or_default();
    assert!(error.contains("failed to apply Ingress job"), "{error}");
    let version = stage.api().get("job").await.unwrap().resource_version();
    stage.lives(Duration::from_mins(5)).await;
    let after = stage.api().get("job").await.unwrap();
    assert_eq!(after.resource_version(), version, "nothing more is written");

    // What else goes wrong meanwhile is told once too.
    stage.patch(json!({ "serviceAccount": "" })).await;
    stage.lives(Duration::from_mins(3)).await;
    let refused = events(&stage, "ValidationError").await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].1, 1);
    assert_eq!(events(&stage, "Error").await[0].1, 1);
    stage.patch(json!({ "serviceAccount": "flink" })).await;

    stage.lifeline.refuse(None);
    stage.lives(Duration::from_mins(3)).await;
    assert_eq!(stage.status().await.error, None);
    stage.rests().await;
}
