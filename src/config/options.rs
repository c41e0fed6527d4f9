//! Every `kubernetes.operator.*` option, declared once. Reading, the reference, the search for unknown
//! keys and the chart's schema come from this table. `job.autoscaler.*` is declared by the scaler.

use std::{collections::BTreeMap, time::Duration};

use flink_crds::{CheckpointType, SavepointFormatType};

use super::{
    option::{ConfigOption, Row, Scope},
    schedule::{Blackout, Schedule},
    selector::LabelSelector,
    value::{Interval, Pause, Value, choice},
};

/// What every key of this table starts with.
pub const PREFIX: &str = "kubernetes.operator.";

choice! {
    /// What the deletion of a Deployment waits for.
    Propagation, "one of Foreground, Background, Orphan", {
        /// The pods are gone before the Deployment is.
        Foreground = "Foreground",
        /// The Deployment goes at once, its pods follow.
        Background = "Background",
        /// The pods stay.
        Orphan = "Orphan",
    }
}

impl Value for SavepointFormatType {
    const TYPE: &'static str = "Enum";
    const EXPECTED: &'static str = "one of CANONICAL, NATIVE";

    fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "CANONICAL" => Some(Self::Canonical),
            "NATIVE" => Some(Self::Native),
            _ => None,
        }
    }
}

impl Value for CheckpointType {
    const TYPE: &'static str = "Enum";
    const EXPECTED: &'static str = "one of FULL, INCREMENTAL";

    fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "FULL" => Some(Self::Full),
            "INCREMENTAL" => Some(Self::Incremental),
            _ => None,
        }
    }
}

/// A family of keys with a name of the user's choice in them.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The key with `<…>` where the user's part is.
    pub pattern: &'static str,
    /// The part before the user's, with which every such key starts.
    pub prefix: &'static str,
    /// What the keys do.
    pub doc: &'static str,
}

/// Keys that cannot be listed because a part of them is chosen by the user.
pub const FAMILIES: &[Family] = &[
    Family {
        pattern: "kubernetes.operator.default-configuration.namespace.<namespace>.<key>",
        prefix: "kubernetes.operator.default-configuration.namespace.",
        doc: "Default of a key for the resources of one namespace.",
    },
    Family {
        pattern: "kubernetes.operator.default-configuration.flink-version.<version>.<key>",
        prefix: "kubernetes.operator.default-configuration.flink-version.",
        doc: "Default of a key for one Flink version (`v1_20`), or for it and all later ones (`v1_20+`). Beats the default of a namespace.",
    },
    Family {
        pattern: "kubernetes.operator.enforced-configuration.<key>",
        prefix: super::layers::ENFORCED.prefix,
        doc: "Value of a key that no resource can change: it wins over `spec.flinkConfiguration` and over the fields of the spec that stand for it. With `namespace.<namespace>.` or `flink-version.<version>.` before the key, for some resources only, as defaults are.",
    },
    Family {
        pattern: "kubernetes.operator.metrics.<key>",
        prefix: "kubernetes.operator.metrics.",
        doc: "Metric settings of the Java operator, its reporters for example. Read without effect: metrics are always served to Prometheus.",
    },
    Family {
        pattern: "kubernetes.operator.plugins.listeners.<name>.<parameter>",
        prefix: super::listeners::LISTENERS,
        doc: "Settings of the listener of that name; see [Listeners](#listeners).",
    },
];

macro_rules! options {
    ($($name:ident: $type:ty, $scope:ident, $key:literal $(= $default:literal)?, $doc:literal $(, [$($alias:literal),+])?;)+) => {
        $(
            #[doc = $doc]
            pub const $name: ConfigOption<$type> =
                ConfigOption::new(concat!("kubernetes.operator.", $key), Scope::$scope, $doc)
                    $(.or($default))?
                    $(.alias(&[$(concat!("kubernetes.operator.", $alias)),+]))?;
        )+

        /// The table, in the order of the keys.
        pub const TABLE: &[Row] = &[$($name.row()),+];
    };
}

