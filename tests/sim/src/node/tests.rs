//! A cluster as the operator would make it, and what becomes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flink_crds::FlinkJobState;
use http::Method;
use serde_json::{Value, json};

use super::{Node, Remote};
use crate::flink::{Asked, ClusterKey, Happening, SimFlink};
use crate::{SimClock, World};

const JOB: &str = "197eaf09ad877d34360d12055ada4107";

struct Stage {
    world: World,
    key: ClusterKey,
}

impl Stage {
    fn new() -> Self {
        let clock = SimClock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        Self {
            world: World::with_clock(clock),
            key: ClusterKey::new("prod", "orders"),
        }
    }

    fn config_map(&self, extra: &str) {
        let conf = format!(
            "$internal.flink.version: v1_20\n$internal.pipeline.job-id: {JOB}\n\
             high-availability.type: kubernetes\nhigh-availability.storageDir: file:///ha\n\
             state.checkpoints.dir: file:///cp\nexecution.checkpointing.interval: 10s\n\
             taskmanager.numberOfTaskSlots: 2\nparallelism.default: 3\n{extra}"
        );
        self.create(json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "flink-config-orders" }, "data": { "flink-conf.yaml": conf } }));
    }

    fn deployment(&self, image: &str) -> Arc<Value> {
        let labels = json!({ "app": "orders", "component": "jobmanager", "type": "flink-native-kubernetes" });
        self.create(json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "orders", "labels": labels },
            "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "serviceAccountName": "flink",
                    "containers": [{ "name": "flink-main-container", "image": image,
                        "args": ["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application "] }],
                    "volumes": [{ "name": "flink-config-volume",
                        "configMap": { "name": "flink-config-orders" } }],
                },
            } } }))
    }

    fn create(&self, mut object: Value) -> Arc<Value> {
        object["metadata"]["namespace"] = json!("prod");
        self.world.api.create(object).unwrap()
    }

    fn running() -> Self {
        let stage = Self::new();
        stage.config_map("");
        stage.deployment("flink:1.20");
        stage.wait(15);
        assert_eq!(stage.state(), Some(FlinkJobState::Running));
        stage
    }

    fn wait(&self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.world.tick();
            self.world.clock.advance(Duration::from_millis(250));
        }
        self.world.tick();
    }

    fn state(&self) -> Option<FlinkJobState> {
        self.world.flink().job_states(&self.key).get(JOB).copied()
    }

    fn get(&self, plural: &str, name: &str) -> Option<Arc<Value>> {
        self.world.api.get(plural, "prod", name)
    }

    fn pods(&self, component: &str) -> Vec<Arc<Value>> {
        self.world
            .api
            .list("pods", &format!("app=orders,component={component}"))
    }

    fn starts(&self) -> usize {
        self.world.flink().journal().starts(&self.key).len()
    }
}

#[test]
fn a_deployment_becomes_a_running_job() {
    let stage = Stage::running();
    let deployment = stage.get("deployments", "orders").unwrap();
    assert_eq!(deployment["status"]["availableReplicas"], 1);
    assert_eq!(deployment["status"]["conditions"][0]["status"], "True");
    let task_managers: Vec<String> = stage
        .pods("taskmanager")
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        task_managers,
        ["orders-taskmanager-1-1", "orders-taskmanager-1-2"]
    );
    assert_eq!(stage.starts(), 1);
}

#[test]
fn an_available_condition_that_never_held_has_the_time_of_creation() {
    let stage = Stage::new();
    stage.config_map("");
    stage.deployment("flink:missing");
    stage.wait(5);
    let deployment = stage.get("deployments", "orders").unwrap();
    let available = &deployment["status"]["conditions"][0];
    assert_eq!(available["status"], "False");
    assert_eq!(
        available["lastTransitionTime"],
        deployment["metadata"]["creationTimestamp"]
    );
}

#[test]
fn high_availability_is_kept_in_config_maps_with_flinks_names() {
    let stage = Stage::running();
    stage.wait(15);
    let cluster = stage
        .get("configmaps", "orders-cluster-config-map")
        .unwrap();
    assert_eq!(
        cluster["metadata"]["labels"],
        json!({ "app": "orders", "configmap-type": "high-availability", "type": "flink-native-kubernetes" })
    );
    assert!(
        cluster["data"]
            .as_object()
            .unwrap()
            .contains_key(&format!("jobGraph-{JOB}"))
    );
    let job = stage
        .get("configmaps", &format!("orders-{JOB}-config-map"))
        .unwrap();
    let checkpoint = job["data"]
        .as_object()
        .unwrap()
        .keys()
        .find(|key| key.starts_with("checkpointID-"));
    assert_eq!(checkpoint.unwrap().len(), "checkpointID-".len() + 19);
    assert!(job["metadata"].get("ownerReferences").is_none());
}

