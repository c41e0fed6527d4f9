//! Plays a life: the person's deeds, the passes, and what goes wrong.

use std::time::Duration;

use flink_crds::{FlinkJobState, LifecycleState};
use flink_operator::controllers::pass;
use flink_sim::api::FaultPlan;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::life::{Born, Deed, Life, Step, Trouble};
use super::queue::Queue;
use super::witness::Witness;
use crate::world::mortal::{Lifeline, Sabotage};
use crate::world::stories::merged;
use crate::world::{Stage, manifest};

/// Virtual time in which everything must have settled once nothing goes wrong any more.
const LIMIT: Duration = Duration::from_mins(40);
/// An image that can be pulled.
const IMAGE: &str = "flink";
/// Passes at rest that must write nothing, one after the other.
const QUIET: u32 = 2;

struct Play<'a> {
    life: &'a Life,
    stage: Stage,
    queue: Queue,
    witness: Witness,
    /// Deaths to come in this step.
    deaths: Vec<u64>,
    /// The next pass gets the resource as it was before.
    lag: bool,
    /// Makes nonces and names different.
    serial: u32,
    /// The parallelism that is no nonsense.
    parallelism: u32,
    /// It was scaled, which sets the parallelism too.
    scaled: bool,
}

/// Play it in a world of its own.
///
/// # Errors
/// What should never have happened.
pub fn play(life: &Life, sabotage: Option<Sabotage>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let lifeline = Lifeline::endless().with(sabotage);
        let mut play = Play::new(life, lifeline);
        Box::pin(play.whole()).await
    })
}

impl<'a> Play<'a> {
    fn new(life: &'a Life, lifeline: Lifeline) -> Self {
        let stage = Stage::new(life.seed, FaultPlan::NONE, lifeline);
        let witness = Witness::new(&stage.key, life.forgets());
        Self {
            life,
            stage,
            queue: Queue::default(),
            witness,
            deaths: Vec::new(),
            lag: false,
            serial: 0,
            parallelism: 2,
            scaled: false,
        }
    }

    async fn whole(&mut self) -> Result<(), String> {
        self.create();
        for step in &self.life.steps {
            self.trouble(step);
            self.deed(step.deed);
            self.operate(Duration::from_secs(step.wait), |_| false)
                .await?;
            self.world().api.set_faults(0, FaultPlan::NONE);
            self.stage.lifeline.doom(u64::MAX);
        }
        self.mend();
        self.settle().await?;
        self.rest().await?;
        let legacy = self.life.born.legacy;
        if !self.waits_for_a_person() {
            self.conditions()?;
        }
        self.witness.end(&self.queue, &self.stage.world, legacy)?;
        if self.life.dies {
            self.deed(Deed::Delete);
            self.settle().await?;
        }
        Ok(())
    }

    fn world(&self) -> &flink_sim::World {
        &self.stage.world
    }

    fn trouble(&mut self, step: &Step) {
        self.deaths.clear();
        let mut script = Vec::new();
        for trouble in &step.troubles {
            match *trouble {
                Trouble::Fault(call, fault) => script.push((call, fault)),
                Trouble::Death(writes) => self.deaths.push(writes),
                Trouble::Lag => self.lag = true,
            }
        }
        self.world().api.set_script(self.life.seed, script);
        if let Some(writes) = self.deaths.pop() {
            self.stage.lifeline.doom(writes);
        }
    }

    fn create(&mut self) {
        let mut object = manifest();
        object.spec = merged(&object.spec, &born(self.life.born));
        let made = self.world().api.create(json!(object));
        if let Ok(made) = made {
            self.witness.wanted = Some(made["spec"].clone());
        }
        self.parallelism = 2;
        self.scaled = false;
    }

    fn change(&mut self, spec: &Value) {
        let key = ("default", "job");
        let change = json!({ "spec": spec });
        let changed = self
            .world()
            .api
            .merge("flinkdeployments", key, None, &change);
        if let Ok(changed) = changed {
            self.witness.wanted = Some(changed["spec"].clone());
        }
    }

