//! Finds options that are set where they have no effect, or that have none at all, so that nobody relies on them.
//!
//! The rule: what an option is told to be in the reference is what is told here. A value that is the default
//! asks for nothing and is not told. Tests are below.

use super::{
    FlinkConfig, Row, Scope,
    autoscaler::AUTOSCALER_FAMILIES,
    options::FAMILIES,
    unknown::{current, rows},
};

/// How the reference says that an option is accepted and nothing follows from it; the reason comes after it.
pub const WITHOUT_EFFECT: &str = "Read without effect";

/// Of an option that a single resource cannot have.
const OF_THE_OPERATOR: &str =
    "it is for the operator as a whole, and belongs in the operator's own configuration";

/// Where options are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a resource, or in the operator's configuration for some resources.
    Resource,
    /// In the operator's own configuration.
    Operator,
}

/// What is set in vain in `config`, a sentence for each key.
pub fn in_vain(config: &FlinkConfig, place: Place) -> Vec<String> {
    let told = |(key, value)| {
        let (scope, doc) = match rows().find(|row| is_named(row, key)) {
            Some(row) if row.default == Some(value) => return None,
            Some(row) => (row.scope, row.doc),
            None => family(key)?,
        };
        if let Some((_, why)) = doc.split_once(WITHOUT_EFFECT) {
            let why = why.trim_end_matches('.');
            let why = if why.is_empty() { " here" } else { why };
            return Some(format!("{key} has no effect{why}"));
        }
        let elsewhere = place == Place::Resource && scope != Scope::Resource;
        elsewhere.then(|| format!("{key} has no effect here: {OF_THE_OPERATOR}"))
    };
    config.iter().filter_map(told).collect()
}

fn is_named(row: &Row, key: &str) -> bool {
    row.key == current(key) || row.aliases.contains(&current(key))
}

/// Where the keys of a family take effect, and what they do.
fn family(key: &str) -> Option<(Scope, &'static str)> {
    let own = FAMILIES
        .iter()
        .map(|family| (family.prefix, Scope::Process, family.doc));
    let autoscaler = AUTOSCALER_FAMILIES
        .iter()
        .map(|(_, start, doc)| (*start, Scope::Resource, *doc));
    own.chain(autoscaler)
        .find(|(start, ..)| current(key).starts_with(start))
        .map(|(_, scope, doc)| (scope, doc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Place, pairs: &[(&'static str, &'static str)]) -> Vec<String> {
        in_vain(&pairs.iter().copied().collect(), place)
    }

    #[test]
    fn what_is_not_built_is_named_wherever_it_is_asked_for() {
        let asked = [
            ("kubernetes.operator.deployment.rollback.enabled", "true"),
            (
                "kubernetes.operator.cluster.health-check.restarts.window",
                "5 min",
            ),
            ("kubernetes.operator.retry.max.attempts", "3"),
            (
                "kubernetes.operator.metrics.reporter.slf4j.interval",
                "5 MINUTE",
            ),
            (
                "kubernetes.operator.job.autoscaler.scaling.custom-executors",
                "mine",
            ),
        ];
        let expected = [
            "kubernetes.operator.cluster.health-check.restarts.window has no effect: not built yet",
            "kubernetes.operator.deployment.rollback.enabled has no effect but for its validation: not built yet",
            "kubernetes.operator.job.autoscaler.scaling.custom-executors has no effect here",
            "kubernetes.operator.metrics.reporter.slf4j.interval has no effect: metrics are always served to Prometheus",
            "kubernetes.operator.retry.max.attempts has no effect: it is tried for as long as it is needed",
        ];
        assert_eq!(told(Place::Resource, &asked), expected);
        assert_eq!(told(Place::Operator, &asked), expected);
    }

    #[test]
    fn what_is_the_operators_is_in_vain_in_a_resource_only() {
        let asked = [
            ("kubernetes.operator.ingress.manage", "false"),
            ("kubernetes.operator.plugins.listeners.audit.class", "http"),
            (
                "kubernetes.operator.enforced-configuration.web.submit.enable",
                "false",
            ),
        ];
        let told_of = told(Place::Resource, &asked);
        assert_eq!(told_of.len(), asked.len(), "{told_of:?}");
        for text in told_of {
            assert!(text.ends_with(OF_THE_OPERATOR), "{text}");
        }
        assert_eq!(told(Place::Operator, &asked), Vec::<String>::new());
    }

    #[test]
    fn what_is_the_default_or_takes_effect_is_not_told() {
        let fine = [
            ("kubernetes.operator.deployment.rollback.enabled", "false"),
            ("kubernetes.operator.ingress.manage", "true"),
            ("kubernetes.operator.reconcile.interval", "15 s"),
            ("kubernetes.operator.reconciler.reschedule.interval", "15 s"),
            ("kubernetes.operator.savepoint.history.max.count", "3"),
            ("job.autoscaler.mode", "auto"),
            ("kubernetes.operator.no.such.key", "1"),
            ("web.timeout", "1 min"),
        ];
        assert_eq!(told(Place::Resource, &fine), Vec::<String>::new());
    }
}