#[test]
fn deleting_the_deployment_ends_everything_but_high_availability() {
    let stage = Stage::running();
    stage.wait(15);
    stage.world.api.delete("deployments", "prod", "orders");
    stage.wait(5);
    assert_eq!(
        (
            stage.pods("jobmanager").len(),
            stage.pods("taskmanager").len()
        ),
        (0, 0)
    );
    assert_eq!(stage.world.flink().clusters().count(), 0);
    assert!(
        stage
            .get("configmaps", &format!("orders-{JOB}-config-map"))
            .is_some()
    );
}

#[test]
fn a_cluster_made_again_goes_on_from_its_metadata() {
    let stage = Stage::running();
    stage.wait(20);
    stage.world.api.delete("deployments", "prod", "orders");
    stage.wait(5);
    stage.deployment("flink:1.20");
    stage.wait(15);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
    let flink = stage.world.flink();
    let starts = flink.journal().starts(&stage.key);
    assert!(
        starts[1].0.unwrap().contains("/chk-") && starts[1].1 > 0,
        "{starts:?}"
    );
    assert_eq!(flink.journal().losses(&stage.key), Vec::<u64>::new());
}

#[test]
fn without_its_metadata_it_starts_empty() {
    let stage = Stage::running();
    stage.wait(20);
    stage.world.api.delete("deployments", "prod", "orders");
    stage.wait(5);
    for map in [
        "orders-cluster-config-map".to_owned(),
        format!("orders-{JOB}-config-map"),
    ] {
        assert!(stage.world.api.delete("configmaps", "prod", &map));
    }
    stage.deployment("flink:1.20");
    stage.wait(15);
    assert_eq!(stage.world.flink().journal().losses(&stage.key).len(), 1);
}

#[test]
fn an_image_that_is_missing_is_reported_by_its_pod() {
    let stage = Stage::new();
    stage.config_map("");
    stage.deployment("flink:missing");
    stage.wait(10);
    let pod = &stage.pods("jobmanager")[0];
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(waiting["reason"], "ImagePullBackOff");
    assert_eq!(stage.state(), None);
}

#[test]
fn a_pod_waits_for_its_config_map_and_says_so() {
    let stage = Stage::new();
    stage.deployment("flink:1.20");
    stage.wait(10);
    assert_eq!(stage.state(), None);
    let events = stage.world.api.list("events", "");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["reason"], "FailedMount");
    let pod = &stage.pods("jobmanager")[0];
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(waiting["reason"], "ContainerCreating");
    stage.config_map("");
    stage.wait(15);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
}

#[test]
fn an_absent_service_account_is_a_replica_failure() {
    let stage = Stage::new();
    stage.config_map("");
    stage.deployment("flink:1.20");
    let account =
        json!({ "spec": { "template": { "spec": { "serviceAccountName": "missing" } } } });
    stage
        .world
        .api
        .merge("deployments", ("prod", "orders"), None, &account)
        .unwrap();
    stage.wait(5);
    let deployment = stage.get("deployments", "orders").unwrap();
    let conditions = deployment["status"]["conditions"]
        .as_array()
        .unwrap()
        .clone();
    let failure = conditions
        .iter()
        .find(|condition| condition["type"] == "ReplicaFailure")
        .unwrap();
    assert_eq!(failure["reason"], "FailedCreate");
    assert_eq!(stage.pods("jobmanager").len(), 0);
}

