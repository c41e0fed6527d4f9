//! Flink's REST interface: the few calls we make, each typed, bounded in time and size, never retried.
//!
//! [`FlinkRest`] is made once; [`FlinkRest::of`] gives the [`FlinkClient`] of one cluster. Its calls:
//!
//! | call | request |
//! | --- | --- |
//! | [`overview`](FlinkClient::overview) | `GET /overview` |
//! | [`config`](FlinkClient::config) | `GET /config` |
//! | [`task_managers`](FlinkClient::task_managers) | `GET /taskmanagers` |
//! | [`jobs`](FlinkClient::jobs) | `GET /jobs/overview` |
//! | [`job`](FlinkClient::job) | `GET /jobs/:job` |
//! | [`cancel`](FlinkClient::cancel) | `PATCH /jobs/:job?mode=cancel` |
//! | [`execution_result`](FlinkClient::execution_result) | `GET /jobs/:job/execution-result` |
//! | [`exceptions`](FlinkClient::exceptions) | `GET /jobs/:job/exceptions` |
//! | [`stop_with_savepoint`](FlinkClient::stop_with_savepoint) | `POST /jobs/:job/stop` |
//! | [`trigger_savepoint`](FlinkClient::trigger_savepoint) | `POST /jobs/:job/savepoints` |
//! | [`savepoint`](FlinkClient::savepoint) | `GET /jobs/:job/savepoints/:trigger`, also of a stop |
//! | [`dispose_savepoint`](FlinkClient::dispose_savepoint) | `POST /savepoint-disposal` |
//! | [`disposal`](FlinkClient::disposal) | `GET /savepoint-disposal/:trigger` |
//! | [`trigger_checkpoint`](FlinkClient::trigger_checkpoint) | `POST /jobs/:job/checkpoints` |
//! | [`checkpoint`](FlinkClient::checkpoint) | `GET /jobs/:job/checkpoints/:trigger` |
//! | [`checkpoint_location`](FlinkClient::checkpoint_location) | `GET /jobs/:job/checkpoints/details/:id` |
//! | [`checkpoints`](FlinkClient::checkpoints) | `GET /jobs/:job/checkpoints` |
//! | [`job_metrics`](FlinkClient::job_metrics) | `GET /jobs/:job/metrics?get=` |
//! | [`job_manager_metrics`](FlinkClient::job_manager_metrics) | `GET /jobmanager/metrics?get=` |
//! | [`task_manager_metrics`](FlinkClient::task_manager_metrics) | `GET /taskmanagers/metrics?get=&agg=` |
//! | [`vertex_metric_names`](FlinkClient::vertex_metric_names) | `GET /jobs/:job/vertices/:vertex/subtasks/metrics` |
//! | [`vertex_metrics`](FlinkClient::vertex_metrics) | the same with `get=` and `agg=` |
//! | [`resource_requirements`](FlinkClient::resource_requirements) | `GET /jobs/:job/resource-requirements` |
//! | [`last_interruption`](FlinkClient::last_interruption) | `GET /jobs/:job/rescales/overview`, `GET /jobs/:job/rescales/details/:rescale` |
//! | [`set_resource_requirements`](FlinkClient::set_resource_requirements) | `PUT /jobs/:job/resource-requirements` |
//!
//! The rule: a call says what Flink answered or why there is no answer, and the two are never mixed
//! up: an error of something between us and Flink is [`Category::Unreachable`]. Messages as Flink writes
//! them stay in `wire`. Tests: beside the code and `tests/it/flink.rs`.

mod cause;
mod checkpoints;
mod client;
mod cluster;
mod error;
mod jobs;
mod metrics;
mod rescale;
mod route;
mod savepoints;
mod transport;
mod wire;

pub use cause::{Failure, SavepointFailure, savepoint_failure};
pub use checkpoints::{
    Checkpoint, CheckpointCounts, CheckpointProgress, CheckpointState, CheckpointStatistics,
    Location, Restored,
};
pub use client::FlinkClient;
pub use cluster::{ClusterConfig, Overview, TaskManager};
pub use error::{Category, RestError};
pub use jobs::{
    Edge, ExecutionResult, Job, JobDetail, JobException, TaskCounts, Vertex, VertexCounters,
};
pub use metrics::Aggregate;
pub use rescale::Bounds;
pub use route::{BuildError, CallReport, Deadlines, FlinkRest, RouteChoice};
pub use savepoints::{DisposalProgress, SavepointProgress};

#[cfg(test)]
mod tests;
