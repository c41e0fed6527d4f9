//! What a pass over a snapshot looks at: the job it is of, and how Flink's request stands.

use std::time::Duration;

use flink_crds::{
    FlinkDeployment, FlinkJobState, FlinkSessionJob, FlinkStateSnapshot, JobKind, JobReference,
    JobStatus, ReconciliationState, SnapshotState,
};
use kube::ResourceExt;
use kube::api::Api;

use super::{Observer, rest};
use crate::config::{Defaults, Pause, options};
use crate::deadline::deadline;
use crate::domain::snapshot::{
    Pace, SnapshotKind, SnapshotObserved, SnapshotProgress, Target, needs_target,
};
use crate::domain::{ClusterAddress, Desired, SavepointProgress, Sighting};
use crate::flink::{CheckpointProgress, FlinkClient};

/// How long after it was asked for a snapshot may begin, for it to be recognised in the job's history.
const BEGINS_WITHIN_MS: i64 = 30_000;
/// Clocks of two machines differ a little.
const CLOCKS_DIFFER_MS: i64 = 2_000;

/// The resource behind a job reference.
struct Owner {
    deployment: FlinkDeployment,
    job: JobStatus,
    changing: bool,
}

impl Observer {
    /// Look at what a pass over this snapshot needs.
    pub async fn observe_snapshot(
        &self,
        snapshot: &FlinkStateSnapshot,
        defaults: &Defaults,
    ) -> SnapshotObserved {
        let mut observed = SnapshotObserved {
            now: self.clock.now(),
            target: Sighting::not_read(),
            progress: Sighting::not_read(),
            fresh_trigger: self.clock.fresh_ids().trigger,
            pace: pace(defaults),
            violations: self.rules.snapshot_violations(snapshot),
        };
        let Some(reference) = &snapshot.spec.job_reference else {
            return observed;
        };
        if !needs_target(snapshot) {
            return observed;
        }
        let namespace = snapshot.namespace().unwrap_or_default();
        let owner = self.owner(&namespace, reference).await;
        let Sighting::Seen(owner) = owner else {
            observed.target = owner.map(|_| Target::unknown());
            return observed;
        };
        let desired = Desired::under(&owner.deployment, defaults, &self.rules);
        let address = desired.address();
        let client = self.flink.at(&namespace, &address);
        let recorded = owner.job.state.unwrap_or(FlinkJobState::Reconciling);
        let state = match (&owner.job.job_id, recorded) {
            (Some(id), FlinkJobState::Running) => state(&client, id).await,
            _ => Sighting::Seen(recorded),
        };
        if let Some(id) = &owner.job.job_id {
            observed.progress = progress(&client, snapshot, id).await;
        }
        observed.target = Sighting::Seen(Target {
            address,
            job: owner.job.job_id,
            state,
            changing: owner.changing,
            directory: desired.settings.savepoint_directory,
            checkpoint_type: desired.settings.snapshots.checkpoint_type,
            version: desired.settings.deployed_version,
        });
        observed
    }

    async fn owner(&self, namespace: &str, reference: &JobReference) -> Sighting<Owner> {
        let name = reference.name.clone().unwrap_or_default();
        match reference.kind {
            None => Sighting::Absent,
            Some(JobKind::FlinkDeployment) => {
                self.deployment(namespace, &name).await.map(|deployment| {
                    let status = deployment.status.clone().unwrap_or_default();
                    let phase = status.reconciliation_status.and_then(|r| r.state);
                    Owner {
                        job: status.job_status.unwrap_or_default(),
                        changing: status.pending.is_some() || under_change(phase),
                        deployment,
                    }
                })
            }
            Some(JobKind::FlinkSessionJob) => self.session_job(namespace, &name).await,
        }
    }

    async fn deployment(&self, namespace: &str, name: &str) -> Sighting<FlinkDeployment> {
        let api: Api<FlinkDeployment> = Api::namespaced(self.client.clone(), namespace);
        match deadline(api.get_opt(name)).await {
            Ok(Some(deployment)) => Sighting::Seen(deployment),
            Ok(None) => Sighting::Absent,
            Err(error) => Sighting::Unknown(format!("FlinkDeployment {name}: {error}")),
        }
    }

    async fn session_job(&self, namespace: &str, name: &str) -> Sighting<Owner> {
        let api: Api<FlinkSessionJob> = Api::namespaced(self.client.clone(), namespace);
        let job = match deadline(api.get_opt(name)).await {
            Ok(Some(job)) => job,
            Ok(None) => return Sighting::Absent,
            Err(error) => return Sighting::Unknown(format!("FlinkSessionJob {name}: {error}")),
        };
        let status = job.status.unwrap_or_default();
        let phase = status.reconciliation_status.and_then(|r| r.state);
        let cluster = job.spec.deployment_name.unwrap_or_default();
        let deployment = self.deployment(namespace, &cluster).await;
        deployment.map(|deployment| Owner {
            deployment,
            job: status.job_status.unwrap_or_default(),
            changing: under_change(phase),
        })
    }
}

