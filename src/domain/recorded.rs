//! The specs recorded in the status, in the Java operator's format.
//!
//! The rule: they are compared by meaning, never as text, so that a take-over changes nothing.

use flink_crds::{FlinkDeploymentSpec, FlinkDeploymentStatus, JobSpec};
use serde_json::{Value, json};

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
    let document: Value = serde_json::from_str(text).ok()?;
    let (spec, metadata) = match document.get("spec") {
        Some(spec) => (spec.clone(), document.get("resource_metadata").cloned()),
        None => (document, None),
    };
    let first = metadata
        .as_ref()
        .and_then(|metadata| metadata.get("firstDeployment"))
        .and_then(Value::as_bool)
        .unwrap_or_default();
    Some(Recorded {
        spec: serde_json::from_value(spec).ok()?,
        first,
    })
}

/// The text to record.
pub fn write(spec: &FlinkDeploymentSpec, first: bool) -> String {
    json!({
        "spec": spec,
        "resource_metadata": {
            "apiVersion": flink_crds::API_VERSION,
            "firstDeployment": first,
        },
    })
    .to_string()
}
