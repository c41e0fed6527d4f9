//! The operator with real pods and real Flink. Tests here are stories of minutes; what can be shown by a
//! scenario, a world or an API server alone is shown there.
#![allow(missing_docs, reason = "tests are sentences")]

mod autoscaler;
mod chart;
mod elastic;
mod examples;
mod format;
mod kafka;
mod life;
mod listener;
mod metrics;
mod modes;
mod prometheus;
mod session;
mod snapshots;

use serde_json::Value;

/// Id of the job that the status speaks of.
fn job_id(object: &Value) -> String {
    object
        .pointer("/status/jobStatus/jobId")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The job runs from a savepoint.
#[track_caller]
fn assert_restored_from_savepoint(object: &Value) {
    let restored = object
        .pointer("/status/jobStatus/upgradeSavepointPath")
        .and_then(Value::as_str);
    assert!(
        restored.is_some_and(|path| path.contains("savepoint")),
        "{restored:?}"
    );
}
