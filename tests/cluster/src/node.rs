//! The node and the controllers: command lines and configuration files. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use crate::control_plane::{Args, ControlPlane, daemon};
use crate::kubeconfig;
use crate::options::Options;
use crate::pki;
use crate::process::Daemon;

/// The node's name.
pub const NODE: &str = "local";
/// The bridge all pods are on.
pub const BRIDGE: &str = "cni0";
/// The image that holds a pod's namespaces open.
pub const PAUSE_IMAGE: &str = "pause.local/pause:1";

/// Everything the daemons of a node are rendered from.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The cluster's settings.
    pub options: &'a Options,
    /// The API server.
    pub plane: &'a ControlPlane,
    /// The mount namespace of containerd and the kubelet, kept open by this file.
    pub mounts: PathBuf,
    /// How containerd keeps layers: `overlayfs`, or `native` where overlays cannot be stacked.
    pub snapshotter: &'static str,
}

impl Node<'_> {
    /// containerd, with its own root, state and socket: another one on the machine is not touched.
    pub fn containerd(&self) -> Daemon {
        let file = self.options.at("config/containerd.toml");
        let mut args = Args::default();
        args.path("config", &file);
        Daemon {
            program: PathBuf::from("containerd"),
            files: BTreeMap::from([
                (file, self.containerd_config()),
                (
                    self.options.at("config/cni/10-flink.conflist"),
                    self.cni_config(),
                ),
            ]),
            mounts: Some(self.mounts.clone()),
            ..daemon(&self.plane.programs, "containerd", args)
        }
    }

    fn containerd_config(&self) -> String {
        let at = |path: &str| self.options.at(path).display().to_string();
        format!(
            r#"version = 2
root = "{root}"
# Inside the node's mount namespace: what is mounted here is never seen outside.
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  # Root without CAP_SYS_RESOURCE cannot lower a score, and each pod would fail to start.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
"#,
            root = at("containerd"),
            socket = self.options.containerd_socket().display(),
            opt = at("containerd/opt"),
            snapshotter = self.snapshotter,
            cni = at("config/cni"),
        )
    }

    fn cni_config(&self) -> String {
        let config = json!({
            "cniVersion": "1.0.0",
            "name": "flink",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": BRIDGE,
                    "isGateway": true,
                    "hairpinMode": true,
                    "ipMasq": false,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": self.options.at("cni/networks"),
                        "ranges": [[{ "subnet": self.options.network.pod_range() }]],
                        "routes": [{ "dst": "0.0.0.0/0" }],
                    },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
            ],
        });
        format!("{config:#}\n")
    }

    /// The kubelet.
    pub fn kubelet(&self) -> Daemon {
        let file = self.options.at("config/kubelet.json");
        let resolver = self.options.at("config/resolv.conf");
        let pki = self.plane.pki();
        let address = self.options.network.node();
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "healthzBindAddress": "127.0.0.1",
            "containerRuntimeEndpoint":
                format!("unix://{}", self.options.containerd_socket().display()),
            "failCgroupV1": false,
            "cgroupDriver": "cgroupfs",
            "failSwapOn": false,
            "clusterDomain": "cluster.local",
            "clusterDNS": [address],
            "resolvConf": resolver,
            "podLogsDir": self.options.at("logs/pods"),
            "volumePluginDir": self.options.at("kubelet/volume-plugins"),
            "authentication": {
                "anonymous": { "enabled": false },
                "webhook": { "enabled": true },
                "x509": { "clientCAFile": pki::file(&pki, "ca", "crt") },
            },
            "authorization": { "mode": "Webhook" },
            "tlsCertFile": pki::file(&pki, "kubelet-server", "crt"),
            "tlsPrivateKeyFile": pki::file(&pki, "kubelet-server", "key"),
            // Images are imported, not pulled: one that is collected would never come back.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": { "memory.available": "100Mi", "nodefs.available": "1%",
                "nodefs.inodesFree": "1%", "imagefs.available": "1%" },
            "maxPods": 250,
            "serializeImagePulls": false,
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
            "shutdownGracePeriod": "0s",
        });
        let mut args = Args::default();
        args.path("config", &file)
            .path("kubeconfig", &self.kubeconfig_path("kubelet"))
            .path("root-dir", &self.options.at("kubelet"))
            .path("cert-dir", &self.options.at("kubelet/pki"))
            .add("hostname-override", NODE)
            .add("node-ip", &address);
        let mut kubelet = daemon(&self.plane.programs, "kubelet", args);
        kubelet.files = BTreeMap::from([
            (file, format!("{config:#}\n")),
            // Pods with the node's resolver have none: the cluster has no outside.
            (resolver, format!("nameserver {address}\n")),
            self.kubeconfig("kubelet"),
        ]);
        kubelet.mounts = Some(self.mounts.clone());
        kubelet
    }

    /// kube-proxy.
    pub fn proxy(&self) -> Daemon {
        let file = self.options.at("config/kube-proxy.json");
        let config = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": self.options.network.pod_range(),
            "hostnameOverride": NODE,
            "bindAddress": self.options.network.node(),
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "clientConnection": { "kubeconfig": self.kubeconfig_path("kube-proxy") },
            "conntrack": { "maxPerCore": 0, "min": 0,
                "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
            "iptables": { "localhostNodePorts": false, "minSyncPeriod": "100ms" },
        });
        let mut args = Args::default();
        args.path("config", &file);
        let mut proxy = daemon(&self.plane.programs, "kube-proxy", args);
        proxy.files = BTreeMap::from([
            (file, format!("{config:#}\n")),
            self.kubeconfig("kube-proxy"),
        ]);
        proxy
    }

    /// The controllers.
    pub fn controller_manager(&self) -> Daemon {
        let pki = self.plane.pki();
        let kubeconfig = self.kubeconfig_path("kube-controller-manager");
        let mut args = Args::default();
        args.path("kubeconfig", &kubeconfig)
            .path("authentication-kubeconfig", &kubeconfig)
            .path("authorization-kubeconfig", &kubeconfig)
            .add("bind-address", "127.0.0.1")
            .add("leader-elect", "false")
            .add("use-service-account-credentials", "true")
            .path(
                "flex-volume-plugin-dir",
                &self.options.at("kubelet/volume-plugins"),
            )
            .path("root-ca-file", &pki::file(&pki, "ca", "crt"))
            .path(
                "service-account-private-key-file",
                &pki::file(&pki, "service-account", "key"),
            )
            // Tests of autoscaling should not wait for the usual fifteen seconds and five minutes.
            .add("horizontal-pod-autoscaler-sync-period", "10s")
            .add("horizontal-pod-autoscaler-initial-readiness-delay", "5s")
            .add("horizontal-pod-autoscaler-cpu-initialization-period", "20s")
            // The default of twenty requests a second is too slow for thousands of objects.
            .add("kube-api-qps", "500")
            .add("kube-api-burst", "1000");
        self.controller("kube-controller-manager", args)
    }

    /// The scheduler.
    pub fn scheduler(&self) -> Daemon {
        let kubeconfig = self.kubeconfig_path("kube-scheduler");
        let mut args = Args::default();
        args.path("kubeconfig", &kubeconfig)
            .path("authentication-kubeconfig", &kubeconfig)
            .path("authorization-kubeconfig", &kubeconfig)
            .add("bind-address", "127.0.0.1")
            .add("leader-elect", "false")
            .add("kube-api-qps", "500")
            .add("kube-api-burst", "1000");
        self.controller("kube-scheduler", args)
    }

    fn controller(&self, name: &'static str, args: Args) -> Daemon {
        let mut controller = daemon(&self.plane.programs, name, args);
        controller.files = BTreeMap::from([self.kubeconfig(name)]);
        controller
    }

    /// The path of a part's kubeconfig.
    pub fn kubeconfig_path(&self, user: &str) -> PathBuf {
        self.options.at(&format!("config/{user}.kubeconfig"))
    }

    /// A part's kubeconfig, as a file to write.
    pub fn kubeconfig(&self, user: &str) -> (PathBuf, String) {
        let text = kubeconfig::render(&self.plane.url(), &self.plane.pki(), user);
        (self.kubeconfig_path(user), text)
    }
}
