//! What happens to a resource in its life, and in which ways each story is played.

use std::time::Duration;

use flink_crds::{FlinkDeploymentStatus, LifecycleState};
use flink_sim::api::FaultPlan;
use flink_sim::flink::{Happening, Profile};
use serde_json::json;

use super::mortal::Lifeline;
use super::{Stage, manifest, refused, snapshots};

/// What a person does, and what comes of it.
#[derive(Clone, Copy, Debug)]
enum Story {
    /// Upgraded in both stateful ways, suspended, resumed, deleted.
    Stateful,
    /// Upgraded without state, and started anew from a given savepoint.
    Stateless,
    /// `kubectl scale`, in place and by upgrade.
    Scaled,
    /// A session cluster: no job of its own, changed and deleted.
    Session,
    /// The autoscaler answers a load that grows to the fourfold.
    Autoscaled,
    /// Snapshots by hand, by nonce, by schedule and by an upgrade.
    Snapshots,
    /// The autoscaler answers by upgrade, with memory tuned; then that is turned off.
    Tuned,
    /// The same with memory that turns out to be too little.
    Refused,
    /// The autoscaler in mode `initial`: what it recommends is taken by the next upgrade, and nothing before.
    Initial,
}

const STORIES: [Story; 8] = [
    Story::Stateful,
    Story::Stateless,
    Story::Scaled,
    Story::Session,
    Story::Autoscaled,
    Story::Snapshots,
    Story::Tuned,
    Story::Refused,
];

impl Story {
    async fn play(self, stage: &mut Stage) {
        match self {
            Self::Stateful => stateful(stage).await,
            Self::Stateless => stateless(stage).await,
            Self::Scaled => scaled(stage).await,
            Self::Session => session(stage).await,
            Self::Autoscaled => autoscaled(stage).await,
            Self::Snapshots => snapshots::story(stage).await,
            Self::Tuned => tuned(stage).await,
            Self::Refused => refused::story(stage).await,
            Self::Initial => initial(stage).await,
        }
    }
}

async fn stateful(stage: &mut Stage) {
    stage.create(&manifest()).await;
    stage.settle(LifecycleState::Stable).await;
    stage.patch(json!({ "job": { "parallelism": 3 } })).await;
    stage.settle(LifecycleState::Stable).await;
    let last_state = json!({ "restartNonce": 1, "job": { "upgradeMode": "last-state" } });
    stage.patch(last_state).await;
    stage.settle(LifecycleState::Stable).await;
    let suspend = json!({ "job": { "state": "suspended", "upgradeMode": "savepoint" } });
    stage.patch(suspend).await;
    stage.settle(LifecycleState::Suspended).await;
    stage.patch(json!({ "job": { "state": "running" } })).await;
    stage.settle(LifecycleState::Stable).await;
    stage.rests().await;
    stage.delete().await;
    stage.settle(LifecycleState::Deleted).await;
    assert_eq!(
        stage.world.flink().live_jobs(&stage.key),
        0,
        "a job outlives it"
    );
}

async fn stateless(stage: &mut Stage) {
    let mut object = manifest();
    if let Some(job) = &mut object.spec.job {
        job.upgrade_mode = Some(flink_crds::UpgradeMode::Savepoint);
    }
    stage.create(&object).await;
    stage.settle(LifecycleState::Stable).await;
    stage
        .patch(json!({ "job": { "state": "suspended" } }))
        .await;
    stage.settle(LifecycleState::Suspended).await;
    let status = stage.status().await;
    let savepoint = status.job_status.and_then(|job| job.upgrade_savepoint_path);
    assert!(savepoint.is_some(), "seed {}", stage.seed);
    stage.forgets_state();
    let fresh = json!({ "job": { "state": "running", "upgradeMode": "stateless" } });
    stage.patch(fresh).await;
    stage.settle(LifecycleState::Stable).await;
    let redeploy = json!({ "job": {
        "initialSavepointPath": savepoint, "savepointRedeployNonce": 1,
    } });
    stage.patch(redeploy).await;
    stage.settle(LifecycleState::Stable).await;
    let from: Vec<bool> = {
        let flink = stage.world.flink();
        let starts = flink.journal().starts(&stage.key);
        starts.iter().map(|(path, _)| path.is_some()).collect()
    };
    assert_eq!(from, [false, false, true], "seed {}", stage.seed);
    stage.rests().await;
}

