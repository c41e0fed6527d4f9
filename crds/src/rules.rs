//! CEL rules that the API server checks.
//!
//! One rule: they refuse only what can never be right. What is merely missing may still be filled
//! in by a mutator, so it is the operator that complains about it, in the status. Where a change is
//! refused, that is so only once something has been deployed. Rules on names look at creation only,
//! so that an object that exists can always be updated and deleted.
//!
//! Tests: `tests/it/rules.rs`, and against a real API server in the operator's own tests.

use kube::core::{Message, Reason, Rule};

/// True once the operator has recorded a deployed spec.
const DEPLOYED: &str = "has(self.spec) && has(oldSelf.spec) && has(oldSelf.status) \
    && has(oldSelf.status.reconciliationStatus) \
    && has(oldSelf.status.reconciliationStatus.lastReconciledSpec)";

/// A rule on how `field` may change once something is deployed.
fn once_deployed(field: &str, rule: &str) -> Rule {
    Rule::new(format!("!({DEPLOYED}) || ({rule})"))
        .field_path(field)
        .reason(Reason::FieldValueForbidden)
}

/// The name is a DNS label of at most `length` characters that begins with a letter.
pub(crate) fn name_of_at_most(length: usize) -> Rule {
    let middle = length.saturating_sub(2);
    let rule = format!(
        "oldSelf.hasValue() || self.metadata.name.matches('^[a-z]([-a-z0-9]{{0,{middle}}}[a-z0-9])?$')"
    );
    let message = format!(
        "metadata.name must begin with a letter, hold only lower-case letters, digits and \
         hyphens, not end with a hyphen, and be no longer than {length}"
    );
    Rule::new(rule)
        .optional_old_self(true)
        .message(Message::Message(message))
}

/// A reference to a deployment is a name a deployment can have.
pub(crate) fn deployment_name() -> Rule {
    Rule::new("self.matches('^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$')")
        .message("must be the name of a FlinkDeployment in the same namespace")
}

/// A session job stays with its cluster.
pub(crate) fn deployment_name_stays() -> Rule {
    once_deployed(
        ".spec.deploymentName",
        "has(self.spec.deploymentName) == has(oldSelf.spec.deploymentName) && \
         (!has(self.spec.deploymentName) || self.spec.deploymentName == oldSelf.spec.deploymentName)",
    )
    .message("cannot change: create a new FlinkSessionJob instead")
}

/// An application stays an application, a session cluster stays one.
pub(crate) fn job_stays() -> Rule {
    once_deployed(".spec.job", "has(self.spec.job) == has(oldSelf.spec.job)").message(
        "cannot be added or removed, since an application cannot become a session cluster or the \
         reverse: create a new FlinkDeployment instead",
    )
}

/// Native stays native, standalone stays standalone.
pub(crate) fn mode_stays() -> Rule {
    once_deployed(
        ".spec.mode",
        "(has(self.spec.mode) && self.spec.mode == 'standalone') == \
         (has(oldSelf.spec.mode) && oldSelf.spec.mode == 'standalone')",
    )
    .message("cannot change: create a new FlinkDeployment instead")
}

/// Redeploying from a savepoint needs one.
pub(crate) fn redeploy_has_savepoint() -> Rule {
    once_deployed(
        ".spec.job.savepointRedeployNonce",
        "!has(self.spec.job) || !has(self.spec.job.savepointRedeployNonce) || \
         has(self.spec.job.initialSavepointPath) || (has(oldSelf.spec.job) && \
         has(oldSelf.spec.job.savepointRedeployNonce) && \
         self.spec.job.savepointRedeployNonce == oldSelf.spec.job.savepointRedeployNonce)",
    )
    .message("a change needs spec.job.initialSavepointPath, the savepoint to redeploy from")
}

/// An application's parallelism is positive, or follows from the number of task managers.
pub(crate) fn parallelism() -> Rule {
    Rule::new(
        "!has(self.job) || !has(self.job.parallelism) || self.job.parallelism > 0 || \
         (has(self.taskManager) && has(self.taskManager.replicas))",
    )
    .field_path(".job.parallelism")
    .message("must be at least 1, unless taskManager.replicas is set")
}

/// A session job's parallelism is positive.
pub(crate) fn session_parallelism() -> Rule {
    Rule::new("!has(self.job) || !has(self.job.parallelism) || self.job.parallelism > 0")
        .field_path(".job.parallelism")
        .message("must be at least 1")
}

/// Only the two files that Flink's images read.
pub(crate) fn log_files() -> Rule {
    Rule::new("self.all(name, name in ['log4j-console.properties', 'logback-console.xml'])")
        .message("only log4j-console.properties and logback-console.xml can be configured")
}

/// One of the policies of Kubernetes, in any case, as Flink reads it.
pub(crate) fn pull_policy() -> Rule {
    Rule::new("self.matches('(?i)^\\\\s*(always|ifnotpresent|never)?\\\\s*$')")
        .message("must be Always, IfNotPresent or Never")
}

/// More than nothing.
pub(crate) fn positive() -> Rule {
    Rule::new("self > 0.0").message("must be more than 0")
}

/// One kind of snapshot.
pub(crate) fn savepoint_or_checkpoint() -> Rule {
    Rule::new("has(self.savepoint) != has(self.checkpoint)")
        .message("exactly one of savepoint and checkpoint must be set")
}

/// A snapshot that is to be taken is one of a job.
pub(crate) fn job_reference() -> Rule {
    Rule::new(
        "(has(self.savepoint) && has(self.savepoint.alreadyExists) && \
         self.savepoint.alreadyExists) || (has(self.jobReference) && \
         has(self.jobReference.kind) && has(self.jobReference.name))",
    )
    .message("jobReference with kind and name must be set, unless savepoint.alreadyExists is true")
}