    fn deed(&mut self, deed: Deed) {
        self.serial += 1;
        let serial = self.serial;
        let now = self.world().clock.now();
        match deed {
            Deed::Nothing => {}
            Deed::Parallelism(parallelism) => {
                self.parallelism = parallelism;
                self.change(&json!({ "job": { "parallelism": parallelism } }));
            }
            Deed::Mode(mode) => self.change(&json!({ "job": { "upgradeMode": mode } })),
            Deed::Slots(slots) => self.change(&json!({ "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": slots.to_string(),
            } })),
            Deed::Scale(replicas) => {
                self.scaled = true;
                self.change(&json!({ "taskManager": { "replicas": replicas } }));
            }
            Deed::Suspend => self.change(&json!({ "job": { "state": "suspended" } })),
            Deed::Resume => self.change(&json!({ "job": { "state": "running" } })),
            Deed::Restart => self.change(&json!({ "restartNonce": serial })),
            Deed::SavepointNonce => {
                self.witness.nonces += 1;
                self.change(&json!({ "job": { "savepointTriggerNonce": serial } }));
            }
            Deed::CheckpointNonce => {
                self.change(&json!({ "job": { "checkpointTriggerNonce": serial } }));
            }
            Deed::Take => {
                let _ = self.world().api.create(json!({
                    "apiVersion": "flink.apache.org/v1beta1",
                    "kind": "FlinkStateSnapshot",
                    "metadata": { "name": format!("mine-{serial}"), "namespace": "default" },
                    "spec": {
                        "jobReference": { "kind": "FlinkDeployment", "name": "job" },
                        "savepoint": { "disposeOnDelete": true },
                    },
                }));
            }
            Deed::Drop => {
                if let Some(name) = self.queue.snapshots.keys().next() {
                    let api = &self.stage.world.api;
                    api.delete("flinkstatesnapshots", "default", name);
                }
            }
            Deed::Periodic(on) => self.change(&periodic(on)),
            Deed::BrokenImage => self.change(&json!({ "image": "missing" })),
            Deed::GoodImage => self.change(&json!({ "image": IMAGE })),
            Deed::Nonsense => self.change(&json!({ "job": { "parallelism": 0 } })),
            Deed::Sense => self.sense(),
            Deed::Delete => {
                self.world()
                    .api
                    .delete("flinkdeployments", "default", "job");
            }
            Deed::Create => {
                let api = &self.world().api;
                if api.get("flinkdeployments", "default", "job").is_none() {
                    self.witness.bury();
                    self.create();
                }
            }
            Deed::JobThrows | Deed::JobFails => {
                let for_good = deed == Deed::JobFails;
                let mut flink = self.world().flink();
                flink.fail_jobs(&self.stage.key, "the program threw", for_good, now);
            }
            Deed::KillJobManager => {
                self.witness.lose_job_manager();
                let pods = self.world().api.list("pods", "component=jobmanager");
                for pod in &pods {
                    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                    self.world().api.delete("pods", "default", name);
                }
            }
            Deed::DeleteDeployment => {
                self.witness.lose_job_manager();
                self.world().api.delete("deployments", "default", "job");
            }
            Deed::SavepointsFail(fail) => self.savepoints_fail(fail),
            Deed::SlowPods(seconds) => {
                self.world().node().timings.start = Duration::from_secs(seconds.into());
            }
        }
    }

    fn sense(&mut self) {
        let parallelism = self.parallelism;
        self.change(&json!({ "job": { "parallelism": parallelism } }));
    }

    fn savepoints_fail(&mut self, fail: bool) {
        let now = self.world().clock.now();
        let why = fail.then_some("the disk is full");
        let mut flink = self.stage.world.flink();
        flink.set_savepoints_fail(&self.stage.key, why, now);
    }

    /// Whatever stands in the way of an end is taken away.
    fn mend(&mut self) {
        self.lag = false;
        self.savepoints_fail(false);
        self.change(&json!({ "image": IMAGE }));
        self.sense();
        self.change(&periodic(false));
    }

    /// Passes as they fall due, for so long or until `so`.
    async fn operate(
        &mut self,
        length: Duration,
        so: impl Fn(&Self) -> bool,
    ) -> Result<bool, String> {
        let end = Instant::now() + length;
        loop {
            self.look()?;
            if so(self) {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= end {
                return Ok(false);
            }
            if let Some(name) = self.queue.take() {
                self.pass(&name).await?;
                // Passes take time.
                tokio::time::sleep(Duration::from_millis(50)).await;
            } else {
                let next = self.queue.next().map_or(end, |next| next.min(end));
                let next = next.min(now + wakes(self.world()));
                tokio::time::sleep_until(next).await;
            }
        }
    }

    fn look(&mut self) -> Result<(), String> {
        self.stage.world.tick();
        self.witness.world(&self.stage.world)?;
        if self.queue.watch(&self.stage.world, &self.stage.context) {
            self.witness.resources(&self.queue, &self.stage.world)?;
        }
        Ok(())
    }

    async fn pass(&mut self, name: &str) -> Result<(), String> {
        let context = &self.stage.context;
        let queue = &self.queue;
        let job = match &queue.job {
            Some(_) if std::mem::take(&mut self.lag) => queue.earlier.clone(),
            job => job.clone(),
        };
        let snapshot = queue.snapshots.get(name).cloned();
        let work = async {
            match (name, job, snapshot) {
                ("", Some(job), _) => Some(pass(&*job, context).await),
                (_, _, Some(snapshot)) => Some(pass(&snapshot, context).await),
                _ => None,
            }
        };
        let world = self.stage.world.clone();
        let (lifeline, witness) = (&self.stage.lifeline, &mut self.witness);
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = lifeline.ended() => {
                self.stage.replace();
                self.queue.begin(&self.stage.context);
                let next = self.deaths.pop().unwrap_or(u64::MAX);
                self.stage.lifeline.doom(next);
                return Ok(());
            }
            why = goes_on(&world, witness) => return Err(why),
        };
        match outcome {
            Some(Ok(passed)) => match passed.look_again {
                Some(after) => self.queue.again(name, after),
                None => context.retries.forget(name),
            },
            Some(Err(error)) => self.queue.again(name, context.retries.after(name, &error)),
            None => {}
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), String> {
        if self.operate(LIMIT, Self::is_settled).await? || self.waits_for_a_person() {
            return Ok(());
        }
        let status = self.queue.job.as_ref().map(|job| &job.status);
        let status = serde_json::to_string(&status).unwrap_or_default();
        let jobs = self.world().flink().job_states(&self.stage.key);
        Err(format!(
            "not settled after {LIMIT:?}: Flink has {jobs:?}, the status is {status}"
        ))
    }

    /// There is nothing to start from, and the operator may not decide that nothing is enough.
    fn waits_for_a_person(&self) -> bool {
        let status = self.queue.job.as_ref().and_then(|job| job.status.as_ref());
        let error = status.and_then(|status| status.error.as_deref());
        let says = |what: &str| error.is_some_and(|text| text.contains(what));
        (self.witness.may_not_know() && says("Manual restore required"))
            || (self.witness.may_miss_the_job() && says("Job Not Found"))
    }

    /// What is wanted is there.
    fn is_settled(&self) -> bool {
        let flink = self.stage.world.flink();
        let Some(job) = &self.queue.job else {
            let api = &self.stage.world.api;
            return flink.live_jobs(&self.stage.key) == 0
                && api.get("deployments", "default", "job").is_none();
        };
        let status = job.status.clone().unwrap_or_default();
        let current = status.observed_generation == job.metadata.generation;
        if !current || status.pending.is_some() || job.metadata.deletion_timestamp.is_some() {
            return false;
        }
        let suspended = job.spec.job.as_ref().and_then(|job| job.state)
            == Some(flink_crds::JobState::Suspended);
        if suspended {
            // One that was created suspended was never deployed.
            let down = [LifecycleState::Suspended, LifecycleState::Created];
            return status
                .lifecycle_state
                .is_some_and(|state| down.contains(&state))
                && flink.live_jobs(&self.stage.key) == 0;
        }
        let jobs = flink.job_states(&self.stage.key);
        let runs = jobs.values().any(|state| *state == FlinkJobState::Running);
        let running = flink.parallelism(&self.stage.key);
        let size = running
            .values()
            .all(|subtasks| *subtasks == self.parallelism);
        status.lifecycle_state == Some(LifecycleState::Stable) && runs && (size || self.scaled)
    }

    /// Tools that wait for it see that it is ready.
    fn conditions(&self) -> Result<(), String> {
        let status = self.queue.job.as_ref().and_then(|job| job.status.as_ref());
        let Some(status) = status else {
            return Ok(());
        };
        let conditions = status.conditions.as_deref().unwrap_or_default();
        for (kind, wanted) in [
            ("Ready", "True"),
            ("Reconciling", "False"),
            ("Stalled", "False"),
        ] {
            let found = conditions.iter().find(|condition| condition.type_ == kind);
            if found.is_none_or(|found| found.status != wanted) {
                return Err(format!("{kind} is not {wanted}: {conditions:?}"));
            }
        }
        Ok(())
    }

    /// Passes over what is settled write nothing.
    async fn rest(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..12 {
            self.world().api.clear_audit();
            self.operate(Duration::from_secs(61), |_| false).await?;
            let writes = self.world().api.audit().writes().len();
            quiet = if writes == 0 { quiet + 1 } else { 0 };
            if quiet == QUIET {
                return Ok(());
            }
        }
        let audit = self.world().api.audit();
        Err(format!("it never comes to rest: {:?}", audit.writes()))
    }
}

