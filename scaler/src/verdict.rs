//! What goes into a decision beside the readings, and what comes out of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    history::History,
    reason::{Block, Limit, Reason, VertexReason},
    topology::VertexId,
    units::{Rate, Ratio, Records},
};

/// How the job's checkpoints are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointHealth {
    /// They succeed, or none was due yet.
    Ok,
    /// The job takes none.
    Disabled,
    /// They fail; the text says since when or how often.
    Failing(String),
    /// None completes in time, for no other reason that Flink gives: what comes is too much for it, perhaps.
    Overdue {
        /// When the newest completed or, if none has, the job started.
        since: Timestamp,
        /// Since when, as a text.
        why: String,
    },
    /// It could not be read; the text says why.
    Unknown(String),
}

/// A rescale that was decided and may not show yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRescale {
    /// The parallelism it leads to.
    pub target: BTreeMap<VertexId, u32>,
    /// When it was decided.
    pub since: Timestamp,
}

/// What the job's TaskManagers are made of, and how many there may be. Unknown limits nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskManagers {
    /// CPUs of each.
    pub cpu: Option<f64>,
    /// Memory of each, in bytes.
    pub memory: Option<u64>,
    /// Slots of each.
    pub slots: u32,
    /// Slots in use.
    pub slots_used: Option<u32>,
    /// How many more the cluster has room for.
    pub room: Option<u32>,
    /// The slot sharing group of vertices; one that is not named is in Flink's default group.
    pub slot_groups: BTreeMap<VertexId, String>,
}

/// A person's word that nothing is to be done to the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Who said so, where, and how to take it back.
    pub text: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// The last time a rescale interrupted the job, as Flink recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interruption {
    /// When the job stopped.
    pub from: Timestamp,
    /// When it ran again.
    pub to: Timestamp,
}

/// What is known about the job at the moment of the decision.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent observations, not one state"
)]
pub struct Situation {
    /// Now.
    pub now: Timestamp,
    /// Whether the job's state is RUNNING.
    pub job_state_running: bool,
    /// Whether every task is running or has finished.
    pub all_tasks_running: bool,
    /// When the job last became RUNNING.
    pub running_since: Option<Timestamp>,
    /// How its checkpoints are doing.
    pub checkpoints_ok: CheckpointHealth,
    /// Whether it is restarting, or restarts again and again.
    pub restarting: bool,
    /// Another change of the job that is under way, such as an upgrade or a savepoint.
    pub change_in_progress: Option<String>,
    /// Whether Flink can change the parallelism without a restart of the cluster.
    pub in_place_possible: bool,
    /// The user's own `pipeline.jobvertex-parallelism-overrides`.
    pub user_overrides: BTreeMap<VertexId, u32>,
    /// The overrides that are in force.
    pub applied_overrides: BTreeMap<VertexId, u32>,
    /// The rescale under way.
    pub pending_rescale: Option<PendingRescale>,
    /// A person froze it.
    pub frozen: Option<Frozen>,
    /// Something else changes its parallelism too: what, and what to do about it.
    pub conflict: Option<String>,
    /// The last interruption by a rescale; `None` if Flink does not say.
    pub interruption: Option<Interruption>,
    /// Its TaskManagers; `None` if nothing is known of them.
    pub task_managers: Option<TaskManagers>,
}

