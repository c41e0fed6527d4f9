//! The scaler at work on the model, as the operator lets it: read, decide, rescale.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Job, Model};
use crate::{
    decide::step,
    history::History,
    reason::Reason,
    settings::Settings,
    topology::VertexId,
    verdict::{Action, Situation, Verdict},
    window::Window,
};

/// A rescale that was carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Rescale {
    /// Second since the beginning.
    pub second: f64,
    /// Subtasks before, by position.
    pub from: Vec<u32>,
    /// Subtasks after, by position.
    pub to: Vec<u32>,
    /// Why.
    pub reason: Reason,
}

/// The scaler beside a job: what it remembers from one look to the next.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    settings: Settings,
    window: Window,
    history: History,
    applied: BTreeMap<VertexId, u32>,
}

impl Autoscaler {
    /// One that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            window: Window::for_settings(&settings),
            settings,
            history: History::default(),
            applied: BTreeMap::new(),
        }
    }

    /// Reads the job and does what the verdict says.
    pub fn look(&mut self, job: &mut Job) -> Verdict {
        if let Some(sample) = job.sample() {
            self.window.push(sample);
        }
        let situation = Situation {
            job_state_running: job.running_since().is_some(),
            all_tasks_running: job.running_since().is_some(),
            running_since: job.running_since(),
            restarting: job.running_since().is_none(),
            applied_overrides: self.applied.clone(),
            ..Situation::running(job.now(), job.now())
        };
        let verdict = step(
            &self.settings,
            &job.graph(),
            &self.window,
            &self.history,
            &situation,
        );
        self.history.clone_from(&verdict.history);
        if let Action::Scale { overrides, .. } = &verdict.action {
            job.rescale(overrides);
            self.applied.clone_from(overrides);
        }
        verdict
    }
}

/// A job under the scaler.
#[derive(Debug, Clone)]
pub struct Run {
    /// The job.
    pub job: Job,
    /// What was done.
    pub rescales: Vec<Rescale>,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    autoscaler: Autoscaler,
    every: SignedDuration,
}

impl Run {
    /// A job that starts now and is read `every` so often.
    pub fn new(model: Model, settings: Settings, every: SignedDuration, now: Timestamp) -> Self {
        Self {
            job: Job::new(model, now),
            rescales: Vec::new(),
            verdict: None,
            autoscaler: Autoscaler::new(settings),
            every,
        }
    }

    /// Goes on for this long.
    pub fn go(&mut self, time: SignedDuration) {
        let end = self.job.seconds() + time.as_secs_f64();
        while self.job.seconds() + self.every.as_secs_f64() / 2.0 < end {
            self.job.pass(self.every);
            let (second, from) = (self.job.seconds(), self.job.parallelism().to_vec());
            let verdict = self.autoscaler.look(&mut self.job);
            if let Action::Scale { reason, .. } = &verdict.action {
                self.rescales.push(Rescale {
                    second,
                    from,
                    to: self.job.parallelism().to_vec(),
                    reason: reason.clone(),
                });
            }
            self.verdict = Some(verdict);
        }
    }
}
