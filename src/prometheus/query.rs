//! The question: every figure of a job's vertices in one PromQL expression.
//!
//! The rule: Prometheus adds up over subtasks, so the answer is as long as the job has vertices, not subtasks.
//! Each part of the expression carries the label [`PART`], by which the answer is taken apart again. Tests are below.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flink_scaler::{Settings, VertexId};

/// The label that says what was made of a metric.
pub const PART: &str = "flink_operator_part";

/// The label with the id of a vertex.
pub const VERTEX: &str = "task_id";

/// Metrics of a task, each a key of `prometheus.metric-names`.
pub const TASK: [&str; 9] = [
    RECORDS_IN,
    "job_task_numRecordsOut",
    "job_task_numRecordsInPerSecond",
    "job_task_busyTimeMsPerSecond",
    "job_task_backPressuredTimeMsPerSecond",
    "job_task_idleTimeMsPerSecond",
    "job_task_accumulateBusyTimeMs",
    "job_task_accumulateBackPressuredTimeMs",
    "job_task_accumulateIdleTimeMs",
];

/// The metric that every subtask has; by it subtasks are counted and readings dated.
pub const RECORDS_IN: &str = "job_task_numRecordsIn";

/// Metrics of the source operator inside a task.
pub const SOURCE: [&str; 3] = [
    "job_task_operator_numRecordsIn",
    "job_task_operator_numRecordsOut",
    "job_task_operator_numRecordsInPerSecond",
];

/// What waits outside; a metric of the source operator, or of what it reads with.
pub const PENDING: &str = "job_task_operator_pendingRecords";

/// A metric that Kafka's source has for each partition.
pub const PARTITION: &str = "job_task_operator_KafkaSourceReader_topic_partition_currentOffset";

/// Metrics of a TaskManager.
pub const PROCESS: [&str; 3] = [
    "Status_JVM_Memory_Heap_Used",
    "Status_JVM_Memory_Heap_Max",
    "Status_JVM_GarbageCollector_All_TimeMsPerSecond",
];

/// Which job is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The one with this id.
    Job(&'a str),
    /// Whichever has these vertices: over time it had several ids.
    Vertices(&'a [VertexId]),
}

/// What to call the metrics, and which to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    prefix: String,
    renamed: BTreeMap<String, String>,
    matchers: String,
}

impl Question {
    /// As the settings say, for a resource.
    pub fn of(settings: &Settings, namespace: &str, name: &str) -> Self {
        let renamed = settings.prometheus_metric_names.iter();
        let renamed = renamed.filter_map(|pair| pair.split_once('='));
        let matchers = settings.prometheus_labels.clone().unwrap_or_default();
        Self {
            prefix: settings.prometheus_metric_prefix.clone(),
            renamed: renamed
                .map(|(own, theirs)| (own.trim().to_owned(), theirs.trim().to_owned()))
                .collect(),
            matchers: matchers
                .replace("{namespace}", namespace)
                .replace("{name}", name),
        }
    }

    /// What the server calls a metric.
    pub fn name(&self, metric: &str) -> String {
        let renamed = self.renamed.get(metric).cloned();
        renamed.unwrap_or_else(|| format!("{}{metric}", self.prefix))
    }

