//! JobManagers: started from what their pod mounts, and the TaskManagers they ask Kubernetes for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::config_maps::metadata_of;
use super::deployments::owner_reference;
use super::{Node, Sight, is_deleting, is_owned_by, is_ready, key, label, name, namespace, uid};
use crate::api::Failure;
use crate::flink::{ClusterConfig, ClusterKey, JobManagerStart};
use crate::json::{at, items, text};

impl Node {
    /// The container of a JobManager's pod runs.
    pub(super) fn run_job_manager(&mut self, pod: &Value, now: Timestamp) -> Result<(), Failure> {
        if self.job_managers.contains_key(uid(pod)) {
            return Ok(());
        }
        let cluster = ClusterKey::new(namespace(pod), label(pod, "app"));
        let args: Vec<&str> = arguments(pod).collect();
        let mut config = self.mounted_config(pod)?;
        config.extend(dynamic_properties(&args));
        let application = args
            .iter()
            .any(|arg| arg.contains("kubernetes-application") || *arg == "standalone-job");
        let labels = format!("app={},configmap-type=high-availability", cluster.name);
        let ha = metadata_of(&cluster, &self.kube.list("configmaps", &labels)?);
        let start = JobManagerStart {
            instance: uid(pod).to_owned(),
            config,
            application,
            ha,
        };
        self.flink().start_job_manager(&cluster, start, now);
        self.job_managers.insert(uid(pod).to_owned(), cluster);
        Ok(())
    }

    /// The Flink configuration among the ConfigMaps the pod mounts.
    fn mounted_config(&self, pod: &Value) -> Result<BTreeMap<String, String>, Failure> {
        let mut config = BTreeMap::new();
        for volume in items(pod, "/spec/volumes") {
            let map = text(volume, "/configMap/name");
            if map.is_empty() {
                continue;
            }
            if let Some(map) = self.kube.get("configmaps", (namespace(pod), map))? {
                let files = string_map(&map, "/data");
                config.extend(ClusterConfig::from_files(&files).values().clone());
            }
        }
        Ok(config)
    }

    pub(super) fn job_managers(&mut self, sight: &Sight, now: Timestamp) -> Result<(), Failure> {
        let clusters: BTreeSet<ClusterKey> = self.job_managers.values().cloned().collect();
        self.surplus_since
            .retain(|cluster, _| clusters.contains(cluster));
        for cluster in clusters {
            let task_managers = sight.part(&cluster, "taskmanager");
            let job_managers = sight.part(&cluster, "jobmanager");
            let native = job_managers
                .into_iter()
                .find(|pod| self.job_managers.contains_key(uid(pod)) && is_native(pod));
            if let Some(job_manager) = native {
                let owner = sight.maker(job_manager);
                if let Some(owner) = owner.filter(|owner| !is_deleting(owner)) {
                    self.provide_task_managers(
                        &cluster,
                        (owner, job_manager),
                        &task_managers,
                        now,
                    )?;
                }
            }
            let ready = task_managers
                .iter()
                .filter(|pod| is_ready(pod) && !is_deleting(pod));
            let ids: Vec<String> = ready.map(|pod| name(pod).to_owned()).collect();
            self.flink().register_task_managers(&cluster, &ids, now);
            self.keep_ha(&cluster, sight)?;
        }
        Ok(())
    }

    /// Native mode: as many TaskManager pods as the JobManager wants.
    fn provide_task_managers(
        &mut self,
        cluster: &ClusterKey,
        (owner, job_manager): (&Value, &Value),
        pods: &[&Value],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let wanted = self.flink().wanted_task_managers(cluster);
        let live: Vec<&&Value> = pods
            .iter()
            .filter(|pod| !is_deleting(pod) && is_owned_by(pod, uid(owner)))
            .collect();
        let taken: BTreeSet<&str> = pods.iter().map(|pod| name(pod)).collect();
        let free = (1..).map(|n| format!("{}-taskmanager-1-{n}", cluster.name));
        let free = free.filter(|name| !taken.contains(name.as_str()));
        for name in free.take(wanted.saturating_sub(live.len())) {
            self.kube.create(task_manager(owner, job_manager, &name))?;
        }
        if live.len() <= wanted {
            self.surplus_since.remove(cluster);
            return Ok(());
        }
        let until = *self.surplus_since.entry(cluster.clone()).or_insert(now) + self.timings.idle;
        if until > now {
            self.wake_at(until);
            return Ok(());
        }
        for pod in live.iter().skip(wanted) {
            self.kube.delete("pods", key(pod), false)?;
        }
        Ok(())
    }
}

fn task_manager(owner: &Value, job_manager: &Value, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace(owner),
            "labels": { "app": label(job_manager, "app"), "component": "taskmanager",
                "type": label(job_manager, "type") },
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": { "containers": [{ "name": "flink-main-container",
            "image": at(job_manager, "/spec/containers/0/image") }] },
    })
}

/// Arguments of the main container, split at blanks.
fn arguments(pod: &Value) -> impl Iterator<Item = &str> {
    let main = items(pod, "/spec/containers")
        .filter(|container| text(container, "/name") == "flink-main-container");
    main.flat_map(|container| items(container, "/args"))
        .filter_map(Value::as_str)
        .flat_map(str::split_whitespace)
}

/// Options given as arguments: `-D key=value`, `-Dkey=value`, `--fromSavepoint path`.
fn dynamic_properties(args: &[&str]) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for (position, arg) in args.iter().enumerate() {
        let next = args.get(position + 1).copied().unwrap_or_default();
        let pair = match *arg {
            "-D" => next.split_once('='),
            "--fromSavepoint" => Some(("execution.savepoint.path", next)),
            arg => arg.strip_prefix("-D").and_then(|pair| pair.split_once('=')),
        };
        properties.extend(pair.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    properties
}

fn is_native(pod: &Value) -> bool {
    arguments(pod).any(|arg| arg.contains("kubernetes-"))
}

/// The texts among the fields of the object at a path, in the order of their keys.
pub(super) fn strings<'a>(
    value: &'a Value,
    path: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let fields = at(value, path).and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

/// The same as a map.
pub(super) fn string_map(value: &Value, path: &str) -> BTreeMap<String, String> {
    strings(value, path)
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
