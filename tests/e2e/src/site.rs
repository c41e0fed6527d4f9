//! A real API server with a simulated node and a simulated Flink beside it: what needs Kubernetes' own storage,
//! validation and watches, but no pods.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use flink_cluster::ApiServer;
use flink_sim::SimClock;
use flink_sim::flink::{SimFlink, serve};
use flink_sim::node::{Node, Remote};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::{Kubectl, Launch, Namespace};

/// Pause between two rounds of the node.
const ROUND: Duration = Duration::from_secs(1);

/// Everything but the operator. Ends with the value or with the process.
pub struct Site {
    server: ApiServer,
    runtime: Runtime,
    client: Client,
    flink: Arc<Mutex<SimFlink>>,
    port: u16,
    // Its end is the node's.
    _alive: Arc<()>,
}

impl Site {
    /// Start it, with the definitions installed.
    pub fn start() -> Self {
        let server = ApiServer::start().expect("an API server");
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let kubectl = Kubectl::of_server(&server);
        kubectl.install_definitions();
        kubectl.run(&[
            "wait",
            "--for=condition=Established",
            "--all",
            "crd",
            "--timeout=60s",
        ]);
        let flink = Arc::new(Mutex::new(SimFlink::new()));
        let alive = Arc::new(());
        let node = (Arc::clone(&flink), Arc::downgrade(&alive));
        let (client, port) = runtime.block_on(beside(&server, node));
        Self {
            server,
            runtime,
            client,
            flink,
            port,
            _alive: alive,
        }
    }

    /// The API server.
    pub const fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Where its node and Flink run.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A client of the API server.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// kubectl for it.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::of_server(&self.server)
    }

    /// A new namespace.
    pub fn namespace(&self, name: &str) -> Namespace {
        Namespace::on(self.kubectl(), name)
    }

    /// An operator that reaches this API server and this Flink.
    pub fn launch(&self, name: &str, folder: &str) -> Launch {
        let flink = format!("http://127.0.0.1:{}/{{namespace}}/{{name}}", self.port);
        Launch::new(name, &self.kubectl(), folder).argument("--flink-rest", &flink)
    }

    /// The simulated Flink.
    pub fn flink(&self) -> MutexGuard<'_, SimFlink> {
        self.flink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node and Flink's REST interface; a client of the server, and the port of the interface.
async fn beside(
    server: &ApiServer,
    (flink, alive): (Arc<Mutex<SimFlink>>, Weak<()>),
) -> (Client, u16) {
    let kubeconfig = Kubeconfig::read_from(&server.kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a kubeconfig with a user");
    let client = Client::try_from(config).expect("a client");
    let clock = SimClock::tokio(jiff::Timestamp::now());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(serve(listener, Arc::clone(&flink), clock.clone()));
    let mut node = Node::new(Remote::new(client.clone()), flink);
    std::thread::spawn(move || {
        while alive.strong_count() > 0 {
            // What is refused now is tried again in the next round.
            let _ = node.tick(clock.now());
            std::thread::sleep(ROUND);
        }
    });
    (client, port)
}

/// A stateful application for the simulated Flink, which asks for savepoints when it is upgraded.
pub fn application(name: &str) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "name": name },
        "spec": {
            "image": "flink:2.0",
            "flinkVersion": "v2_0",
            "serviceAccount": "flink",
            "flinkConfiguration": {
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": "file:///ha",
                "execution.checkpointing.interval": "10s",
                "execution.checkpointing.dir": "file:///checkpoints",
                "execution.checkpointing.savepoint-dir": "file:///savepoints",
            },
            "jobManager": { "resource": { "cpu": 1, "memory": "2048m" } },
            "taskManager": { "resource": { "cpu": 1, "memory": "2048m" } },
            "job": {
                "jarURI": "local:///opt/flink/examples/streaming/StateMachineExample.jar",
                "parallelism": 2,
                "upgradeMode": "savepoint",
            },
        },
    })
}