    /// The metric that the server calls so.
    pub fn metric(&self, name: &str) -> Option<&'static str> {
        let all = TASK.iter().chain(&SOURCE).chain(&PROCESS);
        all.chain([&PENDING, &PARTITION])
            .find(|metric| self.name(metric) == name)
            .copied()
    }

    /// The expression.
    pub fn expression(&self, which: Which<'_>) -> String {
        let of_job = match which {
            Which::Job(id) => format!(r#"job_id="{}""#, id.replace(['"', '\\'], "")),
            Which::Vertices(ids) => {
                let ids: Vec<&str> = ids.iter().map(VertexId::as_str).collect();
                format!(r#"{VERTEX}=~"{}""#, ids.join("|").replace(['"', '\\'], ""))
            }
        };
        let tasks = self.select(&TASK, &[&of_job]);
        let records_in = self.select(&[RECORDS_IN], &[&of_job]);
        let source = self.select(&SOURCE, &[&of_job, r#"operator_name=~"Source:.*""#]);
        let pending = self.select(&[PENDING], &[&of_job]);
        let partition = self.select(&[PARTITION], &[&of_job]);
        let process = self.select(&PROCESS, &[]);
        let by = format!("by (__name__, {VERTEX})");
        let parts = [
            ("sum", format!("sum {by} ({tasks})")),
            ("max", format!("max {by} ({tasks})")),
            ("min", format!("min {by} ({tasks})")),
            ("count", format!("count {by} ({tasks})")),
            ("source", format!("sum {by} ({source})")),
            ("pending", format!("sum {by} ({pending})")),
            (
                "partitions",
                format!(
                    "count by ({VERTEX}) (count by ({VERTEX}, topic, partition) ({partition}))"
                ),
            ),
            (
                "oldest",
                format!("min by ({VERTEX}) (timestamp({records_in}))"),
            ),
            (
                "mean",
                format!("avg by ({VERTEX}) (timestamp({records_in}))"),
            ),
            (
                "process",
                format!("max by (__name__) ({process} and on (tm_id) {records_in})"),
            ),
        ];
        let mut expression = String::new();
        for (part, of) in parts {
            if !expression.is_empty() {
                expression.push_str(" or ");
            }
            let _ = write!(
                expression,
                r#"label_replace({of}, "{PART}", "{part}", "", "")"#
            );
        }
        expression
    }

    fn select(&self, metrics: &[&str], matchers: &[&str]) -> String {
        let names: Vec<String> = metrics.iter().map(|metric| self.name(metric)).collect();
        let mut all = vec![format!(r#"__name__=~"{}""#, names.join("|"))];
        all.extend(matchers.iter().map(|matcher| (*matcher).to_owned()));
        all.extend(Some(self.matchers.clone()).filter(|own| !own.trim().is_empty()));
        format!("{{{}}}", all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(options: &[(&str, &str)]) -> Question {
        let options = options
            .iter()
            .map(|(key, value)| (format!("job.autoscaler.{key}"), (*value).to_owned()))
            .collect();
        Question::of(&Settings::parse(&options).unwrap(), "shop", "orders")
    }

    #[test]
    fn the_expression_asks_for_one_job_with_the_users_labels_everywhere() {
        let question = question(&[("prometheus.labels", r#"ns="{namespace}",app="{name}""#)]);
        let text = question.expression(Which::Job("ab12"));
        let selectors = text.matches("{__name__=~").count();
        assert_eq!(
            text.matches(r#"ns="shop",app="orders"}"#).count(),
            selectors
        );
        assert_eq!(
            text.matches(r#"job_id="ab12""#).count(),
            selectors - 1,
            "{text}"
        );
        assert!(text.contains(
            r#"or label_replace(count by (task_id) (count by (task_id, topic, partition) ({__name__=~"flink_taskmanager_job_task_operator_KafkaSourceReader_topic_partition_currentOffset","#
        ));
    }

    #[test]
    fn metrics_may_have_other_names() {
        let question = question(&[
            ("prometheus.metric-prefix", "tm_"),
            (
                "prometheus.metric-names",
                "job_task_numRecordsIn=read_total",
            ),
        ]);
        assert_eq!(question.name(RECORDS_IN), "read_total");
        assert_eq!(question.metric("read_total"), Some(RECORDS_IN));
        assert_eq!(question.metric("tm_job_task_numRecordsIn"), None);
        assert_eq!(
            question.metric("tm_job_task_numRecordsOut"),
            Some("job_task_numRecordsOut")
        );
        assert!(
            question
                .expression(Which::Job("a"))
                .contains("timestamp({__name__=~\"read_total\"")
        );
    }

    #[test]
    fn vertices_can_be_asked_for_instead_of_a_job() {
        let ids = ["a1", "b2"].map(|id| VertexId::new(id).unwrap());
        let text = question(&[]).expression(Which::Vertices(&ids));
        assert!(
            text.contains(r#"task_id=~"a1|b2"}"#) && !text.contains("job_id"),
            "{text}"
        );
    }
}
