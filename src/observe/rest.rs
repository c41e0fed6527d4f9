//! What Flink itself tells, over its REST interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use flink_crds::{FlinkDeploymentStatus, FlinkJobState};
use futures::FutureExt;

use super::{CheckpointsRead, Observer, scaler, snapshot};
use crate::domain::snapshot::SnapshotProgress;
use crate::domain::{
    Checkpoints, ClusterInfo, Desired, Job, JobException, Need, Needs, Observed, SavepointProgress,
    Sighting, Vertex, recorded_trigger, told_until,
};
use crate::flink::{self, FlinkClient, Location, SavepointFailure, savepoint_failure};

/// Exceptions looked at for the cause of a failed savepoint.
const EXCEPTIONS: u32 = 5;

/// Ask the cluster, if a JobManager is up.
pub async fn observe(
    observer: &Observer,
    desired: &Desired,
    status: &FlinkDeploymentStatus,
    needs: &Needs,
    look: &mut Observed,
) {
    let up = look
        .job_manager
        .seen()
        .is_some_and(|jm| jm.available > 0 && !jm.deleting);
    if !up {
        look.jobs = Sighting::Unknown("no JobManager is up".to_owned());
        return;
    }
    let client = observer
        .flink
        .at(&desired.identity.namespace, &desired.address());
    let (jobs, overview) = tokio::join!(client.jobs(), client.overview());
    look.jobs = match jobs {
        Ok(jobs) => Sighting::Seen(jobs.into_iter().map(job).collect()),
        Err(error) => Sighting::Unknown(error.to_string()),
    };
    let overview = overview.ok();
    look.cluster = cluster(&client, status, overview.as_ref()).await;
    let Some(id) = status
        .job_status
        .as_ref()
        .and_then(|job| job.job_id.clone())
    else {
        return;
    };
    let state = look.job(&id).seen().map(|job| job.state);
    let changed = look.job(&id).seen().map(|job| job.modified_ms);
    // Asked once a pass, and only if somebody wants to know.
    let statistics = client.checkpoints(&id).map(Arc::new).shared();
    let (savepoint, snapshot, checkpoints, vertices, failure, exceptions, view) = tokio::join!(
        pending_savepoint(&client, status, needs, &id),
        recorded_snapshot(&client, status, needs, &id),
        checkpoints(statistics.clone(), needs, state),
        vertices(&client, needs, &id),
        failure(&client, &id, state),
        exceptions(&client, desired, (status, needs), &id, changed),
        async {
            match look.job(&id) {
                _ if !needs.contains(&Need::Scaler) => Sighting::Absent,
                Sighting::Seen(job) if job.state == FlinkJobState::Running => {
                    Box::pin(scaler::look(
                        observer,
                        &client,
                        desired,
                        overview.as_ref(),
                        (&id, statistics.clone()),
                    ))
                    .await
                }
                Sighting::Seen(_) | Sighting::Absent => Sighting::Absent,
                Sighting::Unknown(why) => Sighting::Unknown(why),
            }
        },
    );
    look.savepoint = savepoint;
    look.snapshot = snapshot;
    look.checkpoints = checkpoints;
    look.vertices = vertices;
    look.failure = failure;
    look.exceptions = exceptions;
    look.scaler = view;
}

/// A job whose tasks do not all run yet is not counted as running, whatever Flink calls it.
fn job(job: flink::Job) -> (String, Job) {
    let state = if job.state == FlinkJobState::Running && !job.tasks.all_up() {
        FlinkJobState::Created
    } else {
        job.state
    };
    let seen = Job {
        name: job.name,
        state,
        start_ms: job.start_ms,
        modified_ms: job.modified_ms,
    };
    (job.id, seen)
}

async fn cluster(
    client: &FlinkClient,
    status: &FlinkDeploymentStatus,
    overview: Option<&flink::Overview>,
) -> Option<ClusterInfo> {
    let overview = overview?;
    let known = status.cluster_info.as_ref().and_then(|info| {
        let version = info
            .get("flink-version")
            .filter(|version| **version == overview.version)?;
        Some((version.clone(), info.get("flink-revision")?.clone()))
    });
    let (version, revision) = match known {
        Some(known) => known,
        None => client
            .config()
            .await
            .ok()
            .map(|config| (config.version, config.revision))?,
    };
    Some(ClusterInfo {
        version,
        revision,
        task_managers: Some(overview.task_managers),
    })
}

async fn pending_savepoint(
    client: &FlinkClient,
    status: &FlinkDeploymentStatus,
    needs: &Needs,
    job: &str,
) -> Sighting<SavepointProgress> {
    let trigger = status
        .pending
        .as_ref()
        .and_then(|pending| pending.trigger_id.as_deref());
    match trigger.filter(|_| needs.contains(&Need::Savepoint)) {
        Some(trigger) => savepoint(client, job, trigger).await,
        None => Sighting::not_read(),
    }
}

async fn recorded_snapshot(
    client: &FlinkClient,
    status: &FlinkDeploymentStatus,
    needs: &Needs,
    job: &str,
) -> Sighting<SnapshotProgress> {
    match recorded_trigger(status).filter(|_| needs.contains(&Need::Snapshot)) {
        Some((kind, trigger)) => snapshot::taken(client, kind, job, &trigger).await,
        None => Sighting::not_read(),
    }
}

