//! An API server of its own for a test: real Kubernetes storage, validation and watches, no node.
//!
//! It listens on loopback, needs no root, and ends with the value or with the process that has
//! it, however that ends. The tests that use it are its tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock::wait_for;
use crate::command::tail;
use crate::control_plane::{ControlPlane, Ports};
use crate::kubeconfig;
use crate::options::Options;
use crate::pki;
use crate::prerequisites::{self, Purpose};
use crate::probe::{Kubectl, free_port, http};
use crate::process::{Daemon, Stat, log_file};
use crate::programs;
use crate::progress::Progress;

/// A server gets so long to start on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running API server with its etcd.
pub struct ApiServer {
    /// A kubeconfig of an administrator.
    pub kubeconfig: PathBuf,
    /// The server's address.
    pub url: String,
    /// kubectl, for those who like it.
    pub kubectl: PathBuf,
    dir: PathBuf,
    remove_dir: bool,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

impl ApiServer {
    /// Starts a server in a temporary folder on free ports.
    ///
    /// # Errors
    /// When a program is missing or does not become ready.
    pub fn start() -> Result<Self> {
        let options = Options::from_env()?;
        let mut again = 1..=2;
        loop {
            let dir = temporary_dir(&std::env::temp_dir())?;
            match Self::start_in(&dir, None, &options, &Progress::silent()) {
                Ok(mut server) => {
                    server.remove_dir = true;
                    return Ok(server);
                }
                // A port that was free may have been taken by another test in between.
                Err(_) if again.next().is_some() => fs::remove_dir_all(dir)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts a server that keeps its data in `dir` and listens on `port`, or on a free one.
    ///
    /// # Errors
    /// When a program is missing or does not become ready.
    pub fn start_in(
        dir: &Path,
        port: Option<u16>,
        options: &Options,
        progress: &Progress,
    ) -> Result<Self> {
        prerequisites::ensure(Purpose::ApiServer, options, progress)?;
        let kubectl = programs::path("kubectl", options, progress)?;
        let plane = ControlPlane {
            programs: kubectl.parent().map(PathBuf::from).unwrap_or_default(),
            dir: dir.to_owned(),
            ports: Ports {
                api: port.map_or_else(free_port, Ok)?,
                etcd: free_port()?,
                etcd_peer: free_port()?,
                etcd_health: free_port()?,
            },
            bind: "127.0.0.1".to_owned(),
            advertise: None,
            services: options.network.service_range(),
        };
        let step = progress.step("start an API server");
        pki::create(&plane.pki(), &pki::api_requests(&["127.0.0.1"]))?;
        let file = dir.join("kubeconfig");
        fs::write(
            &file,
            kubeconfig::render(&plane.url(), &plane.pki(), "admin"),
        )?;
        let mut server = Self {
            kubeconfig: file.clone(),
            url: plane.url(),
            kubectl: kubectl.clone(),
            dir: dir.to_owned(),
            remove_dir: false,
            keeper: None,
        };
        // From here on, dropping the value ends what was started.
        server.keeper = Some(keep(
            plane,
            Kubectl {
                program: kubectl,
                kubeconfig: file,
            },
        )?);
        step.done("ready");
        Ok(server)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some((stop, keeper)) = self.keeper.take() {
            drop(stop);
            // The keeper only ends its children; it has no news.
            let _ = keeper.join();
        }
        if self.remove_dir {
            // A folder that stays is swept by the next start.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Starts the programs from a thread that lives as long as they should.
///
/// The kernel ends them when the thread that started them ends, so a killed test leaves nothing;
/// were it the test's own thread, a server shared by tests would end with the first of them.
fn keep(plane: ControlPlane, kubectl: Kubectl) -> Result<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let keeper = thread::spawn(move || hold(&plane, &kubectl, &tell, &stopped));
    match told.recv() {
        Ok(Ok(())) => Ok((stop, keeper)),
        Ok(Err(error)) => Err(error),
        Err(_) => bail!("the thread that starts the API server ended"),
    }
}

fn hold(plane: &ControlPlane, kubectl: &Kubectl, tell: &Sender<Result<()>>, stop: &Receiver<()>) {
    let mut children = Vec::new();
    let started = start_both(plane, kubectl, &mut children);
    let ready = started.is_ok();
    // Nobody listens any more only if the other side is gone; then the channel below is closed.
    let _ = tell.send(started);
    if ready {
        // Nothing is ever sent: this returns when the value is dropped.
        let _ = stop.recv();
    }
    for child in &mut children {
        // One that has ended already cannot be killed; waiting clears it away in both cases.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn start_both(plane: &ControlPlane, kubectl: &Kubectl, children: &mut Vec<Child>) -> Result<()> {
    let health = plane.ports.etcd_health;
    start(&plane.etcd(), plane, children, || http(health, "/health"))?;
    start(&plane.api_server(), plane, children, || kubectl.api_ready())
}

fn start(
    daemon: &Daemon,
    plane: &ControlPlane,
    children: &mut Vec<Child>,
    ready: impl Fn() -> bool,
) -> Result<()> {
    let log = log_file(&plane.dir, daemon.name);
    let out = File::create(&log)?;
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(&daemon.program)
        .args(&daemon.args)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("failed to start {}", daemon.name))?;
    let pid = i32::try_from(child.id())?;
    children.push(child);
    let came = wait_for(PATIENCE, || {
        if ready() {
            return Ok(Some(()));
        }
        if Stat::of(pid).is_none_or(|stat| stat.ended) {
            let text = fs::read_to_string(&log).unwrap_or_default();
            bail!(
                "{} has ended; its log ends with:\n{}",
                daemon.name,
                tail(&text)
            );
        }
        Ok(None)
    })?;
    came.with_context(|| {
        format!(
            "{} is not ready after {} s",
            daemon.name,
            PATIENCE.as_secs()
        )
    })
}

/// A new folder, named by this process so that folders of processes that are gone can be swept.
fn temporary_dir(parent: &Path) -> Result<PathBuf> {
    const START: &str = "flink-apiserver-";
    for entry in fs::read_dir(parent)?.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(START)?.split('-').next());
        if owner
            .and_then(|pid| pid.parse().ok())
            .is_some_and(|pid| Stat::of(pid).is_none())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    for number in 0..1000 {
        let dir = parent.join(format!("{START}{}-{number}", std::process::id()));
        if fs::create_dir(&dir).is_ok() {
            return Ok(dir);
        }
    }
    bail!("failed to make a folder in {}", parent.display())
}
