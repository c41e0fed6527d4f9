//! Every option of the autoscaler, declared once. [`Settings`], reading, the reference and the search for
//! unknown keys come from this table. Where an option is read without effect, its text says so.

use std::{collections::BTreeMap, time::Duration};

use super::{
    SettingsError,
    entries::{Entries, VertexBounds},
    value::{Bytes, Value, choice},
    value_of,
};
use crate::schedule::Schedule;

/// What every key starts with.
pub const PREFIX: &str = "job.autoscaler.";

/// What every key once started with; still read.
pub const OLD_PREFIX: &str = "kubernetes.operator.job.autoscaler.";

choice! {
    /// What the autoscaler may do.
    Mode, "one of off, recommend, initial, auto", {
        /// Nothing.
        Off = "off",
        /// Say what it would do.
        Recommend = "recommend",
        /// Say what it would do; what it recommends is used when the job next starts for another reason.
        Initial = "initial",
        /// Rescale.
        Auto = "auto",
    }
}

choice! {
    /// How decisions are made.
    Profile, "adaptive or apache", {
        /// Ours: exact counters, decisions as soon as the evidence is clear.
        Adaptive = "adaptive",
        /// The Java operator's arithmetic.
        Apache = "apache",
    }
}

choice! {
    /// Which subtask's busy time stands for the vertex.
    BusyTime, "one of MAX, MIN, AVG", {
        /// The busiest.
        Max = "MAX",
        /// The least busy.
        Min = "MIN",
        /// The mean.
        Avg = "AVG",
    }
}

choice! {
    /// How a parallelism is aligned to key groups or partitions.
    Alignment, "one of BALANCED, EVENLY_SPREAD, OFF", {
        /// To the next that lowers the load of the fullest subtask.
        Balanced = "BALANCED",
        /// To the next divisor.
        EvenlySpread = "EVENLY_SPREAD",
        /// Not.
        Off = "OFF",
    }
}

choice! {
    /// The older way of alignment; used when set and the newer is not.
    LegacyAlignment, "EVENLY_SPREAD or MAXIMIZE_UTILISATION", {
        /// To a divisor, upward or else downward.
        EvenlySpread = "EVENLY_SPREAD",
        /// To what lowers the load of the fullest subtask.
        MaximizeUtilisation = "MAXIMIZE_UTILISATION",
    }
}

choice! {
    /// Where the readings of a job come from.
    MetricsSource, "rest or prometheus", {
        /// Flink's REST interface.
        Rest = "rest",
        /// A Prometheus server that scrapes Flink.
        Prometheus = "prometheus",
    }
}

/// An option as the table holds it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The key.
    pub key: &'static str,
    /// Older keys that are still read. The old prefix is not listed: it is read for every key.
    pub aliases: &'static [&'static str],
    /// The default as a user would write it; `None` if there is none.
    pub default: Option<&'static str>,
    /// What it does.
    pub doc: &'static str,
    /// The name of its type.
    pub kind: &'static str,
    /// What a value must be, with an example.
    pub expected: &'static str,
    /// Whether a text is a value of this option.
    pub accepts: fn(&str) -> bool,
    /// Whether the engine acts on it. If not it is read, so that configurations of the Java operator stay valid.
    pub effective: bool,
}

/// Keys that cannot be listed because a part is of the user's choice: pattern, common start, meaning.
pub const FAMILIES: &[(&str, &str, &str)] = &[
    (
        "job.autoscaler.metrics.custom-evaluator.<name>.<parameter>",
        "job.autoscaler.metrics.custom-evaluator.",
        "Settings of a Java plug-in of the Java operator. Read without effect.",
    ),
    (
        "job.autoscaler.scaling.custom-executor.<name>.<parameter>",
        "job.autoscaler.scaling.custom-executor.",
        "Settings of a Java plug-in of the Java operator. Read without effect.",
    ),
    (
        "job.autoscaler.scaling.parallelism-alignment.mode.<name>.<parameter>",
        "job.autoscaler.scaling.parallelism-alignment.mode.",
        "Settings of a Java plug-in of the Java operator. Read without effect.",
    ),
];

