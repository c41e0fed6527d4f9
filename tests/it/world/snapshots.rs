//! Snapshots in a job's life: by hand, by nonce, by schedule and by upgrades.

use std::time::Duration;

use flink_crds::{FlinkStateSnapshot, LifecycleState, SnapshotState};
use flink_operator::domain::snapshot::SnapshotView;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::stories::merged;
use super::{LIMIT, Stage, manifest};

impl Stage {
    fn snapshots_api(&self) -> Api<FlinkStateSnapshot> {
        Api::namespaced(self.world.client(), "default")
    }

    /// The snapshots there are; what a watch would tell is told. None if they cannot be listed.
    pub async fn see_snapshots(&self) -> Vec<FlinkStateSnapshot> {
        let Ok(list) = self.snapshots_api().list(&ListParams::default()).await else {
            return Vec::new();
        };
        let index = &self.context.observer.snapshots;
        index.take_in(Event::Init);
        for snapshot in &list.items {
            index.take_in(Event::InitApply(snapshot.clone()));
        }
        index.take_in(Event::InitDone);
        list.items
    }

    /// Run passes until the snapshots are so.
    async fn until(&mut self, what: &str, so: impl Fn(&[FlinkStateSnapshot]) -> bool) {
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            self.look();
            if let Ok(list) = self.snapshots_api().list(&ListParams::default()).await {
                self.never_a_pile(&list.items);
                if so(&list.items) {
                    return;
                }
                assert!(
                    tokio::time::Instant::now() < end,
                    "seed {}: not {what}: {:#?}",
                    self.seed,
                    list.items
                );
            }
            if let Ok(object) = self.api().get("job").await {
                self.pass(&object).await;
            } else {
                self.pass(&manifest()).await;
            }
        }
    }

    /// At most one snapshot by schedule is not done.
    fn never_a_pile(&self, snapshots: &[FlinkStateSnapshot]) {
        let undone = snapshots
            .iter()
            .filter(|snapshot| snapshot.name_any().contains("-periodic-"))
            .filter(|snapshot| !is(snapshot, SnapshotState::Completed));
        let undone = undone.filter(|snapshot| !is(snapshot, SnapshotState::Failed));
        assert!(undone.count() <= 1, "seed {}: {snapshots:#?}", self.seed);
    }

    async fn create_snapshot(&self, snapshot: &FlinkStateSnapshot) {
        let name = snapshot.name_any();
        while !matches!(self.snapshots_api().get_opt(&name).await, Ok(Some(_))) {
            let params = PostParams::default();
            let _ = self.snapshots_api().create(&params, snapshot).await;
        }
    }

    async fn delete_snapshot(&self, name: &str) {
        let params = DeleteParams::default();
        while self.snapshots_api().delete(name, &params).await.is_err() {}
    }

    /// Where savepoints lie.
    fn files(&self) -> Vec<String> {
        let mut flink = self.world.flink();
        let snapshots = flink.storage_mut().snapshots().map(str::to_owned);
        snapshots
            .filter(|path| path.contains("savepoint"))
            .collect()
    }
}

fn is(snapshot: &FlinkStateSnapshot, state: SnapshotState) -> bool {
    let status = snapshot.status.as_ref();
    status.and_then(|status| status.state) == Some(state)
}

fn complete<'a>(
    snapshots: &'a [FlinkStateSnapshot],
    why: &'a str,
) -> impl Iterator<Item = &'a FlinkStateSnapshot> {
    let of = move |snapshot: &&FlinkStateSnapshot| snapshot.name_any().contains(why);
    snapshots
        .iter()
        .filter(of)
        .filter(|snapshot| is(snapshot, SnapshotState::Completed))
}

fn by_hand(name: &str, job: &str) -> FlinkStateSnapshot {
    serde_json::from_value(json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkStateSnapshot",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "jobReference": { "kind": "FlinkDeployment", "name": job },
            "savepoint": { "disposeOnDelete": true },
        },
    }))
    .unwrap()
}

/// The story: see the comments in it.
pub async fn story(stage: &mut Stage) {
    let mut object = manifest();
    let dispose = json!({ "flinkConfiguration": {
        "kubernetes.operator.savepoint.dispose-on-delete": "true",
        "kubernetes.operator.savepoint.history.max.count": "2",
    } });
    object.spec = merged(&object.spec, &dispose);
    stage.create(&object).await;
    stage.settle(LifecycleState::Stable).await;

    // One by hand, one of a job that is not there.
    stage.create_snapshot(&by_hand("mine", "job")).await;
    stage.create_snapshot(&by_hand("lost", "nobody")).await;
    stage
        .until("taken by hand", |all| complete(all, "mine").count() == 1)
        .await;
    stage
        .until("abandoned", |all| {
            let lost = all.iter().find(|snapshot| snapshot.name_any() == "lost");
            lost.is_some_and(|lost| is(lost, SnapshotState::Abandoned))
        })
        .await;

    // Asked for by the nonce: once.
    stage
        .patch(json!({ "job": { "savepointTriggerNonce": 7 } }))
        .await;
    stage
        .until("taken by nonce", |all| {
            complete(all, "job-savepoint-manual").count() == 1
        })
        .await;

    // By schedule, for a while.
    let key = "kubernetes.operator.periodic.savepoint.interval";
    let every = |interval: &str| json!({ "flinkConfiguration": { key: interval } });
    stage.patch(every("20 s")).await;
    stage
        .until("taken by schedule", |all| {
            complete(all, "-periodic-").count() == 2
        })
        .await;
    stage.patch(every("0")).await;

    // An upgrade's savepoint is one of them, and the oldest by schedule goes, with its files.
    stage.patch(json!({ "job": { "parallelism": 3 } })).await;
    stage.settle(LifecycleState::Stable).await;
    stage
        .until("cleaned up", |all| {
            let of_operator = complete(all, "-upgrade-").chain(complete(all, "-periodic-"));
            complete(all, "-upgrade-").count() == 1 && of_operator.count() == 2
        })
        .await;

    // Deleted by hand, with its files.
    stage.delete_snapshot("mine").await;
    stage
        .until("gone", |all| !all.iter().any(|s| s.name_any() == "mine"))
        .await;
    stage.rests().await;
    let all = stage.see_all().await;
    let mut paths: Vec<String> = all
        .iter()
        .filter_map(|s| SnapshotView::of(s).path)
        .collect();
    let mut files = stage.files();
    paths.sort();
    files.sort();
    assert_eq!(paths, files, "seed {}: what lies around", stage.seed);
    assert_eq!(
        complete(&all, "job-savepoint-manual").count(),
        1,
        "seed {}: the nonce again",
        stage.seed
    );

    // Without its job every snapshot can still be deleted.
    stage.delete().await;
    stage.settle(LifecycleState::Deleted).await;
    for snapshot in &all {
        stage.delete_snapshot(&snapshot.name_any()).await;
    }
    stage
        .until("all gone", <[FlinkStateSnapshot]>::is_empty)
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}

impl Stage {
    async fn see_all(&self) -> Vec<FlinkStateSnapshot> {
        loop {
            if let Ok(list) = self.snapshots_api().list(&ListParams::default()).await {
                for snapshot in &list.items {
                    assert!(
                        snapshot.meta().labels.is_some(),
                        "seed {}: without labels: {snapshot:?}",
                        self.seed
                    );
                }
                return list.items;
            }
        }
    }
}
