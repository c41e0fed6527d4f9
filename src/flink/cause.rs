//! What a failure in Flink means, where Flink gives only a stack trace.
//!
//! The rule: this is the only place that looks into the text of a failure, and it answers with a type.

use super::error::shortened;
use super::wire;

/// Text before the path in the message of a `StopWithSavepointStoppingException`.
const WRITTEN_BEFORE_FAILURE: &str = "A savepoint has been created at: ";
/// Text after it.
const AFTER_PATH: &str = ", but the corresponding job";

/// A throwable as Flink reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Java class of the outermost exception.
    pub class: String,
    /// The full stack trace.
    pub stack_trace: String,
}

impl Failure {
    pub(super) fn of(throwable: wire::Throwable) -> Self {
        Self {
            class: throwable.class,
            stack_trace: throwable.stack_trace,
        }
    }

    /// One line for people: the innermost cause.
    pub fn summary(&self) -> String {
        let cause = self
            .stack_trace
            .lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix("Caused by: "))
            .or_else(|| {
                self.stack_trace
                    .lines()
                    .map(str::trim)
                    .find(|line| !line.is_empty())
            })
            .unwrap_or(&self.class);
        shortened(cause)
    }

    /// What was to be deleted is not there.
    pub fn is_of_missing_files(&self) -> bool {
        ["FileNotFoundException", "NoSuchFileException"]
            .iter()
            .any(|class| self.stack_trace.contains(class) || self.class.ends_with(class))
    }

    /// What it means for a savepoint, or a stop with one.
    pub fn of_savepoint(&self) -> SavepointFailure {
        savepoint_failure(&self.stack_trace)
    }
}

/// Why a savepoint, or a stop with one, did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavepointFailure {
    /// The savepoint is complete at this path; only the job failed while stopping.
    Written(String),
    /// The job's state cannot be written in the format asked for; another try would fail again, and
    /// on some versions restarts the job.
    FormatUnsupported,
    /// There is no such job on this cluster, or it has ended.
    JobGone,
    /// The job was not in a state to take one, for example restarting; another try may succeed.
    NotRunning,
    /// Anything else.
    Other,
}

/// What the text of a failure means for a savepoint. It may also be that of an exception of the job,
/// since on some versions the tasks fail and the savepoint only tells that they did.
pub fn savepoint_failure(text: &str) -> SavepointFailure {
    if let Some(path) = written_path(text) {
        return SavepointFailure::Written(path);
    }
    if format_unsupported(text) {
        return SavepointFailure::FormatUnsupported;
    }
    if text.contains("FlinkJobNotFoundException")
        || text.contains("FlinkJobTerminatedWithoutCancellationException")
        || text.contains("already reached another terminal state")
    {
        return SavepointFailure::JobGone;
    }
    let passing = [
        "Checkpoint Coordinator is suspending",
        "CheckpointCoordinator shutdown",
        "Checkpoint triggering task",
        "is not being executed at the moment",
        "is restarting",
        "The job has failed",
        "JobMaster has not been initialized",
        "Not all required tasks are currently running",
    ];
    if passing.iter().any(|hint| text.contains(hint)) {
        return SavepointFailure::NotRunning;
    }
    SavepointFailure::Other
}

fn written_path(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(WRITTEN_BEFORE_FAILURE)?;
    let (path, _) = rest.split_once(AFTER_PATH)?;
    (!path.trim().is_empty()).then(|| path.trim().to_owned())
}

/// State that is read and written asynchronously (Flink 2.x), and the changelog state backend, refuse
/// the canonical format with an `UnsupportedOperationException`.
fn format_unsupported(text: &str) -> bool {
    text.lines().any(|line| {
        line.contains("UnsupportedOperationException")
            && (line.contains("Not supported yet") || mentions_savepoint(line))
    }) || text.contains("Canonical savepoints are not supported")
}

fn mentions_savepoint(line: &str) -> bool {
    let line = line.to_lowercase();
    line.contains("savepoint") || line.contains("canonical")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPING: &str = "org.apache.flink.runtime.scheduler.stopwithsavepoint.\
        StopWithSavepointStoppingException: A savepoint has been created at: \
        s3://bucket/sp/savepoint-a1b2c3-d4e5, but the corresponding job a1b2c3 failed during stopping. \
        The savepoint is consistent, but might have uncommitted transactions.\n\tat x.Y(Y.java:1)";

    #[test]
    fn a_savepoint_written_before_the_job_failed_is_found() {
        assert_eq!(
            savepoint_failure(STOPPING),
            SavepointFailure::Written("s3://bucket/sp/savepoint-a1b2c3-d4e5".to_owned())
        );
    }

    #[test]
    fn asynchronous_state_means_the_format_is_unsupported() {
        let text = "org.apache.flink.runtime.checkpoint.CheckpointException: Task has failed.\n\
            Caused by: java.lang.UnsupportedOperationException: Not supported yet.\n\tat a.b(C.java:1)";
        assert_eq!(savepoint_failure(text), SavepointFailure::FormatUnsupported);
    }

    #[test]
    fn another_unsupported_operation_says_nothing_of_the_format() {
        let text = "java.lang.UnsupportedOperationException: timers\n\tat Not supported yet";
        assert_eq!(savepoint_failure(text), SavepointFailure::Other);
    }

    #[test]
    fn ended_and_restarting_jobs_are_told_apart() {
        let gone = "java.util.concurrent.CompletionException: org.apache.flink.runtime.messages.\
            FlinkJobNotFoundException: Could not find Flink job (a1)";
        let passing = "org.apache.flink.runtime.checkpoint.CheckpointException: \
            Checkpoint triggering task Source: src (1/1) of job a1 is not being executed at the moment. \
            Aborting checkpoint.";
        assert_eq!(savepoint_failure(gone), SavepointFailure::JobGone);
        assert_eq!(savepoint_failure(passing), SavepointFailure::NotRunning);
        assert_eq!(savepoint_failure(""), SavepointFailure::Other);
    }

    #[test]
    fn the_summary_is_the_innermost_cause() {
        let failure = Failure {
            class: "A".to_owned(),
            stack_trace:
                "A: outer\n\tat x\nCaused by: B: middle\n\tat y\nCaused by: C: inner\n\tat z"
                    .to_owned(),
        };
        assert_eq!(failure.summary(), "C: inner");
        let plain = Failure {
            class: "A".to_owned(),
            stack_trace: "A: only\n\tat x".to_owned(),
        };
        assert_eq!(plain.summary(), "A: only");
        let bare = Failure {
            class: "A".to_owned(),
            stack_trace: String::new(),
        };
        assert_eq!(bare.summary(), "A");
    }
}
