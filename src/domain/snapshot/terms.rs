//! The words of a decision about a snapshot: what is seen, what is to be done.
//!
//! The rule: plain values, compared and printed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use flink_crds::{
    FlinkJobState, FlinkStateSnapshot, FlinkStateSnapshotSpec, FlinkStateSnapshotStatus,
    FlinkVersion, SnapshotState, SnapshotTriggerType,
};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::domain::{Announcement, ClusterAddress, Sighting, Violation, Waiting};

/// How the error of a snapshot begins whose job cannot write the canonical format: another attempt in it
/// would restart the job again and end the same way.
pub const FORMAT_UNSUPPORTED: &str = "The job's state cannot be written in the CANONICAL format";

/// The two kinds of snapshot in Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the two kinds of snapshot in Flink")]
pub enum SnapshotKind {
    Savepoint,
    Checkpoint,
}

impl SnapshotKind {
    /// What this spec asks for.
    pub fn of(spec: &FlinkStateSnapshotSpec) -> Self {
        if spec.checkpoint.is_some() {
            Self::Checkpoint
        } else {
            Self::Savepoint
        }
    }

    /// In names of resources and in sentences.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Savepoint => "savepoint",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// Everything a decision about a snapshot depends on besides the resource.
#[derive(Clone, Debug)]
pub struct SnapshotObserved {
    /// When the look was taken.
    pub now: Timestamp,
    /// The job and what runs it; not read for a snapshot that is done.
    pub target: Sighting<Target>,
    /// How the recorded trigger stands in Flink.
    pub progress: Sighting<SnapshotProgress>,
    /// 32 hex digits for a new trigger.
    pub fresh_trigger: String,
    /// How often to look.
    pub pace: Pace,
    /// What validators have against it, while it is not taken yet.
    pub violations: Vec<Violation>,
}

/// How often to look.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// While something is under way.
    pub progress: Duration,
    /// Otherwise.
    pub reconcile: Duration,
}

/// The job a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where its cluster's REST interface is.
    pub address: ClusterAddress,
    /// Flink's id of the job.
    pub job: Option<String>,
    /// Its state: as recorded while it does not run, else as Flink lists it.
    pub state: Sighting<FlinkJobState>,
    /// It is being deployed, upgraded or stopped.
    pub changing: bool,
    /// Where its savepoints go.
    pub directory: Option<String>,
    /// Type of checkpoints taken on demand.
    pub checkpoint_type: String,
    /// Flink's version.
    pub version: Option<FlinkVersion>,
}

impl Target {
    /// It runs, and Flink says so.
    pub fn runs(&self) -> bool {
        self.job.is_some() && self.state.seen() == Some(&FlinkJobState::Running)
    }
}

/// How a snapshot stands in Flink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotProgress {
    /// Flink is writing it.
    InProgress,
    /// Written; a checkpoint whose path Flink has forgotten has none.
    Completed(Option<String>),
    /// Given up by Flink.
    Failed {
        /// The cause, for people.
        cause: String,
        /// The job's state cannot be written in the canonical format.
        format_unsupported: bool,
    },
}

/// The outcome of deciding about one snapshot once.
#[derive(Clone, Debug)]
#[must_use]
pub struct SnapshotPlan {
    /// The status to record before any step.
    pub status: FlinkStateSnapshotStatus,
    /// What to do now, in order; each step can be repeated without harm.
    pub steps: Vec<SnapshotStep>,
    /// What to tell people.
    pub events: Vec<Announcement>,
    /// Why nothing more happens now.
    pub waiting: Option<Waiting>,
    /// When to look again; `None` waits for a change of the resource.
    pub look_again: Option<Duration>,
}

/// One thing to do for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotStep {
    /// Put our finalizer on the resource.
    AddFinalizer,
    /// Take our finalizer off the resource.
    RemoveFinalizer,
    /// Set these labels of the resource.
    Label(BTreeMap<String, String>),
    /// Ask Flink for the snapshot, under the recorded trigger id.
    Take(SnapshotRequest),
    /// Delete the files of a savepoint. Files that are gone are fine.
    Dispose {
        /// A cluster that can reach them.
        address: ClusterAddress,
        /// Where they are.
        path: String,
    },
}

