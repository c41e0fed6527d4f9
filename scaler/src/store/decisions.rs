//! The stored form of the decision log, version 1.

use serde::{Deserialize, Serialize};

use super::{Restored, history::read};
use crate::log::{Decision, DecisionLog};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredDecisions<D> {
    version: u32,
    decisions: Vec<D>,
}

/// The log as JSON of at most `limit` bytes; the oldest decisions are left out until it fits. Empty if not even
/// the newest does.
pub fn decisions_to_json(log: &DecisionLog, limit: usize) -> String {
    let mut log = log.clone();
    loop {
        let stored = StoredDecisions {
            version: VERSION,
            decisions: log.iter().collect(),
        };
        // Texts and whole numbers always serialize.
        let text = serde_json::to_string(&stored).unwrap_or_default();
        if text.len() <= limit {
            return text;
        }
        if log.is_empty() {
            return String::new();
        }
        // A tenth at a time: nothing is measured two hundred times over.
        for _ in 0..log.len().div_ceil(10) {
            log.forget_oldest();
        }
    }
}

/// The log from JSON; an empty one, and the reason, if it cannot be read.
pub fn decisions_from_json(text: &str) -> Restored<DecisionLog> {
    let mut restored = Restored::<DecisionLog>::default();
    if text.trim().is_empty() {
        return restored;
    }
    match read::<StoredDecisions<Decision>>("decision log", VERSION, text) {
        Ok(stored) => stored
            .decisions
            .into_iter()
            .for_each(|decision| restored.value.push(decision)),
        Err(reason) => restored.ignored.push(reason),
    }
    restored
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::log::{DecidedChange, MOST};

    fn log(count: i64) -> DecisionLog {
        let mut log = DecisionLog::default();
        for second in 0..count {
            log.push(Decision {
                at: Timestamp::from_second(second).unwrap(),
                word: "Scaling".to_owned(),
                text: "rescale map 1 -> 2: 1 vertex cannot carry the load".to_owned(),
                changes: vec![DecidedChange {
                    vertex: "map".to_owned(),
                    from: 1,
                    to: 2,
                    why: "Overutilized".to_owned(),
                }],
            });
        }
        log
    }

    #[test]
    fn what_was_written_is_read_back_equal() {
        let restored = decisions_from_json(&decisions_to_json(&log(3), usize::MAX));
        assert_eq!((restored.value, restored.ignored), (log(3), vec![]));
        assert_eq!(decisions_from_json(""), Restored::default());
    }

    #[test]
    fn the_newest_are_kept_within_the_number_and_the_size() {
        let many = log(500);
        assert_eq!(many.len(), MOST);
        let text = decisions_to_json(&many, 4_000);
        assert!(text.len() <= 4_000);
        let kept = decisions_from_json(&text).value;
        assert!(kept.len() > 5, "{}", kept.len());
        let seconds: Vec<i64> = kept
            .iter()
            .rev()
            .take(2)
            .map(|d| d.at.as_second())
            .collect();
        assert_eq!(seconds, [499, 498]);
        assert_eq!(decisions_to_json(&many, 3), "");
    }

    #[test]
    fn a_log_cut_in_half_or_of_a_newer_version_is_passed_over_with_a_reason() {
        let text = decisions_to_json(&log(2), usize::MAX);
        for (text, why) in [
            (text[..text.len() / 2].to_owned(), "is not ours"),
            (
                text.replace("\"version\":1", "\"version\":2"),
                "has version 2",
            ),
            (text.replace("\"from\":1", "\"from\":-1"), "is damaged"),
        ] {
            let restored = decisions_from_json(&text);
            assert!(restored.value.is_empty(), "{text}");
            let reason = restored.ignored[0].to_string();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
