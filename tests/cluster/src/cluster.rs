//! The cluster as a whole: up, down, and what of it is there.
//!
//! `up` does what is missing and nothing else, so it also repairs; `down` ends only processes
//! whose record says that they are ours.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::addons;
use crate::clock::wait_for;
use crate::command::run;
use crate::containerd::{Containerd, snapshotter};
use crate::control_plane::{ControlPlane, Ports};
use crate::host;
use crate::images::{self, Workshop, archive::Image};
use crate::kubeconfig;
use crate::node::{NODE, Node};
use crate::options::Options;
use crate::pki;
use crate::prerequisites::{self, Purpose};
use crate::probe::{Kubectl, http};
use crate::process::{Daemon, Record, lock, record_file, write_if_changed};
use crate::programs;
use crate::progress::Progress;

/// A part gets so long to become ready; slow machines under load need most of it.
const PATIENCE: Duration = Duration::from_mins(2);

/// The ports of the cluster's programs on this machine. All but the API server's are on loopback.
const PORTS: Ports = Ports {
    api: 6443,
    etcd: 2379,
    etcd_peer: 2380,
    etcd_health: 2381,
};

/// All daemons, in the order in which they are started.
pub const DAEMONS: &[&str] = &[
    "etcd",
    "kube-apiserver",
    "containerd",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
    "metrics-server",
];

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    options: Options,
}

impl Cluster {
    /// Starts the cluster, or what of it does not run.
    ///
    /// # Errors
    /// When the machine lacks something, with the remedy, or a program does not become ready,
    /// with the end of its log.
    pub fn up(options: &Options, progress: &Progress) -> Result<Self> {
        prerequisites::ensure(Purpose::Cluster, options, progress)?;
        let _lock = lock(&options.state, progress)?;
        let start = Start::new(options, progress)?;
        progress.expect_steps(8);
        start.prepare()?;
        start.control_plane()?;
        start.node()?;
        Ok(Self {
            options: options.clone(),
        })
    }

    /// The cluster that runs already.
    ///
    /// # Errors
    /// When none runs, with the command that starts one.
    pub fn running(options: &Options) -> Result<Self> {
        let down = DAEMONS.iter().find(|name| running(options, name).is_none());
        if let Some(name) = down {
            bail!(
                "the local cluster is not up ({name} does not run); start it with: local-cluster up"
            );
        }
        Ok(Self {
            options: options.clone(),
        })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.options.kubeconfig()
    }

    /// The path of `kubectl`, `helm` or another program; built first when needed.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn program(&self, name: &str, progress: &Progress) -> Result<PathBuf> {
        programs::path(name, &self.options, progress)
    }

    /// Imports images that are not there yet.
    ///
    /// # Errors
    /// When an import fails.
    pub fn import(&self, images: &[Image], progress: &Progress) -> Result<()> {
        let containerd = Containerd::new(&self.options);
        for image in images {
            let step = progress.step(format!("import {}", image.tags.join(", ")));
            let new = containerd.import(image)?;
            step.done(if new { "imported" } else { "there" });
        }
        Ok(())
    }

    /// Imports an image archive and returns the names of its images.
    ///
    /// # Errors
    /// When it is no image archive.
    pub fn load_image(&self, file: &std::path::Path) -> Result<Vec<String>> {
        Containerd::new(&self.options).import_file(file)
    }
}

/// A daemon's record while it runs.
pub fn running(options: &Options, name: &str) -> Option<Record> {
    Record::read(&record_file(&options.at("run"), name)).filter(Record::alive)
}

struct Start<'a> {
    options: &'a Options,
    progress: &'a Progress,
    plane: ControlPlane,
    kubectl: Kubectl,
}

impl<'a> Start<'a> {
    fn new(options: &'a Options, progress: &'a Progress) -> Result<Self> {
        let program = programs::path("kubectl", options, progress)?;
        let programs = program.parent().map(PathBuf::from).unwrap_or_default();
        let kubectl = Kubectl {
            program,
            kubeconfig: options.kubeconfig(),
        };
        let plane = ControlPlane {
            programs,
            dir: options.state.clone(),
            ports: PORTS,
            // Pods come to the bridge's address and people to loopback; one listener serves both,
            // and lets in nobody without a certificate of the cluster.
            bind: "0.0.0.0".to_owned(),
            advertise: Some(options.network.node()),
            services: options.network.service_range(),
        };
        Ok(Self {
            options,
            progress,
            plane,
            kubectl,
        })
    }

    fn prepare(&self) -> Result<()> {
        let step = self.progress.step("prepare the machine");
        for folder in ["run", "logs/pods", "config", "etcd"] {
            fs::create_dir_all(self.options.at(folder))?;
        }
        host::prepare(self.options)?;
        let node = self.options.network.node();
        let addresses = ["127.0.0.1", &node, &self.options.network.api_service()];
        let mut requests = pki::api_requests(&addresses);
        requests.extend(pki::node_requests(NODE, &node));
        pki::create(&self.plane.pki(), &requests)?;
        self.write_kubeconfig()?;
        step.done("ready");
        Ok(())
    }

