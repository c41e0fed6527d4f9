//! The stage of a scenario: a resource, what is seen of the world, and the status so far.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flink_crds::{FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, FlinkJobState};
use flink_operator::config::{Defaults, FlinkConfig};
use flink_operator::domain::{
    Checkpoints, ClusterInfo, Desired, FINALIZER, HaMetadata, IngressView, Job, JobManager,
    Observed, PodFailure, Pods, SavepointProgress, Sighting, Step, Vertex, decide, needs,
};
use flink_operator::resources::ingress::mark_of;
use flink_scaler::{DecisionLog, History};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::outcome::{PROCESS_SIZE, autoscaler, text};
use super::readings::view;
use super::snapshots::{recorded, snapshot, snapshots};

/// Everything a line of a scenario can change.
pub struct Stage {
    object: FlinkDeployment,
    observed: Observed,
    /// The operator's configuration.
    operator: FlinkConfig,
    /// Of the Ingress that was last applied.
    ingress_mark: Option<String>,
    passes: u64,
}

impl Default for Stage {
    fn default() -> Self {
        let mut object = FlinkDeployment::new("basic", FlinkDeploymentSpec::default());
        object.metadata.namespace = Some("default".to_owned());
        object.metadata.uid = Some("uid-1".to_owned());
        object.metadata.generation = Some(1);
        object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        object.metadata.creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
        Self {
            object,
            observed: Observed {
                checkpoints: Sighting::Seen(Checkpoints::default()),
                ..Observed::nothing(now)
            },
            operator: FlinkConfig::new(),
            ingress_mark: None,
            passes: 0,
        }
    }
}

type Outcome = Result<(), String>;

