//! A plan for a snapshot while it is being made.
//!
//! The rule: the labels and conditions follow from the status, at the end, in one place.

use std::time::Duration;

use flink_crds::{FlinkStateSnapshot, FlinkStateSnapshotStatus, SnapshotState};
use jiff::Timestamp;
use kube::ResourceExt;

use super::terms::{labels, text, trigger_type};
use super::{SnapshotObserved, SnapshotPlan, SnapshotStep};
use crate::domain::conditions::{Fact, camel, conditions};
use crate::domain::{Announcement, Component, Reason, Waiting};

/// A plan in the making.
pub struct Draft {
    /// The status to record.
    pub status: FlinkStateSnapshotStatus,
    steps: Vec<SnapshotStep>,
    events: Vec<Announcement>,
    waiting: Option<Waiting>,
    look_again: Option<Duration>,
    now: Timestamp,
}

impl Draft {
    /// Begin from the recorded status.
    pub fn of(snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) -> Self {
        Self {
            status: snapshot.status.clone().unwrap_or_default(),
            steps: Vec::new(),
            events: Vec::new(),
            waiting: None,
            look_again: None,
            now: observed.now,
        }
    }

    /// Do this.
    pub fn step(&mut self, step: SnapshotStep) {
        self.steps.push(step);
    }

    /// Nothing more happens now, because of this.
    pub fn wait(&mut self, waiting: Waiting, look_again: Duration) {
        self.waiting = Some(waiting);
        self.look_again = Some(look_again);
    }

    /// Warn people, and record what is wrong; once for as long as it stays the same.
    pub fn warn(&mut self, component: Component, reason: Reason, message: &str) {
        if self.status.error.as_deref() == Some(message) {
            return;
        }
        self.status.error = Some(message.to_owned());
        self.events.push(Announcement {
            warning: true,
            reason,
            component,
            message: message.to_owned(),
            detail: None,
        });
    }

    /// The snapshot is in this state from now on.
    pub fn enter(&mut self, state: SnapshotState) {
        self.status.state = Some(state);
        if state.is_terminal() {
            self.status.result_timestamp = Some(self.now.to_string());
        }
    }

    /// The finished plan.
    pub fn finish(
        mut self,
        snapshot: &FlinkStateSnapshot,
        observed: &SnapshotObserved,
    ) -> SnapshotPlan {
        let begun = self.status.state.is_some();
        if begun {
            self.status.observed_generation = snapshot.metadata.generation;
            self.set_conditions(snapshot, observed);
        }
        let removed = self.steps.contains(&SnapshotStep::RemoveFinalizer);
        let state = self.status.state.unwrap_or_default();
        let wanted = labels(&snapshot.spec, trigger_type(snapshot), state);
        let labelled = wanted
            .iter()
            .all(|(key, value)| snapshot.labels().get(key) == Some(value));
        if begun && !labelled && !removed {
            self.steps.push(SnapshotStep::Label(wanted));
        }
        SnapshotPlan {
            status: self.status,
            steps: self.steps,
            events: self.events,
            waiting: self.waiting,
            look_again: self.look_again,
        }
    }

    fn set_conditions(&mut self, snapshot: &FlinkStateSnapshot, observed: &SnapshotObserved) {
        let state = self.status.state.unwrap_or_default();
        let failed = matches!(state, SnapshotState::Failed | SnapshotState::Abandoned);
        let reason = camel(&text(&state));
        let error = self.status.error.clone().unwrap_or_default();
        let waiting = self.waiting.as_ref().map(ToString::to_string);
        let busy = !state.is_terminal();
        let facts = [
            Fact::new(
                "Ready",
                state == SnapshotState::Completed,
                &reason,
                error.clone(),
            ),
            Fact::new(
                "Reconciling",
                busy,
                &reason,
                if busy {
                    waiting.unwrap_or_default()
                } else {
                    String::new()
                },
            ),
            Fact::new(
                "Stalled",
                failed,
                &reason,
                if failed { error } else { String::new() },
            ),
        ];
        let old = self.status.conditions.take().unwrap_or_default();
        let generation = snapshot.metadata.generation;
        self.status.conditions = Some(conditions(&old, facts, generation, observed.now));
    }
}