macro_rules! effective {
    () => {
        true
    };
    (inert) => {
        false
    };
}

macro_rules! maybe {
    () => {
        None
    };
    ($default:literal) => {
        Some($default)
    };
}

macro_rules! settings {
    ($($(@$inert:ident)? $field:ident: $type:ty, $key:literal $(= $default:literal)?, $doc:literal $(, [$($alias:literal),+])?;)+) => {
        /// The options of one job, typed. [`Settings::parse`] reads them; the defaults are `Settings::default()`.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(#[doc = $doc] pub $field: $type,)+
        }

        /// The table, in the order of the keys.
        pub const TABLE: &[Row] = &[$(Row {
            key: concat!("job.autoscaler.", $key),
            aliases: &[$($(concat!("job.autoscaler.", $alias)),+)?],
            default: maybe!($($default)?),
            doc: $doc,
            kind: <$type as Value>::TYPE,
            expected: <$type as Value>::EXPECTED,
            accepts: |text| <$type as Value>::parse(text).is_some(),
            effective: effective!($($inert)?),
        }),+];

        impl Settings {
            /// Every option from a flat configuration, or everything that is wrong with them.
            pub(super) fn read(
                config: &BTreeMap<String, String>,
            ) -> Result<Self, Vec<SettingsError>> {
                let mut errors = Vec::new();
                let mut rows = TABLE.iter();
                $(let $field: Option<$type> = rows.next().and_then(|row| value_of(row, config, &mut errors));)+
                // A missing value without an error cannot be: the defaults are tested.
                $(let Some($field) = $field else { return Err(errors) };)+
                Ok(Self { $($field),+ })
            }
        }
    };
}

