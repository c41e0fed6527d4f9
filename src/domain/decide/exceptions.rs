//! Exceptions of the job as events.
//!
//! The rule: up to when they were told is in the status, so that another process does not tell them again. The same
//! cause is one event, counted, however its message's numbers differ.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::draft::Draft;
use crate::domain::{
    Announcement, Component, Desired, Detail, JobException, Observed, Reason, Sighting,
};

/// How far back exceptions are told of a job of which none were told yet: another operator may have.
const BACK: Duration = Duration::from_mins(30);

/// Tell of exceptions that are new.
pub fn tell(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    let Sighting::Seen(exceptions) = &observed.exceptions else {
        return;
    };
    let Some(id) = draft.job_id() else { return };
    let changed = observed.job(&id).seen().map(|job| job.modified_ms);
    let back = i64::try_from(BACK.as_millis()).unwrap_or(i64::MAX);
    let told = told_until(draft.job().exceptions_told_until.as_deref());
    let until = told.unwrap_or_else(|| observed.now.as_millisecond().saturating_sub(back));
    let mut new: Vec<&JobException> = exceptions.iter().filter(|e| e.at_ms > until).collect();
    new.sort_by_key(|exception| exception.at_ms);
    let limit = desired.exceptions.limit;
    for exception in new.iter().skip(new.len().saturating_sub(limit)) {
        draft.say(announcement(exception, desired.exceptions.lines));
    }
    let newest = new.last().map(|exception| exception.at_ms);
    let next = newest.max(changed).max(told);
    draft.job().exceptions_told_until = next.map(|next| next.to_string());
}

/// Up to when exceptions were told, in milliseconds.
pub fn told_until(recorded: Option<&str>) -> Option<i64> {
    recorded.and_then(|text| text.parse().ok())
}

fn announcement(exception: &JobException, lines: usize) -> Announcement {
    let mut trace = exception.trace.lines();
    let head = trace.next().unwrap_or(&exception.class).to_owned();
    let rest: Vec<&str> = trace.collect();
    let mut message = head.clone();
    for line in rest.iter().take(lines) {
        message.push('\n');
        message.push_str(line.trim_end());
    }
    if rest.len() > lines {
        message.push_str("\n…");
    }
    let task = exception.task.as_deref().unwrap_or_default();
    Announcement {
        warning: true,
        reason: Reason::JobException,
        component: Component::Job,
        message,
        detail: Some(Box::new(Detail {
            key: format!("{} {}", without_numbers(&head), without_numbers(task)),
            annotations: annotations(exception),
        })),
    }
}

fn annotations(exception: &JobException) -> BTreeMap<String, String> {
    let at = Timestamp::from_millisecond(exception.at_ms).unwrap_or_default();
    let mut all = BTreeMap::from([("exception-timestamp".to_owned(), at.to_string())]);
    for (key, value) in [
        ("task-name", &exception.task),
        ("endpoint", &exception.endpoint),
        ("tm-id", &exception.task_manager),
    ] {
        if let Some(value) = value {
            all.insert(key.to_owned(), value.clone());
        }
    }
    for (key, value) in &exception.labels {
        all.insert(annotation_key(key), value.clone());
    }
    all
}

/// A legal key: letters, digits, `-`, `_` and `.`, at most 63 of them, the last a letter or a digit.
fn annotation_key(label: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '-'
        }
    };
    let key = format!("failure-label-{label}");
    let key: String = key.chars().take(63).map(legal).collect();
    key.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

