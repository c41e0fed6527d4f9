//! kubectl, and where it and its cluster are.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use flink_cluster::ApiServer;
use serde_json::Value;

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two folders up")
        .to_owned()
}

/// An example as users find it.
pub fn example(file: &str) -> String {
    let path = repository().join("examples").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A model of a job for the simulator.
pub fn model(file: &str) -> String {
    let path = repository().join("tests/e2e/models").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `local-cluster` as built beside this test.
pub(crate) fn local_cluster(arguments: &[&str]) -> String {
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

/// helm on this repository's chart: `arguments`, then the chart; the output.
pub fn helm(arguments: &[&str]) -> String {
    let out = Command::new(local_cluster(&["path", "helm"]))
        .args(arguments)
        .arg(repository().join("charts/flink-operator"))
        .output()
        .expect("helm starts");
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "helm {arguments:?}: {complaint}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// kubectl as an administrator of one cluster.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// For the cluster to test on: that of `KUBECONFIG` with `CLUSTER=current`, else the local one.
    pub fn of_cluster() -> Self {
        static FOUND: OnceLock<Kubectl> = OnceLock::new();
        let find = || {
            let current = std::env::var("CLUSTER").is_ok_and(|cluster| cluster == "current");
            let kubeconfig = if current {
                std::env::var("KUBECONFIG").expect("CLUSTER=current needs KUBECONFIG")
            } else {
                local_cluster(&["kubeconfig"])
            };
            Self {
                program: local_cluster(&["path", "kubectl"]).into(),
                kubeconfig: kubeconfig.into(),
            }
        };
        FOUND.get_or_init(find).clone()
    }

    /// For a lone API server.
    pub fn of_server(server: &ApiServer) -> Self {
        Self {
            program: server.kubectl.clone(),
            kubeconfig: server.kubeconfig.clone(),
        }
    }

    /// The kubeconfig it uses.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Run it; the output, or what it complained about.
    ///
    /// # Errors
    /// When it ends with anything but 0.
    pub fn attempt(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(&self.program)
            .env("KUBECONFIG", &self.kubeconfig)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // One that ends without reading says why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let out = child.wait_with_output().expect("kubectl ends");
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&out.stderr).into_owned())
    }

    /// Run it; failing fails the test.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.attempt(arguments, "")
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// A path of the API.
    ///
    /// # Errors
    /// When the server refuses it or the answer is not JSON.
    pub fn raw(&self, path: &str) -> Result<Value, String> {
        let text = self.attempt(&["get", "--raw", path], "")?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Install the definitions of this repository.
    pub fn install_definitions(&self) {
        let crds = repository().join("crds");
        let crds = crds.to_str().expect("a path in UTF-8");
        self.run(&["apply", "--server-side", "--force-conflicts", "-f", crds]);
    }
}
