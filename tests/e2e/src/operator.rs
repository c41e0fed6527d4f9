//! The operator as a process of the test.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::kubectl::repository;
use crate::{Kubectl, Namespace};

/// How an operator is started, again and again if need be.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    log: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
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

impl Launch {
    /// One that is called `name` and uses a cluster as `kubectl` does, with the settings of `tests/{folder}/conf`.
    pub fn new(name: &str, kubectl: &Kubectl, folder: &str) -> Self {
        let configuration = repository().join("tests").join(folder).join("conf");
        Self {
            program: program(),
            log: std::env::temp_dir().join(format!("flink-operator-e2e-{name}.log")),
            arguments: vec!["run".to_owned()],
            environment: Vec::new(),
        }
        .env("KUBECONFIG", kubectl.kubeconfig())
        .env("FLINK_CONF_DIR", &configuration)
        .env("POD_NAME", Path::new(name))
    }

    fn env(mut self, name: &'static str, value: &Path) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Use another program.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// The program it starts.
    pub fn executable(&self) -> &Path {
        &self.program
    }

    /// Use another kubeconfig.
    #[must_use]
    pub fn kubeconfig(self, kubeconfig: &Path) -> Self {
        self.env("KUBECONFIG", kubeconfig)
    }

    /// Use another folder of settings.
    #[must_use]
    pub fn settings(self, folder: &Path) -> Self {
        self.env("FLINK_CONF_DIR", folder)
    }

    /// Add an argument with its value.
    #[must_use]
    pub fn argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Start it, with a log of its own: what an earlier run said is not there.
    pub fn start(self) -> Operator {
        File::create(&self.log).expect("a log file");
        let process = self.spawn();
        Operator {
            process,
            launch: self,
        }
    }

    fn spawn(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a log file");
        Command::new(&self.program)
            .args(&self.arguments)
            .env_remove("WATCH_NAMESPACES")
            .envs(self.environment.iter().cloned())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; build it first", self.program.display()))
    }
}

/// A running operator. Ends with the value.
pub struct Operator {
    process: Child,
    launch: Launch,
}

impl Operator {
    /// Start one that watches one namespace of the cluster.
    pub fn start(namespace: &Namespace) -> Self {
        Launch::new(namespace.name(), namespace.kubectl(), "e2e")
            .argument("--watch-namespaces", namespace.name())
            .start()
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its program.
    pub fn program(&self) -> &Path {
        self.launch.executable()
    }

    /// What its program prints when it is asked about what the cluster holds; nothing if it fails.
    pub fn ask(&self, arguments: &[&str]) -> Option<String> {
        let environment = self.launch.environment.iter().cloned();
        let output = Command::new(self.program())
            .args(arguments)
            .envs(environment)
            .output()
            .expect("the operator's program");
        let answer = String::from_utf8(output.stdout).expect("text");
        output.status.success().then_some(answer)
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// Kill it with signal 9.
    pub fn kill(&mut self) {
        self.process.kill().expect("a process to kill");
        self.process.wait().expect("a process that ended");
    }

    /// Kill it and start another.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.process = self.launch.spawn();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
