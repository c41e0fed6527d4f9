//! The kubelet: containers start, fail to start, and end.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deployments::seconds;
use super::{Node, Sight, is_deleting, key, label, name, namespace, uid};
use crate::api::Failure;
use crate::flink::ClusterKey;
use crate::json::{items, text};

/// What the kubelet knows of a pod.
#[derive(Clone, Debug)]
pub(super) struct Life {
    seen: Timestamp,
    ended: Option<Timestamp>,
    /// What the status says; `None` before the first report.
    phase: Option<Phase>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Pending,
    /// A ConfigMap it mounts is not there.
    Mounting(String),
    Waiting(&'static str),
    Running,
}

impl Node {
    pub(super) fn kubelet(&mut self, sight: &Sight, now: Timestamp) -> Result<(), Failure> {
        let present: BTreeSet<&str> = sight.pods.iter().map(|pod| uid(pod)).collect();
        self.pods
            .retain(|known, _| present.contains(known.as_str()));
        for pod in sight.pods.iter() {
            let fresh = Life {
                seen: now,
                ended: None,
                phase: None,
            };
            let life = self
                .pods
                .entry(uid(pod).to_owned())
                .or_insert(fresh)
                .clone();
            let life = if is_deleting(pod) {
                self.end(pod, life, now)?
            } else {
                self.start(pod, life, now)?
            };
            self.pods.insert(uid(pod).to_owned(), life);
        }
        let gone: Vec<(String, ClusterKey)> = self
            .job_managers
            .iter()
            .filter(|(pod, _)| !self.pods.contains_key(*pod))
            .map(|(pod, cluster)| (pod.clone(), cluster.clone()))
            .collect();
        for (pod, cluster) in gone {
            self.job_managers.remove(&pod);
            self.flink().stop_job_manager(&cluster, &pod, now);
        }
        Ok(())
    }

    fn end(&mut self, pod: &Value, mut life: Life, now: Timestamp) -> Result<Life, Failure> {
        let ended = *life.ended.get_or_insert(now + self.timings.stop);
        if ended > now {
            self.wake_at(ended);
            return Ok(life);
        }
        if let Some(cluster) = self.job_managers.remove(uid(pod)) {
            self.flink().stop_job_manager(&cluster, uid(pod), now);
        }
        self.kube.delete("pods", key(pod), true)?;
        Ok(life)
    }

    fn start(&mut self, pod: &Value, mut life: Life, now: Timestamp) -> Result<Life, Failure> {
        if life.phase == Some(Phase::Running) {
            return Ok(life);
        }
        let next = self.phase(pod, &life, now)?;
        if life.phase.as_ref() == Some(&next) {
            return Ok(life);
        }
        if let Phase::Mounting(map) = &next {
            self.announce_mount(pod, map, now)?;
        }
        if next == Phase::Running && label(pod, "component") == "jobmanager" {
            self.run_job_manager(pod, now)?;
        }
        self.report(pod, &next, now)?;
        life.phase = Some(next);
        Ok(life)
    }

    fn phase(&mut self, pod: &Value, life: &Life, now: Timestamp) -> Result<Phase, Failure> {
        if let Some(map) = self.missing_volume(pod)? {
            return Ok(Phase::Mounting(map));
        }
        let image = |part: &str| {
            items(pod, "/spec/containers").any(|container| text(container, "/image").contains(part))
        };
        if image("missing") {
            return Ok(match life.phase {
                None | Some(Phase::Pending | Phase::Mounting(_)) => Phase::Waiting("ErrImagePull"),
                _ => Phase::Waiting("ImagePullBackOff"),
            });
        }
        let ready = life.seen + self.timings.start;
        if ready > now {
            self.wake_at(ready);
            return Ok(Phase::Pending);
        }
        Ok(if image("crash") {
            Phase::Waiting("CrashLoopBackOff")
        } else {
            Phase::Running
        })
    }

    /// A ConfigMap that a volume names and that is not there.
    fn missing_volume(&self, pod: &Value) -> Result<Option<String>, Failure> {
        for volume in items(pod, "/spec/volumes") {
            let map = text(volume, "/configMap/name");
            if !map.is_empty()
                && self
                    .kube
                    .get("configmaps", (namespace(pod), map))?
                    .is_none()
            {
                return Ok(Some(map.to_owned()));
            }
        }
        Ok(None)
    }

    fn announce_mount(&mut self, pod: &Value, map: &str, now: Timestamp) -> Result<(), Failure> {
        self.serial += 1;
        let message = format!(
            "MountVolume.SetUp failed for volume \"flink-config-volume\" : configmap \"{map}\" not found"
        );
        self.kube.create(json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": format!("{}.{:x}", name(pod), self.serial), "namespace": namespace(pod) },
            "involvedObject": { "apiVersion": "v1", "kind": "Pod", "name": name(pod),
                "namespace": namespace(pod), "uid": uid(pod) },
            "type": "Warning", "reason": "FailedMount", "count": 1, "message": message,
            "source": { "component": "kubelet" },
            "firstTimestamp": seconds(now), "lastTimestamp": seconds(now),
        }))
    }

    fn report(&self, pod: &Value, phase: &Phase, now: Timestamp) -> Result<(), Failure> {
        let ready = *phase == Phase::Running;
        let mounted = !matches!(phase, Phase::Mounting(_));
        let condition = |kind: &str, holds: bool| {
            json!({ "type": kind, "status": if holds { "True" } else { "False" },
                "lastTransitionTime": seconds(now) })
        };
        let state = match phase {
            Phase::Running => json!({ "running": { "startedAt": seconds(now) } }),
            Phase::Pending | Phase::Mounting(_) => {
                json!({ "waiting": { "reason": "ContainerCreating" } })
            }
            Phase::Waiting(reason) => {
                json!({ "waiting": { "reason": reason, "message": explanation(reason) } })
            }
        };
        let last = if *phase == Phase::Waiting("CrashLoopBackOff") {
            json!({ "terminated": { "exitCode": 1, "reason": "Error",
                "message": "the simulated container ended" } })
        } else {
            json!({})
        };
        let containers = items(pod, "/spec/containers").map(|container| {
            json!({ "name": text(container, "/name"), "image": text(container, "/image"), "imageID": "",
                "ready": ready, "started": ready, "restartCount": 0, "state": state, "lastState": last })
        });
        let status = json!({
            "phase": if ready { "Running" } else { "Pending" },
            "conditions": [
                condition("PodReadyToStartContainers", mounted), condition("Initialized", true),
                condition("Ready", ready), condition("ContainersReady", ready),
                condition("PodScheduled", true),
            ],
            "containerStatuses": containers.collect::<Vec<Value>>(),
        });
        self.kube.merge(
            "pods",
            key(pod),
            Some("status"),
            &json!({ "status": status }),
        )
    }
}

fn explanation(reason: &str) -> &'static str {
    match reason {
        "CrashLoopBackOff" => "back-off 10s restarting failed container",
        "ImagePullBackOff" => "Back-off pulling image",
        _ => "failed to pull and unpack image: not found",
    }
}
