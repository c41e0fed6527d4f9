//! Labels and selectors of a cluster's objects. One rule: the three fixed labels are the identity of a
//! pod's role, so nothing a user writes may change them.

use std::collections::BTreeMap;

use flink_crds::KubernetesMode;

use crate::config::Process;

/// Annotation by which a JobManager Deployment is recognised as the one a status speaks of.
pub const DEPLOY_ID: &str = "flinkdeployment.flink.apache.org/deploy-id";

/// A set of labels.
pub type Labels = BTreeMap<String, String>;

/// Value of the label `type` of native clusters, and of the ConfigMaps of Kubernetes high availability
/// in both modes.
pub const NATIVE: &str = "flink-native-kubernetes";
/// Value of the label `type` of standalone clusters.
pub const STANDALONE: &str = "flink-standalone-kubernetes";

/// What every object of a cluster carries.
pub fn common(cluster: &str, mode: KubernetesMode) -> Labels {
    let kind = match mode {
        KubernetesMode::Native => NATIVE,
        KubernetesMode::Standalone => STANDALONE,
    };
    labels([("app", cluster), ("type", kind)])
}

/// What the pods of one role carry, and what their selectors match.
pub fn of_process(cluster: &str, mode: KubernetesMode, process: Process) -> Labels {
    let mut labels = common(cluster, mode);
    labels.insert("component".into(), process.prefix().into());
    labels
}

/// What the ConfigMaps of Kubernetes high availability carry, whatever the mode.
pub fn high_availability(cluster: &str) -> Labels {
    labels([("app", cluster), ("type", NATIVE)])
}

/// The selector that a FlinkDeployment's status names for the scale subresource.
pub fn task_manager_selector(cluster: &str) -> String {
    format!("component=taskmanager,app={cluster}")
}

/// A selector as a list call takes it: `a=1,b=2`.
pub fn selector(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_three_labels_and_objects_two() {
        let jm = of_process("c", KubernetesMode::Native, Process::JobManager);
        assert_eq!(
            selector(&jm),
            "app=c,component=jobmanager,type=flink-native-kubernetes"
        );
        let common = common("c", KubernetesMode::Standalone);
        assert_eq!(selector(&common), "app=c,type=flink-standalone-kubernetes");
        assert_eq!(
            selector(&high_availability("c")),
            "app=c,type=flink-native-kubernetes"
        );
    }
}
