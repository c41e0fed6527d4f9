//! Backtest: what the autoscaler would have done with a job of the past.
//!
//! From a recording follow what came to the sources and what each vertex could do; with these a model of the job is
//! made, and each policy runs it in virtual time. The rule: what was measured and what is estimated are never mixed.
//! Load and the course that really happened are measured; every other course is the model's, and so is the course
//! `as recorded`, in which the model does what was really done: as far as that one is off, so are the others.
//! Tests are in `tests/it/backtest.rs`.

mod beside;
mod course;
mod model;
mod recorded;

use jiff::Timestamp;
use serde::Serialize;

pub use beside::{Beside, Figure, beside};
pub use course::{Course, Rescaled};
pub use model::{Basis, Known};

use crate::{
    history::History,
    sample::Sample,
    settings::{Mode, Settings},
    topology::{GraphError, JobGraph},
};

/// A job of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    graph: JobGraph,
    samples: Vec<Sample>,
    history: History,
}

impl Recording {
    /// Samples in any order, perhaps some of them twice; what is known of the job from before.
    pub fn new(graph: JobGraph, mut samples: Vec<Sample>, history: History) -> Self {
        samples.sort_by_key(|sample| sample.at);
        samples.dedup_by_key(|sample| sample.at);
        Self {
            graph,
            samples,
            history,
        }
    }

    /// The job graph.
    pub const fn graph(&self) -> &JobGraph {
        &self.graph
    }

    /// How many samples there are.
    pub const fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// Something that would have scaled the job.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What it is called in the answer.
    pub name: String,
    /// The autoscaler's settings; whatever the mode is, it acts.
    pub settings: Settings,
}

impl Policy {
    fn acting(&self) -> Settings {
        Settings {
            enabled: Some(true),
            mode: Some(Mode::Auto),
            scaling_enabled: true,
            ..self.settings.clone()
        }
    }
}

/// What is taken for granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assumptions {
    /// Seconds a rescale takes; `None` takes what was measured.
    pub restart: Option<f64>,
    /// Seconds a record may wait.
    pub late: f64,
    /// Seconds between two looks of the autoscaler.
    pub every: u32,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            restart: None,
            late: 60.0,
            every: 10,
        }
    }
}

/// What a rescale is taken to last, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartFrom {
    /// The user says so.
    Given,
    /// The restarts in the recording.
    Recording,
    /// Rescales the autoscaler remembers.
    History,
    /// `job.autoscaler.restart.time`, for want of anything measured.
    Settings,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// When the recording begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Samples in it.
    pub samples: usize,
    /// Seconds a rescale takes in the model.
    pub restart_seconds: f64,
    /// Where that comes from.
    pub restart_from: RestartFrom,
    /// Seconds after which a record is late.
    pub late_after: f64,
    /// What is known of each vertex.
    pub vertices: Vec<Known>,
    /// What really happened, then the same by the model, then each policy.
    pub courses: Vec<Course>,
    /// What to keep in mind.
    pub notes: Vec<String>,
}

/// Why a recording is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The job graph cannot be used.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// There is next to nothing.
    #[error(
        "the recording has {0} samples of the job's vertices; two that lie a minute apart are the least"
    )]
    TooShort(usize),
    /// There is no load.
    #[error("the recording shows nothing that comes to any source; record while the job has load")]
    NoLoad,
    /// The model is of another job.
    #[error(
        "the model's stage '{0}' is no vertex of the job; stages are called as Flink's vertices are"
    )]
    StrangeStage(String),
}

/// What the policies would have done.
///
/// # Errors
/// Why the recording is of no use.
pub fn backtest(
    recording: &Recording,
    policies: &[Policy],
    assumptions: &Assumptions,
) -> Result<Backtest, Unusable> {
    let topology = recording.graph.topology()?;
    let past = recorded::Past::of(&topology, &recording.samples)?;
    let defaults = Settings::default();
    let settings = policies
        .first()
        .map_or(&defaults, |policy| &policy.settings);
    let restart = past.restart(settings, &recording.history, assumptions);
    let made = model::of(&topology, &past, &recording.history, (settings, restart.0));
    let mut courses = vec![
        past.course(assumptions),
        course::repeated(&past, &made.model, assumptions),
    ];
    courses.extend(
        policies
            .iter()
            .map(|policy| course::played(&past, &made.model, policy, assumptions)),
    );
    Ok(Backtest {
        from: past.start,
        to: past.end,
        samples: recording.len(),
        restart_seconds: restart.0,
        restart_from: restart.1,
        late_after: assumptions.late,
        vertices: made.vertices,
        courses,
        notes: made.notes,
    })
}
