//! What a plan for a snapshot asks of Flink.
//!
//! The rule: a request is sent under the recorded id, so that sending it twice is sending it once.

use std::time::Duration;

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};

use super::{Actor, Error, Outcome, as_recorded, metadata};
use crate::deadline::deadline;
use crate::domain::NewSnapshot;
use crate::domain::snapshot::{
    self, SNAPSHOT_FINALIZER, SnapshotKind, SnapshotObserved, SnapshotPlan, SnapshotRequest,
    SnapshotStep,
};
use crate::flink::{DisposalProgress, FlinkClient};
use crate::telemetry::logs::Chain;

/// How long a pass stays with a disposal; the next one asks again.
const DISPOSAL: (Duration, u32) = (Duration::from_millis(250), 40);

impl Actor {
    /// Carry out `plan` for a snapshot.
    pub async fn act_snapshot(
        &self,
        object: &FlinkStateSnapshot,
        observed: &SnapshotObserved,
        plan: &SnapshotPlan,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let carried = self.carry_snapshot(object, plan, &mut outcome.written);
        let Err(error) = carried.await else {
            return outcome;
        };
        let refused = matches!(&error, Error::Flink { source, .. } if source.is_refusal());
        if !refused {
            outcome.error = Some(error);
            return outcome;
        }
        let cause = Chain(&error).to_string();
        let failed = snapshot::refused(object, plan, observed, &cause);
        let present = as_recorded(object, &plan.status, outcome.written.as_ref());
        let recorded = self.carry_snapshot(&present, &failed, &mut outcome.written);
        outcome.error = recorded.await.err();
        outcome
    }

    async fn carry_snapshot(
        &self,
        object: &FlinkStateSnapshot,
        plan: &SnapshotPlan,
        written: &mut Option<String>,
    ) -> Result<(), Error> {
        let steps = !plan.steps.is_empty();
        self.record(object, (&plan.status, steps), &plan.events, written)
            .await?;
        for step in &plan.steps {
            self.claim.check()?;
            if !matches!(step, SnapshotStep::Label(_)) {
                tracing::info!(%step, "step");
            }
            self.take_snapshot_step(object, step, written.as_deref())
                .await?;
        }
        Ok(())
    }

    async fn take_snapshot_step(
        &self,
        object: &FlinkStateSnapshot,
        step: &SnapshotStep,
        written: Option<&str>,
    ) -> Result<(), Error> {
        let namespace = object.namespace().unwrap_or_default();
        match step {
            SnapshotStep::AddFinalizer => {
                metadata::finalizer(&self.client, object, SNAPSHOT_FINALIZER, true).await
            }
            SnapshotStep::RemoveFinalizer => {
                self.news.forget(object);
                let mut present = object.clone();
                if let Some(version) = written {
                    present.metadata.resource_version = Some(version.to_owned());
                }
                metadata::finalizer(&self.client, &present, SNAPSHOT_FINALIZER, false).await
            }
            SnapshotStep::Label(labels) => metadata::label(&self.client, object, labels).await,
            SnapshotStep::Take(request) => {
                take(&self.flink.at(&namespace, &request.address), request).await
            }
            SnapshotStep::Dispose { address, path } => {
                dispose(&self.flink.at(&namespace, address), path).await
            }
        }
    }
}

/// Ask Flink for a snapshot.
pub async fn take(client: &FlinkClient, request: &SnapshotRequest) -> Result<(), Error> {
    match request.kind {
        SnapshotKind::Savepoint => client
            .trigger_savepoint(
                &request.job,
                &request.trigger,
                request.directory.as_deref(),
                &request.format,
            )
            .await
            .map_err(|source| Error::flink("take a savepoint", source)),
        SnapshotKind::Checkpoint => client
            .trigger_checkpoint(&request.job, &request.trigger, &request.format)
            .await
            .map_err(|source| Error::flink("take a checkpoint", source)),
    }
}

/// Delete the files of a savepoint; files that are gone are fine.
pub async fn dispose(client: &FlinkClient, path: &str) -> Result<(), Error> {
    let failed = |source| Error::flink("dispose of a savepoint", source);
    let trigger = client.dispose_savepoint(path).await.map_err(failed)?;
    for _ in 0..DISPOSAL.1 {
        match client.disposal(&trigger).await.map_err(failed)? {
            DisposalProgress::Completed => return Ok(()),
            DisposalProgress::Failed(cause) if cause.is_of_missing_files() => return Ok(()),
            DisposalProgress::Failed(cause) => {
                return Err(Error::Disposal {
                    path: path.to_owned(),
                    cause: cause.summary(),
                });
            }
            DisposalProgress::InProgress => tokio::time::sleep(DISPOSAL.0).await,
        }
    }
    Err(Error::Disposal {
        path: path.to_owned(),
        cause: "it is not done yet".to_owned(),
    })
}

/// Make a snapshot resource; one of this name is the same one.
pub async fn make(
    client: &Client,
    object: &FlinkDeployment,
    new: &NewSnapshot,
) -> Result<(), Error> {
    let mut snapshot = FlinkStateSnapshot::new(&new.name, new.spec.clone());
    snapshot.metadata.namespace = object.namespace();
    snapshot.metadata.labels = Some(new.labels.clone());
    match deadline(of(client, object).create(&PostParams::default(), &snapshot)).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(|source| Error::of::<FlinkStateSnapshot>("create", &new.name, source)),
    }
}

/// Delete a snapshot resource; one that is gone is fine.
pub async fn delete(client: &Client, object: &FlinkDeployment, name: &str) -> Result<(), Error> {
    match deadline(of(client, object).delete(name, &DeleteParams::default())).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(|source| Error::of::<FlinkStateSnapshot>("delete", name, source)),
    }
}

/// Snapshots in the namespace of this resource.
fn of(client: &Client, object: &FlinkDeployment) -> Api<FlinkStateSnapshot> {
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}
