//! All that a decision about a `FlinkDeployment` may depend on, besides the resource itself.
//!
//! The rule: plain values, filled by `observe`, never read again while deciding.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flink_crds::FlinkJobState;
use flink_scaler::{
    CheckpointHealth, DecisionLog, History, Interruption, JobGraph, VertexId, Window,
};
use jiff::Timestamp;

use super::Sighting;
use super::snapshot::{SnapshotProgress, SnapshotView};

/// How long ago this was; nothing, if it lies ahead.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// One look at the world.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When the look was taken.
    pub now: Timestamp,
    /// The JobManager Deployment of this cluster.
    pub job_manager: Sighting<JobManager>,
    /// Pods of this cluster, JobManagers and TaskManagers; read while a cluster starts or ends.
    pub pods: Sighting<Pods>,
    /// The jobs Flink lists, by id; `Unknown` while the REST interface does not answer.
    pub jobs: Sighting<BTreeMap<String, Job>>,
    /// Flink's high-availability metadata; read when a stop or start may depend on it.
    pub ha: Sighting<HaMetadata>,
    /// The recorded savepoint operation; read while one is pending.
    pub savepoint: Sighting<SavepointProgress>,
    /// The Ingress of the cluster.
    pub ingress: Sighting<IngressView>,
    /// Snapshot resources of the job; `Absent` where their kind is not installed.
    pub snapshots: Sighting<Vec<SnapshotView>>,
    /// The recorded request for a snapshot that is no resource; read while one is recorded.
    pub snapshot: Sighting<SnapshotProgress>,
    /// Checkpoints of the recorded job; read when it ended or when last-state depends on their age.
    pub checkpoints: Sighting<Checkpoints>,
    /// Why the recorded job failed, as Flink tells it; read when it is `FAILED`.
    pub failure: Option<String>,
    /// The newest exceptions of the recorded job; read when it changed since they were last told.
    pub exceptions: Sighting<Vec<JobException>>,
    /// What the cluster says of itself.
    pub cluster: Option<ClusterInfo>,
    /// Parallelism now running, by vertex; read while a rescale is pending or replicas are counted.
    pub vertices: Sighting<BTreeMap<String, Vertex>>,
    /// What the autoscaler knows of the recorded job; `Absent` unless it is on and the job runs.
    pub scaler: Sighting<ScalerView>,
    /// The HorizontalPodAutoscaler that scales this resource, by name; read while the autoscaler may change it.
    pub hpa: Sighting<String>,
    /// Random identities for this pass, so that deciding itself needs no randomness.
    pub fresh: FreshIds,
}

impl Observed {
    /// Whether Flink's high-availability metadata are known to name a checkpoint.
    pub fn has_checkpoint(&self) -> bool {
        self.ha.seen().is_some_and(|ha| ha.has_checkpoint)
    }

    /// Whether they are known to name a job that has not ended.
    pub fn has_job(&self) -> bool {
        self.ha.seen().is_some_and(|ha| ha.has_job)
    }

    /// A look at a world in which nothing is there, for tests to fill in.
    pub fn nothing(now: Timestamp) -> Self {
        Self {
            now,
            job_manager: Sighting::Absent,
            pods: Sighting::Seen(Pods::default()),
            jobs: Sighting::Unknown("there is no JobManager".to_owned()),
            ha: Sighting::Absent,
            savepoint: Sighting::not_read(),
            ingress: Sighting::Absent,
            snapshots: Sighting::Seen(Vec::new()),
            snapshot: Sighting::not_read(),
            checkpoints: Sighting::not_read(),
            failure: None,
            exceptions: Sighting::not_read(),
            cluster: None,
            vertices: Sighting::not_read(),
            scaler: Sighting::Absent,
            hpa: Sighting::not_read(),
            fresh: FreshIds::default(),
        }
    }

    /// The job with this id, as far as Flink can be asked.
    pub fn job(&self, id: &str) -> Sighting<&Job> {
        match &self.jobs {
            Sighting::Seen(jobs) => jobs.get(id).map_or(Sighting::Absent, Sighting::Seen),
            Sighting::Absent => Sighting::Absent,
            Sighting::Unknown(why) => Sighting::Unknown(why.clone()),
        }
    }

    /// No JobManager Deployment and no pod of the cluster is left.
    pub fn cluster_gone(&self) -> bool {
        self.job_manager.is_absent()
            && (self.pods.is_absent() || self.pods.seen().is_some_and(|pods| pods.count == 0))
    }
}

/// The JobManager Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact of the Deployment"
)]
pub struct JobManager {
    /// Its uid; the objects beside it are owned by it.
    pub uid: String,
    /// Whether an owner reference names this `FlinkDeployment`.
    pub ours: bool,
    /// Being deleted.
    pub deleting: bool,
    /// The `FlinkDeployment` generation it was made from.
    pub generation: Option<i64>,
    /// Our mark of the deployment that made it; absent on those of the Java operator.
    pub deploy_id: Option<String>,
    /// Replicas asked for.
    pub replicas: i32,
    /// Replicas ready for use.
    pub available: i32,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// It never became available since it was made.
    pub never_started: bool,
    /// Its ConfigMaps and Services exist and belong to it.
    pub accompanied: bool,
    /// The Deployment controller could not make pods: reason and message.
    pub replica_failure: Option<(String, String)>,
}

