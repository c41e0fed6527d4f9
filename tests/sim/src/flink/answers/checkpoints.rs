//! `/jobs/:job/checkpoints` and the details of one.

use serde_json::{Value, json};

use super::super::checkpoints::Snapshot;
use super::super::job::Job;
use super::super::rest::Answer;
use super::{add, ms};
use crate::json::object;

/// Statistics of a job's checkpoints.
pub(in crate::flink) fn checkpoints(job: &Job) -> Value {
    let all = &job.checkpoints;
    let in_progress = u64::from(all.pending.is_some());
    let state_size = job.profile.state_size;
    let mut history: Vec<Value> = all
        .history
        .iter()
        .rev()
        .map(|snapshot| ended(snapshot, state_size))
        .collect();
    if let Some((id, triggered, _)) = all.pending {
        history.insert(0, pending(id, ms(triggered)));
    }
    let of = |snapshot: &Option<Snapshot>| {
        let snapshot = snapshot.as_ref();
        Value::from(snapshot.map(|snapshot| ended(snapshot, state_size)))
    };
    let restored = all.restored.as_ref().map(|restored| {
        json!({
            "id": restored.id, "restore_timestamp": ms(restored.at),
            "is_savepoint": restored.savepoint, "external_path": restored.path,
        })
    });
    let counts = json!({
        "restored": all.counts.restored,
        "total": all.counts.completed + all.counts.failed + in_progress,
        "in_progress": in_progress,
        "completed": all.counts.completed,
        "failed": all.counts.failed,
    });
    let latest = object([
        ("completed", of(&all.completed)),
        ("savepoint", of(&all.savepoint)),
        ("failed", of(&all.failed)),
        ("restored", restored.into()),
    ]);
    object([
        ("counts", counts),
        ("summary", summary(state_size)),
        ("latest", latest),
        ("history", Value::Array(history)),
    ])
}

fn summary(state_size: u64) -> Value {
    let fields = [
        "checkpointed_size",
        "state_size",
        "end_to_end_duration",
        "alignment_buffered",
        "processed_data",
        "persisted_data",
    ];
    #[expect(clippy::cast_precision_loss, reason = "sizes of a test")]
    let exact = state_size as f64;
    let statistics = json!({ "min": state_size, "max": state_size, "avg": state_size, "p50": exact,
        "p90": exact, "p95": exact, "p99": exact, "p999": exact });
    object(fields.map(|field| (field, statistics.clone())))
}

fn common(id: u64, status: &str, triggered: i64) -> Value {
    json!({
        "className": status.to_lowercase(), "id": id, "status": status, "is_savepoint": false,
        "savepointFormat": null, "trigger_timestamp": triggered, "latest_ack_timestamp": triggered,
        "checkpointed_size": 0, "state_size": 0, "end_to_end_duration": 0, "alignment_buffered": 0,
        "processed_data": 0, "persisted_data": 0, "num_subtasks": 4, "num_acknowledged_subtasks": 0,
        "checkpoint_type": "CHECKPOINT", "tasks": {},
    })
}

fn pending(id: u64, triggered: i64) -> Value {
    common(id, "IN_PROGRESS", triggered)
}

fn ended(snapshot: &Snapshot, state_size: u64) -> Value {
    let triggered = ms(snapshot.triggered);
    let end = snapshot.ended.map_or(triggered, ms);
    let failed = snapshot.failure.is_some();
    let status = if failed { "FAILED" } else { "COMPLETED" };
    let mut answer = common(snapshot.id, status, triggered);
    add(
        &mut answer,
        json!({ "end_to_end_duration": end - triggered, "latest_ack_timestamp": end }),
    );
    if failed {
        add(
            &mut answer,
            json!({ "failure_timestamp": end, "failure_message": snapshot.failure }),
        );
        return answer;
    }
    let kind = if snapshot.savepoint {
        "SAVEPOINT"
    } else {
        "CHECKPOINT"
    };
    add(
        &mut answer,
        json!({
            "is_savepoint": snapshot.savepoint, "savepointFormat": snapshot.format, "checkpoint_type": kind,
            "state_size": state_size, "checkpointed_size": state_size, "num_acknowledged_subtasks": 4,
            "external_path": snapshot.path, "discarded": snapshot.discarded,
        }),
    );
    answer
}

/// One checkpoint by its number.
pub(in crate::flink) fn checkpoint_details(job: &Job, number: &str) -> Answer {
    let known = job
        .checkpoints
        .history
        .iter()
        .find(|snapshot| snapshot.id.to_string() == number);
    match known {
        Some(snapshot) => Answer::ok(ended(snapshot, job.profile.state_size)),
        None => Answer::error(
            404,
            format!("Could not find checkpointing statistics for checkpoint {number}."),
        ),
    }
}