impl Target {
    /// Stands in where the mapped sighting has no value.
    fn unknown() -> Self {
        Self {
            address: ClusterAddress::default(),
            job: None,
            state: Sighting::not_read(),
            changing: false,
            directory: None,
            checkpoint_type: String::new(),
            version: None,
        }
    }
}

fn under_change(phase: Option<ReconciliationState>) -> bool {
    !matches!(
        phase,
        Some(ReconciliationState::Deployed | ReconciliationState::RolledBack)
    )
}

fn pace(defaults: &Defaults) -> Pace {
    let of = |option, otherwise| {
        let pause = defaults.operator().get(option);
        pause.map_or(otherwise, |Pause(pause)| pause)
    };
    Pace {
        progress: of(&options::PROGRESS_CHECK_INTERVAL, Duration::from_secs(10)),
        reconcile: of(&options::RECONCILE_INTERVAL, Duration::from_mins(1)),
    }
}

async fn state(client: &FlinkClient, id: &str) -> Sighting<FlinkJobState> {
    match client.jobs().await {
        Ok(jobs) => jobs
            .into_iter()
            .find(|job| job.id == id)
            .map_or(Sighting::Absent, |job| Sighting::Seen(job.state)),
        Err(error) => Sighting::Unknown(error.to_string()),
    }
}

/// How the recorded request stands.
async fn progress(
    client: &FlinkClient,
    snapshot: &FlinkStateSnapshot,
    job: &str,
) -> Sighting<SnapshotProgress> {
    let status = snapshot.status.clone().unwrap_or_default();
    let (Some(SnapshotState::InProgress), Some(trigger)) = (status.state, status.trigger_id) else {
        return Sighting::not_read();
    };
    let kind = SnapshotKind::of(&snapshot.spec);
    let progress = taken(client, kind, job, &trigger).await;
    if !progress.is_absent() {
        return progress;
    }
    let asked = status
        .trigger_timestamp
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    match asked {
        Some(asked) => in_history(client, kind, job, asked.as_millisecond()).await,
        None => progress,
    }
}

/// How a request stands in Flink; `Absent` if Flink does not know it.
pub(super) async fn taken(
    client: &FlinkClient,
    kind: SnapshotKind,
    job: &str,
    trigger: &str,
) -> Sighting<SnapshotProgress> {
    match kind {
        SnapshotKind::Savepoint => {
            rest::savepoint(client, job, trigger)
                .await
                .map(|progress| match progress {
                    SavepointProgress::InProgress => SnapshotProgress::InProgress,
                    SavepointProgress::Completed(path) => SnapshotProgress::Completed(Some(path)),
                    SavepointProgress::Failed {
                        cause,
                        format_unsupported,
                    } => SnapshotProgress::Failed {
                        cause,
                        format_unsupported,
                    },
                })
        }
        SnapshotKind::Checkpoint => match client.checkpoint(job, trigger).await {
            Ok(CheckpointProgress::InProgress) => Sighting::Seen(SnapshotProgress::InProgress),
            Ok(CheckpointProgress::Completed(number)) => {
                match client.checkpoint_location(job, number).await {
                    Ok(Some(location)) => {
                        let path = location.path().map(str::to_owned);
                        Sighting::Seen(SnapshotProgress::Completed(path))
                    }
                    Ok(None) => Sighting::Seen(SnapshotProgress::InProgress),
                    Err(error) if error.is_not_found() => {
                        Sighting::Seen(SnapshotProgress::Completed(None))
                    }
                    Err(error) => Sighting::Unknown(error.to_string()),
                }
            }
            Ok(CheckpointProgress::Failed(cause)) => Sighting::Seen(SnapshotProgress::Failed {
                cause: cause.summary(),
                format_unsupported: false,
            }),
            Err(error) if error.is_not_found() => Sighting::Absent,
            Err(error) => Sighting::Unknown(error.to_string()),
        },
    }
}

/// A request that Flink has forgotten may have been carried out while nobody looked: then the job's history
/// has exactly one savepoint that began when it was asked for.
async fn in_history(
    client: &FlinkClient,
    kind: SnapshotKind,
    job: &str,
    asked_ms: i64,
) -> Sighting<SnapshotProgress> {
    if kind == SnapshotKind::Checkpoint {
        return Sighting::Absent;
    }
    let statistics = match client.checkpoints(job).await {
        Ok(statistics) => statistics.unwrap_or_default(),
        Err(error) if error.is_not_found() => return Sighting::Absent,
        Err(error) => return Sighting::Unknown(error.to_string()),
    };
    let window = asked_ms - CLOCKS_DIFFER_MS..=asked_ms + BEGINS_WITHIN_MS;
    statistics
        .only_savepoint_of(&window)
        .map_or(Sighting::Absent, |path| {
            Sighting::Seen(SnapshotProgress::Completed(Some(path.to_owned())))
        })
}
