//! Reading the operator's configuration again while it runs.
//!
//! The rule: what cannot be read changes nothing; what needs a restart is said to need one. New defaults take
//! effect for a job when it is next deployed, and cause no upgrade.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::listeners::LISTENERS;
use crate::config::load::{self, Sources};
use crate::config::{Defaults, options};
use crate::namespaces::{Shared, Watched};
use crate::telemetry::logs::Chain;

/// Options that are read at start only.
const AT_START: [&str; 23] = [
    options::CANARY_TIMEOUT.key,
    options::CLIENT_METRICS_ENABLED.key,
    options::CLIENT_METRICS_SLOW_THRESHOLD.key,
    options::DYNAMIC_CONFIG_CHECK_INTERVAL.key,
    options::DYNAMIC_CONFIG_ENABLED.key,
    options::FLINK_CLIENT_TIMEOUT.key,
    options::HEALTH_PROBE_ENABLED.key,
    options::HEALTH_PROBE_PORT.key,
    options::INGRESS_MANAGE.key,
    options::JOSDK_METRICS_ENABLED.key,
    options::LABEL_SELECTOR.key,
    options::LEADER_ELECTION_ENABLED.key,
    options::LEADER_ELECTION_LEASE_DURATION.key,
    options::LEADER_ELECTION_LEASE_NAME.key,
    options::LEADER_ELECTION_RENEW_DEADLINE.key,
    options::LEADER_ELECTION_RETRY_PERIOD.key,
    options::PROMETHEUS_TOKEN_FILE.key,
    options::RECONCILE_PARALLELISM.key,
    options::RESOURCE_LIFECYCLE_METRICS_ENABLED.key,
    options::RESOURCE_LIFECYCLE_NAMESPACE_HISTOGRAMS_ENABLED.key,
    options::RESOURCE_METRICS_ENABLED.key,
    options::RESOURCE_VIEW_REFRESH_INTERVAL.key,
    options::TERMINATION_TIMEOUT.key,
];

/// Whether a key takes effect at the next start only.
fn needs_a_start(key: &str) -> bool {
    AT_START.contains(&key) || key.starts_with(LISTENERS)
}

/// Read the configuration again every so often until `stop` resolves.
pub async fn watch(
    sources: Sources,
    every: Duration,
    shared: &Shared,
    watched: &mut Watched,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    let mut unread = None;
    let mut told = Vec::new();
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(every) => {}
        }
        match load::load(&sources) {
            Ok(loaded) => {
                unread = None;
                for warning in loaded
                    .warnings
                    .iter()
                    .filter(|warning| !told.contains(*warning))
                {
                    tracing::warn!("{warning}");
                }
                told = loaded.warnings;
                take_over(loaded.defaults, shared, watched).await;
            }
            Err(error) => {
                let text = Chain(&error).to_string();
                if unread.as_ref() != Some(&text) {
                    tracing::warn!("the configuration stays as it is: {text}");
                }
                unread = Some(text);
            }
        }
    }
}

/// Use these defaults from now on.
async fn take_over(new: Defaults, shared: &Shared, watched: &mut Watched) {
    let before = shared.defaults.get();
    if *before == new {
        return;
    }
    let keys = changed(&before, &new);
    // The beginning of the line is that of the Java operator, for those who wait for it.
    tracing::info!(
        "Setting default configuration to {{{}}}",
        keys.iter().cloned().collect::<Vec<_>>().join(", ")
    );
    for key in keys.iter().filter(|key| needs_a_start(key)) {
        tracing::warn!("{key} has changed, which takes effect when the operator is started again");
    }
    let dynamic = new.operator().get(&options::DYNAMIC_NAMESPACES_ENABLED);
    let names = new.watched_namespaces();
    shared.defaults.replace(new);
    match (dynamic, names) {
        (Ok(true), Ok(names)) => {
            if let Err(error) = watched.switch_to(names, shared).await {
                tracing::error!("{error:#}");
            }
        }
        (Ok(false), Ok(names)) if !watched.is(names.as_ref()) => tracing::warn!(
            "the watched namespaces have changed and stay as they are: set {} to true, or start the operator again",
            options::DYNAMIC_NAMESPACES_ENABLED.key
        ),
        (Ok(_), Ok(_)) => {}
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!("the watched namespaces stay as they are: {error}");
        }
    }
}

/// Keys whose values differ.
fn changed(before: &Defaults, after: &Defaults) -> BTreeSet<String> {
    let pairs = |defaults: &Defaults| -> BTreeSet<(String, String)> {
        let all = defaults.operator().iter();
        all.map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    let (before, after) = (pairs(before), pairs(after));
    before
        .symmetric_difference(&after)
        .map(|(key, _)| key.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FlinkConfig;

    fn with(pairs: &[(&str, &str)]) -> Defaults {
        let config: FlinkConfig = pairs.iter().copied().collect();
        Defaults::builtin().with_config(&config)
    }

    #[test]
    fn what_changed_is_named_whether_set_taken_out_or_different() {
        let before = with(&[("a", "1"), ("b", "1"), ("same", "1")]);
        let after = with(&[("a", "2"), ("c", "1"), ("same", "1")]);
        let keys: Vec<String> = changed(&before, &after).into_iter().collect();
        assert_eq!(keys, ["a", "b", "c"]);
        assert!(changed(&after, &after).is_empty());
    }

    #[test]
    fn keys_of_listeners_and_what_is_read_at_start_need_another_one() {
        for key in [
            "kubernetes.operator.plugins.listeners.audit.url",
            "kubernetes.operator.label.selector",
        ] {
            assert!(needs_a_start(key), "{key}");
        }
        for key in ["kubernetes.operator.reconcile.interval", "web.timeout"] {
            assert!(!needs_a_start(key), "{key}");
        }
    }
}
