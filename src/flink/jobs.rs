//! Jobs: the list, one in detail, its end, its exceptions, its cancellation.

use std::collections::BTreeMap;

use flink_crds::FlinkJobState;
use http::Method;

use super::cause::Failure;
use super::client::{Call, FlinkClient, escaped};
use super::error::Category;
use super::{RestError, wire};

/// One job of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id, 32 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Flink's state of it.
    pub state: FlinkJobState,
    /// Start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// End, in milliseconds since the epoch; `None` while it has not ended.
    pub end_ms: Option<i64>,
    /// Last change of state, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// Its tasks by state.
    pub tasks: TaskCounts,
}

impl Job {
    /// The state as users mean it: `RUNNING` only once every task runs or has finished, else `CREATED`.
    pub fn effective_state(&self) -> FlinkJobState {
        match self.state {
            FlinkJobState::Running if !self.tasks.all_up() => FlinkJobState::Created,
            state => state,
        }
    }
}

/// Tasks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// All.
    pub total: u32,
    /// Running.
    pub running: u32,
    /// Finished by themselves.
    pub finished: u32,
}

impl TaskCounts {
    /// Every task runs or has finished.
    pub fn all_up(&self) -> bool {
        self.running.saturating_add(self.finished) >= self.total
    }

    /// From Flink's counts, whose names are lower case in the list and upper case in the detail.
    fn of(counts: &BTreeMap<String, u32>) -> Self {
        let mut tasks = Self::default();
        let mut sum = 0_u32;
        for (state, count) in counts {
            match state.to_ascii_lowercase().as_str() {
                "total" => tasks.total = *count,
                "running" => tasks.running = *count,
                "finished" => tasks.finished = *count,
                _ => {}
            }
            if !state.eq_ignore_ascii_case("total") {
                sum = sum.saturating_add(*count);
            }
        }
        tasks.total = tasks.total.max(sum);
        tasks
    }
}

/// One job in detail.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetail {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Flink's state of it.
    pub state: FlinkJobState,
    /// Start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// End, in milliseconds since the epoch.
    pub end_ms: Option<i64>,
    /// The JobManager's clock, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When it last came to `RUNNING`, in milliseconds since the epoch.
    pub running_since_ms: Option<i64>,
    /// When it last came to each state, in milliseconds since the epoch.
    pub since_ms: BTreeMap<String, i64>,
    /// Its scheduler as newer versions name it, such as `Adaptive`.
    pub scheduler: Option<String>,
    /// Its configured maximum parallelism.
    pub max_parallelism: Option<u32>,
    /// Its vertices, in Flink's order.
    pub vertices: Vec<Vertex>,
    /// How they are connected.
    pub edges: Vec<Edge>,
}

/// One vertex.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertex {
    /// Its id, 32 hex digits.
    pub id: String,
    /// Its name: the chained operators.
    pub name: String,
    /// Subtasks now.
    pub parallelism: u32,
    /// Most subtasks its key groups allow.
    pub max_parallelism: Option<u32>,
    /// Id of its slot sharing group, as newer versions tell it.
    pub slot_group: Option<String>,
    /// Its tasks by state.
    pub tasks: TaskCounts,
    /// What it has done since it started.
    pub counters: VertexCounters,
}

/// Counters of one vertex, summed over its subtasks since they started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VertexCounters {
    /// Records read; 0 for sources.
    pub read_records: u64,
    /// Every subtask has reported the records it read.
    pub read_complete: bool,
    /// Records written; 0 for sinks.
    pub write_records: u64,
    /// Every subtask has reported the records it wrote.
    pub write_complete: bool,
    /// Busy time in milliseconds; legacy sources have none.
    pub busy_ms: Option<f64>,
    /// Time under back-pressure in milliseconds.
    pub backpressured_ms: Option<f64>,
    /// Idle time in milliseconds.
    pub idle_ms: Option<f64>,
}

