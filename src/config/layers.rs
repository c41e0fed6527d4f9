//! Values that hold for some resources only: keys with a family's prefix, then a namespace or a Flink version, then
//! the key that gets the value.
//!
//! The rule: a Flink version beats a namespace, one version beats it and all later ones, and all beat what names neither.

use flink_crds::FlinkVersion;

use super::{FlinkConfig, Place, enforced::enforceable, in_vain, invalid_values, unknown_keys};

const NAMESPACE: &str = "namespace.";
const VERSION: &str = "flink-version.";

/// Which resources a value is for; what is more is nearer to a resource, and wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach<'a> {
    /// All of them.
    All,
    /// Those in a namespace.
    Namespace(&'a str),
    /// Those of a Flink version and of later ones.
    From(FlinkVersion),
    /// Those of a Flink version.
    Version(FlinkVersion),
}

impl Reach<'_> {
    fn includes(self, namespace: &str, version: Option<FlinkVersion>) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(name) => name == namespace,
            Self::From(from) => version.is_some_and(|version| from <= version),
            Self::Version(only) => version == Some(only),
        }
    }
}

/// For whom a value is and which key gets it, by what stands after the prefix. `None` if there is no key, or no such
/// version.
fn reach(rest: &str) -> Option<(Reach<'_>, &str)> {
    let (reach, key) = if let Some(rest) = rest.strip_prefix(NAMESPACE) {
        let (namespace, key) = rest.split_once('.')?;
        (Reach::Namespace(namespace), key)
    } else if let Some(rest) = rest.strip_prefix(VERSION) {
        let (label, key) = rest.split_once('.')?;
        let reach = match label.strip_suffix('+') {
            Some(from) => Reach::From(from.parse().ok()?),
            None => Reach::Version(label.parse().ok()?),
        };
        (reach, key)
    } else {
        (Reach::All, rest)
    };
    (!key.is_empty()).then_some((reach, key))
}

/// A family of such keys.
#[derive(Clone, Copy, Debug)]
pub struct Layers {
    /// What they start with.
    pub prefix: &'static str,
    /// Whether a value may be for all resources: a default for all of them is the plain key.
    pub for_all: bool,
}

/// Defaults.
pub const DEFAULT: Layers = Layers {
    prefix: "kubernetes.operator.default-configuration.",
    for_all: false,
};

/// What users cannot change.
pub const ENFORCED: Layers = Layers {
    prefix: "kubernetes.operator.enforced-configuration.",
    for_all: true,
};

impl Layers {
    /// What they give the resources of a namespace and a version.
    pub fn of_resource(
        &self,
        config: &FlinkConfig,
        namespace: &str,
        version: Option<FlinkVersion>,
    ) -> FlinkConfig {
        let mut values: Vec<(Reach<'_>, &str, &str)> = config
            .below(self.prefix)
            .filter_map(|(rest, value)| reach(rest).map(|(reach, key)| (reach, key, value)))
            .filter(|(reach, ..)| self.for_all || *reach != Reach::All)
            .filter(|(reach, ..)| reach.includes(namespace, version))
            .collect();
        values.sort_by_key(|(reach, ..)| *reach);
        let values = values.into_iter();
        values.map(|(_, key, value)| (key, value)).collect()
    }
}

/// What is wrong with the keys of both families: versions that do not exist, and keys that are not what was meant.
pub fn mistakes(config: &FlinkConfig) -> Vec<String> {
    let mut mistakes = Vec::new();
    for layers in [DEFAULT, ENFORCED] {
        for (rest, value) in config.below(layers.prefix) {
            let whole = format!("{}{rest}", layers.prefix);
            let Some((reach, key)) = reach(rest) else {
                mistakes.push(format!(
                    "{whole} has no effect; write namespace.<namespace>.<key>, flink-version.v1_20.<key>, or \
                     flink-version.v1_20+.<key> for later versions too"
                ));
                continue;
            };
            if reach == Reach::All && !layers.for_all {
                // An unknown key, and told as such.
                continue;
            }
            let one = FlinkConfig::from_iter([(key, value)]);
            let unknown = unknown_keys(&one)
                .into_iter()
                .map(|error| error.to_string());
            let unreadable = invalid_values(&one)
                .into_iter()
                .map(|error| error.to_string());
            let barred = (layers.prefix == ENFORCED.prefix && !enforceable(key)).then(|| {
                "it cannot be enforced, because it says which job it is or the operator sets it itself".to_owned()
            });
            let all = unknown
                .chain(unreadable)
                .chain(in_vain(&one, Place::Resource))
                .chain(barred);
            mistakes.extend(all.map(|problem| format!("{whole}: {problem}")));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_have_no_effect_is_told_with_its_whole_key() {
        let config = FlinkConfig::from_iter([
            (
                "kubernetes.operator.default-configuration.flink-version.v1_2O.a",
                "1",
            ),
            (
                "kubernetes.operator.default-configuration.namespace.ns.job.autoscaler.modus",
                "auto",
            ),
            (
                "kubernetes.operator.default-configuration.namespace.ns.web.timeout",
                "1 s",
            ),
            (
                "kubernetes.operator.enforced-configuration.job.autoscaler.mode",
                "sometimes",
            ),
            (
                "kubernetes.operator.enforced-configuration.kubernetes.operator.ingress.manage",
                "false",
            ),
            (
                "kubernetes.operator.enforced-configuration.parallelism.default",
                "2",
            ),
            (
                "kubernetes.operator.enforced-configuration.restart-strategy.type",
                "none",
            ),
        ]);
        let mistakes = mistakes(&config);
        for (mistake, expected) in mistakes.iter().zip([
            (
                "flink-version.v1_2O.a",
                "has no effect; write namespace.<namespace>.<key>",
            ),
            (
                "namespace.ns.job.autoscaler.modus",
                "did you mean job.autoscaler.mode?",
            ),
            (
                "enforced-configuration.job.autoscaler.mode",
                "'sometimes' is not",
            ),
            (
                "enforced-configuration.kubernetes.operator.ingress.manage",
                "has no effect here: it is for the operator as a whole",
            ),
            (
                "enforced-configuration.parallelism.default",
                "it cannot be enforced",
            ),
        ]) {
            assert!(
                mistake.contains(expected.0) && mistake.contains(expected.1),
                "{mistake}"
            );
        }
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
    }
}