#[test]
fn a_job_manager_that_is_killed_comes_back_and_the_job_with_it() {
    let stage = Stage::running();
    stage.wait(15);
    let pod = stage.pods("jobmanager")[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    stage.world.api.delete("pods", "prod", &pod);
    stage.wait(15);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
    assert_eq!(stage.starts(), 2);
    assert_eq!(stage.world.flink().live_jobs(&stage.key), 1);
}

#[test]
fn more_parallelism_brings_more_task_managers_and_less_takes_them_away() {
    let stage = Stage::new();
    stage.config_map("jobmanager.scheduler: adaptive\n");
    stage.deployment("flink:1.20");
    stage.wait(15);
    let rescale = |upper: u32| {
        let mut flink = stage.world.flink();
        let path = format!("/jobs/{JOB}/resource-requirements");
        let asked = |method, body| Asked {
            method,
            path: &path,
            query: "",
            body,
        };
        let now = stage.world.clock.now();
        let mut bounds = flink
            .handle(&stage.key, &asked(&Method::GET, &Value::Null), now)
            .unwrap()
            .body;
        for vertex in bounds.as_object_mut().unwrap().values_mut() {
            vertex["parallelism"]["upperBound"] = json!(upper);
        }
        assert_eq!(
            flink
                .handle(&stage.key, &asked(&Method::PUT, &bounds), now)
                .unwrap()
                .status,
            200
        );
    };
    rescale(6);
    stage.wait(15);
    assert_eq!(stage.pods("taskmanager").len(), 3);
    assert!(
        stage
            .world
            .flink()
            .parallelism(&stage.key)
            .values()
            .all(|parallelism| *parallelism == 6)
    );
    rescale(2);
    stage.wait(50);
    assert_eq!(stage.pods("taskmanager").len(), 1);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
}

#[test]
fn standalone_task_managers_come_from_a_deployment() {
    let stage = Stage::new();
    stage.config_map("");
    let standalone = |name: &str, component: &str, replicas: u32, args: Value| {
        let labels = json!({ "app": "orders", "component": component, "type": "flink-standalone-kubernetes" });
        stage.create(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
            "spec": { "replicas": replicas, "template": { "metadata": { "labels": labels }, "spec": {
                "containers": [{ "name": "flink-main-container", "image": "flink:1.20", "args": args }],
                "volumes": [{ "name": "c", "configMap": { "name": "flink-config-orders" } }] } } } }));
    };
    stage
        .world
        .flink()
        .storage_mut()
        .put_snapshot("file:/sp/1", 77);
    standalone(
        "orders",
        "jobmanager",
        1,
        json!(["standalone-job", "--fromSavepoint", "file:/sp/1"]),
    );
    standalone(
        "orders-taskmanager",
        "taskmanager",
        2,
        json!(["taskmanager"]),
    );
    stage.wait(15);
    assert_eq!(stage.state(), Some(FlinkJobState::Running));
    assert_eq!(
        stage.world.flink().journal().starts(&stage.key),
        [(Some("file:/sp/1"), 77)]
    );
    assert_eq!(stage.pods("taskmanager").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_beside_a_server_it_reaches_by_requests_does_the_same() {
    let stage = Stage::new();
    let flink = Arc::new(Mutex::new(SimFlink::new()));
    let remote = Remote::new(stage.world.client());
    let mut node = Node::new(remote, Arc::clone(&flink));
    let clock = stage.world.clock.clone();
    let key = stage.key.clone();
    stage.config_map("");
    stage.deployment("flink:1.20");
    let world = stage.world.clone();
    let rounds = move |node: &mut Node, seconds: u64| {
        for _ in 0..seconds * 2 {
            node.tick(clock.now()).unwrap();
            clock.advance(Duration::from_millis(500));
        }
    };
    tokio::task::spawn_blocking(move || {
        rounds(&mut node, 20);
        let states = flink.lock().unwrap().job_states(&key);
        assert_eq!(states[JOB], FlinkJobState::Running);
        assert!(
            world
                .api
                .get("configmaps", "prod", "orders-cluster-config-map")
                .is_some()
        );
        assert_eq!(world.api.list("pods", "").len(), 3);
        world.api.delete_with(
            "deployments",
            ("prod", "orders"),
            &json!({ "propagationPolicy": "Foreground" }),
        );
        rounds(&mut node, 10);
        assert_eq!(world.api.list("pods", "").len(), 0);
        assert_eq!(world.api.get("deployments", "prod", "orders"), None);
        assert_eq!(flink.lock().unwrap().clusters().count(), 0);
    })
    .await
    .unwrap();
}

#[test]
fn a_node_with_nothing_to_do_does_nothing() {
    let stage = Stage::running();
    let body =
        json!({ "drain": false, "triggerId": "1".repeat(32), "targetDirectory": "file:///sp" });
    let path = format!("/jobs/{JOB}/stop");
    let asked = Asked {
        method: &Method::POST,
        path: &path,
        query: "",
        body: &body,
    };
    let now = stage.world.clock.now();
    stage.world.flink().handle(&stage.key, &asked, now).unwrap();
    stage.wait(60);
    assert_eq!(stage.state(), Some(FlinkJobState::Finished));
    let revision = stage.world.api.revision();
    stage.wait(600);
    assert_eq!(stage.world.api.revision(), revision);
    let flink = stage.world.flink();
    assert!(
        flink
            .journal()
            .of(&stage.key)
            .any(|what| matches!(what, Happening::JobEnded { .. }))
    );
}
