//! What the pods of a cluster tell, above all what keeps a JobManager from starting.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;

use crate::domain::{PodFailure, Pods};

/// Waiting reasons that do not pass by themselves, or not without loss.
const STUCK: [&str; 7] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "RunContainerError",
    "CreateContainerConfigError",
    "OOMKilled",
];

/// Reduce pods to what decisions need. Finished pods of a Deployment do not count.
pub fn of(pods: &[Pod]) -> Pods {
    let component = |pod: &Pod, name: &str| {
        pod.labels()
            .get("component")
            .is_some_and(|value| value == name)
    };
    Pods {
        count: pods.len(),
        task_managers: pods
            .iter()
            .filter(|pod| component(pod, "taskmanager"))
            .count(),
        failure: pods
            .iter()
            .filter(|pod| component(pod, "jobmanager"))
            .find_map(|pod| container_failure(pod).or_else(|| unschedulable(pod))),
    }
}

fn container_failure(pod: &Pod) -> Option<PodFailure> {
    let status = pod.status.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    containers
        .flatten()
        .find_map(|container| waiting(pod, container))
}

fn waiting(pod: &Pod, container: &ContainerStatus) -> Option<PodFailure> {
    let state = container.state.as_ref()?.waiting.as_ref()?;
    let reason = state.reason.clone()?;
    if !STUCK.contains(&reason.as_str()) {
        return None;
    }
    let last = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    let text = match last {
        Some(ended) if reason == "CrashLoopBackOff" => ended.message.clone().unwrap_or_else(|| {
            format!(
                "the container ended with exit code {} ({}); its log tells why: kubectl logs {}",
                ended.exit_code,
                ended.reason.as_deref().unwrap_or("no reason given"),
                pod.name_any()
            )
        }),
        _ => state.message.clone().unwrap_or_default(),
    };
    Some(PodFailure {
        reason,
        message: format!("[{}] {text}", container.name),
        transient: false,
        since: created(pod),
    })
}

fn unschedulable(pod: &Pod) -> Option<PodFailure> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled")?;
    (scheduled.status == "False").then(|| PodFailure {
        reason: scheduled
            .reason
            .clone()
            .unwrap_or_else(|| "Unschedulable".to_owned()),
        message: scheduled.message.clone().unwrap_or_default(),
        transient: true,
        since: created(pod),
    })
}

/// A JobManager pod whose containers wait for volumes.
pub fn stuck_on_volumes(pods: &[Pod]) -> Option<&Pod> {
    pods.iter().find(|pod| {
        let conditions = pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|conditions| {
            let no = |kind: &str| {
                conditions
                    .iter()
                    .any(|condition| condition.type_ == kind && condition.status == "False")
            };
            no("Ready") && (no("PodReadyToStartContainers") || no("Initialized"))
        })
    })
}

/// What the kubelet says of volumes it cannot mount.
pub fn failed_mount(pod: &Pod, events: &[Event]) -> Option<PodFailure> {
    let event = events.last()?;
    Some(PodFailure {
        reason: "FailedMount".to_owned(),
        message: event.message.clone().unwrap_or_default(),
        transient: true,
        since: created(pod),
    })
}

fn created(pod: &Pod) -> Option<jiff::Timestamp> {
    pod.creation_timestamp().map(|time| time.0)
}
