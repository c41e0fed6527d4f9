//! What was done and what came of it: the rescales of the recent past, and scale-downs that wait for
//! their time.
//!
//! The rule: the history is a value; [`crate::step`] returns the next one and the caller keeps it. Its
//! stored form is in [`crate::store`]. Tests are below.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::{curve::Curves, season::Seasons, topology::VertexId, units::Rate};

/// What failed is remembered for so long.
const FAILED: SignedDuration = SignedDuration::from_hours(24);

/// What was done and what came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Rescales, oldest first.
    pub scalings: Vec<Scaling>,
    /// Scale-downs that wait, by vertex.
    pub delayed: BTreeMap<VertexId, Delayed>,
    /// What was last recommended and has not been done, by vertex.
    pub due: BTreeMap<VertexId, Due>,
    /// What was learned of capacities.
    pub curves: Curves,
    /// Rescales that were taken back, oldest first.
    pub failed: Vec<Failed>,
    /// What comes to sources hour by hour.
    pub seasons: Seasons,
}

/// A recommendation that has not been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The parallelism it was made at.
    pub from: u32,
    /// The parallelism that was recommended.
    pub to: u32,
    /// Whether the vertex was outside its band, rather than changed along with others.
    pub outside_band: bool,
}

/// One rescale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// When it was decided.
    pub at: Timestamp,
    /// The vertices it changes.
    pub vertices: BTreeMap<VertexId, Change>,
    /// What became of it.
    pub outcome: Outcome,
    /// What is watched after it.
    pub watch: Watch,
}

/// What tells whether a rescale did harm.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Watch {
    /// What the sources did before.
    pub before: Option<Flow>,
    /// The last start of the job that was seen after it.
    pub started: Option<Timestamp>,
    /// How often the job has started again by itself since.
    pub restarts: u32,
    /// Whether it takes an earlier one back.
    pub back: bool,
}

/// What all sources together read, and what they were asked for, in records/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Read.
    pub read: Rate,
    /// Asked for.
    pub asked: Rate,
}

/// A rescale that made things worse and was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// When it was taken back.
    pub at: Timestamp,
    /// What it had changed: parallelism before and after, by vertex.
    pub vertices: BTreeMap<VertexId, (u32, u32)>,
    /// What was worse, as a sentence.
    pub why: String,
}

/// What one rescale did to one vertex.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Parallelism before.
    pub from: u32,
    /// Parallelism after.
    pub to: u32,
    /// What it could process before.
    pub true_rate: Option<Rate>,
    /// What it was expected to be able to process after.
    pub expected_rate: Option<Rate>,
    /// What came in.
    pub target_rate: Option<Rate>,
}

/// What became of a rescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It does not show yet.
    Open,
    /// The job has the parallelism.
    Seen {
        /// Time from the decision until the job ran again, where that is known.
        restart: Option<SignedDuration>,
        /// The part of it in which the job stood still, where Flink says.
        stood: Option<SignedDuration>,
    },
    /// It did not show in time; the job is taken as it is.
    GivenUp,
}

impl History {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.scalings.is_empty()
            && self.delayed.is_empty()
            && self.due.is_empty()
            && self.curves.is_empty()
            && self.failed.is_empty()
            && self.seasons.is_empty()
    }

    /// The last rescale.
    pub fn last(&self) -> Option<&Scaling> {
        self.scalings.last()
    }

    /// The changes of one vertex, oldest first.
    pub fn of(&self, vertex: &VertexId) -> impl DoubleEndedIterator<Item = (Timestamp, &Change)> {
        let change = move |scaling: &'_ Scaling| scaling.at;
        self.scalings
            .iter()
            .filter_map(move |s| s.vertices.get(vertex).map(|c| (change(s), c)))
    }

    /// Drops what lies in the future, and of each vertex what is too old or too much; the last rescale
    /// stays, since the next decision is measured against it.
    pub fn trim(&mut self, now: Timestamp, max_age: SignedDuration, max_count: usize) {
        self.scalings.retain(|scaling| scaling.at <= now);
        let last = self.scalings.last().map(|scaling| scaling.at);
        let mut kept: BTreeMap<VertexId, usize> = BTreeMap::new();
        for scaling in self.scalings.iter_mut().rev() {
            let newest = Some(scaling.at) == last;
            let old = now.duration_since(scaling.at) > max_age;
            scaling.vertices.retain(|id, _| {
                let count = kept.entry(id.clone()).or_default();
                *count += 1;
                newest || (!old && *count <= max_count.max(1))
            });
        }
        self.scalings
            .retain(|s| !s.vertices.is_empty() || Some(s.at) == last);
        let remembered =
            |failed: &Failed| failed.at <= now && now.duration_since(failed.at) < FAILED;
        self.failed.retain(remembered);
        for delayed in self.delayed.values_mut() {
            delayed.0.retain(|r| r.at <= now);
        }
        self.delayed.retain(|_, delayed| !delayed.0.is_empty());
    }
}

/// What a vertex was recommended of late, all below what it has. Only what can still become the largest
/// is kept: parallelism falls from first to last, and equal ones keep the later time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delayed(pub VecDeque<Recommendation>);

/// One recommendation to scale down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recommendation {
    /// When.
    pub at: Timestamp,
    /// To what.
    pub parallelism: u32,
    /// Whether the vertex was outside its band.
    pub outside_band: bool,
    /// When the wait began of which this is a part.
    pub first: Timestamp,
}

