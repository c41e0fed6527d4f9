//! Configuration that stands over what users write: `kubernetes.operator.enforced-configuration.*`.
//!
//! The rule: an option has one value whatever name it was given, so every other name of an enforced one is taken out.
//! What says which job it is stays the user's.

use std::fmt;

use super::{
    FlinkConfig, Memory, Value, flink,
    options::PREFIX,
    render::RENAMED,
    unknown::{current, rows},
};

/// Keys that are the user's fields, the autoscaler's, or the operator's own for each cluster.
const BARRED: [&str; 11] = [
    "execution.savepoint.path",
    "execution.shutdown-on-application-finish",
    "execution.state-recovery.path",
    "execution.target",
    "high-availability.cluster-id",
    "kubernetes.cluster-id",
    "kubernetes.jobmanager.owner.reference",
    "kubernetes.namespace",
    "parallelism.default",
    "pipeline.jars",
    "pipeline.jobvertex-parallelism-overrides",
];
const BARRED_BELOW: [&str; 3] = ["$internal.", "internal.", "kubernetes.internal."];

/// Two names of one thing that nothing else here knows of.
const SAME: [(&str, &str); 3] = [
    (
        "kubernetes.container.image",
        "kubernetes.container.image.ref",
    ),
    (
        "kubernetes.jobmanager.cpu",
        "kubernetes.jobmanager.cpu.amount",
    ),
    (
        "kubernetes.taskmanager.cpu",
        "kubernetes.taskmanager.cpu.amount",
    ),
];

/// Keys of one role that would win over the key of both.
const NARROWER: [(&str, &str); 2] = [
    (
        "kubernetes.service-account",
        "kubernetes.jobmanager.service-account",
    ),
    (
        "kubernetes.service-account",
        "kubernetes.taskmanager.service-account",
    ),
];

/// Parts of keys whose values Flink does not print either.
const SECRET: [&str; 9] = [
    "password",
    "secret",
    "account.key",
    "apikey",
    "api-key",
    "auth-params",
    "token",
    "basic-auth",
    "jaas.config",
];

/// Whether a key can be enforced.
pub fn enforceable(key: &str) -> bool {
    !BARRED.contains(&key) && !BARRED_BELOW.iter().any(|start| key.starts_with(start))
}

/// What stands over the configuration of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enforced(FlinkConfig);

/// A value of the user's that an enforced one stands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overruled {
    /// Where the user wrote it.
    pub place: String,
    /// What the user wrote.
    pub value: String,
    /// The enforced key.
    pub key: String,
    /// Its value.
    pub by: String,
}

impl fmt::Display for Overruled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            value,
            key,
            by,
        } = self;
        if SECRET.iter().any(|part| key.to_lowercase().contains(part)) {
            return write!(f, "{place}, in favour of {key}");
        }
        write!(f, "{place}: '{value}', in favour of {key}: '{by}'")
    }
}

impl Enforced {
    /// These values, those that cannot be enforced left out.
    pub fn new(mut values: FlinkConfig) -> Self {
        values.retain(enforceable);
        Self(values)
    }

    /// Whether a key that begins so is enforced.
    pub fn touches(&self, start: &str) -> bool {
        self.0.below(start).next().is_some()
    }

    /// Put the values in place of whatever `config` says of them.
    pub fn lay_over(&self, config: &mut FlinkConfig) {
        for (key, value) in self.0.iter() {
            for name in names(key) {
                config.remove(&name);
            }
            config.set(key, value);
        }
    }

    /// Take out of `own` what has no say, so that a mistake is not looked for there.
    pub fn take_out_of(&self, own: &mut FlinkConfig) {
        for (key, _) in self.0.iter() {
            for name in names(key) {
                own.remove(&name);
            }
        }
    }

    /// What has no say of what the user wrote: among the keys `own`, and in fields, which `fields` has by the keys that
    /// they stand for. What says the same is not overruled.
    pub fn overruled(
        &self,
        own: &FlinkConfig,
        fields: impl FnOnce() -> FlinkConfig,
    ) -> Vec<Overruled> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let fields = fields();
        let mut found = Vec::new();
        for (key, by) in self.0.iter() {
            for name in names(key) {
                let written = [
                    (own.raw(&name), format!("spec.flinkConfiguration[{name}]")),
                    (fields.raw(&name), field(&name)),
                ];
                for (value, place) in written {
                    let Some(value) = value.filter(|value| !same(value, by)) else {
                        continue;
                    };
                    found.push(Overruled {
                        place,
                        value: value.to_owned(),
                        key: key.to_owned(),
                        by: by.to_owned(),
                    });
                }
            }
        }
        found
    }
}