settings! {
    adaptive_without: Vec<String>, "adaptive.without" = "",
        "Parts of profile `adaptive` to leave out, `;` between them: early, change, trend, forecast, curve, waiting, hot-key, warm-up, bottleneck, break-even, at-once, slots, roll-back, second-try. For finding out what a decision is due to.";
    backlog_lag_threshold: Duration, "backlog-processing.lag-threshold" = "5 min",
        "While more than this time's records wait in front of a source, nothing is scaled down and only what cannot keep up is scaled up.";
    catch_up_duration: Duration, "catch-up.duration" = "30 min",
        "Time in which waiting records are to be worked off after a rescale. 0 leaves them out of account.";
    enabled: Option<bool>, "enabled",
        "Switch. Unset is off, unless `job.autoscaler.mode` says otherwise; `false` is off whatever the mode.";
    excluded_periods: Vec<String>, "excluded.periods" = "",
        "Times at which nothing is scaled: `;` between periods, each `HH:mm:ss-HH:mm:ss`, a Quartz cron expression of 6 or 7 fields, or one of each joined by `&&`. UTC.";
    @inert rest_client_timeout: Duration, "flink.rest-client.timeout" = "10 s",
        "Limit of a request for metrics.";
    history_max_age: Duration, "history.max.age" = "1 d",
        "How long a rescale is remembered.";
    history_max_count: u32, "history.max.count" = "3",
        "How many rescales are remembered for each vertex.";
    gc_pressure_threshold: f64, "memory.gc-pressure.threshold" = "1.0",
        "Nothing is scaled while a TaskManager spends more than this share of its time on garbage.";
    heap_usage_threshold: f64, "memory.heap-usage.threshold" = "1.0",
        "Nothing is scaled while more than this share of the heap is used on average.";
    memory_tuning_enabled: bool, "memory.tuning.enabled" = "false",
        "Whether the memory of TaskManagers is tuned to what is used, never above what the spec gives. It is reckoned with each rescale and takes effect at the next upgrade of the job.";
    memory_tuning_maximize_managed: bool, "memory.tuning.maximize-managed-memory" = "false",
        "Whether memory that tuning would save becomes managed memory.";
    memory_tuning_overhead: f64, "memory.tuning.overhead" = "0.2",
        "Share of the heap and metaspace used that tuning leaves free on top.";
    memory_tuning_compensation: bool, "memory.tuning.scale-down-compensation.enabled" = "true",
        "Whether tuning gives more heap to each TaskManager when there will be fewer, who share the same state.";
    busy_time: BusyTime, "metrics.busy-time.aggregator" = "MAX",
        "Which subtask's busy time stands for the vertex: MAX, MIN or AVG.";
    @inert custom_evaluators: Vec<String>, "metrics.custom-evaluators" = "",
        "Names of Java plug-ins of the Java operator. Read without effect.";
    metrics_source: MetricsSource, "metrics.source" = "rest",
        "Where readings come from: `rest` (Flink's REST interface) or `prometheus` (a Prometheus server that scrapes Flink's own reporter). The job graph always comes from Flink.";
    metrics_window: Duration, "metrics.window" = "15 min",
        "Time over which readings are averaged. Profile `adaptive` decides earlier when the evidence is clear; `apache` waits until it is full.";
    mode: Option<Mode>, "mode",
        "What the autoscaler may do: off, recommend (say what it would do), initial (use it at the next start of the job), auto (rescale). Unset it follows from `job.autoscaler.enabled` and `job.autoscaler.scaling.enabled`.";
    observed_scalability_coefficient_min: f64, "observed-scalability.coefficient-min" = "0.5",
        "Least share of a subtask's capacity that is assumed to remain as parallelism grows.";
    observed_scalability_enabled: bool, "observed-scalability.enabled" = "false",
        "Whether the loss of capacity per subtask is learned from past rescales.";
    observed_scalability_min_observations: u32, "observed-scalability.min-observations" = "3",
        "Past rescales needed for that.";
    observed_rate_lag_threshold: Duration, "observed-true-processing-rate.lag-threshold" = "30 s",
        "A source behind which more than this time's records wait shows its capacity by its rate. Profile `apache`.";
    observed_rate_min_observations: u32, "observed-true-processing-rate.min-observations" = "2",
        "Readings needed for that. Profile `apache`.";
    observed_rate_switch_threshold: f64, "observed-true-processing-rate.switch-threshold" = "0.15",
        "Share by which the estimate from busy time must be above the observed rate to be replaced by it. Profile `apache`.";
    profile: Profile, "profile" = "adaptive",
        "How decisions are made: `adaptive`, or `apache` for the arithmetic of the Java operator.";
    prometheus_labels: Option<String>, "prometheus.labels",
        "Matchers that tell this job's series from others', such as `namespace=\"{namespace}\",app=\"{name}\"`: `{namespace}` and `{name}` are those of the resource. Needed where series are scraped twice, for the memory of TaskManagers, and by `backtest`.";
    prometheus_metric_names: Vec<String>, "prometheus.metric-names" = "",
        "Metrics that have other names than Flink's, `;` between them: `job_task_numRecordsIn=NAME`. What stands left is Flink's name without the prefix.";
    prometheus_metric_prefix: String, "prometheus.metric-prefix" = "flink_taskmanager_",
        "What the names of Flink's metrics start with.";
    prometheus_timeout: Duration, "prometheus.timeout" = "10 s",
        "How long an answer is waited for.";
    prometheus_url: Option<String>, "prometheus.url",
        "Address of the Prometheus server, such as `http://prometheus.monitoring:9090`. Needed with `job.autoscaler.metrics.source: prometheus`.";
    quota_cpu: Option<f64>, "quota.cpu",
        "Most CPUs that all TaskManagers of the job may ask for together. Profile `adaptive` scales as far as that allows, `apache` not at all.";
    quota_memory: Option<Bytes>, "quota.memory",
        "Most memory that all TaskManagers of the job may ask for together, reckoned with what the spec gives each. As with `job.autoscaler.quota.cpu`.";
    restart_time: Duration, "restart.time" = "5 min",
        "How long the job stands still for a rescale, as long as that has not been measured.";
    restart_time_tracking_enabled: bool, "restart.time-tracking.enabled" = "false",
        "Whether the measured time is used. Profile `adaptive` always does once there is one.";
    restart_time_tracking_limit: Duration, "restart.time-tracking.limit" = "15 min",
        "Most that a measured time counts.";
    scale_down_interval: Option<Duration>, "scale-down.interval",
        "How long less must have been enough before a vertex is scaled down. 0 is at once. Unset is 1 h with profile `apache`; `adaptive` then waits until what is wasted outweighs a rescale there and back, at most 1 h.",
        ["scale-up.grace-period"];
    scale_down_max_factor: Option<f64>, "scale-down.max-factor",
        "Largest share of its subtasks that a vertex loses at once. Unset is 0.6; with profile `adaptive` a vertex that was seen at work loses all it can do without.";
    scale_up_max_factor: f64, "scale-up.max-factor" = "100000.0",
        "Largest share of its subtasks that a vertex gains at once.";
    @inert custom_executors: Vec<String>, "scaling.custom-executors" = "",
        "Names of Java plug-ins of the Java operator. Read without effect.";
    effectiveness_detection_enabled: Option<bool>, "scaling.effectiveness.detection.enabled",
        "Whether a vertex is not scaled up again when the last time brought too little. Unset is true with profile `adaptive`, false with `apache`.";
    effectiveness_threshold: f64, "scaling.effectiveness.threshold" = "0.1",
        "Least share of the expected gain that counts as an effect.";
    scaling_enabled: bool, "scaling.enabled" = "true",
        "`false` only says what would be done, like mode `recommend`.";
    event_interval: Duration, "scaling.event.interval" = "30 min",
        "After which time it is told again what is recommended, and not done, as long as it stays the same; with `0` only when it changes.";
    legacy_alignment: Option<LegacyAlignment>, "scaling.key-group.partitions.adjust.mode",
        "Older form of `job.autoscaler.scaling.parallelism-alignment.mode`, used when that is not set: EVENLY_SPREAD or MAXIMIZE_UTILISATION.";
    alignment: Option<Alignment>, "scaling.parallelism-alignment.mode",
        "How a parallelism is aligned to key groups and partitions: BALANCED, EVENLY_SPREAD or OFF. Unset is BALANCED.";
    schedules: Entries<Schedule>, "schedules" = "",
        "Floors and ceilings at known times: `;` between entries, each `PERIOD => min N`, `PERIOD => max M` or `PERIOD => min N max M`, then perhaps `[vertex]`, an id or a name in which `*` stands for anything. Periods as in `job.autoscaler.excluded.periods`, UTC. A floor counts as early as a rescale takes.";
    stabilization_interval: Option<Duration>, "stabilization.interval",
        "Time after the start of a job or a rescale of which the readings are left out. Unset is 5 min with profile `apache`, and 1 min with `adaptive`, whose counters need no longer.";
    utilization_boundary: Option<f64>, "target.utilization.boundary",
        "Deprecated: distance of the two bounds from the target, 0.3 with profile `apache` if unset.";
    utilization_max: Option<f64>, "utilization.max",
        "Busy share above which a vertex is scaled up. Unset is the target plus the boundary, at most 1; with profile `adaptive` and no boundary, half-way from the target to 1.";
    utilization_min: Option<f64>, "utilization.min",
        "Busy share below which a vertex is scaled down. Unset is the target less the boundary (0.3 if unset).";
    utilization_target: f64, "utilization.target" = "0.7",
        "Busy share that is aimed at.",
        ["target.utilization"];
    vertex_exclude_ids: Vec<String>, "vertex.exclude.ids" = "",
        "Vertices that are never scaled, `;` between them: ids, or names in which `*` stands for anything.";
    vertex_max_parallelism: u32, "vertex.max-parallelism" = "200",
        "Most subtasks of a vertex.";
    vertex_min_parallelism: u32, "vertex.min-parallelism" = "1",
        "Fewest subtasks of a vertex.";
    vertex_parallelism_bounds: Entries<VertexBounds>, "vertex.parallelism-bounds" = "",
        "Fewest and most subtasks of some vertices instead of those of all: `,` between entries, each `vertex=min-max`, `vertex=min-` or `vertex=-max`, where `vertex` is an id or a name in which `*` stands for anything, in quotes if it has a comma. The first that fits counts.";
}
