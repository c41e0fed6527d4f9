//! A pass over a resource at rest, which is what nearly all passes are: understanding the resource, and deciding.
//!
//! `cargo bench --bench decide`. Aim: deciding takes less than 50 µs.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use flink_crds::{FlinkDeployment, FlinkJobState};
use flink_operator::config::Defaults;
use flink_operator::domain::{Desired, FINALIZER, Job, JobManager, Observed, Sighting, decide};
use jiff::Timestamp;
use serde_json::json;

fn application() -> FlinkDeployment {
    let manifest = json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {
            "name": "orders",
            "namespace": "shop",
            "uid": "1",
            "generation": 1,
            "finalizers": [FINALIZER],
        },
        "spec": {
            "image": "flink:2.0",
            "flinkVersion": "v2_0",
            "serviceAccount": "flink",
            "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": "2",
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": "s3://state/ha",
                "execution.checkpointing.interval": "1min",
                "execution.checkpointing.dir": "s3://state/checkpoints",
                "execution.checkpointing.savepoint-dir": "s3://state/savepoints",
            },
            "jobManager": { "resource": { "cpu": 1, "memory": "2048m" } },
            "taskManager": { "resource": { "cpu": 1, "memory": "2048m" } },
            "job": {
                "jarURI": "local:///opt/flink/usrlib/orders.jar",
                "parallelism": 4,
                "upgradeMode": "savepoint",
            },
        },
    });
    serde_json::from_value(manifest).expect("a manifest")
}

fn pass(object: &FlinkDeployment, observed: &Observed) -> flink_operator::domain::Plan {
    let desired = Desired::of(object, &Defaults::default());
    decide(
        &desired,
        &object.status.clone().unwrap_or_default(),
        observed,
    )
}

/// The resource and what is seen of it once its job runs.
fn at_rest() -> (FlinkDeployment, Observed) {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let mut object = application();
    let mut observed = Observed::nothing(now);
    "d1".clone_into(&mut observed.fresh.deploy);
    "0123456789abcdef0123456789abcdef".clone_into(&mut observed.fresh.job);
    object.status = Some(pass(&object, &observed).status);
    observed.job_manager = Sighting::Seen(JobManager {
        uid: "2".to_owned(),
        ours: true,
        generation: Some(1),
        deploy_id: Some("d1".to_owned()),
        replicas: 1,
        available: 1,
        created_at: Some(now),
        accompanied: true,
        ..JobManager::default()
    });
    let job = Job {
        name: "orders".to_owned(),
        state: FlinkJobState::Running,
        start_ms: now.as_millisecond(),
        modified_ms: now.as_millisecond(),
    };
    observed.jobs = Sighting::Seen(BTreeMap::from([(observed.fresh.job.clone(), job)]));
    for _ in 0..3 {
        object.status = Some(pass(&object, &observed).status);
    }
    let plan = pass(&object, &observed);
    assert_eq!(Some(&plan.status), object.status.as_ref(), "at rest");
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    (object, observed)
}

fn passes(criterion: &mut Criterion) {
    let (object, observed) = at_rest();
    let status = object.status.clone().unwrap_or_default();
    let defaults = Defaults::default();
    let desired = Desired::of(&object, &defaults);
    let mut group = criterion.benchmark_group("at rest");
    group.bench_function("understand", |bencher| {
        bencher.iter(|| Desired::of(black_box(&object), &defaults));
    });
    group.bench_function("decide", |bencher| {
        bencher.iter(|| decide(black_box(&desired), &status, &observed));
    });
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
