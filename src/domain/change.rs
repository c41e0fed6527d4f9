//! How much of a running deployment a change of its spec disturbs.
//!
//! The rule: the largest effect wins, and every field of a spec is named here, so that a new one
//! does not compile until it is classified.

use std::collections::BTreeSet;
use std::fmt;

use flink_crds::{FlinkDeploymentSpec, JobSpec, PodTemplate, TaskManagerSpec};
use serde::Serialize;
use serde_json::Value;

use crate::config::FlinkConfig;
use crate::config::flink::PARALLELISM_OVERRIDES;

/// Effects of a change, from the least to the most disturbing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecChange {
    /// Nothing differs.
    #[default]
    None,
    /// Taken into account without touching the cluster.
    Ignore,
    /// Only the parallelism differs; it can be changed in place where Flink can.
    Scale,
    /// The job is stopped and started again.
    Upgrade,
    /// The job is started from `initialSavepointPath`, dropping its present state.
    SavepointRedeploy,
}

impl fmt::Display for SpecChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "NONE",
            Self::Ignore => "IGNORE",
            Self::Scale => "SCALE",
            Self::Upgrade => "UPGRADE",
            Self::SavepointRedeploy => "SAVEPOINT_REDEPLOY",
        })
    }
}

/// A change with the fields that differ, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The largest effect.
    pub effect: SpecChange,
    /// `field : old -> new`, in the order of the spec.
    pub fields: Vec<String>,
}

impl Change {
    fn note(&mut self, effect: SpecChange, field: &str, old: &Value, new: &Value) {
        self.effect = self.effect.max(effect);
        self.fields
            .push(format!("{field} : {} -> {}", brief(old), brief(new)));
    }

    /// Compare one field as the API server would: by its JSON, absent and null being the same.
    fn field<T>(&mut self, effect: SpecChange, name: &str, old: &T, new: &T)
    where
        T: Serialize + PartialEq,
    {
        // What is equal in Rust is so in JSON, and nearly always both are.
        if old == new {
            return;
        }
        let (old, new) = (json(old), json(new));
        if old != new {
            self.note(effect, name, &old, &new);
        }
    }

    /// A nonce: only a change to another number counts.
    fn nonce(&mut self, effect: SpecChange, name: &str, old: Option<i64>, new: Option<i64>) {
        if new.is_some() && old != new {
            self.field(effect, name, &old, &new);
        }
    }
}

/// What changed between the spec that is deployed and the one asked for.
///
/// Both are compared with the operator's defaults filled in, so that writing a default down is no change.
pub fn change_of(old: &FlinkDeploymentSpec, new: &FlinkDeploymentSpec) -> Change {
    use SpecChange::Upgrade;
    let FlinkDeploymentSpec {
        image,
        image_pull_policy,
        service_account,
        flink_version,
        ingress,
        pod_template,
        job_manager,
        task_manager,
        log_configuration,
        mode,
        job,
        restart_nonce,
        flink_configuration,
    } = old;
    let mut change = Change::default();
    job_change(&mut change, job.as_ref(), new.job.as_ref());
    change.nonce(Upgrade, "restartNonce", *restart_nonce, new.restart_nonce);
    config_change(
        &mut change,
        flink_configuration.as_ref().map(|c| &c.0),
        new.flink_configuration.as_ref().map(|c| &c.0),
    );
    change.field(Upgrade, "image", image, &new.image);
    change.field(
        Upgrade,
        "imagePullPolicy",
        image_pull_policy,
        &new.image_pull_policy,
    );
    change.field(
        Upgrade,
        "serviceAccount",
        service_account,
        &new.service_account,
    );
    change.field(Upgrade, "flinkVersion", flink_version, &new.flink_version);
    // The Ingress is changed beside the running job.
    change.field(SpecChange::Ignore, "ingress", ingress, &new.ingress);
    change.field(
        Upgrade,
        "podTemplate",
        &bare(pod_template.as_ref()),
        &bare(new.pod_template.as_ref()),
    );
    let replicas = |spec: &Option<flink_crds::JobManagerSpec>| {
        let mut spec = spec.clone().unwrap_or_default();
        spec.replicas = Some(spec.replicas.unwrap_or(1));
        spec.pod_template = bare(spec.pod_template.as_ref());
        spec
    };
    change.field(
        Upgrade,
        "jobManager",
        &replicas(job_manager),
        &replicas(&new.job_manager),
    );
    task_manager_change(
        &mut change,
        task_manager.as_ref(),
        new.task_manager.as_ref(),
    );
    change.field(
        Upgrade,
        "logConfiguration",
        log_configuration,
        &new.log_configuration,
    );
    change.field(
        Upgrade,
        "mode",
        &mode.unwrap_or_default(),
        &new.mode.unwrap_or_default(),
    );
    change
}