/// Every name that an option has, this one first, and those that would win over it.
fn names(key: &str) -> Vec<String> {
    let bare = current(key);
    let mut names = vec![key.to_owned()];
    let row = rows().chain(flink::ALL).find(|row| {
        let mut all = std::iter::once(&row.key).chain(row.aliases);
        all.any(|name| *name == bare)
    });
    let of_row = row
        .into_iter()
        .flat_map(|row| std::iter::once(&row.key).chain(row.aliases));
    let others = of_row.copied().chain([bare]);
    let pairs = RENAMED.iter().chain(&SAME);
    let renamed = pairs.filter_map(|(one, two)| match bare {
        bare if bare == *one => Some(*two),
        bare if bare == *two => Some(*one),
        _ => None,
    });
    let narrower = NARROWER.iter().filter(|(wide, _)| *wide == bare);
    let narrower = narrower.map(|(_, narrow)| *narrow);
    for name in others.chain(renamed).chain(narrower) {
        let old = format!("{PREFIX}{name}");
        let old = (current(&old) == name).then_some(old);
        for name in std::iter::once(name.to_owned()).chain(old) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The field of the spec that stands for a key.
fn field(key: &str) -> String {
    let manager = if key.contains("taskmanager") {
        "spec.taskManager"
    } else {
        "spec.jobManager"
    };
    match key {
        "kubernetes.container.image" | "kubernetes.container.image.ref" => "spec.image".to_owned(),
        "kubernetes.container.image.pull-policy" => "spec.imagePullPolicy".to_owned(),
        "kubernetes.service-account" => "spec.serviceAccount".to_owned(),
        "kubernetes.jobmanager.replicas" => "spec.jobManager.replicas".to_owned(),
        _ if key == flink::IGNORE_UNCLAIMED_STATE.key => {
            "spec.job.allowNonRestoredState".to_owned()
        }
        _ if key.ends_with(".limit-factor") => format!("{manager}.resources.limits"),
        _ if key.contains(".memory.") => format!("{manager}: memory"),
        _ => format!("{manager}: cpu"),
    }
}

/// Whether two texts say the same: alike, or the same number or size.
fn same(one: &str, two: &str) -> bool {
    let (one, two) = (one.trim(), two.trim());
    let alike = |a: Option<f64>, b: Option<f64>| {
        a.is_some_and(|a| b.is_some_and(|b| a.total_cmp(&b).is_eq()))
    };
    one == two
        || alike(one.parse().ok(), two.parse().ok())
        || Memory::parse(one).is_some_and(|size| Memory::parse(two) == Some(size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::effective::fields;

    fn overruled(enforced: &[(&str, &str)], spec: serde_json::Value) -> Vec<String> {
        let spec: flink_crds::FlinkDeploymentSpec = serde_json::from_value(spec).unwrap();
        let own = spec.flink_configuration.as_ref();
        let own = own.map_or_else(FlinkConfig::new, |map| FlinkConfig::flatten(&map.0));
        let found =
            Enforced::new(enforced.iter().copied().collect()).overruled(&own, || fields(&spec));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_overruled_is_told_with_its_place_and_by_what() {
        let told = overruled(
            &[
                ("execution.checkpointing.dir", "s3://ours"),
                ("kubernetes.container.image.ref", "blessed"),
                ("jobmanager.memory.process.size", "1 gb"),
                ("kubernetes.jobmanager.replicas", "2"),
                ("kubernetes.taskmanager.cpu.amount", "2"),
            ],
            serde_json::json!({
                "image": "mine",
                "jobManager": {"resource": {"memory": "2g"}},
                "taskManager": {"resources": {"requests": {"cpu": "4"}}},
                "flinkConfiguration": {"state.checkpoints.dir": "s3://mine"},
            }),
        );
        assert_eq!(
            told,
            [
                "spec.flinkConfiguration[state.checkpoints.dir]: 's3://mine', in favour of execution.checkpointing.dir: 's3://ours'",
                "spec.jobManager: memory: '2 gb', in favour of jobmanager.memory.process.size: '1 gb'",
                "spec.image: 'mine', in favour of kubernetes.container.image.ref: 'blessed'",
                "spec.taskManager: cpu: '4.0', in favour of kubernetes.taskmanager.cpu.amount: '2'",
            ]
        );
    }

    #[test]
    fn what_says_the_same_is_not_overruled() {
        let told = overruled(
            &[
                ("taskmanager.memory.process.size", "2048m"),
                ("kubernetes.taskmanager.cpu.amount", "2"),
                ("web.timeout", "1 s"),
            ],
            serde_json::json!({
                "taskManager": {"resource": {"memory": "2g", "cpu": 2}},
                "flinkConfiguration": {"web.timeout": " 1 s"},
            }),
        );
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn secrets_are_not_told() {
        let told = overruled(
            &[("s3.secret-key", "ours")],
            serde_json::json!({"flinkConfiguration": {"s3.secret-key": "mine"}}),
        );
        assert_eq!(
            told,
            ["spec.flinkConfiguration[s3.secret-key], in favour of s3.secret-key"]
        );
    }
}
