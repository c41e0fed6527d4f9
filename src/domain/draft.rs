//! A plan while it is being made.
//!
//! The rule: `decide` reads the world and writes only here; the draft becomes a [`Plan`] once.

use std::time::Duration;

use flink_crds::{
    FlinkDeploymentSpec, FlinkDeploymentStatus, FlinkJobState, JobManagerDeploymentStatus,
    JobState, JobStatus, PendingKind, PendingOperation, ReconciliationState, TaskManagerInfo,
    UpgradeMode,
};
use flink_scaler::Verdict;
use jiff::Timestamp;

use super::error_form::{ErrorForm, error_field};
use super::observed::elapsed;
use super::recorded::{self, Recorded};
use super::{Announcement, Component, Desired, Observed, Plan, Reason, Sighting, Step, Waiting};

/// A change of the status once the steps are done.
type Afterwards = Box<dyn FnOnce(&mut FlinkDeploymentStatus)>;

/// A plan in the making.
pub struct Draft {
    /// The status to record.
    pub status: FlinkDeploymentStatus,
    steps: Vec<Step>,
    afterwards: Vec<Afterwards>,
    events: Vec<Announcement>,
    waiting: Vec<Waiting>,
    look_again: Option<Duration>,
    /// What the autoscaler said.
    pub verdict: Option<Box<Verdict>>,
    /// The error that was recorded before this pass: what it says has been told.
    told: Option<String>,
    /// What this pass found wrong.
    failures: Vec<(Reason, String)>,
    /// A step of this pass was refused before.
    pub refused: bool,
    errors: ErrorForm,
}

impl Draft {
    /// Begin from the recorded status.
    pub fn of(desired: &Desired, status: &FlinkDeploymentStatus) -> Self {
        Self {
            status: status.clone(),
            steps: Vec::new(),
            afterwards: Vec::new(),
            events: Vec::new(),
            waiting: Vec::new(),
            look_again: None,
            verdict: None,
            told: error_field(status, "message"),
            failures: Vec::new(),
            refused: false,
            errors: desired.errors.clone(),
        }
    }

    /// The finished plan.
    pub fn finish(self, desired: &Desired) -> Plan {
        let changed = |changes: Vec<Afterwards>| {
            let mut status = self.status.clone();
            for change in changes {
                change(&mut status);
            }
            Box::new(status)
        };
        let afterwards = self.afterwards;
        Plan {
            cluster: desired.address(),
            afterwards: (!afterwards.is_empty()).then(|| changed(afterwards)),
            status: self.status,
            steps: self.steps,
            events: self.events,
            waiting: self.waiting,
            look_again: self.look_again,
            verdict: self.verdict,
            errors: self.errors,
        }
    }

    /// Do this, and look at the result soon.
    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Record this once the steps are done.
    pub fn afterwards(&mut self, change: impl FnOnce(&mut FlinkDeploymentStatus) + 'static) {
        self.afterwards.push(Box::new(change));
    }

    /// Whether anything is to be done already.
    pub fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Something is wrong that a person has to mend: say so, and look again after this time.
    pub fn wait_for_a_person(
        &mut self,
        (component, reason): (Component, Reason),
        text: &str,
        again: Duration,
    ) {
        self.fail(component, reason, text);
        self.wait(Waiting::Person(text.to_owned()), again);
    }

    /// Nothing more happens now, because of this.
    pub fn wait(&mut self, waiting: Waiting, look_again: Duration) {
        self.waiting.push(waiting);
        self.look_again_in(look_again);
    }

    /// Look again after this long, or sooner if that was asked for already.
    pub fn look_again_in(&mut self, delay: Duration) {
        self.look_again = Some(self.look_again.map_or(delay, |present| present.min(delay)));
    }

    /// When the pass wants to look again, so far.
    pub fn look_again(&self) -> Option<Duration> {
        self.look_again
    }

