//! Finds keys that look like ours and are not, so that a typing mistake gives a warning, not silence.

use super::{
    FlinkConfig, Row,
    autoscaler::{AUTOSCALER_FAMILIES, AUTOSCALER_PREFIX, ROWS},
    options::{FAMILIES, PREFIX, TABLE},
};

/// A key that no option has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The key as it was written.
    pub key: String,
    /// The option that was probably meant.
    pub did_you_mean: Option<&'static str>,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown option {}", self.key)?;
        self.did_you_mean
            .map_or(Ok(()), |key| write!(f, "; did you mean {key}?"))
    }
}

/// The operator's options and the autoscaler's.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().chain(ROWS.iter())
}

/// The keys of `config` that start like ours and that no option and no family has.
pub fn unknown_keys(config: &FlinkConfig) -> Vec<Unknown> {
    let known = || {
        rows()
            .flat_map(|row| std::iter::once(&row.key).chain(row.aliases))
            .copied()
    };
    config
        .iter()
        .map(|(key, _)| key)
        .filter(|key| is_ours(key) && !in_family(key) && !in_family(current(key)))
        .filter(|key| !known().any(|known| known == *key || known == current(key)))
        .map(|key| Unknown {
            key: key.to_owned(),
            did_you_mean: nearest(current(key), known()),
        })
        .collect()
}

/// The key without the prefix that the autoscaler's keys once had.
pub(super) fn current(key: &str) -> &str {
    let bare = key
        .strip_prefix(PREFIX)
        .filter(|bare| bare.starts_with(AUTOSCALER_PREFIX));
    bare.unwrap_or(key)
}

/// Every value of `config` that its option cannot read.
pub fn invalid_values(config: &FlinkConfig) -> Vec<super::ConfigError> {
    let mut errors = Vec::new();
    for row in rows() {
        for key in std::iter::once(&row.key).chain(row.aliases) {
            match config.raw(key) {
                Some(text) if !(row.accepts)(text) => {
                    errors.push(super::ConfigError::invalid(key, text, row.expected));
                }
                _ => {}
            }
        }
    }
    errors
}

/// Whether a key is the operator's or the autoscaler's, and so never reaches Flink.
pub fn is_ours(key: &str) -> bool {
    key.starts_with(PREFIX) || key.starts_with(AUTOSCALER_PREFIX)
}

fn in_family(key: &str) -> bool {
    let own = FAMILIES.iter().map(|family| family.prefix);
    let all = own.chain(AUTOSCALER_FAMILIES.iter().map(|(_, start, _)| *start));
    all.filter_map(|start| key.strip_prefix(start))
        .any(|rest| !rest.is_empty())
}

/// The known key with the fewest typing mistakes between it and `key`, if they are few.
pub(super) fn nearest(
    key: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let allowed = (key.len() / 8).clamp(2, 6);
    known
        .map(|candidate| (distance(key, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance of two texts in bytes; keys are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.bytes().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(key: &str) -> Vec<Unknown> {
        unknown_keys(&FlinkConfig::from_iter([(key, "x")]))
    }

    #[test]
    fn distances_count_typing_mistakes() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_mistyped_key_names_the_one_that_was_meant() {
        let found = unknown("kubernetes.operator.reconcile.intervall");
        assert_eq!(
            found[0].did_you_mean,
            Some("kubernetes.operator.reconcile.interval")
        );
        assert_eq!(
            found[0].to_string(),
            "unknown option kubernetes.operator.reconcile.intervall; did you mean kubernetes.operator.reconcile.interval?"
        );
        let found = unknown("kubernetes.operator.something.else.entirely");
        assert_eq!(found[0].did_you_mean, None);
    }

    #[test]
    fn known_keys_aliases_families_and_flinks_keys_are_not_unknown() {
        for key in [
            "kubernetes.operator.reconcile.interval",
            "kubernetes.operator.reconciler.reschedule.interval",
            "kubernetes.operator.plugins.listeners.mine.class",
            "kubernetes.operator.default-configuration.namespace.a.parallelism.default",
            "kubernetes.operator.metrics.reporter.prom.factory.class",
            "job.autoscaler.metrics.window",
            "job.autoscaler.scaling.custom-executor.mine.class",
            "kubernetes.operator.job.autoscaler.scaling.custom-executor.mine.class",
            "taskmanager.numberOfTaskSlotss",
        ] {
            assert_eq!(unknown(key), [], "{key}");
        }
    }

    #[test]
    fn keys_of_the_autoscaler_are_known_by_both_prefixes() {
        let keys = [
            "job.autoscaler.enabled",
            "job.autoscaler.enable",
            "kubernetes.operator.job.autoscaler.enabled",
            "kubernetes.operator.job.autoscaler.enable",
        ];
        let config: FlinkConfig = keys.iter().map(|key| (*key, "true")).collect();
        let found = unknown_keys(&config);
        let found: Vec<_> = found
            .iter()
            .map(|u| (u.key.as_str(), u.did_you_mean))
            .collect();
        let meant = Some("job.autoscaler.enabled");
        assert_eq!(
            found,
            [
                ("job.autoscaler.enable", meant),
                ("kubernetes.operator.job.autoscaler.enable", meant)
            ]
        );
    }

    #[test]
    fn values_that_cannot_be_read_are_all_found() {
        let config = FlinkConfig::from_iter([
            ("kubernetes.operator.reconcile.interval", "soon"),
            ("kubernetes.operator.reconciler.max.parallelism", "many"),
            ("kubernetes.operator.health.probe.port", "8085"),
        ]);
        assert_eq!(invalid_values(&config).len(), 2);
    }
}