/// What [`SnapshotStep::Take`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// Whom to ask.
    pub address: ClusterAddress,
    /// Flink's id of the job.
    pub job: String,
    /// Our id of the request: asking twice is asking once.
    pub trigger: String,
    /// Which kind.
    pub kind: SnapshotKind,
    /// Directory of a savepoint; Flink's configured one if absent.
    pub directory: Option<String>,
    /// `CANONICAL` or `NATIVE` for a savepoint; `CONFIGURED`, `FULL` or `INCREMENTAL` for a checkpoint.
    pub format: String,
}

impl fmt::Display for SnapshotStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer => f.write_str("AddFinalizer"),
            Self::RemoveFinalizer => f.write_str("RemoveFinalizer"),
            Self::Label(_) => f.write_str("Label"),
            Self::Take(request) => request.fmt(f),
            Self::Dispose { path, .. } => write!(f, "Dispose path={path}"),
        }
    }
}

impl fmt::Display for SnapshotRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Take {} job={} trigger={} format={}",
            self.kind.as_str(),
            self.job,
            self.trigger,
            self.format
        )
    }
}

/// A snapshot resource, as decisions about its job see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotView {
    /// Name of the resource.
    pub name: String,
    /// Which kind.
    pub kind: SnapshotKind,
    /// Why it was made.
    pub trigger: SnapshotTriggerType,
    /// How far it is.
    pub state: SnapshotState,
    /// When the resource was made.
    pub created: Option<Timestamp>,
    /// Where the snapshot is.
    pub path: Option<String>,
    /// Deleting the resource deletes the files.
    pub disposes: bool,
    /// The job cannot write the canonical format.
    pub format_unsupported: bool,
    /// It is being deleted.
    pub deleting: bool,
}

impl SnapshotView {
    /// What matters of a resource.
    pub fn of(snapshot: &FlinkStateSnapshot) -> Self {
        let status = snapshot.status.clone().unwrap_or_default();
        let kind = SnapshotKind::of(&snapshot.spec);
        Self {
            name: snapshot.name_any(),
            kind,
            trigger: trigger_type(snapshot),
            state: status.state.unwrap_or_default(),
            created: snapshot.creation_timestamp().map(|time| time.0),
            format_unsupported: is_of_format(&status),
            path: status.path.filter(|path| !path.is_empty()),
            disposes: super::end::disposes(snapshot),
            deleting: snapshot.metadata.deletion_timestamp.is_some(),
        }
    }
}

/// The last attempt showed that the job cannot write the canonical format.
pub(super) fn is_of_format(status: &FlinkStateSnapshotStatus) -> bool {
    let error = status.error.as_deref();
    error.is_some_and(|error| error.starts_with(FORMAT_UNSUPPORTED))
}

const TRIGGER_TYPE: &str = "snapshot.trigger-type";

/// Why a snapshot was made, by its label; one without was made by a person.
pub fn trigger_type(snapshot: &FlinkStateSnapshot) -> SnapshotTriggerType {
    match snapshot.labels().get(TRIGGER_TYPE).map(String::as_str) {
        Some("PERIODIC") => SnapshotTriggerType::Periodic,
        Some("UPGRADE") => SnapshotTriggerType::Upgrade,
        Some("UNKNOWN") => SnapshotTriggerType::Unknown,
        _ => SnapshotTriggerType::Manual,
    }
}

/// The labels of a snapshot, by which people and tools select them.
pub fn labels(
    spec: &FlinkStateSnapshotSpec,
    trigger: SnapshotTriggerType,
    state: SnapshotState,
) -> BTreeMap<String, String> {
    let kind = SnapshotKind::of(spec).as_str().to_ascii_uppercase();
    let mut labels = BTreeMap::from([
        ("snapshot.type".to_owned(), kind),
        (TRIGGER_TYPE.to_owned(), text(&trigger)),
        ("snapshot.state".to_owned(), text(&state)),
    ]);
    if let Some(reference) = &spec.job_reference {
        if let Some(kind) = reference.kind {
            labels.insert("job-reference.kind".to_owned(), text(&kind));
        }
        if let Some(name) = &reference.name {
            labels.insert("job-reference.name".to_owned(), name.clone());
        }
    }
    labels
}

/// The name of a value in the API.
pub(super) fn text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