/// The Ingress of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressView {
    /// It belongs to this `FlinkDeployment`.
    pub ours: bool,
    /// What it was made from; absent on those of the Java operator.
    pub mark: Option<String>,
}

/// Pods of one Flink cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// All pods that still exist.
    pub count: usize,
    /// TaskManager pods among them.
    pub task_managers: usize,
    /// What keeps a JobManager pod from starting.
    pub failure: Option<PodFailure>,
}

/// What keeps a pod from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailure {
    /// Kubernetes' own reason, for example `ErrImagePull`.
    pub reason: String,
    /// Where and why, for people.
    pub message: String,
    /// It usually heals by itself (a volume not mounted yet, no node free yet).
    pub transient: bool,
    /// Since when the pod exists.
    pub since: Option<Timestamp>,
}

/// One exception of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobException {
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Java class.
    pub class: String,
    /// The stack trace.
    pub trace: String,
    /// The task in which it happened; `None` for one of the whole job.
    pub task: Option<String>,
    /// Host and port of the TaskManager.
    pub endpoint: Option<String>,
    /// Id of the TaskManager.
    pub task_manager: Option<String>,
    /// Labels of Flink's failure enrichers.
    pub labels: BTreeMap<String, String>,
}

/// One job as Flink lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Flink's state; `CREATED` is reported while not all tasks of a `RUNNING` job run.
    pub state: FlinkJobState,
    /// Start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Last change, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// Flink's high-availability metadata of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaMetadata {
    /// A job is recorded that has not ended: Flink drops what it keeps of one that has.
    pub has_job: bool,
    /// A checkpoint is recorded.
    pub has_checkpoint: bool,
}

/// How the recorded savepoint operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavepointProgress {
    /// Flink is writing it.
    InProgress,
    /// Written at this path.
    Completed(String),
    /// Given up by Flink.
    Failed {
        /// The cause, for people.
        cause: String,
        /// The job's state cannot be written in the canonical format.
        format_unsupported: bool,
    },
}

/// Checkpoints of the recorded job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// Path of the newest of restored, completed and savepoint, by checkpoint id.
    pub latest: Option<String>,
    /// There is one, but it was not written to durable storage.
    pub latest_not_addressable: bool,
    /// When the newest completed one was triggered, in milliseconds since the epoch.
    pub latest_completed_ms: Option<i64>,
    /// When the oldest checkpoint in progress was triggered, in milliseconds since the epoch.
    pub pending_ms: Option<i64>,
    /// Size of the newest completed one, in bytes.
    pub state_size: Option<i64>,
}

/// What a cluster says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Flink's version.
    pub version: String,
    /// Its commit.
    pub revision: String,
    /// TaskManagers registered.
    pub task_managers: Option<u32>,
}

/// One vertex of the running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vertex {
    /// Subtasks now.
    pub parallelism: u32,
    /// Most subtasks its key groups allow.
    pub max_parallelism: u32,
    /// All its subtasks run.
    pub running: bool,
}

/// What the autoscaler decides from.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalerView {
    /// The job's graph as it runs.
    pub graph: JobGraph,
    /// The readings of the recent past, the newest of this pass.
    pub window: Window,
    /// What it did and what came of it.
    pub history: History,
    /// What it decided of late.
    pub decisions: DecisionLog,
    /// Slot sharing groups of vertices, where Flink tells them.
    pub slot_groups: BTreeMap<VertexId, String>,
    /// How many more TaskManagers there is room for, where that is read and known.
    pub room: Option<u32>,
    /// How the job's checkpoints are doing.
    pub checkpoints: CheckpointHealth,
    /// A savepoint is being written, whoever asked for it.
    pub savepoint_in_progress: bool,
    /// How often the job failed in the last ten minutes.
    pub failures: usize,
    /// The last interruption by a rescale; read while one is waited for, where Flink records them.
    pub interruption: Option<Interruption>,
    /// When its memory is to be stored again; `None` if it never was.
    pub store_after: Option<Timestamp>,
}

/// Random identities handed in for one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreshIds {
    /// 32 hex digits for a new job.
    pub job: String,
    /// 32 hex digits for a savepoint request.
    pub trigger: String,
    /// A unique mark for a deployment.
    pub deploy: String,
}

/// Reads that `decide` will look at, so that `observe` makes no others.
pub type Needs = BTreeSet<Need>;

/// One optional read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Pods of the cluster.
    Pods,
    /// Flink's REST interface.
    Rest,
    /// High-availability ConfigMaps.
    Ha,
    /// The pending savepoint operation.
    Savepoint,
    /// The recorded request for a snapshot.
    Snapshot,
    /// Checkpoints, if the job has ended.
    CheckpointsWhenTerminal,
    /// Checkpoints in any case.
    Checkpoints,
    /// Exceptions of the job, if it changed.
    Exceptions,
    /// Vertices and their parallelism.
    Vertices,
    /// A sample for the autoscaler, and what it remembers.
    Scaler,
    /// HorizontalPodAutoscalers of this resource.
    Hpa,
}
