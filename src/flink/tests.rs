//! Properties: no answer, however broken, makes a call panic; a broken one is never taken for a state.

use http::StatusCode;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Category, classify};
use super::{JobDetail, JobException, Vertex, cause, savepoint_failure, wire};

const RECORDED: &[&str] = &[
    include_str!("../../tests/fixtures/rest/1.18.1/jobs_JOB.json"),
    include_str!("../../tests/fixtures/rest/1.20.5/jobs_JOB.json"),
    include_str!("../../tests/fixtures/rest/1.20.5/jobs_JOB_checkpoints.json"),
    include_str!("../../tests/fixtures/rest/1.20.5/jobs_overview.json"),
    include_str!("../../tests/fixtures/rest/1.20.5/vertex_subtasks_metrics_get.json"),
    include_str!("../../tests/fixtures/rest/1.20.5/jobs_JOB_resource-requirements.json"),
    include_str!("../../tests/fixtures/rest/1.20.5/taskmanagers.json"),
    include_str!("../../tests/fixtures/rest/2.3.0/jobs_JOB.json"),
];

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// Read as every message we know; the result does not matter, that there is one does.
fn read_as_everything(body: &[u8]) {
    let _ = read::<wire::JobDetail>(body).map(JobDetail::from);
    let _ = read::<wire::Vertex>(body).map(Vertex::from);
    let _ = read::<wire::Exception>(body).map(JobException::from);
    let _ = read::<wire::JobsOverview>(body).is_some();
    let _ = read::<wire::Checkpoints>(body).is_some();
    let _ = read::<wire::TaskManagers>(body).is_some();
    let _ = read::<Vec<wire::AggregatedMetric>>(body).is_some();
    let _ = read::<Vec<wire::MetricValue>>(body).is_some();
    let _ = read::<wire::Operation<wire::SavepointResult>>(body).is_some();
    let _ = read::<wire::ExecutionResult>(body).is_some();
    let _ = classify(StatusCode::NOT_FOUND, body);
}

/// One value somewhere in the document is replaced.
fn damaged(document: &str, position: usize, with: &Value) -> String {
    let mut value: Value = serde_json::from_str(document).unwrap();
    let count = count(&value);
    replace(&mut value, &mut (position % count), with);
    value.to_string()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn replace(value: &mut Value, left: &mut usize, with: &Value) -> bool {
    if *left == 0 {
        *value = with.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left, with)),
        Value::Object(fields) => fields.values_mut().any(|field| replace(field, left, with)),
        _ => false,
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::Array(Vec::new())),
        Just(Value::Object(serde_json::Map::new())),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_as_everything(&body);
    }

    #[test]
    fn a_damaged_answer_does_not_make_reading_panic(
        which in 0..RECORDED.len(), position in 0_usize..10_000, with in any_value(),
    ) {
        read_as_everything(damaged(RECORDED[which], position, &with).as_bytes());
    }

    #[test]
    fn a_cut_answer_is_not_understood(which in 0..RECORDED.len(), keep in 0.0..1.0_f64) {
        let document = RECORDED[which].trim_end();
        #[expect(
            clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a position within a short text"
        )]
        let kept = &document[..(document.len() as f64 * keep) as usize];
        prop_assert!(read::<Value>(kept.as_bytes()).is_none());
    }

    #[test]
    fn no_text_without_flinks_form_is_an_answer_about_a_job(body in ".{0,200}", status in 400_u16..600) {
        prop_assume!(!body.contains("errors"));
        let (category, message) = classify(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        prop_assert_eq!(category, Category::Unreachable);
        prop_assert!(!message.is_empty());
    }

    #[test]
    fn no_stack_trace_makes_its_summary_panic(text in "(Caused by: |\tat |.{0,30}|\n){0,20}") {
        let _ = savepoint_failure(&text);
        let failure = cause::Failure { class: "C".to_owned(), stack_trace: text };
        prop_assert!(!failure.summary().contains('\n'));
    }
}
