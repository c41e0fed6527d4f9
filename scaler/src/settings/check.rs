//! Whether settings of the right type also make sense, and what is worth a word to the user.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{
    BusyTime, MetricsSource, Mode, OLD_PREFIX, PREFIX, Part, Profile, Settings, SettingsError,
    TABLE, entry,
};
use crate::guard::periods;

/// Longest duration that makes sense anywhere; what is longer is a slip of the unit.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Something a user should know about settings that work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An old key was used.
    Deprecated {
        /// The key used.
        key: String,
        /// The key to use.
        instead: &'static str,
    },
    /// A key was set that has no effect.
    WithoutEffect {
        /// The key.
        key: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deprecated { key, instead } => write!(f, "{key} is an old name; use {instead}"),
            Self::WithoutEffect { key } => write!(f, "{key} is read but has no effect"),
        }
    }
}

impl Settings {
    /// What the user should know about the options set in `config`.
    pub fn notices(config: &BTreeMap<String, String>) -> Vec<Notice> {
        let mut notices = Vec::new();
        for row in TABLE {
            let Some((key, _)) = entry(row, config) else {
                continue;
            };
            if !row.effective {
                notices.push(Notice::WithoutEffect { key: key.clone() });
            } else if key != row.key {
                notices.push(Notice::Deprecated {
                    key: key.clone(),
                    instead: row.key,
                });
            }
        }
        for (_, start, _) in super::FAMILIES {
            let suffix = start.strip_prefix(PREFIX).unwrap_or(start);
            let old = format!("{OLD_PREFIX}{suffix}");
            let named = |key: &&String| key.starts_with(start) || key.starts_with(&old);
            notices.extend(
                config
                    .keys()
                    .filter(named)
                    .map(|key| Notice::WithoutEffect { key: key.clone() }),
            );
        }
        notices
    }

    /// Everything that makes these settings unusable; empty if they can be worked with.
    pub fn check(&self) -> Vec<SettingsError> {
        let mut errors = Errors(Vec::new());
        self.check_utilization(&mut errors);
        self.check_numbers(&mut errors);
        self.check_durations(&mut errors);
        self.check_lists(&mut errors);
        self.check_prometheus(&mut errors);
        errors.0
    }

    fn check_utilization(&self, errors: &mut Errors) {
        let target = self.utilization_target;
        errors.within("utilization.target", target, 0.0, 1.0);
        if target == 0.0 {
            errors.add(
                "utilization.target",
                target,
                "would need endless capacity; write 0.7 for example",
            );
        }
        if let Some(max) = self.utilization_max {
            errors.within("utilization.max", max, target, 1.0);
        }
        if let Some(min) = self.utilization_min {
            errors.within("utilization.min", min, 0.0, target);
        }
        if let Some(boundary) = self.utilization_boundary {
            errors.within("target.utilization.boundary", boundary, 0.0, f64::MAX);
        }
    }

    fn check_numbers(&self, errors: &mut Errors) {
        errors.within("scale-down.max-factor", self.largest_loss(), 0.0, f64::MAX);
        errors.within(
            "scale-up.max-factor",
            self.scale_up_max_factor,
            0.0,
            f64::MAX,
        );
        errors.within(
            "memory.gc-pressure.threshold",
            self.gc_pressure_threshold,
            0.0,
            1.0,
        );
        errors.within(
            "memory.heap-usage.threshold",
            self.heap_usage_threshold,
            0.0,
            1.0,
        );
        errors.within(
            "observed-true-processing-rate.switch-threshold",
            self.observed_rate_switch_threshold,
            0.0,
            f64::MAX,
        );
        if self.observed_scalability_enabled {
            let least = self.observed_scalability_coefficient_min;
            errors.within("observed-scalability.coefficient-min", least, 0.01, 1.0);
        }
        if self.detects_ineffective() {
            errors.within(
                "scaling.effectiveness.threshold",
                self.effectiveness_threshold,
                0.0,
                1.0,
            );
        }
        if self.memory_tuning_enabled {
            errors.within(
                "memory.tuning.overhead",
                self.memory_tuning_overhead,
                0.0,
                1.0,
            );
        }
        if self.vertex_min_parallelism == 0 {
            errors.add(
                "vertex.min-parallelism",
                0,
                "is no parallelism; write 1 or more",
            );
        }
        let (least, most) = (self.vertex_min_parallelism, self.vertex_max_parallelism);
        if most < least.max(1) {
            let remedy = format!(
                "is below vertex.min-parallelism; write {} or more",
                least.max(1)
            );
            errors.add("vertex.max-parallelism", most, &remedy);
        }
        if self.profile == Profile::Adaptive && self.busy_time == BusyTime::Min {
            errors.add(
                "metrics.busy-time.aggregator",
                BusyTime::Min,
                "overlooks busy subtasks; write MAX or AVG, or use profile apache",
            );
        }
    }

    fn check_durations(&self, errors: &mut Errors) {
        let window = self.metrics_window;
        if window.is_zero() {
            errors.add(
                "metrics.window",
                "0 s",
                "holds no readings; write 1 min for example",
            );
        }
        for (key, length) in [
            ("metrics.window", window),
            ("stabilization.interval", self.stabilization()),
            (
                "scale-down.interval",
                self.scale_down_interval.unwrap_or_default(),
            ),
            ("catch-up.duration", self.catch_up_duration),
            ("restart.time", self.restart_time),
            (
                "restart.time-tracking.limit",
                self.restart_time_tracking_limit,
            ),
            (
                "backlog-processing.lag-threshold",
                self.backlog_lag_threshold,
            ),
            (
                "observed-true-processing-rate.lag-threshold",
                self.observed_rate_lag_threshold,
            ),
            ("history.max.age", self.history_max_age),
            ("scaling.event.interval", self.event_interval),
            ("prometheus.timeout", self.prometheus_timeout),
        ] {
            if length > LONGEST {
                let value = format!("{} s", length.as_secs());
                errors.add(key, value, "is longer than a year; check the unit");
            }
        }
    }

