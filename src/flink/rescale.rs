//! Bounds on the parallelism of a running job, for rescaling in place (Flink 1.18 and up, adaptive
//! scheduler), and what Flink records of rescales (2.3 and up).

use std::collections::BTreeMap;

use flink_scaler::Interruption;
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::client::{Call, FlinkClient, escaped};
use super::{RestError, wire};

/// Least and most subtasks of one vertex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Least; the job waits for slots below it.
    pub lower: u32,
    /// Most.
    pub upper: u32,
}

impl FlinkClient {
    /// Bounds of every vertex, by its id. [`Unsupported`](super::Category::Unsupported) if the job's
    /// scheduler is not adaptive.
    pub async fn resource_requirements(
        &self,
        job: &str,
    ) -> Result<BTreeMap<String, Bounds>, RestError> {
        let call = Call::get("GET /jobs/:job/resource-requirements", target(job));
        let answer: BTreeMap<String, wire::VertexRequirements> = self.call(call).await?;
        let bounds = |requirements: wire::VertexRequirements| Bounds {
            lower: requirements.parallelism.lower_bound,
            upper: requirements.parallelism.upper_bound,
        };
        Ok(answer
            .into_iter()
            .map(|(vertex, requirements)| (vertex, bounds(requirements)))
            .collect())
    }

    /// Set the bounds of every vertex; Flink refuses a list that leaves one out.
    pub async fn set_resource_requirements(
        &self,
        job: &str,
        requirements: &BTreeMap<String, Bounds>,
    ) -> Result<(), RestError> {
        let body: Map<String, Value> = requirements
            .iter()
            .map(|(vertex, Bounds { lower, upper })| {
                let bounds = json!({ "lowerBound": lower, "upperBound": upper });
                (vertex.clone(), json!({ "parallelism": bounds }))
            })
            .collect();
        self.call_without_answer(Call {
            method: Method::PUT,
            endpoint: "PUT /jobs/:job/resource-requirements",
            target: target(job),
            body: Some(Value::Object(body)),
        })
        .await
    }
}

impl FlinkClient {
    /// When the last rescale that came about interrupted the job; `None` if it did not, or there was none.
    /// [`NotFound`](super::Category::NotFound) if `web.adaptive-scheduler.rescale-history.size` is 0, its default.
    pub async fn last_interruption(&self, job: &str) -> Result<Option<Interruption>, RestError> {
        let target = format!("/jobs/{}/rescales/overview", escaped(job));
        let call = Call::get("GET /jobs/:job/rescales/overview", target);
        let overview: wire::RescalesOverview = self.call(call).await?;
        let Some(last) = overview.latest.completed else {
            return Ok(None);
        };
        let target = format!(
            "/jobs/{}/rescales/details/{}",
            escaped(job),
            escaped(&last.rescale_uuid)
        );
        let call = Call::get("GET /jobs/:job/rescales/details/:rescale", target);
        let details: wire::RescaleDetails = self.call(call).await?;
        Ok(interruption(&details.scheduler_states))
    }
}

/// From the end of the first time the job executed to the begin of the last; the first start is no interruption.
fn interruption(states: &[wire::SchedulerState]) -> Option<Interruption> {
    let mut executing = states.iter().filter(|state| state.state == "Executing");
    let (first, last) = (executing.next()?, executing.next_back()?);
    Some(Interruption {
        from: Timestamp::from_millisecond(first.leave_timestamp_in_millis?).ok()?,
        to: Timestamp::from_millisecond(last.enter_timestamp_in_millis).ok()?,
    })
}

fn target(job: &str) -> String {
    format!("/jobs/{}/resource-requirements", escaped(job))
}
