//! The kubelet: containers start, fail to start, and end.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deployments::{label, seconds};
use super::{Node, is_deleting, name, namespace, uid};
use crate::flink::ClusterKey;

/// What the kubelet knows of a pod.
#[derive(Clone, Debug)]
pub(super) struct Life {
    seen: Timestamp,
    ended: Option<Timestamp>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Pending,
    Mounting,
    Waiting(&'static str),
    Running,
}

impl Node {
    pub(super) fn kubelet(&mut self, now: Timestamp) {
        let pods = self.api.list("pods", "");
        self.pods
            .retain(|known, _| pods.iter().any(|pod| uid(pod) == known));
        for pod in &pods {
            let fresh = Life {
                seen: now,
                ended: None,
                phase: Phase::Pending,
            };
            let new = !self.pods.contains_key(uid(pod));
            let mut life = self
                .pods
                .entry(uid(pod).to_owned())
                .or_insert(fresh)
                .clone();
            if new {
                self.report(pod, Phase::Pending, now);
            }
            if is_deleting(pod) {
                self.end(pod, &mut life, now);
            } else {
                self.start(pod, &mut life, now);
            }
            self.pods.insert(uid(pod).to_owned(), life);
        }
        let gone: Vec<(String, ClusterKey)> = self
            .job_managers
            .iter()
            .filter(|(pod, _)| !self.pods.contains_key(*pod))
            .map(|(pod, key)| (pod.clone(), key.clone()))
            .collect();
        for (pod, key) in gone {
            self.job_managers.remove(&pod);
            self.api.flink().stop_job_manager(&key, &pod, now);
        }
    }

    fn end(&mut self, pod: &Value, life: &mut Life, now: Timestamp) {
        let ended = *life.ended.get_or_insert(now + self.timings.stop);
        if ended > now {
            self.wake_at(ended);
            return;
        }
        if let Some(key) = self.job_managers.remove(uid(pod)) {
            self.api.flink().stop_job_manager(&key, uid(pod), now);
        }
        let at_once = json!({ "gracePeriodSeconds": 0 });
        self.api
            .delete_with("pods", (namespace(pod), name(pod)), &at_once);
    }

    fn start(&mut self, pod: &Value, life: &mut Life, now: Timestamp) {
        if life.phase == Phase::Running {
            return;
        }
        let next = self.phase(pod, life, now);
        if next == life.phase {
            return;
        }
        life.phase = next;
        self.report(pod, next, now);
        if let (Phase::Mounting, Some(map)) = (next, self.missing_volume(pod)) {
            self.announce_mount(pod, &map, now);
        }
        if next == Phase::Running && label(pod, "component") == "jobmanager" {
            self.run_job_manager(pod, now);
        }
    }

    fn phase(&mut self, pod: &Value, life: &Life, now: Timestamp) -> Phase {
        let image = pod
            .pointer("/spec/containers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let image: Vec<&str> = image
            .filter_map(|container| container.get("image")?.as_str())
            .collect();
        if self.missing_volume(pod).is_some() {
            return Phase::Mounting;
        }
        if image.iter().any(|image| image.contains("missing")) {
            return match life.phase {
                Phase::Pending => Phase::Waiting("ErrImagePull"),
                _ => Phase::Waiting("ImagePullBackOff"),
            };
        }
        let ready = life.seen + self.timings.start;
        if ready > now {
            self.wake_at(ready);
            return if life.phase == Phase::Mounting {
                Phase::Pending
            } else {
                life.phase
            };
        }
        if image.iter().any(|image| image.contains("crash")) {
            return Phase::Waiting("CrashLoopBackOff");
        }
        Phase::Running
    }

    /// A ConfigMap that a volume names and that is not there.
    fn missing_volume(&self, pod: &Value) -> Option<String> {
        let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array)?;
        let names = volumes
            .iter()
            .filter_map(|volume| volume.pointer("/configMap/name")?.as_str());
        let mut missing =
            names.filter(|map| self.api.get("configmaps", namespace(pod), map).is_none());
        missing.next().map(str::to_owned)
    }

    fn announce_mount(&mut self, pod: &Value, map: &str, now: Timestamp) {
        self.serial += 1;
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": format!("{}.{:x}", name(pod), self.serial), "namespace": namespace(pod) },
            "involvedObject": { "apiVersion": "v1", "kind": "Pod", "name": name(pod),
                "namespace": namespace(pod), "uid": uid(pod) },
            "type": "Warning", "reason": "FailedMount", "count": 1,
            "message": format!("MountVolume.SetUp failed for volume \"flink-config-volume\" : configmap \"{map}\" not found"),
            "source": { "component": "kubelet" },
            "firstTimestamp": seconds(now), "lastTimestamp": seconds(now),
        });
        let _ = self.api.create(event);
    }

    fn report(&self, pod: &Value, phase: Phase, now: Timestamp) {
        let ready = phase == Phase::Running;
        let mounted = phase != Phase::Mounting;
        let condition = |kind: &str, holds: bool| {
            json!({ "type": kind, "status": if holds { "True" } else { "False" },
                "lastProbeTime": null, "lastTransitionTime": seconds(now) })
        };
        let state = match phase {
            Phase::Running => json!({ "running": { "startedAt": seconds(now) } }),
            Phase::Pending | Phase::Mounting => {
                json!({ "waiting": { "reason": "ContainerCreating" } })
            }
            Phase::Waiting(reason) => {
                json!({ "waiting": { "reason": reason, "message": explanation(reason) } })
            }
        };
        let last = if phase == Phase::Waiting("CrashLoopBackOff") {
            json!({ "terminated": { "exitCode": 1, "reason": "Error", "message": "the simulated container ended" } })
        } else {
            json!({})
        };
        let containers = pod
            .pointer("/spec/containers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let containers: Vec<Value> = containers
            .map(|container| {
                json!({ "name": container.get("name"), "image": container.get("image"), "imageID": "",
                    "ready": ready, "started": ready, "restartCount": 0, "state": state, "lastState": last })
            })
            .collect();
        let status = json!({
            "phase": if ready { "Running" } else { "Pending" },
            "podIP": if ready { json!("10.88.0.120") } else { Value::Null },
            "conditions": [
                condition("PodReadyToStartContainers", mounted), condition("Initialized", true),
                condition("Ready", ready), condition("ContainersReady", ready), condition("PodScheduled", true),
            ],
            "containerStatuses": containers,
        });
        let _ = self.api.merge(
            "pods",
            (namespace(pod), name(pod)),
            Some("status"),
            &json!({ "status": status }),
        );
    }
}

fn explanation(reason: &str) -> &'static str {
    match reason {
        "CrashLoopBackOff" => "back-off 10s restarting failed container",
        "ImagePullBackOff" => "Back-off pulling image",
        _ => "failed to pull and unpack image: not found",
    }
}
