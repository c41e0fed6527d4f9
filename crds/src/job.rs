//! The job inside a `FlinkDeployment` or `FlinkSessionJob`, and the configuration map both share.
//!
//! One rule: what is not written stays `None`; the operator's defaults are the `_or_default`
//! methods, so that reading an object never looks like changing it.
//! Tests are at the end of the file.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A Flink job: what to run, how parallel, and how to carry its state through upgrades.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// Where the job's JAR is. For an application usually a path inside the image, such as
    /// `local:///opt/flink/usrlib/job.jar`; for a session job a URI the operator can fetch.
    #[serde(rename = "jarURI", skip_serializing_if = "Option::is_none")]
    pub jar_uri: Option<String>,
    /// Parallelism of the whole job, at least 1. Ignored when `taskManager.replicas` is set:
    /// then it is replicas times slots. The autoscaler may override it for single vertices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// Fully qualified main class. Not needed if the JAR's manifest names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_class: Option<String>,
    /// Arguments of the main method, one element each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Desired state of the job. `suspended` stops it in the way `upgradeMode` says and keeps
    /// what is needed to resume. Default: `running`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Deprecated: create a FlinkStateSnapshot instead. A change to another number takes one
    /// savepoint of the running job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_trigger_nonce: Option<i64>,
    /// Savepoint to start from at the first deployment, and again whenever
    /// `savepointRedeployNonce` changes. Later changes of this field alone have no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_savepoint_path: Option<String>,
    /// Deprecated: create a FlinkStateSnapshot instead. A change to another number takes one
    /// checkpoint of the running job. Needs Flink 1.17 or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_trigger_nonce: Option<i64>,
    /// How state survives a change: `savepoint` stops with a savepoint, `last-state` uses the
    /// latest checkpoint or high-availability metadata, `stateless` starts empty.
    /// Default: `stateless`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_mode: Option<UpgradeMode>,
    /// Whether state that no operator of the new job claims may be dropped when restoring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_non_restored_state: Option<bool>,
    /// A change to another number redeploys the job from `initialSavepointPath` and drops its
    /// current state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_redeploy_nonce: Option<i64>,
    /// A change to another number makes the autoscaler forget this job's history and overrides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler_reset_nonce: Option<i64>,
}

impl JobSpec {
    /// Desired state; running unless written otherwise.
    pub fn state_or_default(&self) -> JobState {
        self.state.unwrap_or_default()
    }

    /// Upgrade mode; stateless unless written otherwise.
    pub fn upgrade_mode_or_default(&self) -> UpgradeMode {
        self.upgrade_mode.unwrap_or_default()
    }

    /// Arguments of the main method; none unless written.
    pub fn args_or_default(&self) -> &[String] {
        self.args.as_deref().unwrap_or_default()
    }

    /// Whether unclaimed state may be dropped; not unless written.
    pub fn allow_non_restored_state_or_default(&self) -> bool {
        self.allow_non_restored_state.unwrap_or_default()
    }

    /// Parallelism as written; 0 stands for "not written", as in the recorded spec.
    pub fn parallelism_or_default(&self) -> i32 {
        self.parallelism.unwrap_or_default()
    }
}

/// Whether the job should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the type's sentence covers both variants")]
pub enum JobState {
    #[default]
    Running,
    Suspended,
}

/// How a job's state survives a change of its spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "described in the schema of `JobSpec::upgrade_mode`"
)]
pub enum UpgradeMode {
    Savepoint,
    LastState,
    #[default]
    Stateless,
}

impl fmt::Display for UpgradeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Savepoint => "savepoint",
            Self::LastState => "last-state",
            Self::Stateless => "stateless",
        })
    }
}

/// Flink and operator configuration, flat (`a.b: c`) or nested, as the user wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlinkConfiguration(pub Map<String, Value>);

impl FlinkConfiguration {
    /// The flat form that is applied and compared: nested keys joined with `.`, list elements
    /// with `;`, scalars as text. Nulls are left out.
    pub fn flattened(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        for (key, value) in &self.0 {
            flatten(key, value, &mut flat);
        }
        flat
    }
}

fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                flatten(&format!("{path}.{key}"), value, flat);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            flat.insert(path.to_owned(), items.join(";"));
        }
        other => {
            flat.insert(path.to_owned(), scalar(other));
        }
    }
}

/// Text of a scalar: strings without quotes, everything else as JSON.
fn scalar(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for FlinkConfiguration {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl JsonSchema for FlinkConfiguration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FlinkConfiguration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // No type, as released: the API server keeps whatever shape it is given.
        schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn configuration(value: Value) -> FlinkConfiguration {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn nested_configuration_flattens_to_the_flat_one() {
        let nested = configuration(json!({
            "taskmanager": { "numberOfTaskSlots": 2, "memory": { "managed.fraction": 0.5 } },
            "pipeline": { "jars": ["a.jar", "b.jar"], "object-reuse": true },
            "rest": null,
        }));
        let flat = configuration(json!({
            "taskmanager.numberOfTaskSlots": "2",
            "taskmanager.memory.managed.fraction": "0.5",
            "pipeline.jars": "a.jar;b.jar",
            "pipeline.object-reuse": "true",
        }));
        assert_eq!(nested.flattened(), flat.flattened());
        assert_eq!(flat.flattened().len(), 4);
    }

    #[test]
    fn an_empty_job_reads_as_the_operators_defaults() {
        let job: JobSpec = serde_json::from_value(json!({})).unwrap();
        assert_eq!(job, JobSpec::default());
        assert_eq!(job.state_or_default(), JobState::Running);
        assert_eq!(job.upgrade_mode_or_default(), UpgradeMode::Stateless);
        assert_eq!(job.args_or_default(), &[] as &[String]);
        assert_eq!(serde_json::to_value(&job).unwrap(), json!({}));
    }

    #[test]
    fn enums_are_written_as_released() {
        let job =
            json!({ "state": "suspended", "upgradeMode": "last-state", "jarURI": "local:///j" });
        let parsed: JobSpec = serde_json::from_value(job.clone()).unwrap();
        assert_eq!(parsed.upgrade_mode, Some(UpgradeMode::LastState));
        assert_eq!(serde_json::to_value(&parsed).unwrap(), job);
    }
}
