//! High availability as Flink keeps it in ConfigMaps.
//!
//! One map per cluster holds the leaders and the job graphs, one per job its checkpoints. They have no
//! owner and outlive the cluster; Flink deletes a job's map when the job has ended.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::job_managers::string_map;
use super::{Node, name, namespace, text};
use crate::flink::{ClusterKey, HaData};

const SUFFIX: &str = "-config-map";
const CHECKPOINT: &str = "checkpointID-";

impl Node {
    /// What a starting JobManager finds.
    pub(super) fn ha_metadata(&self, key: &ClusterKey) -> HaData {
        let mut data = HaData::default();
        for map in self.ha_maps(key) {
            let entries = string_map(&map, "/data");
            for graph in entries.keys().filter_map(|entry| job_of_graph(entry)) {
                data.job_graphs.insert(graph.to_owned());
            }
            let checkpoints: BTreeMap<u64, String> = entries
                .iter()
                .filter_map(|(entry, path)| {
                    Some((entry.strip_prefix(CHECKPOINT)?.parse().ok()?, path.clone()))
                })
                .collect();
            if let Some(job) = job_of_map(key, name(&map)) {
                data.checkpoints.insert(job.to_owned(), checkpoints);
            }
        }
        data
    }

    fn ha_maps(&self, key: &ClusterKey) -> Vec<Value> {
        let labels = format!("app={},configmap-type=high-availability", key.name);
        let mut maps = self.api.list("configmaps", &labels);
        maps.retain(|map| namespace(map) == key.namespace);
        maps
    }

    /// Bring the ConfigMaps to what the leading JobManager keeps; tell the others what stands there.
    pub(super) fn keep_ha(&self, key: &ClusterKey) {
        let Some(ha) = self.api.flink().ha(key) else {
            let found = self.ha_metadata(key);
            self.api.flink().refresh_ha(key, &found);
            return;
        };
        let present = self.ha_maps(key);
        self.keep_cluster_map(key, &ha, &present);
        for (job, checkpoints) in &ha.checkpoints {
            let mut data: BTreeMap<String, String> = checkpoints
                .iter()
                .map(|(number, path)| (format!("{CHECKPOINT}{number:019}"), path.clone()))
                .collect();
            let next = checkpoints
                .keys()
                .next_back()
                .map_or(1, |number| number + 1);
            data.insert("counter".to_owned(), next.to_string());
            self.keep_map(key, &format!("{}-{job}{SUFFIX}", key.name), &data, &present);
        }
        let ended = present.iter().filter(|map| {
            job_of_map(key, name(map)).is_some_and(|job| !ha.checkpoints.contains_key(job))
        });
        for map in ended {
            self.api.delete("configmaps", &key.namespace, name(map));
        }
        // A JobManager that waits to lead finds the same.
        self.api.flink().refresh_ha(key, &ha);
    }

    fn keep_cluster_map(&self, key: &ClusterKey, ha: &HaData, present: &[Value]) {
        let map = format!("{}-cluster{SUFFIX}", key.name);
        let leader = format!("http://{}-rest.{}:8081", key.name, key.namespace);
        let mut data: BTreeMap<String, String> = ["dispatcher", "resourcemanager", "restserver"]
            .map(|role| {
                (
                    format!("org.apache.flink.k8s.leader.{role}"),
                    leader.clone(),
                )
            })
            .into();
        // Which key it is depends on the version; keep that of a graph found there.
        let before = present.iter().find(|present| name(present) == map);
        let known: BTreeSet<String> = before
            .map(|map| string_map(map, "/data").into_keys().collect())
            .unwrap_or_default();
        for job in &ha.job_graphs {
            let plan = format!("executionPlan-{job}");
            let modern = known.contains(&plan) || self.api.flink().version(key) >= (2, 0);
            let entry = if modern {
                plan
            } else {
                format!("jobGraph-{job}")
            };
            data.insert(entry, "rO0ABQ==".to_owned());
        }
        self.keep_map(key, &map, &data, present);
    }

    fn keep_map(
        &self,
        key: &ClusterKey,
        map: &str,
        data: &BTreeMap<String, String>,
        present: &[Value],
    ) {
        match present.iter().find(|present| name(present) == map) {
            Some(present) if string_map(present, "/data") == *data => {}
            Some(present) if !text(present, "/metadata/deletionTimestamp").is_empty() => {}
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
                let _ = self.api.merge(
                    "configmaps",
                    (&key.namespace, map),
                    None,
                    &json!({ "data": change }),
                );
            }
            None => {
                let _ = self.api.create(json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {
                        "name": map, "namespace": key.namespace,
                        "labels": { "app": key.name, "configmap-type": "high-availability",
                            "type": "flink-native-kubernetes" },
                        "annotations": { "control-plane.alpha.kubernetes.io/leader": "{}" },
                    },
                    "data": data,
                }));
            }
        }
    }
}

/// The job whose graph an entry holds.
fn job_of_graph(entry: &str) -> Option<&str> {
    entry
        .strip_prefix("jobGraph-")
        .or_else(|| entry.strip_prefix("executionPlan-"))
}

/// The job whose checkpoints a ConfigMap holds.
fn job_of_map<'a>(key: &ClusterKey, map: &'a str) -> Option<&'a str> {
    let job = map
        .strip_prefix(&key.name)?
        .strip_prefix('-')?
        .strip_suffix(SUFFIX)?;
    (job != "cluster").then_some(job)
}
