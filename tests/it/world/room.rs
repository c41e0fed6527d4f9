//! How much room there is for TaskManagers, as the API server tells it.

use std::time::Duration;

use flink_operator::config::Defaults;
use flink_operator::domain::Desired;
use flink_operator::observe::Rooms;
use flink_sim::World;
use flink_sim::api::FaultPlan;
use serde_json::{Value, json};

use super::manifest;

const MINUTE: Duration = Duration::from_mins(1);

/// A world with a node of 4 CPUs of which a pod elsewhere has taken 2.5.
fn world() -> World {
    let world = World::new("2026-01-01T00:00:00Z".parse().unwrap());
    put(
        &world,
        "nodes",
        "",
        "one",
        &json!({}),
        &json!({
            "allocatable": { "cpu": "4", "memory": "32Gi", "pods": "110" },
            "conditions": [{ "type": "Ready", "status": "True" }],
        }),
    );
    pod(&world, "taken", "2500m", "Running");
    pod(&world, "done", "4", "Succeeded");
    world
}

fn pod(world: &World, name: &str, cpu: &str, phase: &str) {
    let spec = json!({ "nodeName": "one", "containers": [
        { "name": "c", "image": "i", "resources": { "requests": { "cpu": cpu } } },
    ] });
    put(
        world,
        "pods",
        "elsewhere",
        name,
        &spec,
        &json!({ "phase": phase }),
    );
}

fn put(world: &World, plural: &str, namespace: &str, name: &str, spec: &Value, status: &Value) {
    let kind = match plural {
        "nodes" => "Node",
        "pods" => "Pod",
        _ => "ResourceQuota",
    };
    let mut object =
        json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    world.api.create(object).unwrap();
    let status = json!({ "status": status });
    let merged = world
        .api
        .merge(plural, (namespace, name), Some("status"), &status);
    merged.unwrap();
}

/// A quota of the job's namespace.
fn put_quota(world: &World, status: &Value) {
    put(
        world,
        "resourcequotas",
        "default",
        "team",
        &json!({}),
        status,
    );
}

/// A job whose TaskManagers have a CPU and 1 GiB each.
fn desired(options: &Value) -> Desired {
    let mut object = manifest();
    object.spec = super::stories::merged(&object.spec, &json!({ "flinkConfiguration": options }));
    Desired::of(&object, &Defaults::builtin())
}

fn lists(world: &World) -> [u64; 3] {
    ["nodes", "pods", "resourcequotas"].map(|kind| world.api.audit().count("list", kind))
}

#[tokio::test]
async fn nodes_and_quotas_limit_by_what_they_have_left_and_are_read_once_a_while() {
    let world = world();
    let (rooms, client) = (Rooms::refreshed(Some(MINUTE)), world.client());
    let (desired, now) = (desired(&json!({})), world.clock.now());
    assert_eq!(rooms.left(&client, &desired, now).await, Some(1));
    assert_eq!(lists(&world), [1, 1, 1]);
    let memory = |size: &str| json!({ "requests.memory": size });
    let quota = json!({ "hard": memory("4Gi"), "used": memory("4Gi") });
    put_quota(&world, &quota);
    // Within the interval what was read counts, for every job.
    assert_eq!(rooms.clone().left(&client, &desired, now).await, Some(1));
    assert_eq!(lists(&world), [1, 1, 1]);
    assert_eq!(rooms.left(&client, &desired, now + MINUTE).await, Some(0));
    assert_eq!(lists(&world), [2, 2, 2]);
}

#[tokio::test]
async fn nothing_is_read_unless_it_is_asked_for() {
    let world = world();
    let (rooms, client) = (Rooms::default(), world.client());
    let now = world.clock.now();
    assert_eq!(rooms.left(&client, &desired(&json!({})), now).await, None);
    assert_eq!(lists(&world), [0, 0, 0]);
    // With a quota of the job's own those of its namespace count too.
    let own = desired(&json!({ "job.autoscaler.quota.cpu": "8" }));
    let pods = |count: &str| json!({ "pods": count });
    let quota = json!({ "hard": pods("10"), "used": pods("7") });
    put_quota(&world, &quota);
    assert_eq!(rooms.left(&client, &own, now).await, Some(3));
    assert_eq!(lists(&world), [0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_limits_nothing() {
    let world = world();
    let (rooms, client) = (Rooms::refreshed(Some(MINUTE)), world.client());
    let broken = FaultPlan {
        error: 1000,
        ..FaultPlan::NONE
    };
    world.api.set_faults(1, broken);
    let (desired, now) = (desired(&json!({})), world.clock.now());
    assert_eq!(rooms.left(&client, &desired, now).await, None);
    world.api.set_faults(1, FaultPlan::NONE);
    assert_eq!(rooms.left(&client, &desired, now + MINUTE).await, Some(1));
}
