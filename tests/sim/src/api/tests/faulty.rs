//! Faults.

use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{code, config_map, maps, server};
use crate::api::{Fault, FaultPlan};

#[tokio::test]
async fn a_kind_that_is_not_installed_is_not_found() {
    let server = server();
    server.uninstall("configmaps");
    assert_eq!(
        code(maps(&server).list(&ListParams::default()).await).0,
        404
    );
}

#[tokio::test(start_paused = true)]
async fn faults_come_as_planned_and_time_outs_may_have_had_their_effect() {
    let server = server();
    let api = maps(&server);
    let plan = FaultPlan {
        timeout_after: 1000,
        ..FaultPlan::NONE
    };
    server.set_faults(1, plan);
    let late = api
        .create(&PostParams::default(), &config_map("late", "1"))
        .await;
    assert_eq!(code(late).0, 504);
    assert!(server.get("configmaps", "prod", "late").is_some());
    server.set_faults(
        1,
        FaultPlan {
            timeout_before: 1000,
            ..FaultPlan::NONE
        },
    );
    let never = api
        .create(&PostParams::default(), &config_map("never", "1"))
        .await;
    assert_eq!(code(never).0, 504);
    assert!(server.get("configmaps", "prod", "never").is_none());
    server.set_faults(
        1,
        FaultPlan {
            conflict: 1000,
            ..FaultPlan::NONE
        },
    );
    let patch = Patch::Merge(json!({ "data": { "a": "2" } }));
    assert_eq!(
        code(api.patch("late", &PatchParams::default(), &patch).await).0,
        409
    );
    server.set_faults(
        1,
        FaultPlan {
            error: 1000,
            ..FaultPlan::NONE
        },
    );
    assert_eq!(code(api.get("late").await).0, 500);
    assert_eq!(server.faults_met(), 1);
}

#[tokio::test]
async fn an_old_list_is_a_past_state() {
    let server = server();
    let api = maps(&server);
    for name in ["a", "b", "c", "d"] {
        api.create(&PostParams::default(), &config_map(name, "1"))
            .await
            .unwrap();
    }
    server.set_faults(
        5,
        FaultPlan {
            stale_list: 1000,
            ..FaultPlan::NONE
        },
    );
    let exact = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(exact.items.len(), 4);
    let old = api.list(&ListParams::default().match_any()).await.unwrap();
    assert!(old.items.len() < 4);
    let count = old.items.len();
    assert_eq!(old.metadata.resource_version, Some(count.to_string()));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_brings_the_same_faults() {
    let codes = |seed: u64| async move {
        let server = server();
        let api = maps(&server);
        server.set_faults(
            seed,
            FaultPlan {
                error: 300,
                conflict: 300,
                ..FaultPlan::NONE
            },
        );
        let mut codes = Vec::new();
        for _ in 0..30 {
            let patch = Patch::Merge(json!({ "data": { "a": "1" } }));
            codes.push(code(api.patch("none", &PatchParams::default(), &patch).await).0);
        }
        codes
    };
    assert_eq!(codes(1).await, codes(1).await);
    assert_ne!(codes(1).await, codes(2).await);
}

#[tokio::test]
async fn a_scripted_fault_waits_for_a_call_that_can_meet_it() {
    let server = server();
    let api = maps(&server);
    api.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    server.set_script(1, vec![(1, Fault::Conflict), (1, Fault::Error)]);
    let patch = Patch::Merge(json!({ "data": { "a": "2" } }));
    let change = async || code(api.patch("a", &PatchParams::default(), &patch).await).0;
    assert!(
        api.get("a").await.is_ok(),
        "the call before the first fault"
    );
    assert_eq!(code(api.get("a").await).0, 500);
    assert_eq!(change().await, 409);
    assert!(
        api.patch("a", &PatchParams::default(), &patch)
            .await
            .is_ok()
    );
    assert_eq!(server.faults_met(), 2);
}

#[tokio::test]
async fn somebody_else_can_be_first() {
    let server = server();
    let api = maps(&server);
    api.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let mut mine = api.get("a").await.unwrap();
    mine.data = None;
    server.set_script(1, vec![(0, Fault::Overtaken)]);
    let refused = api.replace("a", &PostParams::default(), &mine).await;
    assert_eq!(code(refused).0, 409);
    let now = server.get("configmaps", "prod", "a").unwrap();
    assert!(now["metadata"]["annotations"]["somebody-else"].is_string());
}
