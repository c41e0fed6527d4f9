//! Every metric of the operator, declared once.
//!
//! The rule: a metric that is not in [`ALL`] does not exist. Registration, the reference in
//! docs/reference/metrics.md and the tests of `super` are made from this table.
//! Names beginning with `flink_k8soperator_` are those of the Java operator, with its meaning;
//! a name with `{}` stands for one metric per value of a closed set, as there.

/// What kind of numbers a metric has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// Only grows, until the process restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations counted below each of these bounds.
    Histogram(&'static [f64]),
}

impl Type {
    /// Name in the Prometheus text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One metric, or one per value of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declaration {
    /// Its name; `{}` is replaced by each value of `each`.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// The values `{}` takes; empty when the name is complete.
    pub each: &'static [&'static str],
    /// Labels, beside `host`, `namespace` and `name` that every metric carries.
    pub labels: &'static [&'static str],
    /// What it counts, and in which unit.
    pub help: &'static str,
    /// The version of the operator that had it first.
    pub since: &'static str,
}

impl Declaration {
    /// Every name this declaration stands for.
    pub fn names(&self) -> Vec<String> {
        if self.each.is_empty() {
            return vec![self.name.to_owned()];
        }
        self.each.iter().map(|value| self.name_for(value)).collect()
    }

    /// The name for one value of the set.
    pub fn name_for(&self, value: &str) -> String {
        self.name.replacen("{}", value, 1)
    }
}

/// Lifecycle states of a deployment or session job.
pub const LIFECYCLES: &[&str] = &[
    "CREATED",
    "SUSPENDED",
    "UPGRADING",
    "DEPLOYED",
    "STABLE",
    "ROLLING_BACK",
    "ROLLED_BACK",
    "FAILED",
    "DELETING",
    "DELETED",
];

/// States of a job manager.
pub const JOB_MANAGERS: &[&str] = &[
    "READY",
    "DEPLOYED_NOT_READY",
    "DEPLOYING",
    "MISSING",
    "ERROR",
];

/// States of a snapshot resource.
pub const SNAPSHOTS: &[&str] = &[
    "TRIGGER_PENDING",
    "IN_PROGRESS",
    "COMPLETED",
    "FAILED",
    "ABANDONED",
];

/// States of a blue/green deployment.
pub const BLUE_GREEN: &[&str] = &[
    "INITIALIZING_BLUE",
    "ACTIVE_BLUE",
    "ACTIVE_GREEN",
    "TRANSITIONING_TO_BLUE",
    "TRANSITIONING_TO_GREEN",
    "SAVEPOINTING_BLUE",
    "SAVEPOINTING_GREEN",
];

/// States of a job.
pub const JOBS: &[&str] = &[
    "INITIALIZING",
    "CREATED",
    "RUNNING",
    "FAILING",
    "FAILED",
    "CANCELLING",
    "CANCELED",
    "FINISHED",
    "RESTARTING",
    "SUSPENDED",
    "RECONCILING",
];

/// Transitions of a resource's lifecycle that are timed.
pub const TRANSITIONS: &[&str] = &[
    "Resume",
    "Upgrade",
    "Suspend",
    "Stabilization",
    "Rollback",
    "Submission",
];

/// What the autoscaler knows about a vertex at this moment.
pub const VERTEX_CURRENT: &[&str] = &[
    "LOAD",
    "TRUE_PROCESSING_RATE",
    "TARGET_DATA_RATE",
    "CATCH_UP_DATA_RATE",
    "LAG",
    "PARALLELISM",
    "RECOMMENDED_PARALLELISM",
    "MAX_PARALLELISM",
    "NUM_SOURCE_PARTITIONS",
    "SCALE_UP_RATE_THRESHOLD",
    "SCALE_DOWN_RATE_THRESHOLD",
    "EXPECTED_PROCESSING_RATE",
];

/// What the autoscaler knows about a vertex over its window.
pub const VERTEX_AVERAGE: &[&str] = &["LOAD", "TRUE_PROCESSING_RATE", "TARGET_DATA_RATE"];

/// Bounds for calls and passes, in seconds: from what a healthy cluster needs to a deadline.
const CALLS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Bounds for stages of a job's life, in seconds: from one look to a day.
const STAGES: &[f64] = &[
    1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 86400.0,
];

const BY_NAMESPACE: &[&str] = &["resourcens", "resourcetype"];
const BY_RESOURCE: &[&str] = &["resourcens", "resourcename", "resourcetype"];
const FIRST: &str = "0.1.0";

