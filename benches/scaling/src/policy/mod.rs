//! The contestants: each looks at a job every so often and may rescale it.

mod cpu;
mod ds2;
mod engine;
mod java;
mod lag;
mod oracle;

use anyhow::Result;
use flink_scaler::{VertexId, simulate::Job};

pub use cpu::Cpu;
pub use ds2::Ds2;
pub use engine::Engine;
pub use java::JavaAutoscaler;
pub use lag::Lag;
pub use oracle::{Peak, Plan};

/// Something that scales a job.
pub trait Contestant {
    /// Seconds between two looks.
    fn every(&self) -> u32;

    /// Reads the job and rescales it if it thinks fit.
    ///
    /// # Errors
    /// When it cannot be asked, such as a process that is gone.
    fn look(&mut self, job: &mut Job) -> Result<()>;
}

/// Rescales all vertices to the same number of subtasks, each as far as its key groups and partitions allow.
fn all_to(job: &mut Job, subtasks: u32) {
    let stages = &job.model().stages;
    let each: Vec<u32> = stages
        .iter()
        .map(|stage| subtasks.clamp(1, stage.most()))
        .collect();
    rescale(job, &each);
}

/// Rescales the vertices, by position.
fn rescale(job: &mut Job, subtasks: &[u32]) {
    let stages = job.model().stages.iter().zip(subtasks);
    let overrides = stages
        .filter_map(|(stage, n)| Some((VertexId::new(&stage.name).ok()?, *n)))
        .collect();
    job.rescale(&overrides);
}
