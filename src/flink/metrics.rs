//! Metrics of jobs, JobManagers, TaskManagers and vertices.
//!
//! The rule: a metric that is missing or not a finite number is absent, never zero. Flink cuts off
//! requests whose first line is longer than 4096 bytes, so long lists of names are asked for in parts.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Call, FlinkClient, escaped, with_query};
use super::{RestError, wire};

/// Longest list of names in one request, in bytes; leaves room for the path within 4096.
const NAMES_LIMIT: usize = 3000;

/// One metric over all subtasks or TaskManagers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Mean.
    pub avg: Option<f64>,
    /// Sum.
    pub sum: Option<f64>,
}

impl FlinkClient {
    /// Metrics of the job by name; those without a number are left out.
    pub async fn job_metrics(
        &self,
        job: &str,
        names: &[&str],
    ) -> Result<BTreeMap<String, f64>, RestError> {
        let target = format!("/jobs/{}/metrics", escaped(job));
        self.plain("GET /jobs/:job/metrics", &target, names).await
    }

    /// Metrics of the JobManager by name; those without a number are left out.
    pub async fn job_manager_metrics(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, f64>, RestError> {
        self.plain("GET /jobmanager/metrics", "/jobmanager/metrics", names)
            .await
    }

    /// Metrics over all TaskManagers by name.
    pub async fn task_manager_metrics(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, Aggregate>, RestError> {
        self.aggregated("GET /taskmanagers/metrics", "/taskmanagers/metrics", names)
            .await
    }

    /// Names of the metrics that the subtasks of a vertex have; empty until they report.
    pub async fn vertex_metric_names(
        &self,
        job: &str,
        vertex: &str,
    ) -> Result<BTreeSet<String>, RestError> {
        let call = Call::get(
            "GET /jobs/:job/vertices/:vertex/subtasks/metrics",
            subtasks(job, vertex),
        );
        let names: Vec<wire::MetricName> = self.call(call).await?;
        Ok(names.into_iter().map(|name| name.id).collect())
    }

    /// Metrics over all subtasks of a vertex by name.
    pub async fn vertex_metrics(
        &self,
        job: &str,
        vertex: &str,
        names: &[&str],
    ) -> Result<BTreeMap<String, Aggregate>, RestError> {
        let endpoint = "GET /jobs/:job/vertices/:vertex/subtasks/metrics";
        self.aggregated(endpoint, &subtasks(job, vertex), names)
            .await
    }

    async fn plain(
        &self,
        endpoint: &'static str,
        target: &str,
        names: &[&str],
    ) -> Result<BTreeMap<String, f64>, RestError> {
        let mut metrics = BTreeMap::new();
        for part in parts(names) {
            let call = Call::get(endpoint, with_query(target.to_owned(), "get", &part));
            let values: Vec<wire::MetricValue> = self.call(call).await?;
            metrics.extend(
                values
                    .into_iter()
                    .filter_map(|metric| Some((metric.id, metric.value?))),
            );
        }
        Ok(metrics)
    }

    async fn aggregated(
        &self,
        endpoint: &'static str,
        target: &str,
        names: &[&str],
    ) -> Result<BTreeMap<String, Aggregate>, RestError> {
        let mut metrics = BTreeMap::new();
        for part in parts(names) {
            let target = with_query(target.to_owned(), "get", &part);
            let call = Call::get(endpoint, with_query(target, "agg", "min,max,avg,sum"));
            let values: Vec<wire::AggregatedMetric> = self.call(call).await?;
            metrics.extend(values.into_iter().map(|metric| {
                let wire::AggregatedMetric {
                    id,
                    min,
                    max,
                    avg,
                    sum,
                } = metric;
                (id, Aggregate { min, max, avg, sum })
            }));
        }
        Ok(metrics)
    }
}

fn subtasks(job: &str, vertex: &str) -> String {
    format!(
        "/jobs/{}/vertices/{}/subtasks/metrics",
        escaped(job),
        escaped(vertex)
    )
}

/// `names` joined by commas, in parts that each fit into one request.
fn parts(names: &[&str]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for name in names {
        let name = escaped(name);
        match parts.last_mut() {
            Some(part) if part.len() + 1 + name.len() <= NAMES_LIMIT => {
                part.push(',');
                part.push_str(&name);
            }
            _ => parts.push(name),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_one_request_and_none_is_no_request() {
        assert_eq!(parts(&["a", "b c"]), ["a,b%20c"]);
        assert!(parts(&[]).is_empty());
    }

    #[test]
    fn many_names_are_asked_for_in_parts_without_loss() {
        let names: Vec<String> = (0..500)
            .map(|n| format!("KafkaSourceReader.topic.t.partition.{n}.currentOffset"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let parts = parts(&names);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.len() <= NAMES_LIMIT));
        let joined = parts.join(",");
        assert_eq!(joined.split(',').collect::<Vec<_>>(), names);
    }
}
