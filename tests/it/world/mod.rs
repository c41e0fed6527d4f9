//! The whole pass against an in-memory API server and a simulated Flink, in virtual time.
//!
//! Each of the [`stories`] is played with seeded faults on every call and the process replaced between passes, and
//! once for each write it makes, with the process dying right after that one. Held always: at most one job
//! runs, no start has less state than was saved before, the world converges, and once it has, passes write
//! nothing. `SEED=n` plays one seed, `SEEDS=n` that many. Short random [`lives`] go where no story does.

mod hpa;
mod lives;
mod mortal;
mod refused;
mod reset;
mod room;
mod snapshots;
mod stories;
mod takeover;
mod told;

use std::time::Duration;

use flink_crds::{FlinkDeployment, FlinkDeploymentStatus, LifecycleState};
use flink_operator::act::Actor;
use flink_operator::clock::Clock;
use flink_operator::config::Defaults;
use flink_operator::controllers::{Context, pass};
use flink_operator::domain::Rules;
use flink_operator::flink::{Deadlines, FlinkRest, RouteChoice};
use flink_operator::leader::Claim;
use flink_operator::listen::Newsroom;
use flink_operator::observe::{Hpas, Observer, Rooms};
use flink_operator::prometheus::Prometheus;
use flink_operator::scaler_memory::ScalerMemories;
use flink_operator::snapshots::Snapshots;
use flink_operator::telemetry::Metrics;
use flink_operator::telemetry::metrics::{Identity, Switches};
use flink_sim::World;
use flink_sim::api::FaultPlan;
use flink_sim::flink::ClusterKey;
use flink_sim::random::Random;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use mortal::Lifeline;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock, Mutex};

/// Virtual time in which every story must have settled, faults included.
const LIMIT: Duration = Duration::from_hours(1);

struct Stage {
    world: World,
    context: Context,
    random: Arc<Mutex<Random>>,
    lifeline: Lifeline,
    key: ClusterKey,
    seed: u64,
    /// No start may have less state than was saved.
    stateful: bool,
    /// What is injected while a story is played, chosen by `seed`.
    faults: FaultPlan,
}

impl Stage {
    /// With these faults, and a process that dies after as many writes as `lifeline` allows.
    fn new(seed: u64, faults: FaultPlan, lifeline: Lifeline) -> Self {
        let world = World::new("2026-01-01T00:00:00Z".parse().unwrap());
        world.api.set_faults(seed, faults);
        let random = Arc::new(Mutex::new(Random::new(seed)));
        let context = process(&world, &random, &lifeline);
        Self {
            world,
            context,
            random,
            lifeline,
            key: ClusterKey::new("default", "job"),
            seed,
            stateful: true,
            faults,
        }
    }

    /// A person creates the resource, and tries until it gets through.
    async fn create(&self, object: &FlinkDeployment) {
        let params = PostParams::default();
        while self.api().get_opt("job").await.ok().flatten().is_none() {
            let _ = self.api().create(&params, object).await;
        }
    }

