//! The cluster, through kubectl.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for anything. Two cores start a JVM in half a minute; an upgrade starts two.
const PATIENCE: u32 = 300;

/// The folder of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two folders up")
        .to_owned()
}

/// `local-cluster` as built beside this test.
fn local_cluster(arguments: &[&str]) -> String {
    let tests = std::env::current_exe().expect("the path of this test");
    let tool = tests
        .ancestors()
        .nth(2)
        .expect("the folder of builds")
        .join("local-cluster");
    let out = Command::new(&tool)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; run `make test`", tool.display()));
    String::from_utf8(out.stdout)
        .expect("a path")
        .trim()
        .to_owned()
}

/// The kubeconfig of the cluster to test on: that of `KUBECONFIG` with `CLUSTER=current`, else the local one.
pub(crate) fn kubeconfig() -> String {
    if std::env::var("CLUSTER").is_ok_and(|cluster| cluster == "current") {
        return std::env::var("KUBECONFIG").expect("CLUSTER=current needs KUBECONFIG");
    }
    local_cluster(&["kubeconfig"])
}

fn kubectl(arguments: &[&str], input: Option<&str>) -> Result<String, String> {
    static PROGRAM: std::sync::OnceLock<(String, String)> = std::sync::OnceLock::new();
    let (program, config) =
        PROGRAM.get_or_init(|| (local_cluster(&["path", "kubectl"]), kubeconfig()));
    let mut child = Command::new(program)
        .env("KUBECONFIG", config)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.unwrap_or_default().as_bytes())
        .expect("kubectl reads");
    drop(stdin);
    let out = child.wait_with_output().expect("kubectl ends");
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&out.stderr).into_owned())
}

/// A namespace with the service account that Flink's pods need; gone with the test.
pub struct Namespace(String);

impl Namespace {
    /// Install the definitions and make the namespace, without what an earlier run left in it.
    pub fn new(name: &str) -> Self {
        let crds = repository().join("crds");
        kubectl(
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                crds.to_str().unwrap(),
            ],
            None,
        )
        .expect("the definitions are accepted");
        Self(name.to_owned()).forget();
        let _ = kubectl(
            &[
                "delete",
                "namespace",
                name,
                "--ignore-not-found",
                "--timeout=120s",
            ],
            None,
        );
        let namespace = Self(name.to_owned());
        kubectl(&["create", "namespace", name], None).expect("a new namespace");
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
        &self.0
    }

    /// Run kubectl in it.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.attempt(arguments)
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// The same, where failing is an answer.
    pub fn attempt(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec!["--namespace", self.name()];
        all.extend_from_slice(arguments);
        kubectl(&all, None)
    }

    /// Apply a manifest.
    pub fn apply(&self, manifest: &Value) {
        kubectl(
            &["--namespace", self.name(), "apply", "-f", "-"],
            Some(&manifest.to_string()),
        )
        .expect("the manifest is accepted");
    }

    /// A path of the API, such as one through the service proxy.
    pub fn raw(&self, path: &str) -> Result<Value, String> {
        let text = kubectl(&["get", "--raw", path], None)?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// A FlinkDeployment as it is now.
    pub fn deployment(&self, name: &str) -> Value {
        let text = self.run(&["get", "flinkdeployment", name, "-o", "json"]);
        serde_json::from_str(&text).expect("JSON")
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
}

impl Namespace {
    /// Take our finalizers off: no operator may be left to do it.
    fn forget(&self) {
        let names = self
            .attempt(&["get", "flinkdep", "-o", "name"])
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
            eprintln!("{}", self.run(&["get", "flinkdep", "-o", "yaml"]));
        }
        self.forget();
        let _ = kubectl(&["delete", "namespace", self.name(), "--wait=false"], None);
    }
}
