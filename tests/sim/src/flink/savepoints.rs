//! Operations asked for with a trigger id: savepoints, stops, checkpoints on demand, disposals.

use jiff::Timestamp;

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) triggered: Timestamp,
    /// When it ends, or ended.
    pub(super) ends: Timestamp,
    /// `None` while under way.
    pub(super) outcome: Option<Result<Outcome, Thrown>>,
    /// The attempt of the job it belongs to; a restart makes it fail.
    pub(super) attempt: u64,
    /// The number of the checkpoint or savepoint, given when it is triggered.
    pub(super) number: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Savepoint {
        directory: String,
        format: String,
        stop: bool,
    },
    Checkpoint,
    Disposal {
        path: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Path(String),
    Checkpoint(u64),
    Disposed,
}

/// An exception as Flink serializes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    pub(super) class: String,
    pub(super) message: String,
    pub(super) cause: Option<(String, String)>,
}

impl Thrown {
    pub(super) fn new(class: &str, message: impl Into<String>) -> Self {
        Self {
            class: class.to_owned(),
            message: message.into(),
            cause: None,
        }
    }

    #[must_use]
    pub(super) fn caused_by(mut self, class: &str, message: impl Into<String>) -> Self {
        self.cause = Some((class.to_owned(), message.into()));
        self
    }

    /// As Java prints it.
    pub(super) fn stack_trace(&self) -> String {
        let Self {
            class,
            message,
            cause,
        } = self;
        let head = format!(
            "{class}: {message}\n\tat org.apache.flink.runtime.Simulated.run(Simulated.java:1)"
        );
        match cause {
            None => head,
            Some((class, message)) => {
                format!(
                    "{head}\nCaused by: {class}: {message}\n\tat org.apache.flink.Simulated.go(Simulated.java:2)"
                )
            }
        }
    }

    pub(super) fn job_not_found(job: &str) -> Self {
        let message = format!("Could not find Flink job ({job})");
        Self::new(
            "org.apache.flink.runtime.messages.FlinkJobNotFoundException",
            message,
        )
    }

    pub(super) fn not_running(job: &str) -> Self {
        Self::new(
            "org.apache.flink.runtime.checkpoint.CheckpointException",
            format!(
                "Checkpoint triggering task Source (1/1) of job {job} is not being executed at the \
                 moment. Aborting checkpoint. Failure reason: Not all required tasks are currently running."
            ),
        )
    }
}

impl Operation {
    /// One that failed at once.
    pub(super) fn failed(kind: Kind, thrown: Thrown, now: Timestamp) -> Self {
        Self {
            kind,
            triggered: now,
            ends: now,
            outcome: Some(Err(thrown)),
            attempt: 0,
            number: 0,
        }
    }

    pub(super) fn is_savepoint(&self) -> bool {
        matches!(self.kind, Kind::Savepoint { .. })
    }

    pub(super) fn is_stop(&self) -> bool {
        matches!(self.kind, Kind::Savepoint { stop: true, .. })
    }

    pub(super) fn next_event(&self) -> Option<Timestamp> {
        self.outcome.is_none().then_some(self.ends)
    }
}
