//! Kubernetes conditions: `Running` as the Java operator writes it, the three of kstatus, `AbleToScale` where
//! the autoscaler looks after the job, and `Overruled` where the operator's configuration stands over the spec.
//!
//! The rule: a transition time changes only with the status of its condition.

use flink_crds::{
    AutoscalerStatus, FlinkDeploymentStatus, JobManagerDeploymentStatus as Jm, JobState,
    LifecycleState,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::draft::Draft;
use super::error_form::error_field;
use super::{Component, Desired, Observed, Reason};

/// Work out all conditions from the status as it will be written.
pub fn set(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    let waiting = draft.waiting_text();
    let lifecycle = draft.status.lifecycle_state.unwrap_or_default();
    let failed = lifecycle == LifecycleState::Failed
        || !desired.violations.is_empty()
        || draft.waits_for_a_person()
        || draft.refused;
    let behind = draft.status.observed_generation != Some(desired.identity.generation);
    let settled = match lifecycle {
        LifecycleState::Stable | LifecycleState::Suspended | LifecycleState::RolledBack => true,
        // Created suspended: there is nothing to do until it is resumed.
        LifecycleState::Created => desired.job_state() == JobState::Suspended,
        _ => false,
    };
    let busy = !failed
        && (behind || draft.status.pending.is_some() || !settled)
        && lifecycle != LifecycleState::Deleted;
    let serving = settled && draft.status.error.is_none();
    let doing = draft
        .status
        .pending
        .as_ref()
        .and_then(|pending| pending.kind)
        .map_or_else(|| camel(&lifecycle.to_string()), |kind| kind.to_string());
    let error = error_message(&draft.status);
    let mut next = Vec::new();
    if let Some((on, reason, message)) = running(&draft.status, desired.is_application()) {
        next.push(Fact::new("Running", on, &reason, message));
    }
    next.push(Fact::new(
        "Ready",
        serving,
        &camel(&lifecycle.to_string()),
        error.clone().unwrap_or_default(),
    ));
    next.push(Fact::new(
        "Reconciling",
        busy,
        &doing,
        if busy {
            waiting.clone().unwrap_or_default()
        } else {
            String::new()
        },
    ));
    next.push(Fact::new(
        "Stalled",
        failed,
        &if failed {
            stalled_reason(desired, &draft.status)
        } else {
            "Progressing".to_owned()
        },
        if failed {
            let refusal = error.clone().filter(|_| draft.refused);
            refusal.or(waiting).or(error).unwrap_or_default()
        } else {
            String::new()
        },
    ));
    next.extend(draft.status.autoscaler.as_ref().map(able_to_scale));
    let overruled = overruled(desired);
    if let Some(text) = overruled.as_deref().filter(|text| is_news(draft, text)) {
        draft.warn(Component::Operator, Reason::EnforcedConfiguration, text);
    }
    next.extend(overruled.map(|text| Fact::new(OVERRULED, true, ENFORCED, text)));
    let old = draft.status.conditions.take().unwrap_or_default();
    let generation = Some(desired.identity.generation);
    draft.status.conditions = Some(conditions(&old, next, generation, observed.now));
}

const OVERRULED: &str = "Overruled";
const ENFORCED: &str = "EnforcedConfiguration";

/// What of the spec has no say.
fn overruled(desired: &Desired) -> Option<String> {
    let all = &desired.overruled;
    let told: Vec<String> = all.iter().map(ToString::to_string).collect();
    (!told.is_empty()).then(|| {
        format!(
            "The operator's configuration enforces other values than this spec has: {}",
            told.join("; ")
        )
    })
}

/// Whether the condition does not say so yet: it is told once for as long as it stays the same.
fn is_news(draft: &Draft, text: &str) -> bool {
    let mut present = draft.status.conditions.iter().flatten();
    !present.any(|condition| condition.type_ == OVERRULED && condition.message == text)
}

/// Whether what the autoscaler finds is also done, and what is in its way.
fn able_to_scale(scaler: &AutoscalerStatus) -> Fact {
    let (on, reason, text) = match (&scaler.conflict, &scaler.frozen, scaler.mode.as_deref()) {
        (Some(conflict), ..) => (false, "ScalingConflict", conflict.as_str()),
        (None, Some(frozen), _) => (false, "Frozen", frozen.as_str()),
        (None, None, Some("auto" | "initial")) => (true, "ReadyForNewScale", ""),
        (None, None, _) => (false, "RecommendsOnly", ""),
    };
    Fact::new("AbleToScale", on, reason, text.to_owned())
}

fn stalled_reason(desired: &Desired, status: &FlinkDeploymentStatus) -> String {
    if !desired.violations.is_empty() {
        return "ValidationError".to_owned();
    }
    error_field(status, "type").unwrap_or_else(|| "Failed".to_owned())
}

/// One condition before it is known since when it is so.
pub struct Fact {
    kind: &'static str,
    on: bool,
    reason: String,
    message: String,
}

impl Fact {
    /// Condition `kind` is `on`, for this reason.
    pub fn new(kind: &'static str, on: bool, reason: &str, message: String) -> Self {
        Self {
            kind,
            on,
            reason: reason.to_owned(),
            message,
        }
    }
}

/// The conditions these facts make, after `old` ones.
pub fn conditions(
    old: &[Condition],
    facts: impl IntoIterator<Item = Fact>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |fact: Fact| {
        let status = if fact.on { "True" } else { "False" };
        let since = old
            .iter()
            .find(|condition| condition.type_ == fact.kind && condition.status == status)
            .map_or(Time(now), |condition| {
                condition.last_transition_time.clone()
            });
        Condition {
            type_: fact.kind.to_owned(),
            status: status.to_owned(),
            reason: fact.reason,
            message: fact.message,
            last_transition_time: since,
            observed_generation: generation,
        }
    };
    facts.into_iter().map(condition).collect()
}

fn running(status: &FlinkDeploymentStatus, application: bool) -> Option<(bool, String, String)> {
    let jm = status.job_manager_deployment_status.unwrap_or(Jm::Missing);
    if application {
        let state = status.job_status.as_ref().and_then(|job| job.state)?;
        let text = state.to_string();
        return Some((
            text == "RUNNING",
            camel(&text),
            format!("Job status {text}"),
        ));
    }
    status.reconciliation_status.as_ref()?;
    let (reason, message) = match jm {
        Jm::Ready => (
            "JobManagerReady",
            "JobManager is running and ready to receive REST API calls",
        ),
        Jm::DeployedNotReady => (
            "DeployedNotReady",
            "JobManager is running, its REST interface is not up yet",
        ),
        Jm::Deploying => ("JobManagerIsDeploying", "JobManager process is starting up"),
        Jm::Missing => (
            "JobManagerDeploymentMissing",
            "JobManager deployment not found",
        ),
        Jm::Error => ("Error", "JobManager deployment failed"),
    };
    Some((jm == Jm::Ready, reason.to_owned(), message.to_owned()))
}

fn error_message(status: &FlinkDeploymentStatus) -> Option<String> {
    error_field(status, "message").or_else(|| status.error.clone())
}

/// `ROLLED_BACK` to `RolledBack`: a valid reason token.
pub fn camel(upper: &str) -> String {
    upper
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            let head = letters.next().map(|c| c.to_ascii_uppercase());
            head.into_iter()
                .chain(letters.map(|c| c.to_ascii_lowercase()))
                .collect::<Vec<_>>()
        })
        .collect()
}