    fn check_prometheus(&self, errors: &mut Errors) {
        let name = |name: &str| {
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
            name.starts_with(|c: char| letter(c) && !c.is_ascii_digit()) && name.chars().all(letter)
        };
        match &self.prometheus_url {
            None if self.metrics_source == MetricsSource::Prometheus => errors.add(
                "metrics.source",
                "prometheus",
                "needs job.autoscaler.prometheus.url; write http://HOST:9090 there for example",
            ),
            Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => errors
                .add(
                    "prometheus.url",
                    format!("'{url}'"),
                    "is no address; write http://HOST:9090 for example",
                ),
            Some(url) if url.contains('@') => errors.add(
                "prometheus.url",
                "its user or password",
                "would be seen by all who can read the resource; leave it out",
            ),
            _ => {}
        }
        let labels = self.prometheus_labels.as_deref().unwrap_or_default();
        let bare = labels.replace("{namespace}", "").replace("{name}", "");
        if bare.contains(['{', '}']) || !bare.matches('"').count().is_multiple_of(2) {
            errors.add(
                "prometheus.labels",
                format!("'{labels}'"),
                "is no list of matchers; write namespace=\"{namespace}\",app=\"{name}\" for example",
            );
        }
        let prefix = &self.prometheus_metric_prefix;
        if !prefix.is_empty() && !name(prefix) {
            let remedy = "cannot begin a metric's name; write flink_taskmanager_ for example";
            errors.add("prometheus.metric-prefix", format!("'{prefix}'"), remedy);
        }
        for pair in &self.prometheus_metric_names {
            let names = pair.split_once('=').map(|(a, b)| (a.trim(), b.trim()));
            if !names.is_some_and(|(own, theirs)| name(own) && name(theirs)) {
                let remedy = "is no pair of names; write job_task_numRecordsIn=NAME for example";
                errors.add("prometheus.metric-names", format!("'{pair}'"), remedy);
            }
        }
        if self.prometheus_timeout.is_zero() {
            let remedy = "leaves no time for an answer; write 10 s for example";
            errors.add("prometheus.timeout", "0 s", remedy);
        }
    }

    fn check_lists(&self, errors: &mut Errors) {
        let known = |name: &str| Part::ALL.iter().any(|part| part.as_str() == name);
        for name in self.adaptive_without.iter().filter(|name| !known(name)) {
            let names: Vec<&str> = Part::ALL.iter().map(|part| part.as_str()).collect();
            let remedy = format!("is no part; write some of {}", names.join(", "));
            errors.add("adaptive.without", format!("'{name}'"), &remedy);
        }
        if let Err(error) = periods::parse(&self.excluded_periods) {
            let value = format!("'{}'", error.text);
            errors.add("excluded.periods", value, &error.remedy);
        }
        for (text, remedy) in self.schedules.mistakes() {
            errors.add("schedules", format!("'{text}'"), remedy);
        }
        for (text, remedy) in self.vertex_parallelism_bounds.mistakes() {
            errors.add("vertex.parallelism-bounds", format!("'{text}'"), remedy);
        }
        self.check_bounds(errors);
    }

    /// A bound of some vertices must fit the other side's bound of all, where it leaves that in force.
    fn check_bounds(&self, errors: &mut Errors) {
        for bounds in self.vertex_parallelism_bounds.iter() {
            let name = &bounds.pattern;
            let (least, most) = (self.vertex_min_parallelism, self.vertex_max_parallelism);
            match (bounds.min, bounds.max) {
                (Some(min), None) if min > most => errors.add(
                    "vertex.parallelism-bounds",
                    format!("'{name}={min}-'"),
                    &format!(
                        "is above vertex.max-parallelism {most}; write {name}={min}-{min} or a larger maximum"
                    ),
                ),
                (None, Some(max)) if max < least => errors.add(
                    "vertex.parallelism-bounds",
                    format!("'{name}=-{max}'"),
                    &format!(
                        "is below vertex.min-parallelism {least}; write {name}=1-{max} or a larger maximum"
                    ),
                ),
                _ => {}
            }
        }
    }
}

struct Errors(Vec<SettingsError>);

impl Errors {
    fn add(&mut self, suffix: &'static str, value: impl fmt::Display, remedy: &str) {
        let full = |row: &&super::Row| row.key.strip_prefix(PREFIX) == Some(suffix);
        let key = TABLE.iter().find(full).map_or(suffix, |row| row.key);
        self.0.push(SettingsError::Range {
            key,
            value: value.to_string(),
            remedy: remedy.to_owned(),
        });
    }

    fn within(&mut self, suffix: &'static str, value: f64, least: f64, most: f64) {
        if (least..=most).contains(&value) {
            return;
        }
        let remedy = if most < f64::MAX {
            format!("is not between {least} and {most}; write a number in that range")
        } else {
            format!("is below {least}; write a larger number")
        };
        self.add(suffix, value, &remedy);
    }
}

impl Settings {
    /// Whether anything is to be computed at all.
    pub fn is_off(&self) -> bool {
        self.effective_mode() == Mode::Off
    }
}
