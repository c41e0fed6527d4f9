//! The specs recorded in the status, in the Java operator's format.
//!
//! The rule: they are compared by meaning, never as text, so that a take-over changes nothing. A pass asks for
//! the same few texts many times; what they say is read once.

use std::cell::RefCell;
use std::sync::Arc;

use flink_crds::{FlinkDeploymentSpec, FlinkDeploymentStatus, JobSpec, RecordedSpec};

use super::change::{SpecChange, change_of};

pub use flink_crds::LAST_STATE_PATH;

/// Texts whose meaning is kept: the one before a pass, the ones that it writes, and the one that is proven.
const KEPT: usize = 4;

thread_local! {
    /// The texts read last, newest first, and what they say. A memo and no memory: the same text always says the same.
    static READ: RefCell<Vec<(String, Option<Recorded>)>> = const { RefCell::new(Vec::new()) };
}

/// A spec that was recorded as deployed. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    spec: Arc<FlinkDeploymentSpec>,
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
    READ.with_borrow_mut(|read| {
        if let Some((_, recorded)) = read.iter().find(|(known, _)| known == text) {
            return recorded.clone();
        }
        let recorded = parse_anew(text);
        read.truncate(KEPT - 1);
        read.insert(0, (text.to_owned(), recorded.clone()));
        recorded
    })
}

fn parse_anew(text: &str) -> Option<Recorded> {
    let record: RecordedSpec = text.parse().ok()?;
    let spec = record.spec().ok()?;
    Some(Recorded {
        spec: Arc::new(spec),
        first: record.is_first_deployment(),
    })
}

/// The text to record.
pub fn write(spec: &FlinkDeploymentSpec, first: bool) -> String {
    RecordedSpec::new(spec, first).to_string()
}