fn job_change(change: &mut Change, old: Option<&JobSpec>, new: Option<&JobSpec>) {
    use SpecChange::{Ignore, SavepointRedeploy, Upgrade};
    let (Some(old), Some(new)) = (old, new) else {
        change.field(Upgrade, "job", &old, &new);
        return;
    };
    let JobSpec {
        jar_uri,
        parallelism,
        entry_class,
        args,
        state,
        savepoint_trigger_nonce,
        checkpoint_trigger_nonce,
        initial_savepoint_path,
        upgrade_mode,
        allow_non_restored_state,
        savepoint_redeploy_nonce,
        autoscaler_reset_nonce,
    } = old;
    let list = |args: &Option<Vec<String>>| args.clone().unwrap_or_default();
    change.field(Upgrade, "job.jarURI", jar_uri, &new.jar_uri);
    change.field(
        Upgrade,
        "job.parallelism",
        &parallelism.unwrap_or_default(),
        &new.parallelism.unwrap_or_default(),
    );
    change.field(Upgrade, "job.entryClass", entry_class, &new.entry_class);
    change.field(Upgrade, "job.args", &list(args), &list(&new.args));
    change.field(
        Upgrade,
        "job.state",
        &state.unwrap_or_default(),
        &new.state.unwrap_or_default(),
    );
    change.field(
        Ignore,
        "job.savepointTriggerNonce",
        savepoint_trigger_nonce,
        &new.savepoint_trigger_nonce,
    );
    change.field(
        Ignore,
        "job.checkpointTriggerNonce",
        checkpoint_trigger_nonce,
        &new.checkpoint_trigger_nonce,
    );
    change.field(
        Ignore,
        "job.initialSavepointPath",
        initial_savepoint_path,
        &new.initial_savepoint_path,
    );
    change.field(
        Ignore,
        "job.upgradeMode",
        &upgrade_mode.unwrap_or_default(),
        &new.upgrade_mode.unwrap_or_default(),
    );
    change.field(
        Ignore,
        "job.allowNonRestoredState",
        allow_non_restored_state,
        &new.allow_non_restored_state,
    );
    change.nonce(
        SavepointRedeploy,
        "job.savepointRedeployNonce",
        *savepoint_redeploy_nonce,
        new.savepoint_redeploy_nonce,
    );
    change.field(
        Ignore,
        "job.autoscalerResetNonce",
        autoscaler_reset_nonce,
        &new.autoscaler_reset_nonce,
    );
}

fn task_manager_change(
    change: &mut Change,
    old: Option<&TaskManagerSpec>,
    new: Option<&TaskManagerSpec>,
) {
    use SpecChange::{Scale, Upgrade};
    let absent = TaskManagerSpec::default();
    let (old, new) = (old.unwrap_or(&absent), new.unwrap_or(&absent));
    let TaskManagerSpec {
        resource,
        resources,
        replicas,
        pod_template,
    } = old;
    change.field(Upgrade, "taskManager.resource", resource, &new.resource);
    change.field(Upgrade, "taskManager.resources", resources, &new.resources);
    change.field(Scale, "taskManager.replicas", replicas, &new.replicas);
    change.field(
        Upgrade,
        "taskManager.podTemplate",
        &bare(pod_template.as_ref()),
        &bare(new.pod_template.as_ref()),
    );
}

/// A template without the kind it may be said to have, which the Java operator records at one time and not at another.
fn bare(template: Option<&PodTemplate>) -> Option<PodTemplate> {
    let mut template = template.cloned();
    if let Some(PodTemplate(Value::Object(map))) = &mut template {
        map.retain(|key, _| key != "apiVersion" && key != "kind");
    }
    template
}

type Json = serde_json::Map<String, Value>;

fn config_change(change: &mut Change, old: Option<&Json>, new: Option<&Json>) {
    if old == new {
        return;
    }
    let flat = |map: Option<&Json>| map.map(FlinkConfig::flatten).unwrap_or_default();
    let (old, new) = (flat(old), flat(new));
    let keys: BTreeSet<&str> = old.iter().chain(new.iter()).map(|(key, _)| key).collect();
    for key in keys {
        let (before, after) = (old.raw(key), new.raw(key));
        // The Java operator writes the vertices in another order.
        let as_map = |config: &FlinkConfig| config.get(&PARALLELISM_OVERRIDES).ok();
        let alike = || as_map(&old).is_some_and(|map| as_map(&new) == Some(map));
        let same = before == after || (key == PARALLELISM_OVERRIDES.key && alike());
        if !same {
            let name = format!("flinkConfiguration.{key}");
            change.note(effect_of_key(key), &name, &json(&before), &json(&after));
        }
    }
}

/// Effect of a changed Flink configuration key.
fn effect_of_key(key: &str) -> SpecChange {
    const IGNORED: [&str; 3] = [
        "job.autoscaler",
        "parallelism.default",
        "kubernetes.operator",
    ];
    if key == PARALLELISM_OVERRIDES.key {
        SpecChange::Scale
    } else if IGNORED.iter().any(|prefix| key.starts_with(prefix)) {
        SpecChange::Ignore
    } else {
        SpecChange::Upgrade
    }
}

/// JSON without nulls, so that an absent field equals an explicit null.
fn json<T: Serialize>(value: &T) -> Value {
    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Object(map) => Value::Object(
                map.into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, without_nulls(value)))
                    .collect(),
            ),
            Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
            other => other,
        }
    }
    serde_json::to_value(value).map_or(Value::Null, without_nulls)
}

/// A value as people read it in an event, cut before it floods the event.
fn brief(value: &Value) -> String {
    const LONGEST: usize = 100;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}