    /// What is being waited for, as one text.
    pub fn waiting_text(&self) -> Option<String> {
        let texts: Vec<String> = self.waiting.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// Nothing goes on without a person.
    pub fn waits_for_a_person(&self) -> bool {
        self.waiting
            .iter()
            .any(|waiting| matches!(waiting, Waiting::Person(_)))
    }

    /// Tell people of something ordinary.
    pub fn tell(&mut self, component: Component, reason: Reason, message: impl Into<String>) {
        self.announce(false, component, reason, message.into());
    }

    /// Warn people.
    pub fn warn(&mut self, component: Component, reason: Reason, message: impl Into<String>) {
        self.announce(true, component, reason, message.into());
    }

    fn announce(&mut self, warning: bool, component: Component, reason: Reason, message: String) {
        self.say(Announcement {
            warning,
            reason,
            component,
            message,
            detail: None,
        });
    }

    /// Tell people of this.
    pub fn say(&mut self, announcement: Announcement) {
        self.events.push(announcement);
    }

    /// Record an error in the status and warn of it, once for as long as it stays the same. What
    /// else goes wrong in the same pass stands below it.
    pub fn fail(&mut self, component: Component, reason: Reason, message: &str) {
        let told = self
            .told
            .as_deref()
            .is_some_and(|told| told.contains(self.errors.shortened(message)));
        if !told {
            self.warn(component, reason.clone(), message);
        }
        self.failures.push((reason, message.to_owned()));
        self.status.error = self.failure_text();
    }

    /// What a step was refused for stands until the step is done: it is tried again, but not told again.
    pub fn keep_refusals(&mut self) {
        let told = self.told.clone().unwrap_or_default();
        let refused = |line: &&str| self.steps.iter().any(|step| step.is_told_of(line));
        let refusals: Vec<String> = told.lines().filter(refused).map(str::to_owned).collect();
        if refusals.is_empty() {
            return;
        }
        self.refused = true;
        let refusals = refusals.into_iter().map(|text| (Reason::Error, text));
        self.failures.extend(refusals);
        self.status.error = self.failure_text();
    }

    /// Whatever was wrong before this pass is so no longer.
    pub fn heal(&mut self) {
        self.status.error = self.failure_text();
    }

    /// What this pass found wrong, as the JSON document that tools of the Java operator read.
    fn failure_text(&self) -> Option<String> {
        let (first, _) = self.failures.first()?;
        let messages: Vec<&str> = self
            .failures
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        Some(self.errors.text(&first.to_string(), &messages))
    }

    /// The job's part of the status.
    pub fn job(&mut self) -> &mut JobStatus {
        self.status.job_status.get_or_insert_default()
    }

    /// The recorded job id.
    pub fn job_id(&self) -> Option<String> {
        self.status
            .job_status
            .as_ref()
            .and_then(|job| job.job_id.clone())
    }

    /// The recorded state of the job.
    pub fn job_state(&self) -> Option<FlinkJobState> {
        self.status.job_status.as_ref().and_then(|job| job.state)
    }

    /// When the job of the last start began, as Flink says; nothing if it was not seen since.
    pub fn began(&self) -> Option<&str> {
        let job = self.status.job_status.as_ref()?;
        job.start_time.as_deref()
    }

    /// The job's state as Flink tells it now.
    pub fn job_now(&self, observed: &Observed) -> Sighting<FlinkJobState> {
        self.job_id().map_or(Sighting::Absent, |id| {
            observed.job(&id).map(|job| job.state)
        })
    }

    /// Whether the job of the last start began and Flink certainly keeps nothing of it any more, as of one that has ended: what it
    /// saved is not to be found in the metadata.
    pub fn is_dropped(&self, observed: &Observed) -> bool {
        self.began().is_some() && !observed.ha.is_unknown() && !observed.has_job()
    }

    /// Whether the job runs: what was suspended keeps the state it was last seen in.
    pub fn job_runs(&self) -> bool {
        let suspended = |recorded: Recorded| {
            let job = recorded.job();
            job.is_some_and(|job| job.state == Some(JobState::Suspended))
        };
        self.job_state() == Some(FlinkJobState::Running) && !self.deployed().is_some_and(suspended)
    }

    /// Where the state to restore lies.
    pub fn restore_path(&self) -> Option<String> {
        self.status
            .job_status
            .as_ref()
            .and_then(|job| job.upgrade_savepoint_path.clone())
    }

    /// What is recorded as deployed.
    pub fn deployed(&self) -> Option<Recorded> {
        recorded::last_reconciled(&self.status)
    }

    /// The recorded phase.
    pub fn reconciliation(&self) -> ReconciliationState {
        self.status
            .reconciliation_status
            .as_ref()
            .and_then(|r| r.state)
            .unwrap_or_default()
    }

    /// The recorded state of the JobManager Deployment.
    pub fn job_manager(&self) -> JobManagerDeploymentStatus {
        self.status
            .job_manager_deployment_status
            .unwrap_or(JobManagerDeploymentStatus::Missing)
    }

    /// Record an operation before it is begun.
    pub fn begin(
        &mut self,
        kind: PendingKind,
        now: Timestamp,
        fill: impl FnOnce(&mut PendingOperation),
    ) {
        let mut pending = PendingOperation {
            kind: Some(kind),
            started_at: Some(now.to_string()),
            ..PendingOperation::default()
        };
        fill(&mut pending);
        self.status.pending = Some(pending);
    }

    /// Record `spec` as the one reconciled, in job state `state`, restored or suspended by `mode`.
    pub fn record(
        &mut self,
        desired: &Desired,
        now: Timestamp,
        spec: &FlinkDeploymentSpec,
        phase: ReconciliationState,
        state: JobState,
        mode: Option<UpgradeMode>,
    ) {
        let previous = self.deployed();
        let mut spec = spec.clone();
        if let Some(job) = &mut spec.job {
            job.state = Some(state);
            if let Some(mode) = mode {
                job.upgrade_mode = Some(mode);
            }
            // A nonce changed together with an upgrade must still fire afterwards.
            let before = previous.as_ref().and_then(Recorded::job);
            job.savepoint_trigger_nonce = before.and_then(|job| job.savepoint_trigger_nonce);
            job.checkpoint_trigger_nonce = before.and_then(|job| job.checkpoint_trigger_nonce);
            // Before the first start there is nothing to forget.
            if let Some(before) = before {
                job.autoscaler_reset_nonce = before.autoscaler_reset_nonce;
            }
        }
        let first = previous
            .as_ref()
            .is_none_or(|previous| previous.first_with(&spec));
        let text = recorded::write(&spec, first);
        let reconciliation = self.status.reconciliation_status.get_or_insert_default();
        reconciliation.last_reconciled_spec = Some(text);
        reconciliation.reconciliation_timestamp = Some(now.as_millisecond());
        reconciliation.state = Some(phase);
        self.heal();
        self.status.observed_generation = Some(desired.identity.generation);
        self.count_task_managers(desired, &spec, state);
    }

    /// The recorded spec, changed in place of the old text.
    pub fn rewrite(&mut self, change: impl FnOnce(&mut flink_crds::JobSpec)) {
        self.rewrite_spec(|spec| {
            if let Some(job) = &mut spec.job {
                change(job);
            }
        });
    }

    /// The recorded spec, changed in place of the old text.
    pub fn rewrite_spec(&mut self, change: impl FnOnce(&mut FlinkDeploymentSpec)) {
        rewrite(&mut self.status, change);
    }

    /// Record that the job was stopped, and in which way it is to be restored.
    pub fn suspend_recorded(&mut self, mode: UpgradeMode) {
        self.rewrite(|job| {
            job.state = Some(JobState::Suspended);
            job.upgrade_mode = Some(mode);
        });
        let reconciliation = self.status.reconciliation_status.get_or_insert_default();
        reconciliation.state = Some(ReconciliationState::Upgrading);
        self.status.task_manager = Some(TaskManagerInfo {
            label_selector: Some(String::new()),
            replicas: Some(0),
        });
    }

    /// Record in which way the job is being stopped.
    pub fn set_recorded_mode(&mut self, mode: UpgradeMode) {
        self.rewrite(|job| job.upgrade_mode = Some(mode));
    }

    /// The JobManager is gone or down: whether its job runs is not known, unless it had ended.
    pub fn job_lost_sight(&mut self) {
        let ended = self
            .job_state()
            .is_some_and(FlinkJobState::is_globally_terminal);
        if !ended && self.job_state().is_some() {
            self.job().state = Some(FlinkJobState::Reconciling);
        }
    }

    /// TaskManagers that are really there, so that a HorizontalPodAutoscaler reads no nonsense.
    pub fn true_task_managers(&mut self, count: u32) {
        if let Some(info) = &mut self.status.task_manager
            && info
                .label_selector
                .as_deref()
                .is_some_and(|selector| !selector.is_empty())
            && count > 0
        {
            info.replicas = i32::try_from(count).ok();
        }
    }

    /// Mark what is recorded as proven.
    pub fn mark_stable(&mut self) {
        mark_stable(&mut self.status);
    }

    fn count_task_managers(
        &mut self,
        desired: &Desired,
        spec: &FlinkDeploymentSpec,
        state: JobState,
    ) {
        let running = spec.job.is_none() || state == JobState::Running;
        self.status.task_manager = Some(if running {
            TaskManagerInfo {
                label_selector: Some(format!(
                    "component=taskmanager,app={}",
                    desired.identity.name
                )),
                replicas: Some(desired.settings.task_managers(spec)),
            }
        } else {
            TaskManagerInfo {
                label_selector: Some(String::new()),
                replicas: Some(0),
            }
        });
    }

    /// Seconds since the pending operation was begun.
    pub fn pending_for(&self, observed: &Observed) -> Duration {
        let started = self
            .status
            .pending
            .as_ref()
            .and_then(|pending| pending.started_at.as_deref())
            .and_then(|text| text.parse::<Timestamp>().ok());
        started.map_or(Duration::ZERO, |started| elapsed(started, observed.now))
    }
}

/// Change the recorded spec beside what runs; what was proven stays so.
pub fn take_down(
    status: &mut FlinkDeploymentStatus,
    change: impl FnOnce(&mut FlinkDeploymentSpec),
) {
    let proven = is_proven(status);
    rewrite(status, change);
    if proven {
        mark_stable(status);
    }
}

fn rewrite(status: &mut FlinkDeploymentStatus, change: impl FnOnce(&mut FlinkDeploymentSpec)) {
    let Some(recorded) = recorded::last_reconciled(status) else {
        return;
    };
    let mut spec = recorded.spec().clone();
    change(&mut spec);
    let text = recorded::write(&spec, recorded.first_deployment());
    let reconciliation = status.reconciliation_status.get_or_insert_default();
    reconciliation.last_reconciled_spec = Some(text);
}

/// What is recorded has run well.
fn is_proven(status: &FlinkDeploymentStatus) -> bool {
    let stable = recorded::last_stable(status);
    let deployed = recorded::last_reconciled(status);
    stable
        .zip(deployed)
        .is_some_and(|(stable, deployed)| stable.same_as(&deployed))
}

fn mark_stable(status: &mut FlinkDeploymentStatus) {
    let reconciliation = status.reconciliation_status.get_or_insert_default();
    reconciliation.last_stable_spec = reconciliation.last_reconciled_spec.clone();
}