macro_rules! declare {
    ($($(#[$doc:meta])* $id:ident = $kind:expr, $name:literal $(for $each:ident)?, $labels:expr, $help:literal;)*) => {
        $(
            $(#[$doc])*
            #[doc = $help]
            pub const $id: Declaration = Declaration {
                name: $name,
                kind: $kind,
                each: declare!(@each $($each)?),
                labels: $labels,
                help: $help,
                since: FIRST,
            };
        )*
        /// Every metric, in the order of the reference.
        pub const ALL: &[&Declaration] = &[$(&$id),*];
    };
    (@each) => { &[] };
    (@each $each:ident) => { $each };
}

declare! {
    COUNT = Type::Gauge, "flink_k8soperator_namespace_Count", BY_NAMESPACE,
        "Resources of this type in the namespace.";
    LIFECYCLE = Type::Gauge, "flink_k8soperator_namespace_Lifecycle_State_{}_Count" for LIFECYCLES, BY_NAMESPACE,
        "Resources in this lifecycle state.";
    JOB_MANAGER = Type::Gauge, "flink_k8soperator_namespace_JmDeploymentStatus_{}_Count" for JOB_MANAGERS, BY_NAMESPACE,
        "Deployments whose job manager is in this state.";
    FLINK_VERSION = Type::Gauge, "flink_k8soperator_namespace_FlinkVersion_Count",
        &["resourcens", "resourcetype", "FlinkVersion"],
        "Deployments by the Flink version their cluster reports, such as 1.20.1; UNKNOWN before it does.";
    FLINK_MINOR_VERSION = Type::Gauge, "flink_k8soperator_namespace_FlinkMinorVersion_Count",
        &["resourcens", "resourcetype", "FlinkMinorVersion"],
        "The same by minor version, such as 1.20; MALFORMED when the report is no version.";
    CPU = Type::Gauge, "flink_k8soperator_namespace_ResourceUsage_Cpu", BY_NAMESPACE,
        "Cores asked for by the job managers and task managers of the namespace's deployments.";
    MEMORY = Type::Gauge, "flink_k8soperator_namespace_ResourceUsage_Memory", BY_NAMESPACE,
        "Memory asked for by them, in bytes.";
    STATE_SIZE = Type::Gauge, "flink_k8soperator_namespace_ResourceUsage_StateSize", BY_NAMESPACE,
        "Size of their latest checkpoints, in bytes, right to a tenth or a mebibyte each.";
    STATE_TIME = Type::Histogram(STAGES), "flink_k8soperator_namespace_Lifecycle_State_{}_TimeSeconds" for LIFECYCLES, BY_NAMESPACE,
        "Seconds a resource stayed in this lifecycle state, observed when it leaves.";
    TRANSITION_TIME = Type::Histogram(STAGES), "flink_k8soperator_namespace_Lifecycle_Transition_{}_TimeSeconds" for TRANSITIONS, BY_NAMESPACE,
        "Seconds a transition took. Resume: suspended to stable. Upgrade: stable to stable again. Suspend: running to stopped. Stabilization: deployed to stable. Rollback: deployed to rolled back. Submission: stopped to deployed.";
    CHECKPOINT_COUNT = Type::Gauge, "flink_k8soperator_namespace_Checkpoint_Count", BY_NAMESPACE,
        "Snapshot resources that are checkpoints.";
    CHECKPOINT_STATE = Type::Gauge, "flink_k8soperator_namespace_Checkpoint_State_{}_Count" for SNAPSHOTS, BY_NAMESPACE,
        "Checkpoint resources in this state.";
    SAVEPOINT_COUNT = Type::Gauge, "flink_k8soperator_namespace_Savepoint_Count", BY_NAMESPACE,
        "Snapshot resources that are savepoints.";
    SAVEPOINT_STATE = Type::Gauge, "flink_k8soperator_namespace_Savepoint_State_{}_Count" for SNAPSHOTS, BY_NAMESPACE,
        "Savepoint resources in this state.";
    BLUE_GREEN_STATE = Type::Gauge, "flink_k8soperator_namespace_BlueGreenState_{}_Count" for BLUE_GREEN, BY_NAMESPACE,
        "Blue/green deployments in this state.";
    BLUE_GREEN_JOB = Type::Gauge, "flink_k8soperator_namespace_JobStatus_{}_Count" for JOBS, BY_NAMESPACE,
        "Blue/green deployments whose active job is in this state.";
    SCALINGS = Type::Counter, "flink_k8soperator_namespace_resource_AutoScaler_scalings", BY_RESOURCE,
        "Rescalings the autoscaler carried out.";
    SCALING_ERRORS = Type::Counter, "flink_k8soperator_namespace_resource_AutoScaler_errors", BY_RESOURCE,
        "Evaluations of the autoscaler that failed.";
    BALANCED = Type::Counter, "flink_k8soperator_namespace_resource_AutoScaler_balanced", BY_RESOURCE,
        "Evaluations that found nothing to change.";
    VERTEX_NOW = Type::Gauge, "flink_k8soperator_namespace_resource_AutoScaler_jobVertexID_{}_Current" for VERTEX_CURRENT,
        &["resourcens", "resourcename", "resourcetype", "jobVertexID"],
        "The autoscaler's latest figure for a vertex. Rates in records per second, lag in records, load as a ratio. Absent while unknown.";
    VERTEX_MEAN = Type::Gauge, "flink_k8soperator_namespace_resource_AutoScaler_jobVertexID_{}_Average" for VERTEX_AVERAGE,
        &["resourcens", "resourcename", "resourcetype", "jobVertexID"],
        "The same over the autoscaler's metrics window.";
    RESOURCE_STATE = Type::Gauge, "flink_operator_resource_state",
        &["resourcens", "resourcename", "resourcetype", "state"],
        "1 for the state each resource is in: its lifecycle, snapshot or blue/green state.";
    BUILD = Type::Gauge, "flink_operator_build_info", &["version"],
        "1, with the version that runs.";
    LEADER = Type::Gauge, "flink_operator_leader", &[],
        "1 while this process may write, 0 while another one leads.";
    RECONCILES = Type::Counter, "flink_operator_reconciles_total", &["resourcetype", "outcome"],
        "Passes that ended: done (nothing left to do), waiting (for Flink or Kubernetes), failed.";
    RECONCILE_TIME = Type::Histogram(CALLS), "flink_operator_reconcile_duration_seconds", &["resourcetype"],
        "How long a pass took, in seconds.";
    RECONCILE_ERRORS = Type::Counter, "flink_operator_reconcile_errors_total", &["resourcetype", "category"],
        "Passes that failed, by the kind of failure: conflict (somebody else wrote the resource; harmless), api, flink, build, stuck, crashed.";
    RECONCILES_RUNNING = Type::Gauge, "flink_operator_reconciles_running", &["resourcetype"],
        "Passes under way now.";
    QUEUE_DEPTH = Type::Gauge, "flink_operator_queue_depth", &["resourcetype"],
        "Resources that wait for a pass now.";
    QUEUE_LONGEST = Type::Gauge, "flink_operator_queue_longest_wait_seconds", &["resourcetype"],
        "How long the resource that has waited longest for a pass waits now, in seconds.";
    QUEUE_WAIT = Type::Histogram(CALLS), "flink_operator_queue_wait_seconds", &["resourcetype"],
        "How long resources waited for their passes, in seconds.";
    WATCH_FAILURES = Type::Counter, "flink_operator_watch_failures_total", &["kind"],
        "Watches that broke off with an error and were begun again.";
    API_REQUESTS = Type::Counter, "flink_operator_api_requests_total", &["verb", "resource", "code"],
        "Requests to the Kubernetes API that were answered, by status code; code is error when none came.";
    API_TIME = Type::Histogram(CALLS), "flink_operator_api_request_duration_seconds", &["verb"],
        "How long the Kubernetes API took to answer, in seconds, watches left out.";
    API_SLOW = Type::Counter, "flink_operator_api_slow_requests_total", &["verb"],
        "Requests to the Kubernetes API that took longer than kubernetes.operator.kubernetes.client.metrics.slow.request.threshold, watches left out.";
    FLINK_REQUESTS = Type::Counter, "flink_operator_flink_requests_total", &["endpoint", "result"],
        "Requests to the REST interface of Flink.";
    FLINK_TIME = Type::Histogram(CALLS), "flink_operator_flink_request_duration_seconds", &["endpoint"],
        "How long Flink took to answer, in seconds.";
    LISTENER_NOTICES = Type::Counter, "flink_operator_listener_notices_total", &["listener", "outcome"],
        "Notices for a listener that ended: delivered, failed (by the listener, or refused for good by its receiver), panicked, dropped (no place or no time left).";
    LISTENER_RETRIES = Type::Counter, "flink_operator_listener_retries_total", &["listener"],
        "Deliveries to a listener's receiver that failed and were tried again.";
    LISTENER_WAITING = Type::Gauge, "flink_operator_listener_waiting", &["listener"],
        "Notices that wait for a listener now.";
    PROCESS_CPU = Type::Counter, "process_cpu_seconds_total", &[],
        "Processor time used by the operator, in seconds.";
    PROCESS_MEMORY = Type::Gauge, "process_resident_memory_bytes", &[],
        "Memory the operator has in use, in bytes.";
    PROCESS_FILES = Type::Gauge, "process_open_fds", &[],
        "Files and connections the operator has open.";
}

/// What else the Java operator exports, and where the same can be read here.
pub const ELSEWHERE: &[(&str, &str)] = &[
    (
        "`flink_k8soperator_JOSDK_Reconciliation_*`, `flink_k8soperator_JOSDK_*_TimeSeconds`",
        "`flink_operator_reconciles_total`, `flink_operator_reconcile_errors_total`, \
         `flink_operator_reconcile_duration_seconds`, `flink_operator_queue_*`",
    ),
    (
        "`flink_k8soperator_KubeClient_HttpRequest_Slow_Count`",
        "`flink_operator_api_slow_requests_total`",
    ),
    (
        "`flink_k8soperator_KubeClient_HttpRequest_*`, `flink_k8soperator_KubeClient_HttpResponse_*`",
        "`flink_operator_api_requests_total`, `flink_operator_api_request_duration_seconds`; \
         `rate()` in place of `NumPerSecond`, `code=~\"5..\"` in place of `5xx`",
    ),
    (
        "lifecycle histograms and resource usage for the whole operator \
         (without `namespace_` in the name)",
        "`sum without (resourcens)` over those of the namespaces",
    ),
    (
        "`flink_k8soperator_Status_JVM_*`",
        "`process_*`; there is no JVM",
    ),
    (
        "`quantile` labels of `*_TimeSeconds`",
        "`histogram_quantile(0.95, ...)`: here they are histograms, which can be summed",
    ),
];
