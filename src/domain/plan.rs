//! What is to be done, as a value: compared, printed, replayed and explained before it is done.
//!
//! The rule: a plan says everything a person could want to know about one pass.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use flink_crds::{FlinkDeploymentStatus, FlinkStateSnapshotSpec, TunedMemory};
use flink_scaler::{DecisionLog, History, JobGraph, Verdict, VertexId, Window};

use super::error_form::ErrorForm;
use super::reason::Reason;
use super::snapshot::SnapshotRequest;
use crate::config::FlinkConfig;
use crate::resources::Object;

/// The outcome of deciding about one resource once.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    /// Where the cluster's REST interface is, for steps that ask Flink.
    pub cluster: ClusterAddress,
    /// The status to record before any step; equal to the present one if nothing changed.
    pub status: FlinkDeploymentStatus,
    /// The status once the steps are done, if it differs.
    pub afterwards: Option<Box<FlinkDeploymentStatus>>,
    /// What to do now, in order; each step can be repeated without harm.
    pub steps: Vec<Step>,
    /// What to tell people.
    pub events: Vec<Announcement>,
    /// Why nothing more happens now.
    pub waiting: Vec<Waiting>,
    /// When to look again; `None` waits for a change of the resource.
    pub look_again: Option<Duration>,
    /// What the autoscaler said, if it was asked.
    pub verdict: Option<Box<Verdict>>,
    /// How a step that is refused is written down.
    pub errors: ErrorForm,
}

/// Where a cluster's REST interface is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterAddress {
    /// Name of the FlinkDeployment.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// It speaks TLS.
    pub tls: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Put our finalizer on the resource.
    AddFinalizer,
    /// Take our finalizer off the resource: its deletion may go on.
    RemoveFinalizer,
    /// Make the objects of a cluster: ConfigMaps and Services first, then the JobManager.
    Deploy(Box<Deployment>),
    /// Delete the JobManager Deployment; what it owns goes with it.
    DeleteCluster,
    /// Delete Flink's high-availability ConfigMaps.
    DeleteHaMetadata,
    /// Stop the job with a savepoint.
    StopWithSavepoint(SavepointRequest),
    /// Cancel the job.
    Cancel {
        /// Its id.
        job: String,
    },
    /// Change the parallelism of a running job in place.
    Rescale {
        /// Its id.
        job: String,
        /// The most subtasks each vertex shall have.
        upper: BTreeMap<String, u32>,
    },
    /// Keep what the autoscaler knows for the next pass, and for the next process if it is to be stored.
    KeepScaler(Box<ScalerMemory>),
    /// Forget all that the autoscaler knows.
    ForgetScaler,
    /// Make or change the Ingress.
    ApplyIngress(Box<Object>),
    /// Delete the Ingress.
    DeleteIngress,
    /// Make a snapshot resource; one that is there is fine.
    MakeSnapshot(Box<NewSnapshot>),
    /// Delete a snapshot resource.
    DeleteSnapshot(String),
    /// Ask Flink for a snapshot that is no resource.
    TakeSnapshot(SnapshotRequest),
    /// Delete the files of a savepoint; files that are gone are fine.
    DisposeSavepoint(String),
}

/// What [`Step::MakeSnapshot`] makes.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSnapshot {
    /// Its name, the same for the same record in the status.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it asks for.
    pub spec: FlinkStateSnapshotSpec,
}

/// What [`Step::KeepScaler`] keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalerMemory {
    /// The readings of the recent past.
    pub window: Window,
    /// What it did and what came of it.
    pub history: History,
    /// What it decided of late.
    pub decisions: DecisionLog,
    /// The job's graph as it runs.
    pub graph: JobGraph,
    /// The options in force, as the configuration has them.
    pub options: BTreeMap<String, String>,
    /// The parallelism it imposes.
    pub overrides: BTreeMap<VertexId, u32>,
    /// Memory of TaskManagers as it was tuned and deployed.
    pub memory: Option<TunedMemory>,
    /// Write it to the ConfigMap too.
    pub store: bool,
}

impl Step {
    /// Whether it is taken again and again until its effect shows, and mostly finds nothing to do.
    pub const fn repeats(&self) -> bool {
        matches!(self, Self::Rescale { .. })
    }

    /// Whether `failure` tells of this step being refused, or one like it. Only steps that are taken beside a job at
    /// rest are asked: what is wrong with others stands in the status until the job is well.
    pub fn is_told_of(&self, failure: &str) -> bool {
        let object = match self {
            Self::ApplyIngress(_) | Self::DeleteIngress => " Ingress ".to_owned(),
            Self::KeepScaler(memory) if memory.store => " ConfigMap ".to_owned(),
            Self::MakeSnapshot(snapshot) => format!(" FlinkStateSnapshot {}", snapshot.name),
            Self::DeleteSnapshot(name) => format!(" FlinkStateSnapshot {name}"),
            _ => return false,
        };
        failure.starts_with("failed to ") && failure.contains(&object)
    }