impl Stage {
    /// Apply one line.
    pub fn set(&mut self, line: &str) -> Outcome {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "spec" => self.spec(rest),
            "see" => self.see(rest),
            "later" => self.later(rest),
            "delete" => {
                self.object.metadata.deletion_timestamp = Some(
                    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.observed.now),
                );
                Ok(())
            }
            "annotate" => self.annotate(rest),
            "operator" => self.operator(rest),
            "pass" => Ok(()),
            other => Err(format!(
                "unknown verb {other:?}; use spec, annotate, operator, see, later, delete or pass"
            )),
        }
    }

    /// `spec upgrade=savepoint ha=on parallelism=2 ...`: merged over the present spec; `%20` is a space.
    fn spec(&mut self, rest: &str) -> Outcome {
        let mut spec = serde_json::to_value(&self.object.spec).map_err(|e| e.to_string())?;
        if self.passes == 0 && spec.get("image").is_none_or(Value::is_null) {
            spec = base_spec();
        }
        for word in rest.split_whitespace() {
            let (key, value) = word.split_once('=').ok_or("expected key=value")?;
            apply(&mut spec, key, value);
        }
        let next: FlinkDeploymentSpec =
            serde_json::from_value(spec).map_err(|error| error.to_string())?;
        if self.passes > 0 && next != self.object.spec {
            self.object.metadata.generation = self.object.metadata.generation.map(|g| g + 1);
        }
        self.object.spec = next;
        Ok(())
    }

    /// `annotate key=value`; without a value the annotation is taken off.
    fn annotate(&mut self, rest: &str) -> Outcome {
        let (key, value) = rest.split_once('=').ok_or("expected key=value")?;
        let annotations = self.object.metadata.annotations.get_or_insert_default();
        if value.is_empty() {
            annotations.remove(key);
        } else {
            annotations.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// `operator key=value ...`: the operator's own configuration, in place of what it was.
    fn operator(&mut self, rest: &str) -> Outcome {
        let pairs = rest.split_whitespace().map(|word| word.split_once('='));
        let pairs: Option<FlinkConfig> = pairs
            .collect::<Option<Vec<_>>>()
            .map(FlinkConfig::from_iter);
        self.operator = pairs.ok_or("expected key=value")?;
        Ok(())
    }

    fn later(&mut self, rest: &str) -> Outcome {
        let seconds: i64 = rest
            .trim_end_matches('s')
            .parse()
            .map_err(|_| "expected seconds")?;
        self.observed.now += SignedDuration::from_secs(seconds);
        Ok(())
    }

    /// `see jm=ready job=RUNNING ha=checkpoint savepoint=done:/path ...`
    fn see(&mut self, rest: &str) -> Outcome {
        for word in rest.split_whitespace() {
            let (what, how) = word.split_once('=').ok_or("expected what=how")?;
            match what {
                "jm" => self.observed.job_manager = self.job_manager(how)?,
                "managers" => {
                    let registered = how
                        .parse()
                        .map_err(|_| "expected a number of TaskManagers")?;
                    self.observed.cluster = Some(ClusterInfo {
                        task_managers: Some(registered),
                        ..ClusterInfo::default()
                    });
                }
                "pods" => self.observed.pods = pods(how, self.observed.now)?,
                "job" => self.observed.jobs = self.jobs(how)?,
                "ha" => self.observed.ha = ha(how)?,
                "savepoint" => self.observed.savepoint = savepoint(how)?,
                "ingress" => self.observed.ingress = self.ingress(how)?,
                "snapshots" => self.observed.snapshots = snapshots(how, self.observed.now)?,
                "snapshot" => self.observed.snapshot = snapshot(how)?,
                "checkpoints" => self.observed.checkpoints = checkpoints(how, self.observed.now)?,
                "scaler" => self.observed.scaler = view(how, self.observed.now, self.memory())?,
                "hpa" => self.observed.hpa = hpa(how),
                "vertices" => self.observed.vertices = vertices(how)?,
                other => return Err(format!("cannot see {other:?}")),
            }
        }
        Ok(())
    }

    /// What the autoscaler kept after the last pass.
    fn memory(&self) -> (History, DecisionLog) {
        let view = self.observed.scaler.seen();
        view.map(|view| (view.history.clone(), view.decisions.clone()))
            .unwrap_or_default()
    }

    fn job_manager(&self, how: &str) -> Result<Sighting<JobManager>, String> {
        let pending = self
            .object
            .status
            .as_ref()
            .and_then(|status| status.pending.as_ref());
        let present = self.observed.job_manager.seen();
        let base = JobManager {
            uid: "jm-1".to_owned(),
            ours: true,
            generation: self
                .object
                .status
                .as_ref()
                .and_then(|status| status.observed_generation),
            deploy_id: present
                .and_then(|jm| jm.deploy_id.clone())
                .or_else(|| pending.and_then(|pending| pending.trigger_id.clone())),
            replicas: 1,
            available: 1,
            created_at: Some(self.observed.now),
            accompanied: true,
            ..JobManager::default()
        };
        Ok(match how {
            "absent" => Sighting::Absent,
            "unknown" => Sighting::Unknown("the API server does not answer".to_owned()),
            "ready" => Sighting::Seen(base),
            "new" => Sighting::Seen(JobManager {
                available: 0,
                deploy_id: pending.and_then(|pending| pending.trigger_id.clone()),
                ..base
            }),
            "alone" => Sighting::Seen(JobManager {
                available: 0,
                accompanied: false,
                ..base
            }),
            "starting" => Sighting::Seen(JobManager {
                available: 0,
                ..base
            }),
            "stuck" => Sighting::Seen(JobManager {
                available: 0,
                never_started: true,
                ..base
            }),
            "deleting" => Sighting::Seen(JobManager {
                deleting: true,
                ..base
            }),
            "foreign" => Sighting::Seen(JobManager {
                ours: false,
                deploy_id: None,
                ..base
            }),
            "java" => Sighting::Seen(JobManager {
                deploy_id: None,
                ..base
            }),
            other => return Err(format!("unknown JobManager {other:?}")),
        })
    }

    /// `absent`, `unknown`, `foreign`, `java`, or `as-asked`: what the last step made.
    fn ingress(&self, how: &str) -> Result<Sighting<IngressView>, String> {
        let ours = |mark: Option<&str>| {
            Sighting::Seen(IngressView {
                ours: true,
                mark: mark.map(str::to_owned),
            })
        };
        Ok(match how {
            "absent" => Sighting::Absent,
            "unknown" => Sighting::Unknown("Ingresses cannot be listed".to_owned()),
            "foreign" => Sighting::Seen(IngressView::default()),
            "java" => ours(None),
            "as-asked" => ours(self.ingress_mark.as_deref()),
            other => return Err(format!("unknown Ingress {other:?}")),
        })
    }

    fn jobs(&self, how: &str) -> Result<Sighting<BTreeMap<String, Job>>, String> {
        let recorded = self
            .object
            .status
            .as_ref()
            .and_then(|status| status.job_status.as_ref());
        let id = recorded
            .and_then(|job| job.job_id.clone())
            .unwrap_or_default();
        Ok(match how {
            "unknown" => Sighting::Unknown("no answer within 10s".to_owned()),
            "none" => Sighting::Seen(BTreeMap::new()),
            state => {
                let state: FlinkJobState = serde_json::from_value(json!(state))
                    .map_err(|_| format!("unknown job state {state:?}"))?;
                let at = self.observed.now.as_millisecond();
                let job = Job {
                    name: "job".to_owned(),
                    state,
                    start_ms: at,
                    modified_ms: at,
                };
                Sighting::Seen(BTreeMap::from([(id, job)]))
            }
        })
    }

    /// One pass: what was decided, as text; the status is carried over.
    pub fn pass(&mut self) -> String {
        self.passes += 1;
        self.observed.fresh = flink_operator::domain::FreshIds {
            job: format!("job-{}", self.passes),
            trigger: format!("trigger-{}", self.passes),
            deploy: format!("deploy-{}", self.passes),
        };
        let status = self.object.status.clone().unwrap_or_default();
        let desired = Desired::of(
            &self.object,
            &Defaults::builtin().with_config(&self.operator),
        );
        let observed = only_needed(&self.observed, &needs(&desired, &status));
        let plan = decide(&desired, &status, &observed);
        let mut out = String::new();
        let next = &plan.status;
        let _ = writeln!(
            out,
            "state      {} jm={} job={} pending={}{}",
            next.lifecycle_state.unwrap_or_default(),
            text(next.job_manager_deployment_status.as_ref()),
            text(next.job_status.as_ref().and_then(|job| job.state.as_ref())),
            text(
                next.pending
                    .as_ref()
                    .and_then(|pending| pending.kind.as_ref())
            ),
            if *next == status { " (unchanged)" } else { "" },
        );
        if let Some(path) = next
            .job_status
            .as_ref()
            .and_then(|job| job.upgrade_savepoint_path.as_ref())
        {
            let _ = writeln!(out, "restore    {path}");
        }
        if let Some(text) = recorded(next).filter(|text| recorded(&status).as_ref() != Some(text)) {
            let _ = writeln!(out, "snapshots  {text}");
        }
        let replicas = |status: &FlinkDeploymentStatus| status.task_manager.as_ref()?.replicas;
        if let Some(replicas) = replicas(next)
            .filter(|n| self.observed.cluster.is_some() && replicas(&status) != Some(*n))
        {
            let _ = writeln!(out, "managers   {replicas}");
        }
        for step in plan.steps.iter().filter(|step| step.writes()) {
            let _ = writeln!(out, "step       {step}");
            if let Step::Deploy(deployment) = step
                && next.autoscaler.is_some()
            {
                let size = deployment.config.raw(PROCESS_SIZE).unwrap_or("unknown");
                let _ = writeln!(out, "           {PROCESS_SIZE}: {size}");
            }
        }
        for event in &plan.events {
            let mark = if event.warning { "!" } else { "" };
            let _ = writeln!(out, "event      {mark}{} {}", event.reason, event.message);
        }
        for waiting in &plan.waiting {
            let _ = writeln!(out, "waiting    {waiting}");
        }
        autoscaler(
            &mut out,
            &status.autoscaler.unwrap_or_default(),
            next.autoscaler.as_ref(),
        );
        if let Some(error) = &next.error {
            let _ = writeln!(out, "error      {error}");
        }
        let again = plan.look_again.map_or_else(
            || "on change".to_owned(),
            |delay| format!("{}s", delay.as_secs()),
        );
        let _ = writeln!(out, "again      {again}");
        for step in &plan.steps {
            if let (Step::KeepScaler(memory), Sighting::Seen(view)) =
                (step, &mut self.observed.scaler)
            {
                view.history = memory.history.clone();
                view.decisions = memory.decisions.clone();
            }
            if let (Step::ForgetScaler, Sighting::Seen(view)) = (step, &mut self.observed.scaler) {
                view.history = History::default();
                view.decisions = DecisionLog::default();
            }
        }
        for step in &plan.steps {
            if let Step::ApplyIngress(object) = step {
                self.ingress_mark = mark_of(object).map(str::to_owned);
            }
        }
        if let Some(after) = plan.afterwards.as_deref().and_then(recorded) {
            let _ = writeln!(out, "afterwards {after}");
        }
        self.object.status = Some(plan.afterwards.map_or(plan.status, |after| *after));
        out
    }
}

/// What was not asked for must not be seen, or `needs` could forget something unnoticed.
fn only_needed(world: &Observed, needs: &flink_operator::domain::Needs) -> Observed {
    use flink_operator::domain::Need;
    let mut seen = world.clone();
    if !needs.contains(&Need::Scaler) {
        seen.scaler = Sighting::Absent;
    }
    if !needs.contains(&Need::Hpa) {
        seen.hpa = Sighting::not_read();
    }
    if !needs.contains(&Need::Pods) {
        seen.pods = Sighting::not_read();
    }
    if !needs.contains(&Need::Ha) {
        seen.ha = Sighting::not_read();
    }
    if !needs.contains(&Need::Rest) {
        seen.jobs = Sighting::not_read();
    }
    if !needs.contains(&Need::Savepoint) {
        seen.savepoint = Sighting::not_read();
    }
    if !needs.contains(&Need::Snapshot) {
        seen.snapshot = Sighting::not_read();
    }
    if !needs.contains(&Need::Vertices) {
        seen.vertices = Sighting::not_read();
    }
    if !needs.contains(&Need::Checkpoints) && !needs.contains(&Need::CheckpointsWhenTerminal) {
        seen.checkpoints = Sighting::not_read();
    }
    seen
}

fn base_spec() -> Value {
    json!({
        "image": "flink:1.20",
        "flinkVersion": "v1_20",
        "serviceAccount": "flink",
        "jobManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
        "taskManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
        "flinkConfiguration": {
            "execution.checkpointing.dir": "file:///state/checkpoints",
            "execution.checkpointing.savepoint-dir": "file:///state/savepoints",
        },
        "job": { "jarURI": "local:///job.jar", "parallelism": 2, "upgradeMode": "stateless" },
    })
}

/// Set one short key of a spec.
fn apply(spec: &mut Value, key: &str, value: &str) {
    let path = match key {
        "upgrade" => "/job/upgradeMode",
        "state" => "/job/state",
        "parallelism" => "/job/parallelism",
        "initial" => "/job/initialSavepointPath",
        "redeploy" => "/job/savepointRedeployNonce",
        "savepoint" => "/job/savepointTriggerNonce",
        "checkpoint" => "/job/checkpointTriggerNonce",
        "reset" => "/job/autoscalerResetNonce",
        "restart" => "/restartNonce",
        "version" => "/flinkVersion",
        "image" => "/image",
        "ingress" => "/ingress/template",
        "ingress-class" => "/ingress/className",
        "no-ingress" => "/ingress",
        "replicas" => "/taskManager/replicas",
        "account" => "/serviceAccount",
        "memory" => "/taskManager/resource/memory",
        "ha" => {
            set(
                spec,
                "/flinkConfiguration/high-availability.type",
                json!("kubernetes"),
            );
            set(
                spec,
                "/flinkConfiguration/high-availability.storageDir",
                json!("file:///state/ha"),
            );
            return;
        }
        key => {
            // A space ends a word, so it is written as in a URL.
            let value = value.replace("%20", " ");
            set(spec, &format!("/flinkConfiguration/{key}"), json!(value));
            return;
        }
    };
    let value = value
        .parse::<i64>()
        .map_or_else(|_| json!(value), |number| json!(number));
    set(
        spec,
        path,
        if value == json!("none") {
            Value::Null
        } else {
            value
        },
    );
}

fn set(spec: &mut Value, path: &str, value: Value) {
    let place = path
        .split('/')
        .skip(1)
        .fold(spec, |place, key| &mut place[key]);
    *place = value;
}

fn pods(how: &str, now: Timestamp) -> Result<Sighting<Pods>, String> {
    if how == "unknown" {
        return Ok(Sighting::Unknown("pods cannot be listed".to_owned()));
    }
    if let Some(reason) = how.strip_prefix("failing:") {
        let transient = matches!(reason, "FailedMount" | "Unschedulable");
        return Ok(Sighting::Seen(Pods {
            count: 1,
            task_managers: 0,
            failure: Some(PodFailure {
                reason: reason.to_owned(),
                message: format!("[flink-main-container] {reason}"),
                transient,
                since: Some(now),
            }),
        }));
    }
    let count = how.parse().map_err(|_| "expected a number of pods")?;
    Ok(Sighting::Seen(Pods {
        count,
        ..Pods::default()
    }))
}

fn hpa(how: &str) -> Sighting<String> {
    match how {
        "absent" => Sighting::Absent,
        "unknown" => Sighting::Unknown("HorizontalPodAutoscalers cannot be listed".to_owned()),
        name => Sighting::Seen(name.to_owned()),
    }
}

fn ha(how: &str) -> Result<Sighting<HaMetadata>, String> {
    Ok(match how {
        "absent" => Sighting::Absent,
        "unknown" => Sighting::Unknown("ConfigMaps cannot be listed".to_owned()),
        "checkpoint" | "job" | "empty" => Sighting::Seen(HaMetadata {
            has_job: how != "empty",
            has_checkpoint: how == "checkpoint",
        }),
        other => return Err(format!("unknown metadata {other:?}")),
    })
}

fn savepoint(how: &str) -> Result<Sighting<SavepointProgress>, String> {
    Ok(match how.split_once(':').unwrap_or((how, "")) {
        ("running", _) => Sighting::Seen(SavepointProgress::InProgress),
        ("done", path) => Sighting::Seen(SavepointProgress::Completed(path.to_owned())),
        ("failed", cause) => Sighting::Seen(SavepointProgress::Failed {
            cause: cause.to_owned(),
            format_unsupported: cause == "format",
        }),
        ("absent", _) => Sighting::Absent,
        ("unknown", _) => Sighting::Unknown("no answer within 10s".to_owned()),
        (other, _) => return Err(format!("unknown savepoint {other:?}")),
    })
}

fn checkpoints(how: &str, now: Timestamp) -> Result<Sighting<Checkpoints>, String> {
    let completed = |age: i64| Checkpoints {
        latest: Some("file:///state/checkpoints/chk-7".to_owned()),
        latest_completed_ms: Some(now.as_millisecond() - age * 1000),
        ..Checkpoints::default()
    };
    Ok(match how.split_once(':').unwrap_or((how, "")) {
        ("none", _) => Sighting::Seen(Checkpoints::default()),
        ("at", path) => Sighting::Seen(Checkpoints {
            latest: Some(path.to_owned()),
            ..Checkpoints::default()
        }),
        ("old", age) => Sighting::Seen(completed(age.parse().map_err(|_| "seconds")?)),
        ("pending", age) => Sighting::Seen(Checkpoints {
            pending_ms: Some(now.as_millisecond()),
            ..completed(age.parse().map_err(|_| "seconds")?)
        }),
        ("internal", _) => Sighting::Seen(Checkpoints {
            latest_not_addressable: true,
            ..Checkpoints::default()
        }),
        ("unknown", _) => Sighting::Unknown("no answer within 10s".to_owned()),
        (other, _) => return Err(format!("unknown checkpoints {other:?}")),
    })
}

/// `vertices=a:2/128,b:2/128`
fn vertices(how: &str) -> Result<Sighting<BTreeMap<String, Vertex>>, String> {
    if how == "unknown" {
        return Ok(Sighting::Unknown("no answer within 10s".to_owned()));
    }
    let mut vertices = BTreeMap::new();
    for word in how.split(',') {
        let (id, numbers) = word.split_once(':').ok_or("expected id:parallelism/max")?;
        let (now, max) = numbers
            .split_once('/')
            .ok_or("expected id:parallelism/max")?;
        vertices.insert(
            id.to_owned(),
            Vertex {
                parallelism: now.parse().map_err(|_| "a number")?,
                max_parallelism: max.parse().map_err(|_| "a number")?,
                running: true,
            },
        );
    }
    Ok(Sighting::Seen(vertices))
}
