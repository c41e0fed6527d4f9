//! High availability as Flink keeps it in ConfigMaps.
//!
//! One map per cluster holds the leaders and the job graphs, one per job its checkpoints. They have no
//! owner and outlive the cluster; Flink deletes a job's map when the job has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::job_managers::{string_map, strings};
use super::{Node, Sight, is_deleting, name, namespace};
use crate::api::Failure;
use crate::flink::{ClusterKey, HaData};

const SUFFIX: &str = "-config-map";
const CHECKPOINT: &str = "checkpointID-";

/// What a starting JobManager finds in these ConfigMaps.
pub(super) fn metadata_of(cluster: &ClusterKey, maps: &[Arc<Value>]) -> HaData {
    let mut data = HaData::default();
    for map in maps
        .iter()
        .filter(|map| namespace(map) == cluster.namespace)
    {
        let entries = string_map(map, "/data");
        let graphs = entries.keys().filter_map(|entry| job_of_graph(entry));
        data.job_graphs.extend(graphs.map(str::to_owned));
        let checkpoints = entries.iter().filter_map(|(entry, path)| {
            Some((entry.strip_prefix(CHECKPOINT)?.parse().ok()?, path.clone()))
        });
        if let Some(job) = job_of_map(cluster, name(map)) {
            data.checkpoints
                .insert(job.to_owned(), checkpoints.collect());
        }
    }
    data
}

impl Node {
    /// Bring the ConfigMaps to what the leading JobManager keeps; tell the others what stands there.
    pub(super) fn keep_ha(&self, cluster: &ClusterKey, sight: &Sight) -> Result<(), Failure> {
        let present = sight.maps(cluster);
        let Some(ha) = self.flink().ha(cluster) else {
            self.flink()
                .refresh_ha(cluster, &metadata_of(cluster, present));
            return Ok(());
        };
        let modern = self.flink().version(cluster) >= (2, 0);
        let map = format!("{}-cluster{SUFFIX}", cluster.name);
        self.keep_map(cluster, &map, &cluster_data(cluster, &ha, modern), present)?;
        for (job, checkpoints) in &ha.checkpoints {
            let map = format!("{}-{job}{SUFFIX}", cluster.name);
            self.keep_map(cluster, &map, &job_data(checkpoints), present)?;
        }
        let ended = present.iter().filter(|map| {
            job_of_map(cluster, name(map)).is_some_and(|job| !ha.checkpoints.contains_key(job))
        });
        for map in ended {
            self.kube
                .delete("configmaps", (&cluster.namespace, name(map)), false)?;
        }
        // A JobManager that waits to lead finds the same.
        self.flink().refresh_ha(cluster, &ha);
        Ok(())
    }

    fn keep_map(
        &self,
        cluster: &ClusterKey,
        map: &str,
        data: &BTreeMap<String, String>,
        present: &[Arc<Value>],
    ) -> Result<(), Failure> {
        match present.iter().find(|present| name(present) == map) {
            Some(present) if is_deleting(present) || holds(present, data) => Ok(()),
            Some(present) => {
                let gone = string_map(present, "/data")
                    .into_keys()
                    .filter(|entry| !data.contains_key(entry));
                let mut change: BTreeMap<String, Value> =
                    gone.map(|entry| (entry, Value::Null)).collect();
                change.extend(
                    data.iter()
                        .map(|(entry, value)| (entry.clone(), json!(value))),
                );
                let at = (cluster.namespace.as_str(), map);
                self.kube
                    .merge("configmaps", at, None, &json!({ "data": change }))
            }
            None => self.kube.create(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": map, "namespace": cluster.namespace,
                    "labels": { "app": cluster.name, "configmap-type": "high-availability",
                        "type": "flink-native-kubernetes" },
                    "annotations": { "control-plane.alpha.kubernetes.io/leader": "{}" },
                },
                "data": data,
            })),
        }
    }
}

/// Whether this is what a ConfigMap holds.
fn holds(map: &Value, data: &BTreeMap<String, String>) -> bool {
    let entries = || strings(map, "/data");
    let same = |(entry, value): (&str, &str)| data.get(entry).is_some_and(|it| it == value);
    entries().count() == data.len() && entries().all(same)
}

/// Leaders, and the graph of each job under the key of its version.
fn cluster_data(cluster: &ClusterKey, ha: &HaData, modern: bool) -> BTreeMap<String, String> {
    let leader = format!("http://{}-rest.{}:8081", cluster.name, cluster.namespace);
    let roles = ["dispatcher", "resourcemanager", "restserver"];
    let leaders = roles.map(|role| {
        (
            format!("org.apache.flink.k8s.leader.{role}"),
            leader.clone(),
        )
    });
    let graphs = ha.job_graphs.iter().map(|job| {
        let prefix = if modern { "executionPlan" } else { "jobGraph" };
        (format!("{prefix}-{job}"), "rO0ABQ==".to_owned())
    });
    leaders.into_iter().chain(graphs).collect()
}

fn job_data(checkpoints: &BTreeMap<u64, String>) -> BTreeMap<String, String> {
    let next = checkpoints
        .keys()
        .next_back()
        .map_or(1, |number| number + 1);
    let entries = checkpoints
        .iter()
        .map(|(number, path)| (format!("{CHECKPOINT}{number:019}"), path.clone()));
    entries
        .chain([("counter".to_owned(), next.to_string())])
        .collect()
}

/// The job whose graph an entry holds.
fn job_of_graph(entry: &str) -> Option<&str> {
    entry
        .strip_prefix("jobGraph-")
        .or_else(|| entry.strip_prefix("executionPlan-"))
}

/// The job whose checkpoints a ConfigMap holds.
fn job_of_map<'a>(cluster: &ClusterKey, map: &'a str) -> Option<&'a str> {
    let job = map
        .strip_prefix(&cluster.name)?
        .strip_prefix('-')?
        .strip_suffix(SUFFIX)?;
    (job != "cluster").then_some(job)
}