    /// Whether anything outside this process is changed.
    pub fn writes(&self) -> bool {
        !matches!(self, Self::KeepScaler(memory) if !memory.store)
    }
}

/// What [`Step::Deploy`] makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Our mark of this deployment, put on the JobManager Deployment.
    pub deploy_id: String,
    /// The generation it is made from.
    pub generation: i64,
    /// The spec it is made from.
    pub spec: Box<flink_crds::FlinkDeploymentSpec>,
    /// The complete configuration of the cluster, before deploy-time keys.
    pub config: FlinkConfig,
    /// The job's id; `None` for a session cluster.
    pub job_id: Option<String>,
    /// `execution.savepoint.path`.
    pub restore_path: Option<String>,
    /// Logging files by name.
    pub log_files: BTreeMap<String, String>,
}

/// What [`Step::StopWithSavepoint`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavepointRequest {
    /// The job's id.
    pub job: String,
    /// Our id of the request: asking twice is asking once.
    pub trigger: String,
    /// Directory to write to; Flink's configured one if absent.
    pub directory: Option<String>,
    /// Emit the final watermark before stopping.
    pub drain: bool,
    /// `CANONICAL` or `NATIVE`.
    pub format: String,
}

/// One Kubernetes event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Something is wrong.
    pub warning: bool,
    /// A stable reason.
    pub reason: Reason,
    /// Which part it is about.
    pub component: Component,
    /// The sentence people read.
    pub message: String,
    /// What else belongs to it.
    pub detail: Option<Box<Detail>>,
}

/// What belongs to an event beside its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Events with the same key are the same one, whatever their messages are.
    pub key: String,
    /// Facts for tools.
    pub annotations: BTreeMap<String, String>,
}

/// Parts of a deployment that events speak of, with the Java operator's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Component {
    Operator,
    JobManagerDeployment,
    Job,
    Snapshot,
}

/// Why a pass does nothing more for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Something could not be read.
    Sight(String),
    /// The JobManager is not up yet.
    JobManager,
    /// A savepoint is being written.
    Savepoint,
    /// The job is being cancelled.
    Cancellation,
    /// The old cluster is being deleted.
    Deletion,
    /// The job is not in a state from which it can be stopped safely.
    JobState(String),
    /// A rescale is not visible yet.
    Rescale,
    /// Trying again later, after a failure.
    Backoff(String),
    /// A person has to act.
    Person(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sight(why) => write!(f, "cannot see: {why}"),
            Self::JobManager => f.write_str("the JobManager is starting"),
            Self::Savepoint => f.write_str("a savepoint is being written"),
            Self::Cancellation => f.write_str("the job is being cancelled"),
            Self::Deletion => f.write_str("the old cluster is being deleted"),
            Self::JobState(why) | Self::Backoff(why) | Self::Person(why) => f.write_str(why),
            Self::Rescale => f.write_str("the new parallelism is not running yet"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer => f.write_str("AddFinalizer"),
            Self::RemoveFinalizer => f.write_str("RemoveFinalizer"),
            Self::Deploy(deployment) => {
                write!(f, "Deploy generation={}", deployment.generation)?;
                if let Some(job) = &deployment.job_id {
                    write!(f, " job={job}")?;
                }
                write!(
                    f,
                    " restore={}",
                    deployment.restore_path.as_deref().unwrap_or("-")
                )
            }
            Self::DeleteCluster => f.write_str("DeleteCluster"),
            Self::KeepScaler(memory) if memory.store => f.write_str("StoreScaler"),
            Self::KeepScaler(_) => f.write_str("KeepScaler"),
            Self::ForgetScaler => f.write_str("ForgetScaler"),
            Self::ApplyIngress(ingress) => write!(f, "ApplyIngress {}", ingress.name),
            Self::DeleteIngress => f.write_str("DeleteIngress"),
            Self::MakeSnapshot(snapshot) => write!(f, "MakeSnapshot {}", snapshot.name),
            Self::DeleteSnapshot(name) => write!(f, "DeleteSnapshot {name}"),
            Self::TakeSnapshot(request) => request.fmt(f),
            Self::DisposeSavepoint(path) => write!(f, "DisposeSavepoint path={path}"),
            Self::DeleteHaMetadata => f.write_str("DeleteHaMetadata"),
            Self::StopWithSavepoint(request) => write!(
                f,
                "StopWithSavepoint job={} trigger={} format={}{}",
                request.job,
                request.trigger,
                request.format,
                if request.drain { " drain" } else { "" }
            ),
            Self::Cancel { job } => write!(f, "Cancel job={job}"),
            Self::Rescale { job, upper } => {
                write!(f, "Rescale job={job}")?;
                upper
                    .iter()
                    .try_for_each(|(vertex, p)| write!(f, " {vertex}={p}"))
            }
        }
    }
}