    /// The administrator's file carries its certificates with it, so that it can be copied.
    fn write_kubeconfig(&self) -> Result<()> {
        let thin = self.options.at("config/admin.kubeconfig");
        let text = kubeconfig::render(&self.plane.url(), &self.plane.pki(), "admin");
        if !write_if_changed(&thin, &text)? && self.options.kubeconfig().exists() {
            return Ok(());
        }
        let kubectl = Kubectl {
            kubeconfig: thin,
            ..self.kubectl.clone()
        };
        let whole = run(&mut kubectl.command(&["config", "view", "--raw", "--flatten"]))?;
        let file = self.options.kubeconfig();
        fs::write(&file, whole)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, mode)?;
        Ok(())
    }

    fn node_settings(&self) -> Node<'_> {
        Node {
            options: self.options,
            plane: &self.plane,
            mounts: host::mount_namespace(self.options),
            snapshotter: snapshotter(self.options),
        }
    }

    fn control_plane(&self) -> Result<()> {
        self.start("etcd", &self.plane.etcd(), || {
            http(PORTS.etcd_health, "/health")
        })?;
        // The API server takes a few seconds; containerd and its first image are ready before.
        let api = self.plane.api_server();
        self.ensure(&api)?;
        let containerd = self.node_settings().containerd();
        let client = Containerd::new(self.options);
        self.start("containerd", &containerd, || client.answers())?;
        let workshop = Workshop::new(self.options, self.progress);
        client.import(&images::pause(&workshop)?)?;
        self.start("kube-apiserver", &api, || self.kubectl.api_ready())
    }

    fn node(&self) -> Result<()> {
        let node = self.node_settings();
        let program = |name: &str| -> Result<PathBuf> {
            let path = programs::path(name, self.options, self.progress)?;
            Ok(path.parent().map(PathBuf::from).unwrap_or_default())
        };
        let coredns = addons::coredns(&node, &program("coredns")?);
        let metrics = addons::metrics_server(&node, &program("metrics-server")?);
        let (kubelet, proxy) = (node.kubelet(), node.proxy());
        let (controllers, scheduler) = (node.controller_manager(), node.scheduler());
        let all = [
            &controllers,
            &scheduler,
            &kubelet,
            &proxy,
            &coredns,
            &metrics,
        ];
        for daemon in all {
            self.ensure(daemon)?;
        }
        self.start("coredns", &coredns, || http(8181, "/ready"))?;
        self.start("kubelet", &kubelet, || self.node_is_ready())?;
        self.start("kube-proxy", &proxy, || http(10256, "/healthz"))?;
        self.apply_addons()?;
        self.start("metrics-server", &metrics, || self.metrics_flow())
    }

    /// The objects are applied again only when they changed: kubectl is slow beside the rest.
    fn apply_addons(&self) -> Result<()> {
        let config: serde_json::Value = serde_json::from_str(&run(&mut self
            .kubectl
            .command(&["config", "view", "--raw", "-o", "json"]))?)?;
        let authority = config
            .pointer("/clusters/0/cluster/certificate-authority-data")
            .and_then(serde_json::Value::as_str)
            .context("the kubeconfig has no certificate authority; remove it and try again")?;
        let text = addons::objects(&self.options.network.node(), authority).to_string();
        let applied = self.options.at("etcd/addons.applied.json");
        if fs::read_to_string(&applied).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let file = self.options.at("config/addons.json");
        fs::write(&file, &text)?;
        let mut apply = self
            .kubectl
            .command(&["apply", "--server-side", "--force-conflicts"]);
        run(apply.arg("--filename").arg(&file)).context("failed to apply the add-ons")?;
        fs::write(applied, text)?;
        Ok(())
    }

    /// Figures of the node are there, and the account that pods run as by default.
    fn metrics_flow(&self) -> bool {
        let nodes = "/apis/metrics.k8s.io/v1beta1/nodes";
        self.kubectl
            .answer(&["get", "--raw", nodes])
            .contains("\"usage\"")
            && !self
                .kubectl
                .answer(&["get", "serviceaccount", "default", "-o", "name"])
                .is_empty()
    }

    fn node_is_ready(&self) -> bool {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        self.kubectl.answer(&["get", "node", NODE, "-o", path]) == "True"
    }

    fn ensure(&self, daemon: &Daemon) -> Result<(Record, bool)> {
        daemon.ensure(&self.options.at("run"), &self.options.at("logs"))
    }

    fn start(&self, what: &str, daemon: &Daemon, ready: impl Fn() -> bool) -> Result<()> {
        let mut step = self.progress.step(what);
        let (record, _) = self.ensure(daemon)?;
        let logs = self.options.at("logs");
        let came = wait_for(PATIENCE, || {
            if ready() {
                return Ok(Some(()));
            }
            step.tick();
            daemon.check(&record, &logs)?;
            Ok(None)
        })?;
        came.with_context(|| {
            format!(
                "{what} is not ready after {} s; its log is in {}",
                PATIENCE.as_secs(),
                logs.display()
            )
        })?;
        step.done("ready");
        Ok(())
    }
}
