//! Requests to a running job. What is asked twice is done once.

use std::collections::BTreeMap;

use flink_crds::FlinkDeployment;
use kube::ResourceExt;

use super::Error;
use crate::domain::SavepointRequest;
use crate::flink::{FlinkClient, FlinkRest};

/// Flink's REST interface of this resource's cluster.
fn rest(flink: &FlinkRest, object: &FlinkDeployment) -> FlinkClient {
    flink.of(&object.namespace().unwrap_or_default(), &object.name_any())
}

/// Stop with a savepoint, under the recorded trigger id.
pub async fn stop(
    flink: &FlinkRest,
    object: &FlinkDeployment,
    request: &SavepointRequest,
) -> Result<(), Error> {
    rest(flink, object)
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
pub async fn cancel(flink: &FlinkRest, object: &FlinkDeployment, job: &str) -> Result<(), Error> {
    match rest(flink, object).cancel(job).await {
        Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
        other => other.map_err(|source| Error::flink("cancel the job", source)),
    }
}

/// Set the most subtasks of each vertex; the least is lowered where it would be above.
pub async fn rescale(
    flink: &FlinkRest,
    object: &FlinkDeployment,
    job: &str,
    upper: &BTreeMap<String, u32>,
) -> Result<(), Error> {
    let client = rest(flink, object);
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
