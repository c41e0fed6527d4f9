//! JobManagers: started from what their pod mounts, and the TaskManagers they ask Kubernetes for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deployments::{label, owner_reference};
use super::{Node, is_deleting, is_owned_by, is_ready, name, namespace, text, uid};
use crate::flink::{ClusterConfig, ClusterKey, JobManagerStart};

impl Node {
    /// The container of a JobManager's pod runs.
    pub(super) fn run_job_manager(&mut self, pod: &Value, now: Timestamp) {
        let key = ClusterKey::new(namespace(pod), label(pod, "app"));
        let args = arguments(pod);
        let mut config = self.mounted_config(pod);
        config.extend(dynamic_properties(&args));
        let application = args
            .iter()
            .any(|arg| arg.contains("kubernetes-application") || arg == "standalone-job");
        let ha = self.ha_metadata(&key);
        let start = JobManagerStart {
            instance: uid(pod).to_owned(),
            config,
            application,
            ha,
        };
        self.api.flink().start_job_manager(&key, start, now);
        self.job_managers.insert(uid(pod).to_owned(), key);
    }

    /// The Flink configuration among the ConfigMaps the pod mounts.
    fn mounted_config(&self, pod: &Value) -> BTreeMap<String, String> {
        let volumes = pod
            .pointer("/spec/volumes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let maps = volumes.filter_map(|volume| {
            self.api.get(
                "configmaps",
                namespace(pod),
                volume.pointer("/configMap/name")?.as_str()?,
            )
        });
        let files = maps.map(|map| string_map(&map, "/data"));
        let config = files.map(|files| ClusterConfig::from_files(&files).values().clone());
        config.fold(BTreeMap::new(), |mut all, config| {
            all.extend(config);
            all
        })
    }

    pub(super) fn job_managers(&mut self, now: Timestamp) {
        let keys: BTreeSet<ClusterKey> = self.job_managers.values().cloned().collect();
        self.surplus_since.retain(|key, _| keys.contains(key));
        let pods = self.api.list("pods", "component");
        for key in keys {
            let of = |component: &str| -> Vec<&Value> {
                pods.iter()
                    .filter(|pod| namespace(pod) == key.namespace && label(pod, "app") == key.name)
                    .filter(|pod| label(pod, "component") == component)
                    .collect()
            };
            let task_managers = of("taskmanager");
            let job_manager = of("jobmanager")
                .into_iter()
                .find(|pod| self.job_managers.contains_key(uid(pod)));
            if let Some(job_manager) = job_manager.filter(|pod| is_native(pod)) {
                self.provide_task_managers(&key, job_manager, &task_managers, now);
            }
            let ready = task_managers
                .iter()
                .filter(|pod| is_ready(pod) && !is_deleting(pod));
            let ids: Vec<String> = ready.map(|pod| name(pod).to_owned()).collect();
            self.api.flink().register_task_managers(&key, &ids, now);
            self.keep_ha(&key);
        }
    }

    /// Native mode: as many TaskManager pods as the JobManager wants.
    fn provide_task_managers(
        &mut self,
        key: &ClusterKey,
        job_manager: &Value,
        pods: &[&Value],
        now: Timestamp,
    ) {
        let owner = self.api.get("deployments", &key.namespace, &key.name);
        let Some(owner) =
            owner.filter(|owner| is_owned_by(job_manager, uid(owner)) && !is_deleting(owner))
        else {
            return;
        };
        let wanted = self.api.flink().wanted_task_managers(key);
        let live: Vec<&&Value> = pods
            .iter()
            .filter(|pod| !is_deleting(pod) && is_owned_by(pod, uid(&owner)))
            .collect();
        if live.len() <= wanted {
            self.surplus_since.remove(key);
        }
        let taken: BTreeSet<&str> = pods.iter().map(|pod| name(pod)).collect();
        let free = (1..).map(|n| format!("{}-taskmanager-1-{n}", key.name));
        for name in free
            .filter(|name| !taken.contains(name.as_str()))
            .take(wanted.saturating_sub(live.len()))
        {
            self.create_task_manager(&owner, job_manager, &name);
        }
        if live.len() > wanted {
            let since = *self.surplus_since.entry(key.clone()).or_insert(now);
            let until = since + self.timings.idle;
            if until > now {
                self.wake_at(until);
                return;
            }
            for pod in live.iter().skip(wanted) {
                self.api.delete("pods", namespace(pod), name(pod));
            }
        }
    }

    fn create_task_manager(&self, owner: &Value, job_manager: &Value, name: &str) {
        let image = job_manager
            .pointer("/spec/containers/0/image")
            .cloned()
            .unwrap_or_default();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": namespace(owner),
                "labels": { "app": label(job_manager, "app"), "component": "taskmanager",
                    "type": label(job_manager, "type") },
                "ownerReferences": [owner_reference(owner)],
            },
            "spec": { "containers": [{ "name": "flink-main-container", "image": image }] },
        });
        let _ = self.api.create(pod);
    }
}

/// Command and arguments of the main container, split at blanks.
fn arguments(pod: &Value) -> Vec<String> {
    let containers = pod
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let main = containers.filter(|container| text(container, "/name") == "flink-main-container");
    let args = main.flat_map(|container| {
        container
            .get("args")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    });
    args.filter_map(Value::as_str)
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

/// Options given as arguments: `-D key=value`, `-Dkey=value`, `--fromSavepoint path`.
fn dynamic_properties(args: &[String]) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for (position, arg) in args.iter().enumerate() {
        let next = args
            .get(position + 1)
            .map(String::as_str)
            .unwrap_or_default();
        let pair = match arg.as_str() {
            "-D" => Some(next),
            "--fromSavepoint" => {
                properties.insert("execution.savepoint.path".to_owned(), next.to_owned());
                None
            }
            arg => arg.strip_prefix("-D"),
        };
        if let Some((key, value)) = pair.and_then(|pair| pair.split_once('=')) {
            properties.insert(key.to_owned(), value.to_owned());
        }
    }
    properties
}

fn is_native(pod: &Value) -> bool {
    arguments(pod).iter().any(|arg| arg.contains("kubernetes-"))
}

/// An object of texts at a pointer.
pub(super) fn string_map(value: &Value, pointer: &str) -> BTreeMap<String, String> {
    let fields = value
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
