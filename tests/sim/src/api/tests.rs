//! The server as `kube::Client` sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flink_crds::FlinkDeployment;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy, WatchEvent, WatchParams,
};
use kube::runtime::watcher;
use kube::{Error, ResourceExt};
use serde_json::{Value, json};

use super::*;

fn server() -> ApiServer {
    let clock = SimClock::tokio("2026-01-01T00:00:00Z".parse().unwrap());
    ApiServer::new(clock, Arc::new(Mutex::new(SimFlink::new())))
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    let data = BTreeMap::from([("a".to_owned(), value.to_owned())]);
    let mut map = ConfigMap {
        data: Some(data),
        ..ConfigMap::default()
    };
    map.metadata.name = Some(name.to_owned());
    map
}

fn maps(server: &ApiServer) -> Api<ConfigMap> {
    Api::namespaced(server.client(), "prod")
}

fn deployment(name: &str) -> Value {
    json!({ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": { "name": name, "namespace": "prod" },
        "spec": { "flinkVersion": "v1_20", "image": "flink:1.20" }, "status": { "error": "ignored" } })
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Api(status)) => (status.code, status.reason.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_created_can_be_read_and_not_created_again() {
    let api = maps(&server());
    let made = api
        .create(&PostParams::default(), &config_map("one", "1"))
        .await
        .unwrap();
    assert!(made.uid().is_some() && made.resource_version().is_some());
    assert_eq!(made.namespace().as_deref(), Some("prod"));
    assert_eq!(api.get("one").await.unwrap(), made);
    assert_eq!(api.get_opt("two").await.unwrap(), None);
    let again = api
        .create(&PostParams::default(), &config_map("one", "1"))
        .await;
    assert_eq!(code(again), (409, "AlreadyExists".to_owned()));
    let mut named = config_map("", "1");
    named.metadata.name = None;
    named.metadata.generate_name = Some("made-".to_owned());
    let named = api.create(&PostParams::default(), &named).await.unwrap();
    assert!(named.name_any().starts_with("made-") && named.name_any().len() > 5);
}

#[tokio::test]
async fn an_old_version_cannot_overwrite_a_newer_one() {
    let api = maps(&server());
    let old = api
        .create(&PostParams::default(), &config_map("one", "1"))
        .await
        .unwrap();
    let mut changed = old.clone();
    changed.data = config_map("one", "2").data;
    api.replace("one", &PostParams::default(), &changed)
        .await
        .unwrap();
    let lost = api.replace("one", &PostParams::default(), &changed).await;
    assert_eq!(code(lost), (409, "Conflict".to_owned()));
    let patch =
        json!({ "metadata": { "resourceVersion": old.resource_version() }, "data": { "a": "3" } });
    let lost = api
        .patch("one", &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    assert_eq!(code(lost), (409, "Conflict".to_owned()));
}

#[tokio::test]
async fn a_change_of_nothing_is_no_change() {
    let server = server();
    let api = maps(&server);
    let made = api
        .create(&PostParams::default(), &config_map("one", "1"))
        .await
        .unwrap();
    let patch = Patch::Merge(json!({ "data": { "a": "1" } }));
    let same = api
        .patch("one", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(same.resource_version(), made.resource_version());
    assert_eq!(server.revision(), 1);
}

#[tokio::test]
async fn status_and_specification_are_written_apart() {
    let server = server();
    server.create(deployment("orders")).unwrap();
    let api: Api<FlinkDeployment> = Api::namespaced(server.client(), "prod");
    let made = api.get("orders").await.unwrap();
    assert_eq!(
        (made.metadata.generation, made.status.is_none()),
        (Some(1), true)
    );
    let patch = json!({ "status": { "error": "seen" }, "spec": { "image": "other" } });
    let params = PatchParams::default();
    let written = api
        .patch_status("orders", &params, &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(
        written.status.as_ref().unwrap().error.as_deref(),
        Some("seen")
    );
    assert_eq!(
        (written.spec.image.as_deref(), written.metadata.generation),
        (Some("flink:1.20"), Some(1))
    );
    let patch = json!({ "status": { "error": "lost" }, "spec": { "image": "other" } });
    let written = api
        .patch("orders", &params, &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(
        written.status.as_ref().unwrap().error.as_deref(),
        Some("seen")
    );
    assert_eq!(
        (written.spec.image.as_deref(), written.metadata.generation),
        (Some("other"), Some(2))
    );
}

#[tokio::test]
async fn the_scale_subresource_leads_to_the_fields_of_its_kind() {
    let server = server();
    server.create(deployment("orders")).unwrap();
    let status =
        json!({ "status": { "taskManager": { "replicas": 3, "labelSelector": "app=orders" } } });
    server
        .merge(
            "flinkdeployments",
            ("prod", "orders"),
            Some("status"),
            &status,
        )
        .unwrap();
    let api: Api<FlinkDeployment> = Api::namespaced(server.client(), "prod");
    let scale = api.get_scale("orders").await.unwrap();
    let status = scale.status.unwrap();
    assert_eq!(
        (status.replicas, status.selector.as_deref()),
        (3, Some("app=orders"))
    );
    let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    api.patch_scale("orders", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let written = server.get("flinkdeployments", "prod", "orders").unwrap();
    assert_eq!(written["spec"]["taskManager"]["replicas"], 5);
    assert_eq!(written["metadata"]["generation"], 2);
}

#[tokio::test]
async fn applying_creates_changes_and_prunes() {
    let api = maps(&server());
    let params = PatchParams::apply("us").force();
    let apply = |data: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "data": data });
    let made = api
        .patch(
            "one",
            &params,
            &Patch::Apply(apply(json!({ "a": "1", "b": "2" }))),
        )
        .await
        .unwrap();
    let same = api
        .patch(
            "one",
            &params,
            &Patch::Apply(apply(json!({ "a": "1", "b": "2" }))),
        )
        .await
        .unwrap();
    assert_eq!(made.resource_version(), same.resource_version());
    let less = api
        .patch("one", &params, &Patch::Apply(apply(json!({ "a": "1" }))))
        .await
        .unwrap();
    assert_eq!(less.data, config_map("one", "1").data);
    let other = PatchParams::apply("them");
    let conflict = api
        .patch("one", &other, &Patch::Apply(apply(json!({ "a": "9" }))))
        .await;
    assert_eq!(code(conflict), (409, "Conflict".to_owned()));
}

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

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let api = maps(&server());
    for name in ["a", "b", "c"] {
        let mut map = config_map(name, "1");
        map.metadata.labels = Some(BTreeMap::from([(
            "odd".to_owned(),
            (name != "b").to_string(),
        )]));
        api.create(&PostParams::default(), &map).await.unwrap();
    }
    let odd = api
        .list(&ListParams::default().labels("odd=true"))
        .await
        .unwrap();
    assert_eq!(
        odd.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["a", "c"]
    );
    let one = api
        .list(&ListParams::default().fields("metadata.name=b"))
        .await
        .unwrap();
    assert_eq!(one.items.len(), 1);
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .unwrap();
    assert_eq!(
        rest.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["c"]
    );
    let metadata = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(metadata.items.len(), 2);
    api.delete_collection(
        &DeleteParams::default(),
        &ListParams::default().labels("odd=true"),
    )
    .await
    .unwrap();
    assert_eq!(
        api.list(&ListParams::default()).await.unwrap().items.len(),
        1
    );
}

/// Names in the events of a watch that resumes from `version`, as `TYPE name`.
async fn events(
    api: &Api<ConfigMap>,
    params: &WatchParams,
    version: &str,
    count: usize,
) -> Vec<String> {
    let stream = api.watch(params, version).await.unwrap().take(count);
    stream
        .map_ok(|event| match event {
            WatchEvent::Added(map) => format!("ADDED {}", map.name_any()),
            WatchEvent::Modified(map) => format!("MODIFIED {}", map.name_any()),
            WatchEvent::Deleted(map) => format!("DELETED {}", map.name_any()),
            WatchEvent::Bookmark(mark) => format!("BOOKMARK {}", mark.metadata.resource_version),
            WatchEvent::Error(error) => format!("ERROR {}", error.code),
        })
        .try_collect()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_happened_since_a_revision() {
    let server = server();
    let api = maps(&server);
    let first = api
        .create(&PostParams::default(), &config_map("one", "1"))
        .await
        .unwrap();
    let version = first.resource_version().unwrap();
    api.create(&PostParams::default(), &config_map("two", "1"))
        .await
        .unwrap();
    let patch = Patch::Merge(json!({ "data": { "a": "2" } }));
    api.patch("one", &PatchParams::default(), &patch)
        .await
        .unwrap();
    api.delete("two", &DeleteParams::default()).await.unwrap();
    let params = WatchParams::default();
    let seen = events(&api, &params, &version, 3).await;
    assert_eq!(seen, ["ADDED two", "MODIFIED one", "DELETED two"]);
    assert_eq!(events(&api, &params, "0", 1).await, ["ADDED one"]);
    // Nothing more happens: a bookmark comes, and the end.
    let seen = events(&api, &params, &seen_all(&server), 10).await;
    assert_eq!(seen.first().map(String::as_str), Some("BOOKMARK 4"));
}

fn seen_all(server: &ApiServer) -> String {
    server.revision().to_string()
}

#[tokio::test(start_paused = true)]
async fn an_object_that_no_longer_matches_is_deleted_for_the_watch() {
    let server = server();
    let api = maps(&server);
    let mut map = config_map("one", "1");
    map.metadata.labels = Some(BTreeMap::from([("app".to_owned(), "x".to_owned())]));
    let made = api.create(&PostParams::default(), &map).await.unwrap();
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "app": "y" } } }));
    api.patch("one", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let params = WatchParams::default().labels("app=x");
    let seen = events(&api, &params, &made.resource_version().unwrap(), 1).await;
    assert_eq!(seen, ["DELETED one"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_revision_has_expired() {
    let server = server();
    let api = maps(&server);
    for name in ["one", "two"] {
        api.create(&PostParams::default(), &config_map(name, "1"))
            .await
            .unwrap();
    }
    server.compact();
    assert_eq!(
        events(&api, &WatchParams::default(), "1", 1).await,
        ["ERROR 410"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_outlives_dropped_watches_and_lost_history() {
    let server = server();
    let api = maps(&server);
    server.set_faults(
        3,
        FaultPlan {
            dropped_watch: 500,
            ..FaultPlan::NONE
        },
    );
    let stream = watcher(api.clone(), watcher::Config::default());
    let seen = tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            if let Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) = event
                && map.data.as_ref().unwrap()["a"] == "20"
            {
                return map.name_any();
            }
        }
        String::new()
    });
    api.create(&PostParams::default(), &config_map("one", "0"))
        .await
        .unwrap();
    for value in 1..=20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if value % 7 == 0 {
            server.compact();
            server.drop_watches();
        }
        let patch = Patch::Merge(json!({ "data": { "a": value.to_string() } }));
        api.patch("one", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    assert_eq!(
        tokio::time::timeout(Duration::from_mins(10), seen)
            .await
            .unwrap()
            .unwrap(),
        "one"
    );
}

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

#[tokio::test]
async fn what_clients_ask_for_is_audited_and_what_tests_do_is_not() {
    let server = server();
    let api = maps(&server);
    server.create(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "prod" } })).unwrap();
    api.get("x").await.unwrap();
    api.create(&PostParams::default(), &config_map("one", "1"))
        .await
        .unwrap();
    let audit = server.audit();
    assert_eq!(audit.verbs()["configmaps"], ["create", "get"].into());
    assert_eq!(audit.writes().len(), 1);
    assert_eq!(
        (audit.writes()[0].verb, audit.writes()[0].code),
        ("create", 201)
    );
    assert_eq!(audit.count("get", "configmaps"), 1);
}