async fn scaled(stage: &mut Stage) {
    let mut object = manifest();
    let more = json!({ "taskManager": { "replicas": 1 }, "flinkConfiguration": { "jobmanager.scheduler": "adaptive" } });
    object.spec = merged(&object.spec, &more);
    stage.create(&object).await;
    stage.settle(LifecycleState::Stable).await;
    let job = stage.job_id().await;
    stage
        .patch(json!({ "taskManager": { "replicas": 3 } }))
        .await;
    stage.settle(LifecycleState::Stable).await;
    assert_eq!(stage.job_id().await, job, "seed {}: in place", stage.seed);
    stage.runs_with(3);
    stage
        .patch(json!({ "flinkConfiguration": { "jobmanager.scheduler": "default" } }))
        .await;
    stage.settle(LifecycleState::Stable).await;
    stage
        .patch(json!({ "taskManager": { "replicas": 2 } }))
        .await;
    stage.settle(LifecycleState::Stable).await;
    assert_ne!(stage.job_id().await, job, "seed {}: by upgrade", stage.seed);
    stage.runs_with(2);
    stage.rests().await;
}

async fn session(stage: &mut Stage) {
    let mut object = manifest();
    object.spec.job = None;
    stage.create(&object).await;
    stage.settle(LifecycleState::Stable).await;
    let more_slots = json!({ "flinkConfiguration": { "taskmanager.numberOfTaskSlots": "4" } });
    stage.patch(more_slots).await;
    stage.settle(LifecycleState::Stable).await;
    stage.rests().await;
    stage.delete().await;
    stage.settle(LifecycleState::Deleted).await;
}

/// A job of one subtask that has 80 records a second to do and can do 100, with the autoscaler.
pub(super) async fn autoscales(stage: &mut Stage) {
    let pipeline = Profile::pipeline(80.0, 100.0);
    stage.world.flink().set_profile(&stage.key, pipeline);
    let mut object = manifest();
    let more = json!({
        "flinkConfiguration": {
            "jobmanager.scheduler": "adaptive",
            "job.autoscaler.enabled": "true",
            "job.autoscaler.utilization.target": "0.8",
            "job.autoscaler.metrics.window": "2min",
            "job.autoscaler.stabilization.interval": "30s",
            "job.autoscaler.vertex.max-parallelism": "8",
        },
        "job": { "parallelism": 1 },
    });
    object.spec = merged(&object.spec, &more);
    stage.create(&object).await;
    stage.settle(LifecycleState::Stable).await;
}

async fn autoscaled(stage: &mut Stage) {
    autoscales(stage).await;
    let job = stage.job_id().await;
    let now = stage.world.clock.now();
    stage.world.flink().set_input(&stage.key, 320.0, now);
    stage.scales(4).await;
    stage.settle(LifecycleState::Stable).await;
    assert_eq!(stage.job_id().await, job, "seed {}: in place", stage.seed);
}

/// A job of one subtask that needs four, and is rescaled by upgrade with the memory it needs.
pub(super) async fn tunes(stage: &mut Stage, pipeline: Profile) {
    stage.world.flink().set_profile(&stage.key, pipeline);
    let mut object = manifest();
    let more = json!({
        "flinkConfiguration": {
            "job.autoscaler.enabled": "true",
            "job.autoscaler.memory.tuning.enabled": "true",
            "kubernetes.operator.deployment.readiness.timeout": "30 s",
            "job.autoscaler.utilization.target": "0.8",
            "job.autoscaler.metrics.window": "30s",
            "job.autoscaler.stabilization.interval": "30s",
            "job.autoscaler.vertex.max-parallelism": "4",
        },
        "job": { "parallelism": 1 },
    });
    object.spec = merged(&object.spec, &more);
    stage.create(&object).await;
    stage.settle(LifecycleState::Stable).await;
    stage.scales(4).await;
    stage.settle(LifecycleState::Stable).await;
}

async fn tuned(stage: &mut Stage) {
    const SIZE: &str = "taskmanager.memory.process.size";
    tunes(stage, Profile::pipeline(320.0, 100.0)).await;
    let memory = |status: FlinkDeploymentStatus| status.autoscaler.and_then(|scaler| scaler.memory);
    let tuned = memory(stage.status().await);
    // A process that died may know too little of the past to reckon memory; then the spec's is what counts.
    assert!(tuned.is_some() || !stage.undisturbed(), "not tuned");
    let size = tuned
        .as_ref()
        .map_or("1 gb", |tuned| tuned.overrides[SIZE].as_str());
    let config = stage.config().await;
    let line = format!("{SIZE}: {size}");
    assert!(
        config.contains(&line),
        "seed {}: not {line}: {config}",
        stage.seed
    );
    let starts = footprint(stage).0;
    let off = json!({ "flinkConfiguration": { "job.autoscaler.memory.tuning.enabled": "false" } });
    stage.patch(off).await;
    stage.settle(LifecycleState::Stable).await;
    // Until the autoscaler has nothing new to say.
    stage.lives(Duration::from_mins(3)).await;
    let map = stage
        .world
        .api
        .get("configmaps", "default", "autoscaler-job");
    let stored = map.and_then(|map| map["data"].get("configOverrides").cloned());
    assert_eq!(
        stored.is_some(),
        tuned.is_some(),
        "seed {}: {stored:?}",
        stage.seed
    );
    stage.rests().await;
    assert_eq!(memory(stage.status().await), tuned, "seed {}", stage.seed);
    assert_eq!(
        footprint(stage).0,
        starts,
        "seed {}: started again",
        stage.seed
    );
    stage.patch(json!({ "restartNonce": 1 })).await;
    stage.settle(LifecycleState::Stable).await;
    assert_eq!(memory(stage.status().await), None, "seed {}", stage.seed);
    let config = stage.config().await;
    assert!(config.contains(&format!("{SIZE}: 1 gb")), "{config}");
}

