//! The example job, and what it counts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Namespace;

/// Id of the vertex of the source; it follows from the operator's uid, whether it is our own or Kafka's.
const SOURCE: &str = "e5a72f353fc1e6bbf3bd96a41384998c";

/// Folder on the node for checkpoints and savepoints of one namespace.
fn storage(namespace: &str) -> String {
    format!("/var/lib/flink-e2e/{namespace}")
}

/// A FlinkDeployment of the example job.
pub struct Job<'a> {
    namespace: &'a Namespace,
    name: &'a str,
}

impl<'a> Job<'a> {
    /// Apply it, for Flink `version` such as `2.3`.
    pub fn apply(namespace: &'a Namespace, name: &'a str, version: &str, mode: &str) -> Self {
        Self::apply_with(namespace, name, version, mode, |_| ())
    }

    /// The same, with `edit` applied to the spec first.
    pub fn apply_with(
        namespace: &'a Namespace,
        name: &'a str,
        version: &str,
        mode: &str,
        edit: impl FnOnce(&mut Value),
    ) -> Self {
        let mut manifest = manifest(namespace.name(), name, version, mode);
        edit(&mut manifest["spec"]);
        namespace.apply(&manifest);
        Self { namespace, name }
    }

    /// One that was applied elsewhere.
    pub const fn existing(namespace: &'a Namespace, name: &'a str) -> Self {
        Self { namespace, name }
    }

    /// Change its spec.
    pub fn patch(&self, spec: &Value) {
        self.namespace.patch(self.name, spec);
    }

    /// What Flink answers about the job that runs now, `path` being what comes after its id.
    fn flink(&self, path: &str) -> Option<Value> {
        let object = self.namespace.deployment(self.name);
        let id = object.pointer("/status/jobStatus/jobId")?.as_str()?;
        self.namespace
            .flink(self.name, &format!("/jobs/{id}{path}"))
    }

    /// The vertices of the running job: name and parallelism.
    pub fn parallelism(&self) -> BTreeMap<String, u64> {
        let detail = self.flink("").unwrap_or_default();
        let vertices = detail.get("vertices").and_then(Value::as_array);
        vertices
            .into_iter()
            .flatten()
            .filter_map(|vertex| {
                let name = vertex.get("name")?.as_str()?.to_owned();
                Some((name, vertex.get("parallelism")?.as_u64()?))
            })
            .collect()
    }

    /// Records that wait in front of the source.
    pub fn lag(&self) -> Option<f64> {
        // One at a time: Flink gives no sum at all when one of the names is unknown.
        ["rated", "kafka"].iter().find_map(|source| {
            let name = format!("Source__{source}.pendingRecords");
            let path = format!("/vertices/{SOURCE}/subtasks/metrics?get={name}&agg=sum");
            self.flink(&path)?.pointer("/0/sum")?.as_f64()
        })
    }

    /// An accumulator of the job that runs now, once it is there.
    pub fn counter(&self, counter: &str) -> Option<u64> {
        let answer = self.flink("/accumulators")?;
        let all = answer.get("user-task-accumulators")?.as_array()?;
        let found = all
            .iter()
            .find(|accumulator| accumulator.get("name").and_then(Value::as_str) == Some(counter))?;
        found.get("value")?.as_str()?.parse().ok()
    }

    /// Wait until the job has counted more than `floor` records in its last stage.
    pub fn wait_for_count_above(&self, floor: u64) -> u64 {
        self.wait_for_counter("verify.counted", floor)
    }

    /// Wait until an accumulator is above `floor`.
    pub fn wait_for_counter(&self, counter: &str, floor: u64) -> u64 {
        self.namespace
            .wait_for(&format!("{counter} above {floor}"), |_| {
                self.counter(counter).filter(|count| *count > floor)
            })
    }
}

/// A FlinkDeployment of the example job on the cluster.
pub fn manifest(namespace: &str, name: &str, version: &str, mode: &str) -> Value {
    let storage = storage(namespace);
    let image = format!("flink-example:{version}");
    let mount = json!([{ "name": "state", "mountPath": storage }]);
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "name": name },
        "spec": {
            "image": image,
            "flinkVersion": format!("v{}", version.replace('.', "_")),
            "serviceAccount": "flink",
            "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": "2",
                "kubernetes.jobmanager.cpu.limit-factor": "4.0",
                "kubernetes.taskmanager.cpu.limit-factor": "4.0",
                "taskmanager.memory.managed.size": "0m",
                "jobmanager.scheduler": "adaptive",
                "execution.checkpointing.interval": "5s",
                "execution.checkpointing.dir": format!("file://{storage}/checkpoints"),
                "execution.checkpointing.savepoint-dir": format!("file://{storage}/savepoints"),
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": format!("file://{storage}/ha"),
            },
            "podTemplate": { "spec": {
                "initContainers": [{
                    "name": "open-storage",
                    "image": image,
                    "command": ["chmod", "1777", storage],
                    "volumeMounts": mount,
                }],
                "containers": [{ "name": "flink-main-container", "volumeMounts": mount }],
                "volumes": [{
                    "name": "state",
                    "hostPath": { "path": storage, "type": "DirectoryOrCreate" },
                }],
            }},
            "jobManager": { "resource": { "cpu": 0.2, "memory": "1024m" } },
            "taskManager": { "resource": { "cpu": 0.2, "memory": "1024m" } },
            "job": {
                "jarURI": "local:///opt/flink/usrlib/flink-example-jobs.jar",
                "args": ["--rate", "constant:200", "--stages", "map:0.5ms,keyed:1ms"],
                "parallelism": 1,
                "upgradeMode": mode,
            },
        },
    })
}
