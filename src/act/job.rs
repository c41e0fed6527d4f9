//! Requests to a running job. What is asked twice is done once.

use std::collections::BTreeMap;

use super::Error;
use crate::domain::SavepointRequest;
use crate::flink::FlinkClient;

/// Stop with a savepoint, under the recorded trigger id.
pub async fn stop(client: &FlinkClient, request: &SavepointRequest) -> Result<(), Error> {
    client
        .stop_with_savepoint(
            &request.job,
            &request.trigger,
            request.directory.as_deref(),
            request.drain,
            &request.format,
        )
        .await
        .map_err(|source| Error::flink("stop the job with a savepoint", source))
}

/// Cancel; a job that ended meanwhile is fine.
pub async fn cancel(client: &FlinkClient, job: &str) -> Result<(), Error> {
    match client.cancel(job).await {
        Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
        other => other.map_err(|source| Error::flink("cancel the job", source)),
    }
}

/// Set the most subtasks of each vertex; the least is lowered where it would be above.
pub async fn rescale(
    client: &FlinkClient,
    job: &str,
    upper: &BTreeMap<String, u32>,
) -> Result<(), Error> {
    let failed = |source| Error::flink("rescale the job in place", source);
    let mut requirements = client.resource_requirements(job).await.map_err(failed)?;
    let before = requirements.clone();
    for (vertex, bound) in &mut requirements {
        if let Some(upper) = upper.get(vertex) {
            bound.lower = bound.lower.min(*upper);
            bound.upper = *upper;
        }
    }
    if requirements == before {
        return Ok(());
    }
    tracing::info!(job, ?upper, "rescale in place");
    client
        .set_resource_requirements(job, &requirements)
        .await
        .map_err(failed)
}
