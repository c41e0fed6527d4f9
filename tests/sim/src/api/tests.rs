//! The server as `kube::Client` sees it.

mod deletions;
mod faulty;
mod watches;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flink_crds::FlinkDeployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
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
    // A custom object that does not say how many replicas it wants has no scale, for an HPA neither.
    assert_eq!(code(api.get_scale("orders").await).0, 500);
    let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    api.patch_scale("orders", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let status = api.get_scale("orders").await.unwrap().status.unwrap();
    assert_eq!(
        (status.replicas, status.selector.as_deref()),
        (3, Some("app=orders"))
    );
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
