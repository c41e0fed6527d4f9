//! What a pass decided about the autoscaler, as a scenario shows it: what changed, a line each.

use std::fmt::Write as _;

use flink_crds::{AutoscalerStatus, TunedMemory};
use serde_json::Value;

/// Size of a TaskManager.
pub const PROCESS_SIZE: &str = "taskmanager.memory.process.size";

/// The size of a TaskManager that the autoscaler tuned.
fn process_size(memory: Option<&TunedMemory>) -> String {
    let Some(memory) = memory else {
        return "-".to_owned();
    };
    let size = memory.overrides.get(PROCESS_SIZE);
    let size = size.map_or("as in the spec", String::as_str);
    match memory.required {
        Some(true) => format!("{size} (required)"),
        _ => size.to_owned(),
    }
}

/// The name of a value in the API.
pub fn text<T: serde::Serialize>(value: Option<&T>) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        _ => "-".to_owned(),
    }
}

/// The lines about the autoscaler.
pub fn autoscaler(out: &mut String, before: &AutoscalerStatus, next: Option<&AutoscalerStatus>) {
    if let Some(next) = next.filter(|next| *next != before) {
        let _ = writeln!(
            out,
            "scaler     {} {}: {}",
            text(next.mode.as_ref()),
            text(next.state.as_ref()),
            text(next.reason.as_ref())
        );
    }
    let change = |scaler: &AutoscalerStatus| {
        let needed = scaler.task_managers.as_ref()?;
        (needed.current != needed.target).then_some((needed.current?, needed.target?))
    };
    if let Some((now, then)) = next.and_then(change).filter(|_| next != Some(before)) {
        let _ = writeln!(out, "managers   {now} -> {then}");
    }
    let after = next.cloned().unwrap_or_default();
    for (name, before, after) in [
        ("imposed", &before.overrides, &after.overrides),
        ("next start", &before.next_start, &after.next_start),
    ] {
        if before != after {
            let of = |(vertex, n): (&String, &i32)| format!(" {vertex}={n}");
            let vertices: String = after.iter().map(of).collect();
            let _ = writeln!(out, "{name:<10}{vertices}");
        }
    }
    for (name, before, after) in [
        ("schedule", &before.schedule, &after.schedule),
        ("frozen", &before.frozen, &after.frozen),
        ("conflict", &before.conflict, &after.conflict),
    ] {
        if before != after {
            let _ = writeln!(out, "{name:<10} {}", text(after.as_ref()));
        }
    }
    if before.refused_memory != after.refused_memory {
        let _ = writeln!(
            out,
            "refused    {}",
            process_size(after.refused_memory.as_ref())
        );
    }
    let tuned = |scaler: &AutoscalerStatus| (scaler.memory.clone(), scaler.next_memory.clone());
    if let Some(next) = next.filter(|next| tuned(next) != tuned(before)) {
        let _ = writeln!(
            out,
            "memory     {}, next {}",
            process_size(next.memory.as_ref()),
            process_size(next.next_memory.as_ref()),
        );
    }
}