/// A connection between two vertices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Id of the vertex that writes.
    pub from: String,
    /// Id of the vertex that reads.
    pub to: String,
    /// Flink's name for how records are spread, such as `HASH`.
    pub ship_strategy: String,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionResult {
    /// It has not ended.
    InProgress,
    /// It has.
    Ended {
        /// `SUCCEEDED`, `FAILED`, `CANCELED` or `UNKNOWN`.
        status: String,
        /// Why, if it failed.
        failure: Option<Failure>,
    },
}

/// One exception in the history of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobException {
    /// Java class.
    pub name: String,
    /// The full stack trace.
    pub stack_trace: String,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The task in which it happened; `None` for one of the whole job.
    pub task: Option<String>,
    /// Host and port of the TaskManager.
    pub endpoint: Option<String>,
    /// Id of the TaskManager.
    pub task_manager: Option<String>,
    /// Labels of Flink's failure enrichers.
    pub labels: BTreeMap<String, String>,
}

impl FlinkClient {
    /// All jobs the cluster knows, ended ones included.
    pub async fn jobs(&self) -> Result<Vec<Job>, RestError> {
        let answer: wire::JobsOverview = self
            .call(Call::get("GET /jobs/overview", "/jobs/overview"))
            .await?;
        let job = |job: wire::JobSummary| Job {
            id: job.jid,
            name: job.name,
            state: job.state,
            start_ms: job.start_time,
            end_ms: ended(job.end_time),
            modified_ms: job.last_modification,
            tasks: TaskCounts::of(&job.tasks),
        };
        Ok(answer.jobs.into_iter().map(job).collect())
    }

    /// One job in detail, with vertices, their counters and edges.
    pub async fn job(&self, job: &str) -> Result<JobDetail, RestError> {
        let call = Call::get("GET /jobs/:job", format!("/jobs/{}", escaped(job)));
        let detail: wire::JobDetail = self.call(call).await?;
        Ok(detail.into())
    }

    /// Cancel the job. [`Category::Conflict`] if it has ended otherwise, [`Category::NotFound`] if
    /// it is not known; cancelling a cancelled job succeeds.
    pub async fn cancel(&self, job: &str) -> Result<(), RestError> {
        self.call_without_answer(Call {
            method: Method::PATCH,
            endpoint: "PATCH /jobs/:job",
            target: format!("/jobs/{}?mode=cancel", escaped(job)),
            body: None,
        })
        .await
    }

    /// How the job ended, if it has.
    pub async fn execution_result(&self, job: &str) -> Result<ExecutionResult, RestError> {
        let endpoint = "GET /jobs/:job/execution-result";
        let call = Call::get(endpoint, format!("/jobs/{}/execution-result", escaped(job)));
        let answer: wire::ExecutionResult = self.call(call).await?;
        match (answer.status.id.as_str(), answer.job_execution_result) {
            ("COMPLETED", Some(result)) => Ok(ExecutionResult::Ended {
                status: result.application_status,
                failure: result.failure_cause.map(Failure::of),
            }),
            ("IN_PROGRESS", _) => Ok(ExecutionResult::InProgress),
            (status, _) => Err(self.error(
                endpoint,
                Category::Malformed,
                Some(200),
                format!("status {status} without a result"),
            )),
        }
    }

    /// The newest `limit` exceptions of the job, newest first.
    pub async fn exceptions(&self, job: &str, limit: u32) -> Result<Vec<JobException>, RestError> {
        let target = format!("/jobs/{}/exceptions?maxExceptions={limit}", escaped(job));
        let answer: wire::Exceptions = self
            .call(Call::get("GET /jobs/:job/exceptions", target))
            .await?;
        let mut exceptions: Vec<JobException> = answer
            .exception_history
            .map(|history| history.entries)
            .unwrap_or_default()
            .into_iter()
            .map(JobException::from)
            .collect();
        exceptions.sort_by_key(|exception| std::cmp::Reverse(exception.timestamp_ms));
        Ok(exceptions)
    }
}

/// Flink writes -1 for "not yet".
fn ended(end_time: i64) -> Option<i64> {
    (end_time >= 0).then_some(end_time)
}

/// Flink writes -1 for "not set".
fn limit_of(number: Option<i64>) -> Option<u32> {
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0)
}