async fn initial(stage: &mut Stage) {
    autoscales(stage).await;
    let mode = json!({ "flinkConfiguration": { "job.autoscaler.mode": "initial" } });
    stage.patch(mode).await;
    let now = stage.world.clock.now();
    stage.world.flink().set_input(&stage.key, 320.0, now);
    let recommended =
        |scaler: &flink_crds::AutoscalerStatus| scaler.next_start.values().any(|n| *n >= 4);
    while !stage
        .status()
        .await
        .autoscaler
        .is_some_and(|scaler| recommended(&scaler))
    {
        let object = stage.api().get("job").await.unwrap();
        stage.look();
        stage.pass(&object).await;
    }
    stage.runs_with(1);
    stage.patch(json!({ "restartNonce": 1 })).await;
    stage.settle(LifecycleState::Stable).await;
    let running = stage.world.flink().parallelism(&stage.key);
    assert!(running.values().any(|n| *n >= 4), "{running:?}");
    let scaler = stage.status().await.autoscaler.unwrap_or_default();
    assert!(scaler.next_start.is_empty(), "{scaler:?}");
    stage.rests().await;
}

/// A spec with more in it.
pub fn merged(
    spec: &flink_crds::FlinkDeploymentSpec,
    more: &serde_json::Value,
) -> flink_crds::FlinkDeploymentSpec {
    fn merge(into: &mut serde_json::Value, more: &serde_json::Value) {
        match more.as_object() {
            Some(fields) if into.is_object() => {
                for (key, value) in fields {
                    merge(&mut into[key], value);
                }
            }
            _ => *into = more.clone(),
        }
    }
    let mut value = serde_json::to_value(spec).unwrap();
    merge(&mut value, more);
    serde_json::from_value(value).unwrap()
}

/// What must be the same however often the process dies: starts of jobs, and savepoints asked for.
fn footprint(stage: &Stage) -> (usize, usize) {
    let flink = stage.world.flink();
    let happened = flink.journal().of(&stage.key);
    let savepoint = |what: &&Happening| matches!(what, Happening::SavepointTriggered { .. });
    let savepoints = happened.filter(savepoint).count();
    (flink.journal().starts(&stage.key).len(), savepoints)
}

#[tokio::test(start_paused = true)]
async fn stories_without_faults() {
    for story in STORIES {
        let mut stage = Stage::new(1, FaultPlan::NONE, Lifeline::endless());
        story.play(&mut stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stories_with_faults_on_every_call_and_deaths_between_passes() {
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
        for story in STORIES {
            let mut stage = Stage::new(seed, FaultPlan::ROUGH, Lifeline::endless());
            story.play(&mut stage).await;
        }
    }
}

/// The process dies right after a write, whichever it is: in the end nothing is different.
async fn dies_after_any_write(story: Story) {
    let mut undisturbed = Stage::new(1, FaultPlan::NONE, Lifeline::endless());
    story.play(&mut undisturbed).await;
    let expected = footprint(&undisturbed);
    let mut writes = 0;
    loop {
        writes += 1;
        let lifeline = Lifeline::of(writes);
        let mut stage = Stage::new(1, FaultPlan::NONE, lifeline.clone());
        story.play(&mut stage).await;
        let found = footprint(&stage);
        assert_eq!(found, expected, "{story:?}: dead after {writes} writes");
        if !lifeline.is_over() {
            break;
        }
    }
    assert!(writes > 10, "{story:?}: only {writes} writes");
}

#[tokio::test(start_paused = true)]
async fn a_stateful_life_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Stateful).await;
}

#[tokio::test(start_paused = true)]
async fn a_stateless_life_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Stateless).await;
}

#[tokio::test(start_paused = true)]
async fn scaling_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Scaled).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_cluster_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Session).await;
}

#[tokio::test(start_paused = true)]
async fn parallelism_taken_at_a_start_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Initial).await;
}

#[tokio::test(start_paused = true)]
async fn autoscaling_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Autoscaled).await;
}

#[tokio::test(start_paused = true)]
async fn snapshots_survive_a_death_after_any_write() {
    dies_after_any_write(Story::Snapshots).await;
}

#[tokio::test(start_paused = true)]
async fn tuned_memory_survives_a_death_after_any_write() {
    dies_after_any_write(Story::Tuned).await;
}
