//! A line of the log for each event and for each status whose state or error is another.
//!
//! The rule: the lines are those of the Java operator, column by column, for those who collect them. Their target is
//! `flink_operator::act::audit`.

use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::domain::Announcement;
use crate::listen::Audience;

/// Log an event.
pub fn event<K: Resource<DynamicType = ()>>(object: &K, announcement: &Announcement) {
    let line = event_line(&K::kind(&()), announcement);
    log(object, announcement.warning, &line);
}

/// Log a status that was written, if its state or its error is another than before.
pub fn status<K>(before: &K, status: &K::Status)
where
    K: Audience,
    K::Status: Serialize,
{
    // Making the lines takes longer than deciding did; where nobody reads them it is not done.
    if !tracing::enabled!(tracing::Level::WARN) {
        return;
    }
    let kind = K::kind(&());
    let line = status_line(&kind, &json(Some(status)));
    if line != status_line(&kind, &json(before.status())) {
        log(before, line.contains("| Error "), &line);
    }
}

fn json<S: Serialize>(status: Option<&S>) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}

fn log<K: Resource<DynamicType = ()>>(object: &K, warning: bool, line: &str) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (uid, generation) = (object.uid(), object.meta().generation);
    if warning {
        tracing::warn!(
            resource.namespace = namespace,
            resource.name = name,
            resource.generation = generation,
            resource.uid = uid,
            "{line}"
        );
    } else {
        tracing::info!(
            resource.namespace = namespace,
            resource.name = name,
            resource.generation = generation,
            resource.uid = uid,
            "{line}"
        );
    }
}

fn event_line(kind: &str, announcement: &Announcement) -> String {
    let level = if announcement.warning {
        "Warning"
    } else {
        "Info"
    };
    let reason = announcement.reason.to_string().to_uppercase();
    line("Event", kind, [level, &reason, &announcement.message])
}

fn status_line(kind: &str, status: &Value) -> String {
    let text = |field: &str| status[field].as_str().filter(|text| !text.is_empty());
    let error = text("error");
    let state = text("lifecycleState").or(text("state")).unwrap_or("-");
    let said = error.or(text("path")).unwrap_or_else(|| described(state));
    let level = if error.is_some() { "Error" } else { "Info" };
    line("Status", kind, [level, state, said])
}

/// One line, whatever the text has in it.
fn line(what: &str, kind: &str, [level, subject, message]: [&str; 3]) -> String {
    let part = if kind == "FlinkStateSnapshot" {
        "Snapshot"
    } else {
        "Job"
    };
    let what = format!("{what}[{part}]");
    let message = message.replace('\n', " ");
    format!(">>> {what:<16} | {level:<7} | {subject:<15} | {message}")
}

/// What a state means.
fn described(state: &str) -> &'static str {
    match state {
        "CREATED" => "The resource was created in Kubernetes but not yet handled by the operator",
        "SUSPENDED" => "The job has been suspended",
        "UPGRADING" => "The resource is being upgraded",
        "DEPLOYED" => "The resource is deployed, but it is not yet known to be stable",
        "STABLE" => "The resource runs as specified and is considered stable",
        "ROLLING_BACK" => "The resource is being rolled back to the last stable spec",
        "ROLLED_BACK" => "The resource runs with the last stable spec",
        "FAILED" => "The job has failed for good",
        "DELETING" => "The resource is being deleted",
        "DELETED" => "The resource has been deleted",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use flink_crds::FlinkDeployment;

    use super::*;
    use crate::domain::{Component, Reason};
    use crate::telemetry::logs::Memory;

    #[test]
    fn a_line_says_which_resource_it_is_about_and_which_generation() {
        let object: FlinkDeployment = serde_json::from_value(json!({
            "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "spec": {},
            "metadata": { "namespace": "shop", "name": "orders", "uid": "u-1", "generation": 4 },
        }))
        .unwrap();
        let status = serde_json::from_value(json!({ "lifecycleState": "STABLE" })).unwrap();
        let log = Memory::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            super::status::<FlinkDeployment>(&object, &status);
        });
        let line: Value = serde_json::from_str(&log.text()).unwrap();
        assert_eq!(
            line["fields"],
            json!({
                "resource.namespace": "shop", "resource.name": "orders", "resource.uid": "u-1",
                "resource.generation": 4,
                "message": ">>> Status[Job]      | Info    | STABLE          | The resource runs as specified and is \
                            considered stable",
            })
        );
    }

    #[test]
    fn an_event_is_one_line_in_columns() {
        let announcement = Announcement {
            warning: false,
            reason: Reason::JobStatusChanged,
            component: Component::Job,
            message: "Job status changed\nfrom CREATED to RUNNING".to_owned(),
            detail: None,
        };
        assert_eq!(
            event_line("FlinkDeployment", &announcement),
            ">>> Event[Job]       | Info    | JOBSTATUSCHANGED | Job status changed from CREATED to RUNNING"
        );
    }

    #[test]
    fn a_status_is_told_by_its_state_and_its_error() {
        let line = |kind, status| status_line(kind, &status);
        assert_eq!(
            line("FlinkDeployment", json!({ "lifecycleState": "STABLE" })),
            ">>> Status[Job]      | Info    | STABLE          | The resource runs as specified and is considered stable"
        );
        assert_eq!(
            line(
                "FlinkDeployment",
                json!({ "lifecycleState": "FAILED", "error": "no slots" })
            ),
            ">>> Status[Job]      | Error   | FAILED          | no slots"
        );
        assert_eq!(
            line(
                "FlinkStateSnapshot",
                json!({ "state": "COMPLETED", "path": "file:///s" })
            ),
            ">>> Status[Snapshot] | Info    | COMPLETED       | file:///s"
        );
    }
}
