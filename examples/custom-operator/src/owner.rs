//! A validator: a job must say whose it is.

use flink_operator::domain::{Asked, Validator, Violation};
use kube::ResourceExt;

/// The label that names the team.
pub const OWNER: &str = "owner";

/// Refuses jobs without the label `owner`.
pub struct OwnerNeeded;

impl Validator for OwnerNeeded {
    fn name(&self) -> &'static str {
        "owner-needed"
    }

    fn deployment(&self, asked: &Asked<'_>) -> Vec<Violation> {
        if asked.resource.labels().contains_key(OWNER) {
            return Vec::new();
        }
        vec![Violation::new(
            "metadata.labels[owner]",
            "nobody owns this job",
            "Set it to the name of your team.",
        )]
    }
}
