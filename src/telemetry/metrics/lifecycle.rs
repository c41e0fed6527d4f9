//! How long a resource stays in its states and how long its transitions take.
//!
//! The rule: pure; the time is handed in. A transition is timed from the moment its first state was
//! left for good to the moment its last one is entered, and only when both were seen: after a
//! restart nothing is guessed.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Something that took time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Span {
    /// The stay in a lifecycle state.
    State(&'static str),
    /// A transition of [`super::table::TRANSITIONS`].
    Transition(&'static str),
}

/// Name, the states it may begin in, the states it may end in.
type Transition = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const TRANSITIONS: &[Transition] = &[
    ("Resume", &["SUSPENDED"], &["STABLE"]),
    ("Upgrade", &["STABLE"], &["STABLE"]),
    (
        "Suspend",
        &["DEPLOYED", "STABLE", "ROLLED_BACK"],
        &["UPGRADING", "SUSPENDED"],
    ),
    ("Stabilization", &["DEPLOYED"], &["STABLE"]),
    ("Rollback", &["DEPLOYED"], &["ROLLED_BACK"]),
    ("Submission", &["UPGRADING"], &["DEPLOYED"]),
    ("Submission", &["ROLLING_BACK"], &["ROLLED_BACK"]),
];

/// States in which a resource has arrived: what came before is no longer part of anything.
const ARRIVED: &[&str] = &["STABLE", "SUSPENDED", "ROLLED_BACK", "FAILED"];

/// The history of one resource, as far as a transition may still need it.
#[derive(Clone, Debug)]
pub(super) struct Track {
    state: &'static str,
    entered: Option<Timestamp>,
    seen: Timestamp,
    left: BTreeMap<&'static str, Timestamp>,
}

impl Track {
    /// First sight of a resource; when it entered its state is not known.
    pub fn begin(state: &'static str, now: Timestamp) -> Self {
        Self {
            state,
            entered: None,
            seen: now,
            left: BTreeMap::new(),
        }
    }

    /// The resource is in `state` now; what has ended, with its length in seconds.
    pub fn see(&mut self, state: &'static str, now: Timestamp) -> Vec<(Span, f64)> {
        if state == self.state {
            self.seen = now;
            return Vec::new();
        }
        let mut ended = Vec::new();
        if let Some(entered) = self.entered {
            ended.push((Span::State(self.state), seconds(entered, now)));
        }
        self.left.insert(self.state, self.seen);
        for &(name, from, to) in TRANSITIONS {
            if !to.contains(&state) {
                continue;
            }
            let begun = from.iter().filter_map(|from| self.left.get(from)).max();
            if let Some(&begun) = begun {
                ended.push((Span::Transition(name), seconds(begun, now)));
            }
        }
        if ARRIVED.contains(&state) {
            self.left.clear();
        }
        (self.state, self.entered, self.seen) = (state, Some(now), now);
        ended
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs through states entered at these seconds; what ended, in order.
    fn run(states: &[(&'static str, i64)]) -> Vec<(Span, f64)> {
        let at = |second| Timestamp::from_second(second).expect("a small number");
        let (first, rest) = states.split_first().expect("at least one state");
        let mut track = Track::begin(first.0, at(first.1));
        rest.iter()
            .flat_map(|&(state, second)| track.see(state, at(second)))
            .collect()
    }

    fn transitions(states: &[(&'static str, i64)]) -> Vec<(&'static str, f64)> {
        run(states)
            .into_iter()
            .filter_map(|(span, length)| match span {
                Span::Transition(name) => Some((name, length)),
                Span::State(_) => None,
            })
            .collect()
    }

    #[test]
    fn an_upgrade_is_timed_from_stable_to_stable() {
        let states = [
            ("STABLE", 0),
            ("STABLE", 100),
            ("UPGRADING", 101),
            ("DEPLOYED", 120),
            ("STABLE", 150),
        ];
        assert_eq!(
            transitions(&states),
            [
                ("Suspend", 1.0),
                ("Submission", 19.0),
                ("Upgrade", 50.0),
                ("Stabilization", 30.0)
            ]
        );
    }

    #[test]
    fn a_resume_is_not_an_upgrade_too() {
        let states = [
            ("STABLE", 0),
            ("SUSPENDED", 10),
            ("SUSPENDED", 500),
            ("UPGRADING", 510),
            ("DEPLOYED", 520),
            ("STABLE", 540),
        ];
        let names: Vec<_> = transitions(&states)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["Suspend", "Submission", "Resume", "Stabilization"]);
    }

    #[test]
    fn a_rollback_is_timed() {
        let states = [
            ("DEPLOYED", 0),
            ("DEPLOYED", 60),
            ("ROLLING_BACK", 61),
            ("ROLLED_BACK", 90),
        ];
        assert_eq!(
            transitions(&states),
            [("Rollback", 30.0), ("Submission", 29.0)]
        );
    }

    #[test]
    fn nothing_is_guessed_after_a_restart() {
        assert_eq!(transitions(&[("STABLE", 0)]), []);
        assert_eq!(
            run(&[("DELETING", 0), ("DELETED", 9)]),
            [],
            "when it began is not known"
        );
    }

    #[test]
    fn stays_are_timed_from_entry_to_exit() {
        let ended = run(&[
            ("CREATED", 0),
            ("UPGRADING", 5),
            ("UPGRADING", 7),
            ("DEPLOYED", 12),
        ]);
        assert!(
            ended.contains(&(Span::State("UPGRADING"), 7.0)),
            "{ended:?}"
        );
        assert!(
            !ended
                .iter()
                .any(|(span, _)| *span == Span::State("CREATED")),
            "{ended:?}"
        );
    }
}
