//! The name of every object that belongs to a cluster, derived from the cluster's name in one place.

/// The JobManager Deployment; Flink calls this the cluster id.
pub fn job_manager(cluster: &str) -> String {
    cluster.to_owned()
}

/// The TaskManager Deployment of a standalone cluster.
pub fn task_manager(cluster: &str) -> String {
    format!("{cluster}-taskmanager")
}

/// The Service in front of the REST interface.
pub fn rest_service(cluster: &str) -> String {
    format!("{cluster}-rest")
}

/// The headless Service through which TaskManagers find the JobManager.
pub fn internal_service(cluster: &str) -> String {
    cluster.to_owned()
}

/// The ConfigMap with Flink's and the logging configuration.
pub fn flink_config(cluster: &str) -> String {
    format!("flink-config-{cluster}")
}

/// The ConfigMap with the pod template of TaskManagers.
pub fn pod_template(cluster: &str) -> String {
    format!("pod-template-{cluster}")
}

/// The ConfigMap with what the autoscaler remembers.
pub fn autoscaler(cluster: &str) -> String {
    format!("autoscaler-{cluster}")
}

/// The Ingress.
pub fn ingress(cluster: &str) -> String {
    cluster.to_owned()
}
