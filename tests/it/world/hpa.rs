//! The autoscaler beside a HorizontalPodAutoscaler of the same resource.

use flink_sim::api::FaultPlan;
use serde_json::json;

use super::Stage;
use super::mortal::Lifeline;
use super::stories::autoscales;

const LISTS: &str = "autoscaling/horizontalpodautoscalers";

/// A job whose load has grown to the fourfold, scaled by an HPA too.
async fn overloaded() -> Stage {
    let mut stage = Stage::new(1, FaultPlan::NONE, Lifeline::endless());
    let hpa = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "by-cpu", "namespace": "default" },
        "spec": {
            "maxReplicas": 4,
            "scaleTargetRef": {
                "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "job",
            },
        },
    });
    stage.world.api.create(hpa).unwrap();
    autoscales(&mut stage).await;
    let now = stage.world.clock.now();
    stage.world.flink().set_input(&stage.key, 320.0, now);
    stage
}

#[tokio::test(start_paused = true)]
async fn the_autoscaler_only_recommends_until_the_hpa_is_gone_and_lists_hpas_once_a_minute() {
    let mut stage = overloaded().await;
    stage.world.api.clear_audit();
    for _ in 0..600 {
        let object = stage.api().get("job").await.unwrap();
        stage.look();
        stage.pass(&object).await;
    }
    stage.runs_with(1);
    let scaler = stage.status().await.autoscaler.unwrap();
    assert_eq!(scaler.state.as_deref(), Some("Conflict"));
    let conflict = scaler.conflict.unwrap();
    assert!(
        conflict.starts_with("HorizontalPodAutoscaler by-cpu scales this FlinkDeployment too")
            && conflict.contains("kubectl -n default delete hpa by-cpu"),
        "{conflict}"
    );
    assert!(
        scaler
            .vertices
            .iter()
            .any(|vertex| vertex.target > vertex.current)
    );
    let lists = stage.world.api.audit().count("list", LISTS);
    assert!((9..=11).contains(&lists), "{lists} lists in ten minutes");

    let hpas = "horizontalpodautoscalers";
    assert!(stage.world.api.delete(hpas, "default", "by-cpu"));
    stage.scales(4).await;
    let scaler = stage.status().await.autoscaler.unwrap();
    assert_eq!(scaler.conflict, None);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_keeps_nothing_from_being_scaled() {
    let mut stage = overloaded().await;
    stage.world.api.uninstall("horizontalpodautoscalers");
    stage.replace();
    stage.scales(4).await;
    let lists = stage.world.api.audit().count("list", LISTS);
    assert!(lists <= 3, "{lists} lists, though they are refused");
}
