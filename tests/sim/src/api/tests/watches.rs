//! Watches.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use serde_json::json;

use super::{config_map, maps, server};
use crate::api::{ApiServer, FaultPlan};

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