    /// A person deletes it.
    async fn delete(&self) {
        let params = DeleteParams::default();
        while self.api().delete("job", &params).await.is_err() {}
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

    /// The status, once it can be read.
    async fn status(&self) -> FlinkDeploymentStatus {
        loop {
            if let Ok(object) = self.api().get("job").await {
                return object.status.unwrap_or_default();
            }
        }
    }

    async fn job_id(&self) -> Option<String> {
        self.status().await.job_status.and_then(|job| job.job_id)
    }

    /// From here on a start with nothing is what is asked for.
    const fn forgets_state(&mut self) {
        self.stateful = false;
    }

    /// All vertices run with this many subtasks.
    fn runs_with(&self, subtasks: u32) {
        let running = self.world.flink().parallelism(&self.key);
        let all = !running.is_empty() && running.values().all(|n| *n == subtasks);
        assert!(all, "seed {}: {running:?}, not {subtasks}", self.seed);
    }

    /// Run passes until a vertex has at least this many subtasks.
    async fn scales(&mut self, subtasks: u32) {
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            self.look();
            let running = self.world.flink().parallelism(&self.key);
            if running.values().any(|n| *n >= subtasks) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "seed {}: {running:?}: {:?}",
                self.seed,
                self.status().await.autoscaler
            );
            if let Ok(object) = self.api().get("job").await {
                self.pass(&object).await;
            }
        }
    }

    /// Nothing is injected, and the process does not die.
    fn undisturbed(&self) -> bool {
        self.faults == FaultPlan::NONE && self.lifeline.is_endless()
    }

    /// Run passes every ten seconds for so long, as they are run at rest.
    async fn lives(&mut self, length: Duration) {
        let end = tokio::time::Instant::now() + length;
        while tokio::time::Instant::now() < end {
            self.look();
            if let Ok(object) = self.api().get("job").await {
                self.pass(&object).await;
            }
            tokio::time::sleep(Duration::from_secs(9)).await;
        }
    }

    /// Flink's configuration as its pods have it.
    async fn config(&self) -> String {
        let api: Api<ConfigMap> = Api::namespaced(self.world.client(), "default");
        loop {
            if let Ok(map) = api.get("flink-config-job").await {
                let data = map.data.unwrap_or_default();
                return data.into_values().collect::<Vec<_>>().join("\n");
            }
        }
    }

    fn replace(&mut self) {
        self.context = process(&self.world, &self.random, &self.lifeline);
    }

    /// Run passes until the resource is settled in `state`; the process dies now and then.
    async fn settle(&mut self, state: LifecycleState) {
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            self.look();
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
            self.pass(&object).await;
        }
    }

    /// Let the world go on, and see that nothing forbidden happened.
    fn look(&self) {
        self.world.tick();
        let flink = self.world.flink();
        let running = flink.live_jobs(&self.key);
        assert!(running <= 1, "seed {}: {running} jobs run", self.seed);
        let losses = flink.journal().losses(&self.key);
        assert!(
            losses.is_empty() || !self.stateful,
            "seed {}: state lost: {losses:?}",
            self.seed
        );
    }

    /// One pass and a second's pause; the process may die in it or before it.
    async fn pass(&mut self, object: &FlinkDeployment) {
        if self.faults != FaultPlan::NONE && self.random.lock().unwrap().per_mille(100) {
            self.replace();
        }
        let passes = async {
            let snapshots = self.see_snapshots().await;
            let _ = pass(object, &self.context).await;
            for snapshot in &snapshots {
                let _ = pass(snapshot, &self.context).await;
            }
        };
        let died = tokio::select! {
            () = passes => false,
            () = self.lifeline.ended() => true,
        };
        if died {
            self.replace();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Passes over a satisfied resource write nothing. An autoscaler has news for a while after a change; then it
    /// rests too.
    async fn rests(&mut self) {
        self.world.api.set_faults(0, FaultPlan::NONE);
        let mut quiet = 0;
        for _ in 0..20 {
            let object = self.api().get("job").await.unwrap();
            let version = object.metadata.resource_version.clone();
            self.pass(&object).await;
            tokio::time::sleep(Duration::from_secs(15)).await;
            self.world.tick();
            let after = self.api().get("job").await.unwrap();
            let wrote = after.metadata.resource_version != version;
            quiet = if wrote { 0 } else { quiet + 1 };
            if quiet == 2 {
                break;
            }
        }
        assert_eq!(quiet, 2, "seed {}: it never comes to rest", self.seed);
        let again = self.seed.wrapping_add(1);
        self.world.api.set_faults(again, self.faults);
    }
}

/// A client reads the machine's certificates, which takes longer than many passes; nobody asks this one anything.
static PROMETHEUS: LazyLock<Prometheus> =
    LazyLock::new(|| Prometheus::new(None).expect("a client"));

/// To make and register them takes longer than many passes too; they count, and nobody reads them here.
static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    Metrics::new(&Identity::default(), Switches::default()).expect("the table is sound")
});

/// A new process: nothing in memory, everything from the world.
fn process(world: &World, random: &Arc<Mutex<Random>>, lifeline: &Lifeline) -> Context {
    let client = lifeline.client(&world.api);
    let (time, ids) = (world.clock.clone(), Arc::clone(random));
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
        rooms: Rooms::default(),
        prometheus: PROMETHEUS.clone(),
        client: client.clone(),
        flink: flink.clone(),
        deployments: None,
        ingresses: None,
        snapshots: Snapshots::default(),
        hpas: Hpas::default(),
        memories: memories.clone(),
        clock: clock.clone(),
        rules: Rules::default(),
    };
    let actor = Actor {
        client,
        flink,
        memories,
        claim: Claim::alone(clock.clone()),
        clock,
        news: Newsroom::default(),
    };
    Context::new(observer, actor, Defaults::builtin().into(), METRICS.clone())
}

pub fn manifest() -> FlinkDeployment {
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
