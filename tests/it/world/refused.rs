//! A job whose TaskManagers die of the memory that was tuned for them: a story of `stories.rs`.

use flink_sim::flink::Profile;

use super::Stage;
use super::stories::tunes;

/// What a TaskManager has by the spec, and needs.
const SPEC: u64 = 1 << 30;

/// The rescale comes with less memory, nothing comes up, and the job goes on with what the spec gives.
pub(super) async fn story(stage: &mut Stage) {
    let pipeline = Profile {
        least_memory: SPEC,
        ..Profile::pipeline(320.0, 100.0)
    };
    tunes(stage, pipeline).await;
    let scaler = stage.status().await.autoscaler.unwrap_or_default();
    assert_eq!(scaler.memory, None, "seed {}", stage.seed);
    // A process that died may have known too little of the past to reckon memory at all.
    assert!(
        scaler.refused_memory.is_some() || !stage.undisturbed(),
        "never tuned"
    );
    let config = stage.config().await;
    assert!(
        config.contains("taskmanager.memory.process.size: 1 gb"),
        "seed {}: {config}",
        stage.seed
    );
    let running = stage.world.flink().parallelism(&stage.key);
    assert!(running.values().any(|n| *n == 4), "{running:?}");
}