impl From<wire::JobDetail> for JobDetail {
    fn from(detail: wire::JobDetail) -> Self {
        let reached = |state: &str| detail.timestamps.get(state).copied().filter(|ms| *ms > 0);
        let nodes = detail.plan.map(|plan| plan.nodes).unwrap_or_default();
        let edges = nodes.into_iter().flat_map(|node| {
            let to = node.id;
            node.inputs.into_iter().map(move |input| Edge {
                from: input.id,
                to: to.clone(),
                ship_strategy: input.ship_strategy,
            })
        });
        Self {
            running_since_ms: reached("RUNNING"),
            edges: edges.collect(),
            id: detail.jid,
            name: detail.name,
            state: detail.state,
            start_ms: detail.start_time,
            end_ms: ended(detail.end_time),
            now_ms: detail.now,
            since_ms: detail
                .timestamps
                .into_iter()
                .filter(|(_, ms)| *ms > 0)
                .collect(),
            scheduler: detail.scheduler_type,
            max_parallelism: limit_of(detail.max_parallelism),
            vertices: detail.vertices.into_iter().map(Vertex::from).collect(),
        }
    }
}

impl From<wire::Vertex> for Vertex {
    fn from(vertex: wire::Vertex) -> Self {
        let metrics = vertex.metrics.unwrap_or_default();
        Self {
            id: vertex.id,
            name: vertex.name,
            parallelism: vertex.parallelism,
            max_parallelism: limit_of(vertex.max_parallelism),
            slot_group: vertex.slot_group,
            tasks: TaskCounts::of(&vertex.tasks),
            counters: VertexCounters {
                read_records: metrics.read_records,
                read_complete: metrics.read_records_complete,
                write_records: metrics.write_records,
                write_complete: metrics.write_records_complete,
                busy_ms: metrics.accumulated_busy_time,
                backpressured_ms: metrics.accumulated_backpressured_time,
                idle_ms: metrics.accumulated_idle_time,
            },
        }
    }
}

impl From<wire::Exception> for JobException {
    fn from(exception: wire::Exception) -> Self {
        Self {
            name: exception.name,
            stack_trace: exception.stacktrace,
            timestamp_ms: exception.timestamp,
            task: exception.task_name,
            endpoint: exception.endpoint,
            task_manager: exception.task_manager_id,
            labels: exception.failure_labels.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
        pairs
            .iter()
            .map(|(state, count)| ((*state).to_owned(), *count))
            .collect()
    }

    #[test]
    fn a_job_runs_when_every_task_runs_or_has_finished() {
        let up = TaskCounts::of(&counts(&[("total", 4), ("running", 3), ("finished", 1)]));
        assert!(up.all_up());
        let coming = TaskCounts::of(&counts(&[
            ("total", 4),
            ("running", 3),
            ("initializing", 1),
        ]));
        assert!(!coming.all_up());
    }

    #[test]
    fn h12_a_job_of_which_tasks_wait_for_slots_does_not_run_yet() {
        let state = |tasks: &[(&str, u32)]| {
            let job = Job {
                id: String::new(),
                name: String::new(),
                state: FlinkJobState::Running,
                start_ms: 0,
                end_ms: None,
                modified_ms: 0,
                tasks: TaskCounts::of(&counts(tasks)),
            };
            job.effective_state()
        };
        assert_eq!(state(&[("running", 4)]), FlinkJobState::Running);
        let some = [("running", 2), ("finished", 2)];
        assert_eq!(state(&some), FlinkJobState::Running);
        let waiting = [("running", 2), ("scheduled", 2)];
        assert_eq!(state(&waiting), FlinkJobState::Created);
    }

    #[test]
    fn the_counts_of_a_vertex_have_no_total() {
        let tasks = TaskCounts::of(&counts(&[
            ("RUNNING", 2),
            ("DEPLOYING", 1),
            ("FINISHED", 0),
        ]));
        assert_eq!(
            tasks,
            TaskCounts {
                total: 3,
                running: 2,
                finished: 0
            }
        );
    }

    #[test]
    fn minus_one_is_no_limit() {
        assert_eq!(limit_of(Some(-1)), None);
        assert_eq!(limit_of(Some(128)), Some(128));
    }
}
