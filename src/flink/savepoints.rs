//! Savepoints: asked for under an id that we choose, then polled.
//!
//! The rule: asking twice with the same id is asking once. Flink remembers an id for five minutes after
//! the operation ended and forgets all of them when its JobManager restarts.

use serde_json::json;

use super::cause::Failure;
use super::client::{Call, FlinkClient, escaped};
use super::error::Category;
use super::{RestError, wire};

const STATUS: &str = "GET /jobs/:job/savepoints/:trigger";
const DISPOSAL: &str = "GET /savepoint-disposal/:trigger";

/// How a savepoint, or a stop with one, stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavepointProgress {
    /// Under way.
    InProgress,
    /// Complete at this path. After a stop the job finishes within moments, not necessarily yet.
    Completed(String),
    /// Given up.
    Failed(Failure),
}

/// How a disposal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisposalProgress {
    /// Under way.
    InProgress,
    /// The files are gone.
    Completed,
    /// Given up.
    Failed(Failure),
}

impl FlinkClient {
    /// Stop the job with a savepoint: `trigger` is our id of the request (32 hex digits), `directory`
    /// where to write (Flink's configured one if absent), `drain` whether to emit the final watermark,
    /// `format` `CANONICAL` or `NATIVE`. Poll [`savepoint`](Self::savepoint) with the same id.
    ///
    /// Flink accepts this even for a job it does not know; the poll then tells.
    pub async fn stop_with_savepoint(
        &self,
        job: &str,
        trigger: &str,
        directory: Option<&str>,
        drain: bool,
        format: &str,
    ) -> Result<(), RestError> {
        let mut body = json!({ "drain": drain, "formatType": format, "triggerId": trigger });
        if let (Some(directory), Some(body)) = (directory, body.as_object_mut()) {
            body.insert("targetDirectory".to_owned(), directory.into());
        }
        let target = format!("/jobs/{}/stop", escaped(job));
        self.call_without_answer(Call::post("POST /jobs/:job/stop", target, body))
            .await
    }

    /// Take a savepoint of a running job; the arguments as for
    /// [`stop_with_savepoint`](Self::stop_with_savepoint).
    pub async fn trigger_savepoint(
        &self,
        job: &str,
        trigger: &str,
        directory: Option<&str>,
        format: &str,
    ) -> Result<(), RestError> {
        let mut body = json!({ "cancel-job": false, "formatType": format, "triggerId": trigger });
        if let (Some(directory), Some(body)) = (directory, body.as_object_mut()) {
            body.insert("target-directory".to_owned(), directory.into());
        }
        let target = format!("/jobs/{}/savepoints", escaped(job));
        self.call_without_answer(Call::post("POST /jobs/:job/savepoints", target, body))
            .await
    }

    /// How the savepoint or stop with this id stands; [`Category::NotFound`] if Flink does not know
    /// the id (it never arrived, or is forgotten).
    pub async fn savepoint(
        &self,
        job: &str,
        trigger: &str,
    ) -> Result<SavepointProgress, RestError> {
        let target = format!("/jobs/{}/savepoints/{}", escaped(job), escaped(trigger));
        let answer: wire::Operation<wire::SavepointResult> =
            self.call(Call::get(STATUS, target)).await?;
        match (answer.status.id.as_str(), answer.operation) {
            ("IN_PROGRESS", _) => Ok(SavepointProgress::InProgress),
            (
                "COMPLETED",
                Some(wire::SavepointResult {
                    location: Some(path),
                    ..
                }),
            ) => Ok(SavepointProgress::Completed(path)),
            (
                "COMPLETED",
                Some(wire::SavepointResult {
                    failure_cause: Some(cause),
                    ..
                }),
            ) => Ok(SavepointProgress::Failed(Failure::of(cause))),
            (status, _) => Err(self.without_result(STATUS, status)),
        }
    }

    /// Delete the files of a savepoint; Flink gives the id to poll with [`disposal`](Self::disposal).
    pub async fn dispose_savepoint(&self, path: &str) -> Result<String, RestError> {
        let body = json!({ "savepoint-path": path });
        let call = Call::post("POST /savepoint-disposal", "/savepoint-disposal", body);
        let answer: wire::Triggered = self.call(call).await?;
        Ok(answer.request_id)
    }

    /// How a disposal stands.
    pub async fn disposal(&self, trigger: &str) -> Result<DisposalProgress, RestError> {
        let target = format!("/savepoint-disposal/{}", escaped(trigger));
        let answer: wire::Operation<wire::SavepointResult> =
            self.call(Call::get(DISPOSAL, target)).await?;
        match (answer.status.id.as_str(), answer.operation) {
            ("IN_PROGRESS", _) => Ok(DisposalProgress::InProgress),
            (
                "COMPLETED",
                Some(wire::SavepointResult {
                    failure_cause: Some(cause),
                    ..
                }),
            ) => Ok(DisposalProgress::Failed(Failure::of(cause))),
            ("COMPLETED", _) => Ok(DisposalProgress::Completed),
            (status, _) => Err(self.without_result(DISPOSAL, status)),
        }
    }

    pub(super) fn without_result(&self, endpoint: &'static str, status: &str) -> RestError {
        let message = format!("status {status} without a result");
        self.error(endpoint, Category::Malformed, Some(200), message)
    }
}
