//! The controllers as they run, against an API server in memory: what they export of resources, how their
//! watches and queue do. What a pass does is in `world`.

use std::time::Duration;

use flink_operator::canaries;
use flink_operator::clock::Clock;
use flink_operator::config::Defaults;
use flink_operator::domain::Rules;
use flink_operator::flink::{Deadlines, FlinkRest, RouteChoice};
use flink_operator::leader::Claim;
use flink_operator::listen::Newsroom;
use flink_operator::namespaces::{Shared, Watched};
use flink_operator::observe::Rooms;
use flink_operator::prometheus::Prometheus;
use flink_operator::serve::{Health, PATIENCE};
use flink_operator::telemetry::Metrics;
use flink_operator::telemetry::metrics::{Identity, Switches};
use flink_sim::World;
use flink_sim::api::FaultPlan;
use futures::FutureExt;
use serde_json::{Value, json};

/// Virtual time in which what is waited for has come.
const LIMIT: Duration = Duration::from_mins(10);

/// Time in which the change of a canary must get its pass.
const TIMEOUT: Duration = Duration::from_mins(1);

struct Process {
    world: World,
    watched: Watched,
    shared: Shared,
}

impl Process {
    /// One that looks after all namespaces, if `claim` lets it.
    async fn start(claim: fn(Clock) -> Claim) -> Self {
        Self::configured(claim, Defaults::builtin()).await
    }

    /// The same with a configuration.
    async fn configured(claim: fn(Clock) -> Claim, defaults: Defaults) -> Self {
        let world = World::new("2026-01-01T00:00:00Z".parse().unwrap());
        world.run();
        let (client, time) = (world.client(), world.clock.clone());
        let clock = Clock::new(move || time.now(), || 7);
        let flink =
            FlinkRest::new(RouteChoice::Proxy, client.clone(), Deadlines::default()).unwrap();
        let shared = Shared {
            client,
            flink,
            prometheus: Prometheus::new(None).unwrap(),
            rooms: Rooms::default(),
            claim: claim(clock.clone()),
            clock,
            rules: Rules::default(),
            news: Newsroom::default(),
            defaults: defaults.into(),
            metrics: Metrics::new(&Identity::default(), Switches::default()).unwrap(),
            health: Health::new(PATIENCE, TIMEOUT),
        };
        let mut watched = Watched::none(std::future::pending().boxed().shared());
        watched.switch_to(None, &shared).await.unwrap();
        Self {
            world,
            watched,
            shared,
        }
    }

    fn create(&self, name: &str) {
        let mut object = application();
        object["metadata"]["name"] = json!(name);
        self.world.api.create(object).unwrap();
    }

    /// The value of the series of this name whose line has this text.
    fn value(&self, name: &str, label: &str) -> Option<f64> {
        let text = self.shared.metrics.encode().unwrap();
        let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        let line = text
            .lines()
            .find(|line| of_name(line) && line.contains(label))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    /// Whether the resource is in this state, as far as metrics tell.
    fn is_in(&self, name: &str, state: &str) -> bool {
        let text = self.shared.metrics.encode().unwrap();
        text.lines().any(|line| {
            line.starts_with("flink_operator_resource_state{")
                && line.contains(&format!("resourcename=\"{name}\""))
                && line.contains(&format!("state=\"{state}\""))
        })
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let held = self.world.until(LIMIT, |_| holds(self)).await;
        assert!(held, "{what}: {}", self.shared.metrics.encode().unwrap());
    }

    fn names(&self, name: &str) -> bool {
        self.shared.metrics.encode().unwrap().contains(name)
    }
}

fn application() -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "name": "job", "namespace": "default" },
        "spec": {
            "image": "flink:1.20",
            "flinkVersion": "v1_20",
            "serviceAccount": "flink",
            "jobManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
            "taskManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
            "job": { "jarURI": "local:///job.jar", "parallelism": 2, "upgradeMode": "stateless" },
        },
    })
}

#[tokio::test(start_paused = true)]
async fn a_deleted_resource_leaves_no_series_whether_its_end_was_watched_or_missed() {
    let process = Process::start(Claim::alone).await;
    for name in ["watched", "missed", "stays"] {
        process.create(name);
        process
            .until("stable", |process| process.is_in(name, "STABLE"))
            .await;
    }
    let api = &process.world.api;
    assert!(api.delete("flinkdeployments", "default", "watched"));
    process
        .until("no series", |process| !process.names("watched"))
        .await;

    // Somebody takes the finalizer away, and the watch does not tell.
    let free = json!({ "metadata": { "finalizers": null } });
    api.merge("flinkdeployments", ("default", "missed"), None, &free)
        .unwrap();
    api.delete("flinkdeployments", "default", "missed");
    api.compact();
    api.drop_watches();
    process
        .until("no series", |process| !process.names("missed"))
        .await;
    assert!(process.is_in("stays", "STABLE"));
    drop(process.watched);
}

