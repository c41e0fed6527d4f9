//! Deletions, finalizers and garbage.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use serde_json::json;

use super::{code, config_map, maps, server};

#[tokio::test]
async fn a_finalizer_holds_a_deleted_object() {
    let server = server();
    let api = maps(&server);
    let mut map = config_map("one", "1");
    map.metadata.finalizers = Some(vec!["ours".to_owned()]);
    api.create(&PostParams::default(), &map).await.unwrap();
    let left = api
        .delete("one", &DeleteParams::default())
        .await
        .unwrap()
        .left()
        .unwrap();
    assert!(left.metadata.deletion_timestamp.is_some());
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": [] } }));
    api.patch("one", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(api.get_opt("one").await.unwrap(), None);
    let gone = api.delete("one", &DeleteParams::default()).await;
    assert_eq!(code(gone), (404, "NotFound".to_owned()));
}

#[tokio::test]
async fn a_deletion_can_be_bound_to_a_uid() {
    let server = server();
    let api = maps(&server);
    let made = api
        .create(&PostParams::default(), &config_map("one", "1"))
        .await
        .unwrap();
    let bound = |uid: &str| DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let other = api.delete("one", &bound("other")).await;
    assert_eq!(code(other).0, 409);
    assert!(
        api.delete("one", &bound(&made.uid().unwrap()))
            .await
            .unwrap()
            .is_right()
    );
}

fn owned_by(owner: &ConfigMap, name: &str, blocks: bool) -> ConfigMap {
    let mut map = config_map(name, "1");
    let reference = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(),
        "uid": owner.uid(), "blockOwnerDeletion": blocks });
    map.metadata.owner_references = Some(vec![serde_json::from_value(reference).unwrap()]);
    map
}

#[tokio::test]
async fn dependents_go_with_their_owner() {
    let server = server();
    let api = maps(&server);
    let owner = api
        .create(&PostParams::default(), &config_map("owner", "1"))
        .await
        .unwrap();
    let child = api
        .create(&PostParams::default(), &owned_by(&owner, "child", false))
        .await
        .unwrap();
    api.create(
        &PostParams::default(),
        &owned_by(&child, "grandchild", false),
    )
    .await
    .unwrap();
    api.create(&PostParams::default(), &config_map("free", "1"))
        .await
        .unwrap();
    server.collect_garbage();
    assert_eq!(server.list("configmaps", "").len(), 4);
    api.delete("owner", &DeleteParams::background())
        .await
        .unwrap();
    server.collect_garbage();
    let left: Vec<String> = api
        .list(&ListParams::default())
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, ["free"]);
}

#[tokio::test]
async fn foreground_deletion_waits_for_dependents_that_block() {
    let server = server();
    let api = maps(&server);
    let owner = api
        .create(&PostParams::default(), &config_map("owner", "1"))
        .await
        .unwrap();
    let mut child = owned_by(&owner, "child", true);
    child.metadata.finalizers = Some(vec!["slow".to_owned()]);
    api.create(&PostParams::default(), &child).await.unwrap();
    api.delete("owner", &DeleteParams::foreground())
        .await
        .unwrap();
    server.collect_garbage();
    assert!(
        api.get("owner")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    );
    assert!(
        api.get("child")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    );
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": [] } }));
    api.patch("child", &PatchParams::default(), &patch)
        .await
        .unwrap();
    server.collect_garbage();
    assert_eq!(api.get_opt("owner").await.unwrap(), None);
}

#[tokio::test]
async fn orphans_stay() {
    let server = server();
    let api = maps(&server);
    let owner = api
        .create(&PostParams::default(), &config_map("owner", "1"))
        .await
        .unwrap();
    api.create(&PostParams::default(), &owned_by(&owner, "child", true))
        .await
        .unwrap();
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    api.delete("owner", &params).await.unwrap();
    server.collect_garbage();
    assert!(
        api.get("child")
            .await
            .unwrap()
            .owner_references()
            .is_empty()
    );
}

#[tokio::test]
async fn a_pod_gets_time_to_end() {
    let server = server();
    let pods: Api<Pod> = Api::namespaced(server.client(), "prod");
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "one" },
        "spec": { "containers": [] } });
    pods.create(
        &PostParams::default(),
        &serde_json::from_value(pod).unwrap(),
    )
    .await
    .unwrap();
    pods.delete("one", &DeleteParams::default()).await.unwrap();
    assert!(
        pods.get("one")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    );
    pods.delete("one", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    assert!(pods.get_opt("one").await.unwrap().is_none());
}