impl Situation {
    /// A job that runs since `running_since`, healthy and undisturbed.
    pub const fn running(now: Timestamp, running_since: Timestamp) -> Self {
        Self {
            now,
            job_state_running: true,
            all_tasks_running: true,
            running_since: Some(running_since),
            checkpoints_ok: CheckpointHealth::Ok,
            restarting: false,
            change_in_progress: None,
            in_place_possible: true,
            user_overrides: BTreeMap::new(),
            applied_overrides: BTreeMap::new(),
            pending_rescale: None,
            frozen: None,
            conflict: None,
            interruption: None,
            task_managers: None,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Nothing, for this reason.
    Hold(Reason),
    /// Nothing, because the mode only allows to say what would be done: see the vertices and
    /// [`Verdict::recommended`].
    Advise,
    /// Rescale.
    Scale {
        /// The parallelism of every vertex that is not excluded, changed or not, and the user's own for
        /// those that are. To be put in force as a whole.
        overrides: BTreeMap<VertexId, u32>,
        /// Why.
        reason: Reason,
    },
}

/// The outcome for one vertex, with the figures it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct VertexVerdict {
    /// The vertex.
    pub id: VertexId,
    /// Its name.
    pub name: String,
    /// Its parallelism now.
    pub current: u32,
    /// What it should be; the current one if it is to be left alone.
    pub target: u32,
    /// Fewest subtasks that may be enough, given how much the readings scatter.
    pub lower: Option<u32>,
    /// Most subtasks that may be needed.
    pub upper: Option<u32>,
    /// What the load asks for before any limit.
    pub uncapped: Option<u32>,
    /// Why the target is what it is.
    pub reason: VertexReason,
    /// What made the target differ from what the load asks for.
    pub limit: Option<Limit>,
    /// Whether its utilization is outside its bounds.
    pub outside_band: bool,
    /// What it can process at its parallelism, fully busy.
    pub true_rate: Option<Rate>,
    /// What it could process at the target.
    pub expected_rate: Option<Rate>,
    /// What comes in if nothing upstream holds back.
    pub target_rate: Option<Rate>,
    /// Additional rate to work off what waits.
    pub catch_up_rate: Option<Rate>,
    /// Capacity below which it is scaled up.
    pub scale_up_threshold: Option<Rate>,
    /// Capacity above which it is scaled down; `None` also if it never is.
    pub scale_down_threshold: Option<Rate>,
    /// Busy share.
    pub utilization: Option<Ratio>,
    /// Share of time held back by what is downstream.
    pub backpressure: Option<Ratio>,
    /// Sources: records that wait.
    pub lag: Option<Records>,
    /// Most subtasks its key groups allow.
    pub max_parallelism: u32,
    /// Sources: partitions of what they read.
    pub partitions: Option<u32>,
}

impl VertexVerdict {
    /// Whether the vertex is to change.
    pub const fn changes(&self) -> bool {
        self.current != self.target
    }
}

/// The outcome of one step.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// Every vertex, in topological order; empty if nothing could be computed.
    pub vertices: Vec<VertexVerdict>,
    /// Everything that forbids to rescale now.
    pub blocked_by: Vec<Block>,
    /// When to ask again.
    pub next_evaluation: Timestamp,
    /// The history to keep, whatever is done.
    pub history: History,
}

impl Verdict {
    /// The verdict on a job that could not be read, for this reason: nothing is done and nothing is learned.
    pub fn unreadable(why: &str, now: Timestamp) -> Self {
        let block = Block::Unreadable(why.to_owned());
        Self {
            action: Action::Hold(Reason::Blocked(block.clone())),
            vertices: Vec::new(),
            blocked_by: vec![block],
            next_evaluation: now,
            history: History::default(),
        }
    }

    /// The vertices that would change and to what, whether or not that is done now.
    pub fn recommended(&self) -> BTreeMap<VertexId, u32> {
        let changing = self.vertices.iter().filter(|vertex| vertex.changes());
        changing
            .map(|vertex| (vertex.id.clone(), vertex.target))
            .collect()
    }

    /// Whether what is recommended may be had at all: no quota forbids it, and the cluster has room.
    pub fn may_be_had(&self) -> bool {
        let forbids = |block: &Block| {
            matches!(
                block,
                Block::QuotaReached { .. } | Block::ClusterFull { .. }
            )
        };
        !self.blocked_by.iter().any(forbids)
    }

    /// What to put in force as a whole: the target of every vertex that may be scaled, changed or not, and the
    /// user's own parallelism of those that may not.
    pub fn overrides(&self, users: &BTreeMap<VertexId, u32>) -> BTreeMap<VertexId, u32> {
        let of = |vertex: &VertexVerdict| match vertex.reason {
            VertexReason::Excluded => users.get(&vertex.id).copied(),
            _ => Some(vertex.target),
        };
        self.vertices
            .iter()
            .filter_map(|vertex| Some((vertex.id.clone(), of(vertex)?)))
            .collect()
    }
}
