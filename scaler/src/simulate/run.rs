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

/// A job under the scaler.
#[derive(Debug, Clone)]
pub struct Run {
    /// The job.
    pub job: Job,
    /// What was done.
    pub rescales: Vec<Rescale>,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    settings: Settings,
    every: SignedDuration,
    window: Window,
    history: History,
    applied: BTreeMap<VertexId, u32>,
}

impl Run {
    /// A job that starts now and is read `every` so often.
    pub fn new(model: Model, settings: Settings, every: SignedDuration, now: Timestamp) -> Self {
        Self {
            job: Job::new(model, now),
            rescales: Vec::new(),
            verdict: None,
            window: Window::for_settings(&settings),
            settings,
            every,
            history: History::default(),
            applied: BTreeMap::new(),
        }
    }

    /// Goes on for this long.
    pub fn go(&mut self, time: SignedDuration) {
        let end = self.job.seconds() + time.as_secs_f64();
        while self.job.seconds() + self.every.as_secs_f64() / 2.0 < end {
            self.job.pass(self.every);
            self.look();
        }
    }

    /// Reads the job and does what the scaler says.
    fn look(&mut self) {
        if let Some(sample) = self.job.sample() {
            self.window.push(sample);
        }
        let situation = Situation {
            job_state_running: self.job.running_since().is_some(),
            all_tasks_running: self.job.running_since().is_some(),
            running_since: self.job.running_since(),
            restarting: self.job.running_since().is_none(),
            applied_overrides: self.applied.clone(),
            ..Situation::running(self.job.now(), self.job.now())
        };
        let verdict = step(
            &self.settings,
            &self.job.graph(),
            &self.window,
            &self.history,
            &situation,
        );
        self.history = verdict.history.clone();
        if let Action::Scale { overrides, reason } = &verdict.action {
            let (second, from) = (self.job.seconds(), self.job.parallelism().to_vec());
            self.job.rescale(overrides);
            self.applied.clone_from(overrides);
            let to = self.job.parallelism().to_vec();
            self.rescales.push(Rescale {
                second,
                from,
                to,
                reason: reason.clone(),
            });
        }
        self.verdict = Some(verdict);
    }
}
