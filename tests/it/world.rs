//! The whole pass against an in-memory API server and a simulated Flink, in virtual time, with seeded
//! faults on every call and the process replaced between passes.
//!
//! Held for every seed: at most one job runs, no start has less state than was saved before, the world
//! converges, and once it has, passes write nothing. `SEED=n` plays one seed, `SEEDS=n` that many.

use std::time::Duration;

use flink_crds::{FlinkDeployment, LifecycleState};
use flink_operator::act::Actor;
use flink_operator::clock::Clock;
use flink_operator::config::Defaults;
use flink_operator::controllers::{Context, pass};
use flink_operator::flink::{Deadlines, FlinkRest, RouteChoice};
use flink_operator::leader::Claim;
use flink_operator::observe::Observer;
use flink_operator::scaler_memory::ScalerMemories;
use flink_operator::telemetry::Metrics;
use flink_operator::telemetry::metrics::Identity;
use flink_sim::World;
use flink_sim::api::FaultPlan;
use flink_sim::flink::ClusterKey;
use flink_sim::random::Random;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Virtual time in which every story must have settled, faults included.
const LIMIT: Duration = Duration::from_hours(1);

struct Stage {
    world: World,
    context: Context,
    random: Arc<Mutex<Random>>,
    key: ClusterKey,
    seed: u64,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let world = World::new("2026-01-01T00:00:00Z".parse().unwrap());
        let random = Arc::new(Mutex::new(Random::new(seed)));
        let context = process(&world, &random);
        Self {
            world,
            context,
            random,
            key: ClusterKey::new("default", "job"),
            seed,
        }
    }

    fn api(&self) -> Api<FlinkDeployment> {
        Api::namespaced(self.world.client(), "default")
    }

    /// A person's change, which is tried until it gets through.
    async fn patch(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        while self
            .api()
            .patch("job", &PatchParams::default(), &patch)
            .await
            .is_err()
        {}
    }

    /// Run passes until the resource is settled in `state`; the process dies now and then.
    async fn settle(&mut self, state: LifecycleState) {
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            self.world.tick();
            let running = self.world.flink().live_jobs(&self.key);
            assert!(running <= 1, "seed {}: {running} jobs run", self.seed);
            let losses = self.world.flink().journal().losses(&self.key);
            assert!(
                losses.is_empty(),
                "seed {}: state lost: {losses:?}",
                self.seed
            );
            let Ok(found) = self.api().get_opt("job").await else {
                continue;
            };
            let Some(object) = found else { return };
            let status = object.status.clone().unwrap_or_default();
            let current = status.observed_generation == object.metadata.generation;
            if current && status.lifecycle_state == Some(state) && status.pending.is_none() {
                return;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "seed {}: not {state} after {LIMIT:?}: {}",
                self.seed,
                serde_json::to_string_pretty(&status).unwrap()
            );
            if self.random.lock().unwrap().per_mille(100) {
                self.context = process(&self.world, &self.random);
            }
            let _ = pass(&object, &self.context).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Passes over a satisfied resource write nothing.
    async fn rests(&mut self) {
        self.world.api.set_faults(0, FaultPlan::NONE);
        let mut before = None;
        for _ in 0..5 {
            let object = self.api().get("job").await.unwrap();
            let version = object.metadata.resource_version.clone();
            if before.is_some() {
                assert_eq!(
                    before, version,
                    "seed {}: a satisfied pass wrote",
                    self.seed
                );
            }
            pass(&object, &self.context).await.unwrap();
            tokio::time::sleep(Duration::from_secs(15)).await;
            self.world.tick();
            let after = self
                .api()
                .get("job")
                .await
                .unwrap()
                .metadata
                .resource_version;
            before = Some(after.unwrap());
            if before == version {
                continue;
            }
            // What the pass learnt of the world (a heartbeat of the simulation) is written once.
            before = None;
        }
        assert!(
            before.is_some(),
            "seed {}: it never came to rest",
            self.seed
        );
    }
}

/// A new process: nothing in memory, everything from the world.
fn process(world: &World, random: &Arc<Mutex<Random>>) -> Context {
    let (client, time, ids) = (world.client(), world.clock.clone(), Arc::clone(random));
    let clock = Clock::new(
        move || time.now(),
        move || {
            let mut ids = ids.lock().unwrap();
            (u128::from(ids.next_u64()) << 64) | u128::from(ids.next_u64())
        },
    );
    let flink = FlinkRest::new(RouteChoice::Proxy, client.clone(), Deadlines::default()).unwrap();
    let memories = ScalerMemories::default();
    let observer = Observer {
        client: client.clone(),
        flink: flink.clone(),
        deployments: None,
        memories: memories.clone(),
        clock: clock.clone(),
    };
    let actor = Actor {
        client,
        flink,
        memories,
        claim: Claim::alone(clock.clone()),
        clock,
    };
    let metrics = Metrics::new(&Identity::default()).unwrap();
    Context::new(observer, actor, Defaults::builtin(), metrics)
}

fn manifest() -> FlinkDeployment {
    serde_json::from_value(json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "name": "job", "namespace": "default" },
        "spec": {
            "image": "flink:1.20",
            "flinkVersion": "v1_20",
            "serviceAccount": "flink",
            "flinkConfiguration": {
                "execution.checkpointing.interval": "10s",
                "execution.checkpointing.dir": "file:///state/checkpoints",
                "execution.checkpointing.savepoint-dir": "file:///state/savepoints",
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": "file:///state/ha",
            },
            "jobManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
            "taskManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
            "job": { "jarURI": "local:///job.jar", "parallelism": 2, "upgradeMode": "savepoint" },
        },
    }))
    .unwrap()
}

/// One life: deployed, upgraded in both stateful ways, suspended, resumed, deleted.
async fn life(seed: u64, faults: FaultPlan) {
    let mut stage = Stage::new(seed);
    stage
        .api()
        .create(&PostParams::default(), &manifest())
        .await
        .unwrap();
    stage.world.api.set_faults(seed, faults);
    stage.settle(LifecycleState::Stable).await;
    stage.patch(json!({ "job": { "parallelism": 3 } })).await;
    stage.settle(LifecycleState::Stable).await;
    stage
        .patch(json!({ "restartNonce": 1, "job": { "upgradeMode": "last-state" } }))
        .await;
    stage.settle(LifecycleState::Stable).await;
    stage
        .patch(json!({ "job": { "state": "suspended", "upgradeMode": "savepoint" } }))
        .await;
    stage.settle(LifecycleState::Suspended).await;
    stage.patch(json!({ "job": { "state": "running" } })).await;
    stage.settle(LifecycleState::Stable).await;
    stage.rests().await;
    stage.world.api.set_faults(seed.wrapping_add(1), faults);
    while stage
        .api()
        .delete("job", &kube::api::DeleteParams::default())
        .await
        .is_err()
    {}
    stage.settle(LifecycleState::Deleted).await;
    assert_eq!(
        stage.world.flink().live_jobs(&stage.key),
        0,
        "seed {seed}: a job outlives it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_life_without_faults() {
    life(1, FaultPlan::NONE).await;
}

#[tokio::test(start_paused = true)]
async fn a_life_with_faults_on_every_call_and_deaths_between_passes() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SEEDS").unwrap_or(20) + 1,
    };
    for seed in seeds {
        life(seed, FaultPlan::ROUGH).await;
    }
}