/// The world goes on while a pass waits for an answer; ends only with what should not have happened.
async fn goes_on(world: &flink_sim::World, witness: &mut Witness) -> String {
    loop {
        world.tick();
        if let Err(why) = witness.world(world) {
            return why;
        }
        tokio::time::sleep(wakes(world)).await;
    }
}

/// The time until something happens by itself.
fn wakes(world: &flink_sim::World) -> Duration {
    const SHORT: Duration = Duration::from_millis(10);
    let wakes = world.node().wakes();
    let until = wakes.map(|at| at.duration_since(world.clock.now()));
    until.map_or(Duration::from_mins(10), |until| {
        Duration::try_from(until).unwrap_or(SHORT).max(SHORT)
    })
}

fn periodic(on: bool) -> Value {
    let interval = if on { "30 s" } else { "0" };
    json!({ "flinkConfiguration": { "kubernetes.operator.periodic.savepoint.interval": interval } })
}

fn born(born: Born) -> Value {
    let version = if born.modern { "v2_0" } else { "v1_20" };
    let scheduler = if born.adaptive { "adaptive" } else { "default" };
    json!({
        "image": IMAGE,
        "flinkVersion": version,
        "flinkConfiguration": {
            "execution.checkpointing.interval": "20s",
            "jobmanager.scheduler": scheduler,
            "kubernetes.operator.job.restart.failed": "true",
            "kubernetes.operator.snapshot.resource.enabled": (!born.legacy).to_string(),
        },
        "job": { "upgradeMode": born.mode },
    })
}
