//! A namespace of a test, and what is in it.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::Kubectl;
use crate::kubectl::helm;

/// Longest wait for anything. Two cores start a JVM in half a minute; an upgrade starts two.
const PATIENCE: u32 = 300;

/// A namespace of a test; gone with it.
pub struct Namespace {
    name: String,
    kubectl: Kubectl,
}

impl Namespace {
    /// Make the namespace, without what an earlier run left in it.
    pub fn on(kubectl: Kubectl, name: &str) -> Self {
        let namespace = Self {
            name: name.to_owned(),
            kubectl,
        };
        namespace.forget();
        namespace.kubectl.run(&[
            "delete",
            "namespace",
            name,
            "--ignore-not-found",
            "--timeout=120s",
        ]);
        namespace.kubectl.run(&["create", "namespace", name]);
        namespace
    }

    /// One on the cluster, with the definitions installed.
    pub fn bare(name: &str) -> Self {
        let kubectl = Kubectl::of_cluster();
        kubectl.install_definitions();
        Self::on(kubectl, name)
    }

    /// The same with the service account that Flink's pods need.
    pub fn new(name: &str) -> Self {
        let namespace = Self::bare(name);
        namespace.run(&["create", "serviceaccount", "flink"]);
        namespace.run(&[
            "create",
            "role",
            "flink",
            "--verb=*",
            "--resource=pods,configmaps,services,deployments.apps,deployments.apps/finalizers",
        ]);
        let account = format!("--serviceaccount={name}:flink");
        namespace.run(&["create", "rolebinding", "flink", "--role=flink", &account]);
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// kubectl for its cluster.
    pub const fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Run kubectl in it.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.attempt(arguments)
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// The same, where failing is an answer.
    ///
    /// # Errors
    /// What kubectl complained about.
    pub fn attempt(&self, arguments: &[&str]) -> Result<String, String> {
        self.attempt_with(arguments, "")
    }

    /// The same with a standard input.
    ///
    /// # Errors
    /// What kubectl complained about.
    pub fn attempt_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut all = vec!["--namespace", self.name()];
        all.extend_from_slice(arguments);
        self.kubectl.attempt(&all, input)
    }

    /// Install the chart in it, for this namespace alone.
    pub fn install_chart(&self) {
        let image = std::env::var("OPERATOR_IMAGE");
        let image = image.as_deref().unwrap_or("flink-operator:local");
        let (repository, tag) = image.rsplit_once(':').expect("an image with a tag");
        let values = format!("image.repository={repository},image.tag={tag}");
        let watched = format!("watchNamespaces={{{}}}", self.name());
        let kubeconfig = self.kubectl.kubeconfig().to_str().expect("a path in UTF-8");
        let mut arguments = vec!["install", "flink-operator", "--namespace", self.name()];
        arguments.extend([
            "--kubeconfig",
            kubeconfig,
            "--set",
            &values,
            "--set",
            &watched,
        ]);
        arguments.extend(["--wait", "--timeout", "3m"]);
        helm(&arguments);
    }

    /// Apply a manifest.
    pub fn apply(&self, manifest: &Value) {
        self.attempt_with(&["apply", "-f", "-"], &manifest.to_string())
            .unwrap_or_else(|error| panic!("{error}\n{manifest}"));
    }

    /// An object as it is now.
    pub fn get(&self, kind: &str, name: &str) -> Value {
        let text = self.run(&["get", kind, name, "-o", "json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    /// A FlinkDeployment as it is now.
    pub fn deployment(&self, name: &str) -> Value {
        self.get("flinkdeployment", name)
    }

    /// Merge a change into the spec of a FlinkDeployment.
    pub fn patch(&self, name: &str, spec: &Value) {
        let patch = serde_json::json!({ "spec": spec }).to_string();
        self.run(&["patch", "flinkdep", name, "--type=merge", "-p", &patch]);
    }

    /// Merge a change into the status of a FlinkDeployment, as an operator would.
    pub fn patch_status(&self, name: &str, status: &Value) {
        let patch = serde_json::json!({ "status": status }).to_string();
        let merge = ["--subresource=status", "--type=merge", "-p", &patch];
        self.run(&[&["patch", "flinkdep", name], &merge[..]].concat());
    }

    /// What the REST interface of a Flink cluster answers, through the service's proxy.
    pub fn flink(&self, cluster: &str, path: &str) -> Option<Value> {
        let namespace = self.name();
        let proxy =
            format!("/api/v1/namespaces/{namespace}/services/http:{cluster}-rest:8081/proxy");
        self.kubectl.raw(&format!("{proxy}{path}")).ok()
    }

    /// Wait until `check` gives something; on time-out, show what the cluster looks like.
    pub fn wait_for<T>(&self, what: &str, mut check: impl FnMut(&Self) -> Option<T>) -> T {
        for _ in 0..PATIENCE {
            if let Some(found) = check(self) {
                return found;
            }
            sleep(Duration::from_secs(1));
        }
        let pods = self.run(&["get", "flinkdep,deploy,pods,events"]);
        panic!("waited {PATIENCE} s in vain for {what}:\n{pods}");
    }

    /// Wait for the lifecycle state of a FlinkDeployment at its present generation.
    pub fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for(&format!("{name} to be {state}"), |namespace| {
            let object = namespace.deployment(name);
            let current = object.pointer("/metadata/generation")
                == object.pointer("/status/observedGeneration");
            let there = object
                .pointer("/status/lifecycleState")
                .and_then(Value::as_str)
                == Some(state);
            (current && there).then_some(object)
        })
    }

    /// Take our finalizers off: no operator may be left to do it.
    fn forget(&self) {
        let names = self
            .attempt(&["get", "flinkdep,flinksnp", "-o", "name"])
            .unwrap_or_default();
        for name in names.lines() {
            let patch = r#"{"metadata":{"finalizers":null}}"#;
            let _ = self.attempt(&["patch", name, "--type=merge", "-p", patch]);
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.run(&["get", "flinkdep,flinksnp", "-o", "yaml"]));
        }
        // A lone API server has nobody who would empty a namespace.
        let _ = self.attempt(&["delete", "flinkdep,flinksnp", "--all", "--wait=false"]);
        self.forget();
        let _ = self
            .kubectl
            .attempt(&["delete", "namespace", self.name(), "--wait=false"], "");
    }
}
