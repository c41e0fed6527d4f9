//! The decisions of the recent past, for people: when, what, why.
//!
//! The rule: an entry for every decision that differs from the one before, never one for each look, and
//! no more than [`MOST`]. The log is a record: nothing about the job is decided from it, only what is told again.
//! Its stored form is in [`crate::store`]. Tests are below and there.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::verdict::{Action, Verdict, VertexVerdict};

/// Most entries kept.
pub const MOST: usize = 200;

/// Most changes of vertices kept in one entry.
const MOST_CHANGES: usize = 50;

/// Decisions, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionLog(VecDeque<Decision>);

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When it was first made.
    pub at: Timestamp,
    /// What it was, as one word in CamelCase: `Scaling`, `Recommending`, or why nothing was done.
    pub word: String,
    /// It in a line.
    pub text: String,
    /// The vertices that were, or would be, changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<DecidedChange>,
}

/// What was decided about one vertex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedChange {
    /// Its name.
    pub vertex: String,
    /// Its parallelism then.
    pub from: u32,
    /// What it should be.
    pub to: u32,
    /// Why, as one word in CamelCase.
    pub why: String,
}

impl Decision {
    /// The decision of this verdict.
    pub fn of(at: Timestamp, verdict: &Verdict) -> Self {
        let change = |vertex: &VertexVerdict| DecidedChange {
            vertex: vertex.name.clone(),
            from: vertex.current,
            to: vertex.target,
            why: vertex.reason.word().to_owned(),
        };
        let changing = verdict.vertices.iter().filter(|vertex| vertex.changes());
        Self {
            at,
            word: verdict.action.word().to_owned(),
            text: verdict.headline(),
            changes: changing.take(MOST_CHANGES).map(change).collect(),
        }
    }

    /// Whether it asks for what `other` does, for the same reason: rates and times may differ.
    fn repeats(&self, other: &Self) -> bool {
        let same = |ours: &DecidedChange, theirs: &DecidedChange| {
            (&ours.vertex, ours.from, ours.to) == (&theirs.vertex, theirs.from, theirs.to)
        };
        self.word == other.word
            && self.changes.len() == other.changes.len()
            && (self.changes.iter().zip(&other.changes)).all(|(ours, theirs)| same(ours, theirs))
    }
}

impl Action {
    /// What is done, or why nothing is, as one word in CamelCase.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Hold(reason) => reason.word(),
            Self::Advise => "Recommending",
            Self::Scale { .. } => "Scaling",
        }
    }
}

impl DecisionLog {
    /// Takes a decision in; the oldest goes if there are too many.
    pub fn push(&mut self, decision: Decision) {
        self.0.push_back(decision);
        while self.0.len() > MOST {
            self.forget_oldest();
        }
    }

    /// Whether the same was decided less than `interval` before `decision`.
    pub fn has_lately(&self, decision: &Decision, interval: SignedDuration) -> bool {
        self.iter().rev().any(|earlier| {
            decision.at.duration_since(earlier.at).abs() < interval && decision.repeats(earlier)
        })
    }

    /// Drops the oldest.
    pub fn forget_oldest(&mut self) {
        self.0.pop_front();
    }

    /// The decisions, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Decision> + ExactSizeIterator {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(second: i64, word: &str, to: u32) -> Decision {
        Decision {
            at: Timestamp::from_second(1_800_000_000 + second).unwrap(),
            word: word.to_owned(),
            text: format!("at {second}"),
            changes: vec![DecidedChange {
                vertex: "map".to_owned(),
                from: 1,
                to,
                why: "Overutilized".to_owned(),
            }],
        }
    }

    #[test]
    fn the_same_change_for_the_same_reason_is_known_for_the_interval() {
        let interval = SignedDuration::from_mins(30);
        let mut log = DecisionLog::default();
        assert!(!log.has_lately(&decision(0, "Recommending", 2), interval));
        log.push(decision(0, "Recommending", 2));
        log.push(decision(10, "Unclear", 2));
        assert!(log.has_lately(&decision(1_799, "Recommending", 2), interval));
        assert!(!log.has_lately(&decision(1_800, "Recommending", 2), interval));
        assert!(!log.has_lately(&decision(20, "Recommending", 3), interval));
        assert!(!log.has_lately(&decision(20, "Frozen", 2), interval));
    }
}