options! {
    PROMETHEUS_TOKEN_FILE: Option<String>, Process, "autoscaler.prometheus.bearer-token-file",
        "File with the token that is sent to the Prometheus server of the operator's own `job.autoscaler.prometheus.url`, and to no server that a resource names.";
    BLUE_GREEN_ABORT_GRACE_PERIOD: Duration, BlueGreen, "bluegreen.abort.grace-period" = "10 min",
        "Time the new side has to become ready before the transition is given up. Read without effect: not built yet.";
    BLUE_GREEN_DELETION_DELAY: Duration, BlueGreen, "bluegreen.deployment-deletion.delay" = "0 ms",
        "Time the old side is kept after the new one is ready. Read without effect: not built yet.";
    BLUE_GREEN_RESCHEDULE_INTERVAL: Duration, BlueGreen, "bluegreen.reconciliation.reschedule-interval" = "15 s",
        "Time between two looks during a transition. Read without effect: not built yet.";
    CHECKPOINT_TRIGGER_GRACE_PERIOD: Duration, Resource, "checkpoint.trigger.grace-period" = "1 min",
        "Without snapshot resources: time during which a failed checkpoint is tried again.";
    CHECKPOINT_TYPE: CheckpointType, Resource, "checkpoint.type" = "FULL",
        "Type of the checkpoints that the operator triggers periodically.";
    HEALTH_CHECK_PROGRESS_ENABLED: bool, Resource, "cluster.health-check.checkpoint-progress.enabled" = "true",
        "Whether a job that completes no checkpoints counts as unhealthy. Read without effect: not built yet.";
    HEALTH_CHECK_PROGRESS_WINDOW: Option<Duration>, Resource, "cluster.health-check.checkpoint-progress.window",
        "A job without a completed checkpoint for this long is unhealthy. Not below what the job's checkpoint settings need, which is also used when unset. Read without effect: not built yet.";
    HEALTH_CHECK_ENABLED: bool, Resource, "cluster.health-check.enabled" = "false",
        "Whether unhealthy jobs are restarted. Read without effect but for its validation: not built yet.";
    HEALTH_CHECK_RESTARTS_THRESHOLD: i32, Resource, "cluster.health-check.restarts.threshold" = "64",
        "Number of restarts within the window that makes a job unhealthy. Read without effect: not built yet.";
    HEALTH_CHECK_RESTARTS_WINDOW: Duration, Resource, "cluster.health-check.restarts.window" = "2 min",
        "Window in which restarts are counted. Read without effect: not built yet.";
    RESOURCE_VIEW_REFRESH_INTERVAL: Interval, Process, "cluster.resource-view.refresh-interval" = "-1 min",
        "How often it is read what nodes and quotas of namespaces have free, which limits the autoscaler. Negative is off; leave it so where nodes are added on demand.";
    CONFIG_CACHE_SIZE: i32, Process, "config.cache.size" = "1000",
        "Number of effective configurations kept by the Java operator. Read without effect: they are cheap to make here.";
    CONFIG_CACHE_TIMEOUT: Duration, Process, "config.cache.timeout" = "10 min",
        "Time the Java operator keeps them. Read without effect.";
    READINESS_TIMEOUT: Duration, Resource, "deployment.readiness.timeout" = "5 min",
        "Time in which the tasks of a job with tuned memory have to run, else it gets the memory of its spec back. Specs are not rolled back yet.";
    ROLLBACK_ENABLED: bool, Resource, "deployment.rollback.enabled" = "false",
        "Whether a spec that does not become stable is rolled back to the last stable one. Read without effect but for its validation: not built yet.";
    DYNAMIC_CONFIG_CHECK_INTERVAL: Pause, Process, "dynamic.config.check.interval" = "5 min",
        "How often the mounted defaults are read again. At least a second.";
    DYNAMIC_CONFIG_ENABLED: bool, Process, "dynamic.config.enabled" = "true",
        "Whether changed defaults are taken over without a restart of the operator.";
    DYNAMIC_NAMESPACES_ENABLED: bool, Process, "dynamic.namespaces.enabled" = "false",
        "Whether changed defaults may also change the watched namespaces.";
    EVENTS_EXCEPTIONS_LIMIT: i32, Process, "events.exceptions.limit-per-reconciliation" = "10",
        "Largest number of JobException events from one pass.";
    EVENTS_EXCEPTIONS_STACKTRACE_LINES: i32, Process, "events.exceptions.stacktrace-lines" = "5",
        "Lines of the stack trace kept in a JobException event.";
    EXCEPTION_FIELD_MAX_LENGTH: i32, Resource, "exception.field.max.length" = "2048",
        "Largest number of characters of a text in status.error.";
    EXCEPTION_LABEL_MAPPER: BTreeMap<String, String>, Resource, "exception.label.mapper" = "",
        "Regular expressions and labels; the labels of the expressions that match an error are added to status.error.";
    EXCEPTION_STACKTRACE_ENABLED: bool, Operator, "exception.stacktrace.enabled" = "false",
        "Whether status.error holds the stack trace. Read without effect: an error of this operator has no stack trace, and that of a job is in the JobException event, as `events.exceptions.stacktrace-lines` says.";
    EXCEPTION_STACKTRACE_MAX_LENGTH: i32, Operator, "exception.stacktrace.max.length" = "2048",
        "Largest number of characters of that stack trace. Read without effect, as there is none.";
    EXCEPTION_LIST_MAX_COUNT: i32, Operator, "exception.throwable.list.max.count" = "2",
        "Number of causes listed in status.error. Read without effect: the message holds them all.";
    FLINK_CANCEL_TIMEOUT: Duration, Operator, "flink.client.cancel.timeout" = "1 min",
        "Time a cancel request may take. Read without effect: a cancellation is asked for as all else is, and then looked after.", ["reconciler.flink.cancel.job.timeout"];
    FLINK_CLIENT_TIMEOUT: Duration, Process, "flink.client.timeout" = "10 s",
        "Time a request to the JobManager may take.", ["observer.flink.client.timeout"];
    CANARY_TIMEOUT: Pause, Process, "health.canary.resource.timeout" = "1 min",
        "Time in which a canary resource must be looked at again, else the operator counts as unhealthy. At least a second.";
    HEALTH_PROBE_ENABLED: bool, Process, "health.probe.enabled" = "true",
        "Whether the health endpoint is served.";
    HEALTH_PROBE_PORT: u16, Process, "health.probe.port" = "8085",
        "Port of the health endpoint.";
    INGRESS_MANAGE: bool, Process, "ingress.manage" = "true",
        "Whether Ingress objects are created, updated and deleted.";
    JM_RECOVERY_ENABLED: bool, Resource, "jm-deployment-recovery.enabled" = "true",
        "Whether a lost JobManager Deployment is created again.", ["reconciler.jm-deployment-recovery.enabled"];
    JM_SHUTDOWN_TTL: Duration, Resource, "jm-deployment.shutdown-ttl" = "1 d",
        "Time after which the JobManager of a finished application is removed.";
    JM_STARTUP_PROBE_ENABLED: bool, Resource, "jm-deployment.startup.probe.enabled" = "true",
        "Whether the JobManager gets a startup probe unless its pod template has one.";
    JOB_DRAIN_ON_SAVEPOINT_DELETION: bool, Resource, "job.drain-on-savepoint-deletion" = "false",
        "Whether a stop with savepoint emits the largest watermark first.";
    JOB_RESTART_FAILED: bool, Resource, "job.restart.failed" = "false",
        "Whether a job that failed for good is submitted again.";
    JOB_SAVEPOINT_ON_DELETION: bool, Resource, "job.savepoint-on-deletion" = "false",
        "Whether a savepoint is taken when the resource is deleted.";
    JOB_SUBMISSION_TIMEOUT: Duration, Operator, "job.submission.timeout" = "10 min",
        "Time the submission of a session job may take. Read without effect: not built yet.";
    UPGRADE_IGNORE_PENDING_SAVEPOINT: bool, Resource, "job.upgrade.ignore-pending-savepoint" = "false",
        "Whether an upgrade does not wait for a savepoint in progress.";
    UPGRADE_INPLACE_SCALING_ENABLED: bool, Resource, "job.upgrade.inplace-scaling.enabled" = "true",
        "Whether parallelism is changed in the running job where Flink can do so.";
    UPGRADE_LAST_STATE_FALLBACK_ENABLED: bool, Resource, "job.upgrade.last-state-fallback.enabled" = "true",
        "Whether upgrade mode savepoint falls back to last-state while the job is not running.";
    UPGRADE_LAST_STATE_CANCEL_ENABLED: bool, Resource, "job.upgrade.last-state.job-cancel.enabled" = "false",
        "Whether upgrade mode last-state cancels the job rather than deleting its JobManager.";
    UPGRADE_MAX_CHECKPOINT_AGE: Option<Duration>, Resource, "job.upgrade.last-state.max.allowed.checkpoint.age",
        "If the newest checkpoint is older than this, upgrade mode last-state takes a savepoint.";
    JOSDK_METRICS_ENABLED: bool, Process, "josdk.metrics.enabled" = "true",
        "Metrics of the controllers: queues, passes, errors.";
    JVM_METRICS_ENABLED: bool, Process, "jvm.metrics.enabled" = "true",
        "Metrics of the Java virtual machine. Read without effect: there is none.";
    CLIENT_METRICS_ENABLED: bool, Process, "kubernetes.client.metrics.enabled" = "true",
        "Metrics of the requests to the API server.";
    CLIENT_METRICS_CODE_GROUPS_ENABLED: bool, Process, "kubernetes.client.metrics.http.response.code.groups.enabled" = "false",
        "Also counts the answers of the API server by groups of status codes. Read without effect: the code is a label.";
    CLIENT_METRICS_SLOW_THRESHOLD: Duration, Process, "kubernetes.client.metrics.slow.request.threshold" = "5 s",
        "Requests that take longer count as slow.";
    LABEL_SELECTOR: Option<LabelSelector>, Process, "label.selector",
        "Only resources that this label selector matches are handled.";
    LEADER_ELECTION_ENABLED: bool, Process, "leader-election.enabled" = "false",
        "Whether several replicas elect a leader.";
    LEADER_ELECTION_LEASE_DURATION: Duration, Process, "leader-election.lease-duration" = "15 s",
        "Time a lease is valid.";
    LEADER_ELECTION_LEASE_NAME: Option<String>, Process, "leader-election.lease-name",
        "Name of the Lease. Needed with leader election.";
    LEADER_ELECTION_RENEW_DEADLINE: Duration, Process, "leader-election.renew-deadline" = "10 s",
        "Time the leader tries to renew its lease before it gives up.";
    LEADER_ELECTION_RETRY_PERIOD: Duration, Process, "leader-election.retry-period" = "2 s",
        "Time between two attempts.";
    METRICS_HISTOGRAM_SAMPLE_SIZE: i32, Process, "metrics.histogram.sample.size" = "1000",
        "Number of values a histogram of the Java operator keeps. Read without effect: histograms have buckets here.";
    METRICS_SCOPE_RESOURCE: String, Process, "metrics.scope.k8soperator.resource" = "<host>.k8soperator.<namespace>.<name>.resource.<resourcens>.<resourcename>.<resourcetype>",
        "Scope format of the metrics of one resource. Read without effect: Prometheus has labels.";
    METRICS_SCOPE_NAMESPACE: String, Process, "metrics.scope.k8soperator.resourcens" = "<host>.k8soperator.<namespace>.<name>.namespace.<resourcens>.<resourcetype>",
        "Scope format of the metrics of one namespace. Read without effect: Prometheus has labels.";
    METRICS_SCOPE_SYSTEM: String, Process, "metrics.scope.k8soperator.system" = "<host>.k8soperator.<namespace>.<name>.system",
        "Scope format of the operator's own metrics. Read without effect: Prometheus has labels.";
    PROGRESS_CHECK_INTERVAL: Pause, Resource, "observer.progress-check.interval" = "10 s",
        "Time between two looks while something is in progress: a start, a savepoint, a cancellation. At least a second.";
    REST_READY_DELAY: Duration, Resource, "observer.rest-ready.delay" = "10 s",
        "Time between the first answer of the JobManager and its being ready.";
    PERIODIC_CHECKPOINT_INTERVAL: Option<Schedule>, Resource, "periodic.checkpoint.interval",
        "How often the operator triggers a checkpoint: a duration or a cron expression.";
    PERIODIC_BLACKOUT_PERIODS: Option<Blackout>, Resource, "periodic.snapshot.blackout.periods",
        "When the operator triggers no periodic snapshot; one that falls due is taken after it.";
    PERIODIC_SAVEPOINT_INTERVAL: Option<Schedule>, Resource, "periodic.savepoint.interval",
        "How often the operator triggers a savepoint: a duration or a cron expression.";
    POD_TEMPLATE_MERGE_BY_NAME: bool, Resource, "pod-template.merge-arrays-by-name" = "false",
        "Whether lists in pod templates are merged by the names of their elements rather than by position.";
    RATE_LIMITER_LIMIT: i32, Operator, "rate-limiter.limit" = "5",
        "Largest number of passes for one resource in one period. Zero or less is no limit. Read without effect: failures are retried with delays that grow, and a pass at rest asks the API server nothing.";
    RATE_LIMITER_REFRESH_PERIOD: Duration, Operator, "rate-limiter.refresh-period" = "15 s",
        "That period. Read without effect.";
    RECONCILE_INTERVAL: Pause, Resource, "reconcile.interval" = "1 min",
        "Time between two looks at a resource when nothing happens. At least a second.", ["reconciler.reschedule.interval"];
    RECONCILE_PARALLELISM: i32, Process, "reconcile.parallelism" = "50",
        "Largest number of resources handled at the same time; -1 is no limit.", ["reconciler.max.parallelism"];
    RESOURCE_CLEANUP_TIMEOUT: Duration, Operator, "resource.cleanup.timeout" = "5 min",
        "Time the shutdown of a cluster may take. Read without effect: it is waited for as long as it takes.", ["reconciler.flink.cluster.shutdown.timeout"];
    RESOURCE_DELETION_PROPAGATION: Propagation, Process, "resource.deletion.propagation" = "Foreground",
        "How Deployments are deleted: Foreground, Background or Orphan. Read without effect: it is always Foreground.";
    RESOURCE_LIFECYCLE_METRICS_ENABLED: bool, Process, "resource.lifecycle.metrics.enabled" = "true",
        "Metrics of lifecycle states and the time between them.";
    RESOURCE_LIFECYCLE_NAMESPACE_HISTOGRAMS_ENABLED: bool, Process, "resource.lifecycle.namespace.histograms.enabled" = "true",
        "Keeps these histograms for each namespace rather than for all together.";
    RESOURCE_METRICS_ENABLED: bool, Process, "resource.metrics.enabled" = "true",
        "Metrics that count resources.";
    RETRY_INITIAL_INTERVAL: Duration, Operator, "retry.initial.interval" = "5 s",
        "Time before the first new attempt after an error. Read without effect: delays are fixed, and grow to a limit.";
    RETRY_INTERVAL_MULTIPLIER: f64, Operator, "retry.interval.multiplier" = "1.5",
        "Factor by which that time grows with every attempt. Read without effect.";
    RETRY_MAX_ATTEMPTS: i32, Operator, "retry.max.attempts" = "15",
        "Number of attempts before the interval stays at its longest. Read without effect: it is tried for as long as it is needed.";
    RETRY_MAX_INTERVAL: Option<Duration>, Operator, "retry.max.interval",
        "Longest time between two attempts. Read without effect.";
    SAVEPOINT_CLEANUP_ENABLED: bool, Resource, "savepoint.cleanup.enabled" = "true",
        "Whether old savepoints are removed.";
    SAVEPOINT_DISPOSE_ON_DELETE: bool, Resource, "savepoint.dispose-on-delete" = "false",
        "Whether a savepoint resource made by the operator takes its files with it when deleted.";
    SAVEPOINT_FORMAT_TYPE: SavepointFormatType, Resource, "savepoint.format.type" = "CANONICAL",
        "Format of the savepoints that the operator takes.";
    SAVEPOINT_HISTORY_MAX_AGE: Duration, Resource, "savepoint.history.max.age" = "1 d",
        "Age up to which savepoints are kept.";
    SAVEPOINT_HISTORY_MAX_AGE_THRESHOLD: Option<Duration>, Process, "savepoint.history.max.age.threshold",
        "Upper limit of that age for all resources.";
    SAVEPOINT_HISTORY_MAX_COUNT: i32, Resource, "savepoint.history.max.count" = "10",
        "Number of savepoints kept.";
    SAVEPOINT_HISTORY_MAX_COUNT_THRESHOLD: Option<i32>, Process, "savepoint.history.max.count.threshold",
        "Upper limit of that number for all resources.";
    SAVEPOINT_TRIGGER_GRACE_PERIOD: Duration, Resource, "savepoint.trigger.grace-period" = "1 min",
        "Without snapshot resources: time during which a failed savepoint is tried again.", ["observer.savepoint.trigger.grace-period"];
    SESSION_BLOCK_ON_SESSION_JOBS: bool, Resource, "session.deletion.block-on-session-jobs" = "true",
        "Whether the deletion of a session cluster waits for its FlinkSessionJobs. Read without effect: not built yet.";
    SESSION_BLOCK_ON_UNMANAGED_JOBS: bool, Resource, "session.deletion.block-on-unmanaged-jobs" = "true",
        "Whether it waits for other jobs that have not ended. Read without effect: not built yet.", ["session.block-on-unmanaged-jobs"];
    SNAPSHOT_RESOURCE_ENABLED: bool, Resource, "snapshot.resource.enabled" = "true",
        "Whether snapshots are FlinkStateSnapshot resources rather than entries in the status.";
    STARTUP_STOP_ON_INFORMER_ERROR: bool, Process, "startup.stop-on-informer-error" = "true",
        "Whether the operator does not start when a watch cannot be started. Read without effect: a watch that breaks fails the probe, and is begun again.";
    TERMINATION_TIMEOUT: Duration, Process, "termination.timeout" = "10 s",
        "Time that passes in progress have when the operator stops.";
    USER_ARTIFACTS_ALLOWED_SCHEMES: Vec<String>, Operator, "user.artifacts.allowed-schemes" = "https",
        "Schemes a session job's jarURI may have. Read without effect: not built yet.";
    USER_ARTIFACTS_BASE_DIR: String, Operator, "user.artifacts.base.dir" = "/opt/flink/artifacts",
        "Directory into which jars are downloaded. Read without effect: not built yet.";
    USER_ARTIFACTS_DISALLOW_RESTRICTED_HOSTS: bool, Operator, "user.artifacts.disallow-restricted-hosts" = "true",
        "Whether a jarURI may not lead to private, loopback and link-local addresses. Read without effect: not built yet.";
    USER_ARTIFACTS_HTTP_HEADER: BTreeMap<String, String>, Resource, "user.artifacts.http.header" = "",
        "Further headers of the download request. Read without effect: not built yet.";
    WATCHED_NAMESPACES: String, Process, "watched.namespaces" = "JOSDK_ALL_NAMESPACES",
        "Namespaces that are watched, separated by commas. The environment variable WATCH_NAMESPACES wins.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_option() {
        for row in TABLE {
            if let Some(default) = row.default {
                assert!(
                    (row.accepts)(default),
                    "{}: {default} is not {}",
                    row.key,
                    row.expected
                );
            }
        }
    }

    #[test]
    fn every_key_is_declared_once_and_in_order() {
        let keys: Vec<&str> = TABLE.iter().map(|row| row.key).collect();
        assert!(keys.iter().all(|key| key.starts_with(PREFIX)));
        let all: Vec<&str> = TABLE
            .iter()
            .flat_map(|row| row.aliases.iter().chain([&row.key]))
            .copied()
            .collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn optional_options_have_no_default_and_others_have_one() {
        for row in TABLE {
            assert_eq!(
                (row.accepts)(""),
                row.default.is_none()
                    || row.default == Some("")
                    || row.kind == "String"
                    || row.kind == "List<String>",
                "{}",
                row.key
            );
        }
    }
}