impl Delayed {
    /// Takes a recommendation in. With 5, 8, 6, 4, 3 at the times 0 to 4 it then holds 8, 6, 4, 3.
    pub fn push(&mut self, at: Timestamp, parallelism: u32, outside_band: bool) {
        let first = self.0.front().map_or(at, |r| r.first);
        while self.0.back().is_some_and(|r| r.parallelism <= parallelism) {
            self.0.pop_back();
        }
        self.0.push_back(Recommendation {
            at,
            parallelism,
            outside_band,
            first,
        });
    }

    /// The largest since `start`.
    pub fn largest_since(&self, start: Timestamp) -> Option<Recommendation> {
        self.0.iter().find(|r| r.at >= start).copied()
    }

    /// Since when the vertex has been recommended less without a break.
    pub fn since(&self) -> Option<Timestamp> {
        self.0.front().map(|r| r.first)
    }

    /// Forgets what is older than `start`; the wait goes on.
    pub fn forget_before(&mut self, start: Timestamp) {
        while self.0.len() > 1 && self.0.front().is_some_and(|r| r.at < start) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn largest(values: &[(i64, u32)], starts: impl IntoIterator<Item = i64>) -> Vec<Option<u32>> {
        let mut delayed = Delayed::default();
        for (second, parallelism) in values {
            delayed.push(at(*second), *parallelism, true);
        }
        let largest = |start| delayed.largest_since(at(start)).map(|r| r.parallelism);
        starts.into_iter().map(largest).collect()
    }

    #[test]
    fn g17_the_largest_recommendation_since_any_time_is_kept() {
        let values = [
            (0, 5),
            (1, 8),
            (2, 6),
            (3, 4),
            (4, 3),
            (5, 3),
            (6, 3),
            (7, 3),
        ];
        let expected = [8, 8, 6, 4, 3, 3, 3, 3].map(Some);
        assert_eq!(largest(&values, 0..8), expected);
        assert_eq!(largest(&[(0, 5), (9, 9)], [0]), [Some(9)]);
        let again = [(0, 5), (1, 9), (2, 4), (3, 5), (4, 6)];
        assert_eq!(largest(&again, 0..5), [9, 9, 6, 6, 6].map(Some));
    }

    #[test]
    fn the_wait_begins_with_the_first_recommendation() {
        let mut delayed = Delayed::default();
        delayed.push(at(0), 5, true);
        delayed.push(at(10), 9, true);
        assert_eq!(delayed.since(), Some(at(0)));
        delayed.push(at(20), 3, true);
        delayed.forget_before(at(15));
        assert_eq!(delayed.since(), Some(at(0)));
        assert_eq!(delayed.largest_since(at(0)).map(|r| r.parallelism), Some(3));
    }

    fn scaling(second: i64, vertices: &[&str]) -> Scaling {
        let change = Change {
            from: 1,
            to: 2,
            true_rate: None,
            expected_rate: None,
            target_rate: None,
        };
        Scaling {
            at: at(second),
            vertices: vertices
                .iter()
                .map(|id| (VertexId::new(*id).unwrap(), change))
                .collect(),
            outcome: Outcome::Open,
            watch: Watch::default(),
        }
    }

    #[test]
    fn f8_f9_f10_what_is_too_old_or_too_much_goes_but_never_the_last() {
        let hours_old = |hours: &[i64]| {
            let now = 1_000_000;
            let mut history = History {
                scalings: hours
                    .iter()
                    .map(|hours| scaling(now - hours * 3600, &["a"]))
                    .collect(),
                ..History::default()
            };
            move |keep: i64, most: usize| {
                history.trim(at(now), SignedDuration::from_hours(keep), most);
                let hours = |s: &Scaling| (now - s.at.as_second()) / 3600;
                history.scalings.iter().map(hours).collect::<Vec<i64>>()
            }
        };
        assert_eq!(hours_old(&[3, 2, 1])(1, 10), [1], "F8");
        assert_eq!(hours_old(&[3, 2, 1])(24, 2), [2, 1], "F9");
        assert_eq!(hours_old(&[24])(1, 10), [24], "F10");
    }

    #[test]
    fn the_last_rescale_outlives_its_age() {
        let mut history = History {
            scalings: vec![
                scaling(0, &["a"]),
                scaling(3600, &["a"]),
                scaling(7200, &["a"]),
            ],
            ..History::default()
        };
        history.trim(at(100_000), SignedDuration::from_hours(1), 10);
        assert_eq!(history.scalings, [scaling(7200, &["a"])]);
        // Written under a clock that has been set back since.
        history.trim(at(7000), SignedDuration::from_hours(1), 10);
        assert!(history.is_empty());
    }

    #[test]
    fn rescales_are_counted_for_each_vertex() {
        let mut history = History {
            scalings: vec![
                scaling(0, &["a", "b"]),
                scaling(1, &["a"]),
                scaling(2, &["a"]),
                scaling(3, &["a"]),
            ],
            ..History::default()
        };
        history.trim(at(10), SignedDuration::from_hours(1), 2);
        assert_eq!(
            history.scalings,
            [scaling(0, &["b"]), scaling(2, &["a"]), scaling(3, &["a"])]
        );
    }
}