/// How a savepoint, or a stop with one, stands.
pub(super) async fn savepoint(
    client: &FlinkClient,
    job: &str,
    trigger: &str,
) -> Sighting<SavepointProgress> {
    match client.savepoint(job, trigger).await {
        Ok(flink::SavepointProgress::InProgress) => Sighting::Seen(SavepointProgress::InProgress),
        Ok(flink::SavepointProgress::Completed(path)) => {
            Sighting::Seen(SavepointProgress::Completed(path))
        }
        Ok(flink::SavepointProgress::Failed(cause)) => {
            Sighting::Seen(failed(client, job, &cause).await)
        }
        Err(error) if error.is_not_found() => Sighting::Absent,
        Err(error) => Sighting::Unknown(error.to_string()),
    }
}

/// A failed savepoint may only tell that the tasks failed; the job's exceptions tell why.
async fn failed(client: &FlinkClient, job: &str, cause: &flink::Failure) -> SavepointProgress {
    let mut kind = cause.of_savepoint();
    let mut summary = cause.summary();
    if !matches!(
        kind,
        SavepointFailure::Written(_) | SavepointFailure::FormatUnsupported
    ) && let Ok(exceptions) = client.exceptions(job, EXCEPTIONS).await
        && let Some(telling) = exceptions
            .iter()
            .find(|e| savepoint_failure(&e.stack_trace) == SavepointFailure::FormatUnsupported)
    {
        kind = SavepointFailure::FormatUnsupported;
        summary.clone_from(&telling.name);
    }
    match kind {
        SavepointFailure::Written(path) => SavepointProgress::Completed(path),
        kind => SavepointProgress::Failed {
            cause: summary,
            format_unsupported: kind == SavepointFailure::FormatUnsupported,
        },
    }
}

async fn checkpoints(
    statistics: impl Future<Output = CheckpointsRead>,
    needs: &Needs,
    state: Option<FlinkJobState>,
) -> Sighting<Checkpoints> {
    let ended = state.is_some_and(FlinkJobState::is_globally_terminal);
    let wanted = needs.contains(&Need::Checkpoints)
        || (ended && needs.contains(&Need::CheckpointsWhenTerminal));
    if !wanted {
        return Sighting::not_read();
    }
    match statistics.await.as_ref() {
        Ok(None) => Sighting::Seen(Checkpoints::default()),
        Ok(Some(statistics)) => {
            let newest = statistics.newest();
            Sighting::Seen(Checkpoints {
                latest: newest.and_then(Location::path).map(str::to_owned),
                latest_not_addressable: newest == Some(&Location::NotAddressable),
                latest_completed_ms: statistics.completed.as_ref().map(|c| c.triggered_ms),
                pending_ms: statistics.pending_since_ms(),
                state_size: statistics.completed.as_ref().map(|c| c.state_size),
            })
        }
        Err(error) => Sighting::Unknown(error.to_string()),
    }
}

async fn vertices(
    client: &FlinkClient,
    needs: &Needs,
    job: &str,
) -> Sighting<BTreeMap<String, Vertex>> {
    if !needs.contains(&Need::Vertices) {
        return Sighting::not_read();
    }
    match client.job(job).await {
        Ok(detail) => Sighting::Seen(
            detail
                .vertices
                .into_iter()
                .map(|vertex| {
                    let seen = Vertex {
                        parallelism: vertex.parallelism,
                        max_parallelism: vertex.max_parallelism.unwrap_or(u32::MAX),
                        running: vertex.tasks.all_up(),
                    };
                    (vertex.id, seen)
                })
                .collect(),
        ),
        Err(error) => Sighting::Unknown(error.to_string()),
    }
}

/// The newest exceptions, if the job changed since they were last told: each one makes it change.
async fn exceptions(
    client: &FlinkClient,
    desired: &Desired,
    (status, needs): (&FlinkDeploymentStatus, &Needs),
    job: &str,
    changed: Option<i64>,
) -> Sighting<Vec<JobException>> {
    let recorded = status.job_status.as_ref();
    let told = recorded.and_then(|job| told_until(job.exceptions_told_until.as_deref()));
    let news = changed.is_some() && changed > told;
    if !needs.contains(&Need::Exceptions) || !news {
        return Sighting::not_read();
    }
    let limit = u32::try_from(desired.exceptions.limit).unwrap_or(u32::MAX);
    let exception = |exception: flink::JobException| JobException {
        at_ms: exception.timestamp_ms,
        class: exception.name,
        trace: exception.stack_trace,
        task: exception.task,
        endpoint: exception.endpoint,
        task_manager: exception.task_manager,
        labels: exception.labels,
    };
    match client.exceptions(job, limit).await {
        Ok(exceptions) => Sighting::Seen(exceptions.into_iter().map(exception).collect()),
        Err(error) => Sighting::Unknown(error.to_string()),
    }
}

async fn failure(client: &FlinkClient, job: &str, state: Option<FlinkJobState>) -> Option<String> {
    if state != Some(FlinkJobState::Failed) {
        return None;
    }
    match client.execution_result(job).await.ok()? {
        flink::ExecutionResult::Ended { failure, .. } => failure.map(|cause| cause.summary()),
        flink::ExecutionResult::InProgress => None,
    }
}
