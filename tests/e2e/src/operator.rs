//! The operator as a process of the test, reaching Flink through the API server.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::Namespace;
use crate::cluster::{kubeconfig, repository};

/// A running operator that watches one namespace. Ends with the value.
pub struct Operator {
    process: Child,
    namespace: String,
}

/// The release program if it was built, else the one of this profile.
fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("the path of this test");
    let target = tests.ancestors().nth(3).expect("the folder of builds");
    let release = target.join("release/flink-operator");
    if release.exists() {
        release
    } else {
        target.join("debug/flink-operator")
    }
}

impl Operator {
    /// Start it.
    pub fn start(namespace: &Namespace) -> Self {
        Self {
            process: spawn(namespace.name()),
            namespace: namespace.name().to_owned(),
        }
    }

    /// Kill it with signal 9 and start another.
    pub fn kill_and_restart(&mut self) {
        self.process.kill().expect("a process to kill");
        self.process.wait().expect("a process that ended");
        self.process = spawn(&self.namespace);
    }
}

fn spawn(namespace: &str) -> Child {
    let program = program();
    let logs = std::env::temp_dir().join(format!("flink-operator-e2e-{namespace}.log"));
    let log = File::options()
        .create(true)
        .append(true)
        .open(logs)
        .expect("a log file");
    Command::new(&program)
        .arg("run")
        .env("KUBECONFIG", kubeconfig())
        .env("FLINK_CONF_DIR", repository().join("tests/e2e/conf"))
        .env("WATCH_NAMESPACES", namespace)
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; build it first", program.display()))
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