#[tokio::test(start_paused = true)]
async fn passes_waits_and_their_outcomes_are_counted() {
    let process = Process::start(Claim::alone).await;
    process.create("job");
    process
        .until("stable", |process| process.is_in("job", "STABLE"))
        .await;
    let count = |name: &str, label: &str| process.value(name, label).unwrap_or_default();
    assert!(count("flink_operator_reconciles_total", r#"outcome="waiting""#) > 0.0);
    let before = count("flink_operator_reconciles_total", r#"outcome="done""#);
    tokio::time::sleep(Duration::from_mins(5)).await;
    let after = count("flink_operator_reconciles_total", r#"outcome="done""#);
    assert!(after >= before + 3.0, "one a minute: {before} {after}");
    let kind = r#"resourcetype="FlinkDeployment""#;
    let waits = count("flink_operator_queue_wait_seconds_count", kind);
    assert!(waits >= after, "each was waited for: {waits} {after}");
    let late = count("flink_operator_queue_wait_seconds_sum", kind) / waits;
    assert!(late < 1.0, "and began when it was due: {late}");
    assert_eq!(process.value("flink_operator_queue_depth", kind), Some(0.0));
    assert_eq!(
        process.value("flink_operator_reconciles_running", kind),
        Some(0.0)
    );
    assert_eq!(process.shared.health.readiness(), ["still starting"]);
}

#[tokio::test(start_paused = true)]
async fn the_size_of_the_state_of_a_running_job_is_exported() {
    let process = Process::start(Claim::alone).await;
    let mut object = application();
    object["spec"]["flinkConfiguration"] = json!({
        "execution.checkpointing.interval": "10s",
        "execution.checkpointing.dir": "file:///checkpoints",
    });
    process.world.api.create(object).unwrap();
    let size = "flink_k8soperator_namespace_ResourceUsage_StateSize";
    process
        .until("a size", |process| {
            process.value(size, "").is_some_and(|size| size > 0.0)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_job_manager_is_followed_at_once() {
    let process = Process::start(Claim::alone).await;
    process.create("job");
    process
        .until("stable", |process| process.is_in("job", "STABLE"))
        .await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    let passes = |process: &Process| process.value("flink_operator_queue_wait_seconds_count", "");
    let before = passes(&process);
    let touched = json!({ "metadata": { "annotations": { "touched": "yes" } } });
    process
        .world
        .api
        .merge("deployments", ("default", "job"), None, &touched)
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_ne!(before, passes(&process));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_does_not_wait_for_a_pass() {
    let process = Process::start(Claim::alone).await;
    let orphan = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "orphan", "namespace": "default", "labels": { "component": "jobmanager" },
            "ownerReferences": [{
                "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "nobody", "uid": "0",
            }],
        },
        "spec": { "selector": {}, "template": { "spec": { "containers": [] } } },
    });
    process.world.api.create(orphan).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let kind = r#"resourcetype="FlinkDeployment""#;
    assert_eq!(process.value("flink_operator_queue_depth", kind), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_lead_exports_no_resources_and_asks_flink_nothing() {
    let process = Process::start(Claim::contested).await;
    process.create("job");
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(!process.names("resourcename=\"job\""));
    assert!(!process.names("flink_operator_reconciles_total"));
    let longest = process.value(
        "flink_operator_queue_longest_wait_seconds",
        "FlinkDeployment",
    );
    assert!(longest.is_some_and(|longest| longest < 5.0), "{longest:?}");
    let asked = process.world.api.audit();
    assert_eq!(asked.writes().len(), 0);
    assert_eq!(asked.count("get", "services/proxy"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_end_is_waited_for_and_not_for_ever() {
    let process = Process::start(Claim::alone).await;
    let begun = tokio::time::Instant::now();
    // Nobody has told its controllers to end.
    assert!(!process.watched.ended(Duration::from_secs(10)).await);
    assert_eq!(begun.elapsed().as_secs(), 10);
    let shared = process.shared;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut watched = Watched::none(stopped.map(drop).boxed().shared());
    watched.switch_to(None, &shared).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    stop.send(()).unwrap();
    assert!(watched.ended(Duration::from_secs(10)).await);
}

/// A savepoint of `job`, of this team.
fn savepoint(name: &str, job: &str, team: Option<&str>) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkStateSnapshot",
        "metadata": { "name": name, "namespace": "default", "labels": { "team": team } },
        "spec": {
            "jobReference": { "kind": "FlinkDeployment", "name": job },
            "savepoint": { "path": "file:///savepoints" },
        },
    })
}

#[tokio::test(start_paused = true)]
async fn what_the_label_selector_does_not_select_is_left_alone_whether_it_never_was_or_is_no_more()
{
    let selector = ("kubernetes.operator.label.selector", "team=a");
    let defaults = Defaults::builtin().with_config(&[selector].into_iter().collect());
    let process = Process::configured(Claim::alone, defaults).await;
    let api = &process.world.api;
    let get = |plural: &str, name: &str| api.get(plural, "default", name).unwrap();
    let label = |name: &str, team: Option<&str>| {
        let change = json!({ "metadata": { "labels": { "team": team } } });
        api.merge("flinkdeployments", ("default", name), None, &change)
            .unwrap();
    };
    process.create("ours");
    process.create("theirs");
    label("ours", Some("a"));
    process
        .until("stable", |process| process.is_in("ours", "STABLE"))
        .await;
    api.create(savepoint("none-of-ours", "ours", Some("b")))
        .unwrap();
    api.create(savepoint("of-ours", "ours", Some("a"))).unwrap();
    process
        .until("a savepoint", |_| {
            get("flinkstatesnapshots", "of-ours").pointer("/status/state")
                == Some(&json!("COMPLETED"))
        })
        .await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    for (plural, name) in [
        ("flinkdeployments", "theirs"),
        ("flinkstatesnapshots", "none-of-ours"),
    ] {
        let object = get(plural, name);
        assert_eq!(object.get("status"), None, "{name}");
        assert_eq!(object.pointer("/metadata/finalizers"), None, "{name}");
    }
    assert!(!process.names("resourcename=\"theirs\""));

    label("theirs", Some("a"));
    process
        .until("stable", |process| process.is_in("theirs", "STABLE"))
        .await;
    label("theirs", None);
    process
        .until("no series", |process| {
            !process.names("resourcename=\"theirs\"")
        })
        .await;
    let (before, cluster) = (
        get("flinkdeployments", "theirs"),
        get("deployments", "theirs"),
    );
    let change = json!({ "spec": { "job": { "parallelism": 3 } } });
    for name in ["theirs", "ours"] {
        api.merge("flinkdeployments", ("default", name), None, &change)
            .unwrap();
    }
    process
        .until("an upgrade", |process| {
            let ours = get("flinkdeployments", "ours");
            let current = ours.pointer("/metadata/generation");
            ours.pointer("/status/observedGeneration") == current && process.is_in("ours", "STABLE")
        })
        .await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(
        get("flinkdeployments", "theirs")["status"],
        before["status"]
    );
    let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
    assert_eq!(
        uid(&get("deployments", "theirs")),
        uid(&cluster),
        "its job goes on"
    );
}

impl Process {
    /// A canary, which is changed from now on.
    fn keep_canary(&self) {
        let mut canary = application();
        canary["metadata"]["labels"] = json!({ "flink.apache.org/canary": "true" });
        // A canary's spec is nobody's business.
        canary["spec"]["flinkVersion"] = json!("v9_9");
        self.world.api.create(canary).unwrap();
        let shared = &self.shared;
        let means = (
            shared.client.clone(),
            shared.claim.clone(),
            shared.clock.clone(),
        );
        let canaries = shared.health.canaries().clone();
        tokio::spawn(canaries::keep(
            canaries,
            means,
            TIMEOUT,
            std::future::pending(),
        ));
    }

    fn alive(&self) -> Vec<String> {
        self.shared.health.liveness(tokio::time::Instant::now())
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_is_changed_once_in_a_timeout_and_gets_no_cluster() {
    let process = Process::start(Claim::alone).await;
    process.keep_canary();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(process.alive(), Vec::<String>::new());
    }
    let canary = process.world.api.get("flinkdeployments", "default", "job");
    let canary = canary.unwrap();
    let generation = canary["metadata"]["generation"].as_i64().unwrap();
    assert!(
        (8..=11).contains(&generation),
        "{generation} in ten minutes"
    );
    assert_eq!(canary.get("status"), None);
    assert_eq!(canary["metadata"].get("finalizers"), None);
    assert!(process.world.api.list("deployments", "").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_cannot_be_changed_ends_the_liveness_and_is_named() {
    let process = Process::start(Claim::alone).await;
    process.keep_canary();
    tokio::time::sleep(TIMEOUT / 2).await;
    let deaf = FaultPlan {
        error: 1000,
        ..FaultPlan::NONE
    };
    process.world.api.set_faults(1, deaf);
    tokio::time::sleep(TIMEOUT * 3).await;
    let said = process.alive().join("\n");
    let named = said.contains("canary FlinkDeployment default/job could not be changed");
    assert!(named, "{said}");
    process.world.api.set_faults(1, FaultPlan::NONE);
    tokio::time::sleep(TIMEOUT).await;
    assert_eq!(process.alive(), Vec::<String>::new());
    assert!(
        process
            .world
            .api
            .delete("flinkdeployments", "default", "job")
    );
    process.world.api.set_faults(1, deaf);
    tokio::time::sleep(TIMEOUT * 3).await;
    let said = process.alive().join("\n");
    assert!(
        !said.contains("canary"),
        "nothing is expected of it: {said}"
    );
}
