//! The annotation by which a person freezes the autoscaler of one resource, for good or until a time.
//!
//! The rule: what cannot be read freezes: whoever wrote it wanted the job left alone. Tests are below.

use flink_crds::FlinkDeployment;
use flink_scaler::Frozen;
use jiff::Timestamp;
use kube::ResourceExt;

/// The annotation: `true`, `false`, or the time at which it ends.
pub const FREEZE: &str = "flinkdeployment.flink.apache.org/autoscaler-freeze";

/// Whether and how the autoscaler is frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// When it ends by itself.
    until: Option<Timestamp>,
    /// Who, by which word, and how to lift it.
    text: String,
}

impl Freeze {
    /// As the annotation of this resource says; `None` if there is none, or if it says `false`.
    pub fn of(object: &FlinkDeployment) -> Option<Self> {
        let value = object.annotations().get(FREEZE)?.trim();
        let until: Option<Timestamp> = value.parse().ok();
        let how = if let Some(until) = until {
            format!("frozen until {until:.0}")
        } else if value.eq_ignore_ascii_case("false") {
            return None;
        } else if value.eq_ignore_ascii_case("true") {
            "frozen".to_owned()
        } else {
            format!(
                "frozen, since the value '{value}' cannot be read (write true, or a time such as \
                 2026-12-24T18:00:00Z),"
            )
        };
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        Some(Self {
            until,
            text: format!(
                "{how} by the annotation {FREEZE}{}; to lift it: kubectl -n {namespace} annotate \
                 flinkdeployment {name} {FREEZE}-",
                author(object)
            ),
        })
    }

    /// What it says at this instant; `None` once it has ended.
    pub fn at(&self, now: Timestamp) -> Option<Frozen> {
        let ended = self.until.is_some_and(|until| until <= now);
        (!ended).then(|| Frozen {
            text: self.text.clone(),
            until: self.until,
        })
    }
}

/// Who wrote the annotation and when, as far as the API server keeps book of it.
fn author(object: &FlinkDeployment) -> String {
    let wrote = |fields: &serde_json::Value| {
        let annotations = fields
            .get("f:metadata")
            .and_then(|of| of.get("f:annotations"));
        annotations.is_some_and(|of| of.get(format!("f:{FREEZE}")).is_some())
    };
    let entries = object.managed_fields().iter();
    let entry = entries
        .filter(|entry| {
            entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| wrote(&fields.0))
        })
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let Some(manager) = entry.and_then(|entry| entry.manager.as_deref()) else {
        return String::new();
    };
    let time = entry.and_then(|entry| entry.time.as_ref());
    let at = time.map_or_else(String::new, |time| format!(" at {:.0}", time.0));
    format!(", written by {manager}{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(value: &str) -> Option<Freeze> {
        let object = serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "orders",
                "namespace": "shop",
                "annotations": { FREEZE: value },
                "managedFields": [
                    { "manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z",
                      "fieldsType": "FieldsV1", "fieldsV1": { "f:metadata": { "f:annotations": {} } } },
                    { "manager": "kubectl-annotate", "operation": "Update", "time": "2026-01-02T00:00:00Z",
                      "fieldsType": "FieldsV1",
                      "fieldsV1": { "f:metadata": { "f:annotations": { (format!("f:{FREEZE}")): {} } } } },
                ],
            },
            "spec": {},
        }));
        Freeze::of(&object.unwrap())
    }

    const LIFT: &str = "to lift it: kubectl -n shop annotate flinkdeployment orders \
        flinkdeployment.flink.apache.org/autoscaler-freeze-";

    #[test]
    fn it_says_who_froze_and_how_to_lift_it() {
        let now = Timestamp::UNIX_EPOCH;
        let text = freeze("true").unwrap().at(now).unwrap().text;
        assert_eq!(
            text,
            format!(
                "frozen by the annotation {FREEZE}, written by kubectl-annotate at 2026-01-02T00:00:00Z; {LIFT}"
            )
        );
        assert_eq!(freeze("false"), None);
    }

    #[test]
    fn a_time_ends_it() {
        let freeze = freeze("2026-01-03T12:00:00+02:00").unwrap();
        let at = |text: &str| freeze.at(text.parse().unwrap());
        let frozen = at("2026-01-03T09:59:59Z").unwrap();
        assert!(
            frozen
                .text
                .starts_with("frozen until 2026-01-03T10:00:00Z by the annotation")
        );
        assert!(frozen.until.is_some());
        assert_eq!(at("2026-01-03T10:00:00Z"), None);
    }

    #[test]
    fn what_cannot_be_read_freezes_and_says_so() {
        for value in ["yes", "", "2026-01-03", "tomorrow"] {
            let text = freeze(value).unwrap().at(Timestamp::MAX).unwrap().text;
            let why =
                format!("frozen, since the value '{value}' cannot be read (write true, or a time");
            assert!(text.starts_with(&why) && text.ends_with(LIFT), "{text}");
        }
    }
}
