//! Snapshots as a scenario writes them.

use flink_crds::{FlinkDeploymentStatus, Savepoint, SnapshotState, SnapshotTriggerType};
use flink_operator::domain::Sighting;
use flink_operator::domain::snapshot::{SnapshotKind, SnapshotProgress, SnapshotView};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// `none`, `unknown`, `not-installed`, or `NAME:STATE:AGE[:PATH]` with commas between; the name says which
/// kind and why. PATH `format` is a failure because of the format.
pub fn snapshots(how: &str, now: Timestamp) -> Result<Sighting<Vec<SnapshotView>>, String> {
    Ok(match how {
        "none" => Sighting::Seen(Vec::new()),
        "unknown" => Sighting::Unknown("not listed yet".to_owned()),
        "not-installed" => Sighting::Absent,
        list => Sighting::Seen(
            list.split(',')
                .map(|word| view(word, now))
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn view(word: &str, now: Timestamp) -> Result<SnapshotView, String> {
    let mut parts = word.split(':');
    let name = parts.next().unwrap_or_default();
    let state = parts.next().ok_or("expected NAME:STATE:AGE")?;
    let state: SnapshotState =
        serde_json::from_value(json!(state)).map_err(|_| format!("unknown state {state:?}"))?;
    let age: i64 = parts
        .next()
        .and_then(|age| age.parse().ok())
        .ok_or("expected an age in seconds")?;
    let path = parts.next().map(str::to_owned);
    let trigger = if name.contains("-periodic-") {
        SnapshotTriggerType::Periodic
    } else if name.contains("-upgrade-") {
        SnapshotTriggerType::Upgrade
    } else {
        SnapshotTriggerType::Manual
    };
    let kind = if name.contains("-checkpoint-") {
        SnapshotKind::Checkpoint
    } else {
        SnapshotKind::Savepoint
    };
    Ok(SnapshotView {
        name: name.to_owned(),
        kind,
        trigger,
        state,
        created: Some(now - SignedDuration::from_secs(age)),
        format_unsupported: path.as_deref() == Some("format"),
        path: path.filter(|path| path != "format"),
        disposes: false,
        deleting: false,
    })
}

/// `running`, `done:PATH`, `failed:CAUSE`, `absent` or `unknown`.
pub fn snapshot(how: &str) -> Result<Sighting<SnapshotProgress>, String> {
    Ok(match how.split_once(':').unwrap_or((how, "")) {
        ("running", _) => Sighting::Seen(SnapshotProgress::InProgress),
        ("done", path) => Sighting::Seen(SnapshotProgress::Completed(Some(path.to_owned()))),
        ("failed", cause) => Sighting::Seen(SnapshotProgress::Failed {
            cause: cause.to_owned(),
            format_unsupported: cause == "format",
        }),
        ("absent", _) => Sighting::Absent,
        ("unknown", _) => Sighting::Unknown("no answer within 10s".to_owned()),
        (other, _) => return Err(format!("unknown snapshot {other:?}")),
    })
}

/// What the status holds about savepoints, if anything.
pub fn recorded(status: &FlinkDeploymentStatus) -> Option<String> {
    let info = status.job_status.as_ref()?.savepoint_info.as_ref()?;
    let wanted = match (&info.trigger_type, &info.trigger_id) {
        (Some(why), Some(id)) => format!("{why:?} as {id}"),
        (Some(why), None) => format!("{why:?}"),
        (None, _) => "-".to_owned(),
    };
    let path = |savepoint: &Savepoint| savepoint.location.clone().unwrap_or_default();
    let last = info.last_savepoint.as_ref().map_or("-".to_owned(), path);
    let history = info.savepoint_history.iter().flatten().map(path);
    let history: Vec<String> = history.collect();
    Some(format!(
        "wanted={wanted} last={last} history={}",
        history.join(",")
    ))
}
