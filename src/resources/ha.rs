//! The ConfigMaps in which Flink keeps its high availability metadata: how to find them and what they
//! say. Flink makes and owns them; the operator reads them, takes job graphs out before a new start,
//! and deletes them when a job's state is given up. Functions of names, labels and keys only.

use super::{
    labels::{self, Labels},
    names,
};

/// The selector that finds them, together with a few others that [`is_metadata`] tells apart.
pub fn selector(cluster: &str) -> String {
    labels::selector(&labels::high_availability(cluster))
}

/// Whether a ConfigMap is high availability metadata of the cluster, leader addresses included. These
/// are deleted when the state of the cluster is given up.
pub fn is_metadata(cluster: &str, name: &str, labels: &Labels) -> bool {
    let ours = labels::high_availability(cluster);
    ours.iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && labels
            .get("component")
            .is_none_or(|component| component != "autoscaler")
        && name != names::flink_config(cluster)
        && name != names::pod_template(cluster)
}

/// Whether a ConfigMap holds the state of a job: the metadata without which a job cannot be restored.
/// One that is being deleted counts for nothing; the caller knows that.
pub fn is_job_metadata(cluster: &str, name: &str, labels: &Labels) -> bool {
    let of_job = name.ends_with("-config-map") && !name.ends_with("-cluster-config-map");
    // Up to Flink 1.14 each component had a ConfigMap of its own.
    let old = name.ends_with("-jobmanager-leader");
    (of_job || old) && is_metadata(cluster, name, labels)
}

/// Whether the keys of a job's metadata name a completed checkpoint.
pub fn has_checkpoint<'a>(keys: impl IntoIterator<Item = &'a str>) -> bool {
    keys.into_iter().any(|key| key.starts_with("checkpointID-"))
}

/// The keys that hold job graphs. They are removed before a new start, or Flink would run the old graph
/// instead of the new one.
pub fn job_graph_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    keys.into_iter()
        .filter(|key| key.starts_with("jobGraph-") || key.starts_with("executionPlan-"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_the_job_config_maps_say_that_state_is_there() {
        let ha = labelled(&[("app", "two"), ("type", labels::NATIVE)]);
        for (name, metadata, job) in [
            (
                "two-659a210363780504807ee3e68cce6a90-config-map",
                true,
                true,
            ),
            ("two-cluster-config-map", true, false),
            ("two-00000000-jobmanager-leader", true, true),
            ("two-dispatcher-leader", true, false),
            ("flink-config-two", false, false),
            ("pod-template-two", false, false),
        ] {
            assert_eq!(is_metadata("two", name, &ha), metadata, "{name}");
            assert_eq!(is_job_metadata("two", name, &ha), job, "{name}");
        }
    }

    #[test]
    fn other_clusters_and_the_autoscaler_are_left_alone() {
        let name = "two-659a-config-map";
        let other = labelled(&[("app", "twofold"), ("type", labels::NATIVE)]);
        let autoscaler = labelled(&[
            ("app", "two"),
            ("type", labels::NATIVE),
            ("component", "autoscaler"),
        ]);
        for labels in [other, autoscaler, Labels::new()] {
            assert!(!is_metadata("two", name, &labels));
            assert!(!is_job_metadata("two", name, &labels));
        }
    }

    #[test]
    fn checkpoints_and_job_graphs_are_known_by_their_keys() {
        let keys = [
            "checkpointID-0000000000000000003",
            "counter",
            "jobGraph-f66b",
            "executionPlan-659a",
            "org.apache.flink.k8s.leader.dispatcher",
        ];
        assert!(has_checkpoint(keys));
        assert!(!has_checkpoint(["counter"]));
        assert_eq!(
            job_graph_keys(keys),
            ["jobGraph-f66b", "executionPlan-659a"]
        );
    }
}
