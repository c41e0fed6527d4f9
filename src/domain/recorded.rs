//! The specs recorded in the status, in the Java operator's format.
//!
//! The rule: they are compared by meaning, never as text, so that a take-over changes nothing.

use flink_crds::{FlinkDeploymentSpec, FlinkDeploymentStatus, JobSpec, RecordedSpec};

use super::change::{SpecChange, change_of};

pub use flink_crds::LAST_STATE_PATH;

/// A spec that was recorded as deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    spec: FlinkDeploymentSpec,
    first: bool,
}

impl Recorded {
    /// The spec.
    pub fn spec(&self) -> &FlinkDeploymentSpec {
        &self.spec
    }

    /// Its job; `None` for a session cluster.
    pub fn job(&self) -> Option<&JobSpec> {
        self.spec.job.as_ref()
    }

    /// It is the first that was ever deployed.
    pub fn first_deployment(&self) -> bool {
        self.first
    }

    /// Recording `spec` goes on with the first deployment.
    pub fn first_with(&self, spec: &FlinkDeploymentSpec) -> bool {
        let mut spec = spec.clone();
        if let (Some(job), Some(before)) = (&mut spec.job, self.job()) {
            job.state = before.state;
        }
        self.first && change_of(&self.spec, &spec).effect <= SpecChange::Ignore
    }

    /// Both mean the same deployment.
    pub fn same_as(&self, other: &Self) -> bool {
        change_of(&self.spec, &other.spec).effect == SpecChange::None
    }
}

/// What is recorded as deployed, or being deployed.
pub fn last_reconciled(status: &FlinkDeploymentStatus) -> Option<Recorded> {
    parse(
        status
            .reconciliation_status
            .as_ref()?
            .last_reconciled_spec
            .as_deref()?,
    )
}

/// What last ran well.
pub fn last_stable(status: &FlinkDeploymentStatus) -> Option<Recorded> {
    parse(
        status
            .reconciliation_status
            .as_ref()?
            .last_stable_spec
            .as_deref()?,
    )
}

fn parse(text: &str) -> Option<Recorded> {
    let record: RecordedSpec = text.parse().ok()?;
    let spec = record.spec().ok()?;
    Some(Recorded {
        spec,
        first: record.is_first_deployment(),
    })
}

/// The text to record.
pub fn write(spec: &FlinkDeploymentSpec, first: bool) -> String {
    RecordedSpec::new(spec, first).to_string()
}
