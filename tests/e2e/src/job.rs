//! The example job, and what it counts.

use serde_json::{Value, json};

use crate::Namespace;

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
        namespace.apply(&manifest(namespace.name(), name, version, mode));
        Self { namespace, name }
    }

    /// Change its spec.
    pub fn patch(&self, spec: &Value) {
        let patch = json!({ "spec": spec }).to_string();
        self.namespace
            .run(&["patch", "flinkdep", self.name, "--type=merge", "-p", &patch]);
    }

    /// An accumulator of the job that runs now, once it is there.
    pub fn counter(&self, counter: &str) -> Option<u64> {
        let object = self.namespace.deployment(self.name);
        let id = object
            .pointer("/status/jobStatus/jobId")?
            .as_str()?
            .to_owned();
        let path = format!(
            "/api/v1/namespaces/{}/services/http:{}-rest:8081/proxy/jobs/{id}/accumulators",
            self.namespace.name(),
            self.name
        );
        let answer = self.namespace.raw(&path).ok()?;
        let all = answer.get("user-task-accumulators")?.as_array()?;
        let found = all
            .iter()
            .find(|accumulator| accumulator.get("name").and_then(Value::as_str) == Some(counter))?;
        found.get("value")?.as_str()?.parse().ok()
    }

    /// Wait until the job has counted more than `floor`.
    pub fn wait_for_count_above(&self, floor: u64) -> u64 {
        self.namespace
            .wait_for(&format!("a count above {floor}"), |_| {
                self.counter("verify.counted")
                    .filter(|count| *count > floor)
            })
    }
}

fn manifest(namespace: &str, name: &str, version: &str, mode: &str) -> Value {
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