/// The text with each word that has a digit in it left out: ids, ports, attempts, offsets.
fn without_numbers(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.contains(|c: char| c.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use flink_crds::{FlinkDeployment, FlinkDeploymentStatus, FlinkJobState};
    use serde_json::json;

    use super::*;
    use crate::config::{Defaults, FlinkConfig};
    use crate::domain::Job;

    const NOW: i64 = 1_800_000_000_000;

    fn exception(at: i64, message: &str) -> JobException {
        JobException {
            at_ms: NOW + at,
            class: "java.io.IOException".to_owned(),
            trace: format!("java.io.IOException: {message}\n\tat A\n\tat B\n\tat C"),
            task: Some("Source: src (1/2)".to_owned()),
            endpoint: Some("10.0.0.1:6122".to_owned()),
            task_manager: None,
            labels: BTreeMap::from([("team / owner?".to_owned(), "data".to_owned())]),
        }
    }

    fn desired(pairs: &[(&str, &str)]) -> Desired {
        let object: FlinkDeployment = serde_json::from_value(json!({
            "metadata": { "name": "job", "namespace": "shop" }, "spec": {},
        }))
        .unwrap();
        let config: FlinkConfig = pairs
            .iter()
            .map(|(key, value)| {
                (
                    format!("kubernetes.operator.events.exceptions.{key}"),
                    *value,
                )
            })
            .collect();
        Desired::of(&object, &Defaults::builtin().with_config(&config))
    }

    /// What is told of these exceptions, and up to when they were told afterwards.
    fn told(
        desired: &Desired,
        until: Option<&str>,
        exceptions: Vec<JobException>,
    ) -> (Vec<Announcement>, i64) {
        let status: FlinkDeploymentStatus = serde_json::from_value(json!({
            "jobStatus": { "jobId": "a", "exceptionsToldUntil": until },
        }))
        .unwrap();
        let now = Timestamp::from_millisecond(NOW).unwrap();
        let mut observed = Observed::nothing(now);
        let job = Job {
            name: "job".to_owned(),
            state: FlinkJobState::Running,
            start_ms: 0,
            modified_ms: NOW - 5,
        };
        observed.jobs = Sighting::Seen(BTreeMap::from([("a".to_owned(), job)]));
        observed.exceptions = Sighting::Seen(exceptions);
        let mut draft = Draft::of(desired, &status);
        tell(&mut draft, desired, &observed);
        let until = draft.job().exceptions_told_until.clone().unwrap();
        (
            draft.finish(desired).events,
            until.parse::<i64>().unwrap() - NOW,
        )
    }

    #[test]
    fn new_exceptions_are_told_in_their_order_with_some_lines_of_their_trace() {
        let desired = desired(&[("stacktrace-lines", "2")]);
        let until = (NOW - 100).to_string();
        let seen = vec![
            exception(-10, "late"),
            exception(-50, "early"),
            exception(-100, "old"),
        ];
        let (events, until) = told(&desired, Some(&until), seen);
        let messages: Vec<&str> = events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "java.io.IOException: early\n\tat A\n\tat B\n…",
                "java.io.IOException: late\n\tat A\n\tat B\n…",
            ]
        );
        assert_eq!(until, -5, "up to when the job changed");
        let detail = events[0].detail.as_ref().unwrap();
        assert_eq!(
            detail.annotations,
            BTreeMap::from(
                [
                    ("exception-timestamp", "2027-01-15T07:59:59.95Z"),
                    ("task-name", "Source: src (1/2)"),
                    ("endpoint", "10.0.0.1:6122"),
                    ("failure-label-team---owner", "data"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
            )
        );
    }

    #[test]
    fn the_newest_are_told_where_there_are_more_than_the_limit() {
        let desired = desired(&[("limit-per-reconciliation", "1"), ("stacktrace-lines", "0")]);
        let seen = vec![exception(-10, "late"), exception(-50, "early")];
        let (events, _) = told(&desired, Some("0"), seen);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].message, "java.io.IOException: late\n…");
    }

    #[test]
    fn what_is_long_past_is_not_told_of_a_job_that_is_new_to_us() {
        let hour = -60 * 60 * 1000;
        let seen = vec![exception(hour, "long ago"), exception(-10, "now")];
        let (events, _) = told(&desired(&[]), None, seen);
        assert_eq!(events.len(), 1);
        assert!(events[0].message.contains("now"));
    }

    #[test]
    fn the_same_cause_has_the_same_key_whatever_its_numbers() {
        let one = exception(0, "lost TaskManager 10.0.0.1:6122-a3f at attempt #3");
        let two = exception(9, "lost TaskManager 10.0.0.9:6122-b77 at attempt #4");
        let other = exception(9, "disk full");
        let key = |e| announcement(&e, 5).detail.map(|detail| detail.key);
        let first = key(one);
        assert_eq!(first, key(two));
        assert_ne!(first, key(other));
    }
}
