//! Bounds on the parallelism of a running job, for rescaling in place (Flink 1.18 and up, adaptive
//! scheduler).

use std::collections::BTreeMap;

use http::Method;
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

fn target(job: &str) -> String {
    format!("/jobs/{}/resource-requirements", escaped(job))
}
