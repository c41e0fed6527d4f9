//! etcd and the API server: their command lines. Pure.
//!
//! Used for the cluster and for a lone API server; they differ in addresses and admission only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::pki;
use crate::process::Daemon;

/// What an API server and its etcd need to know.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// The folder with the programs.
    pub programs: PathBuf,
    /// The folder with `pki` and `etcd`.
    pub dir: PathBuf,
    /// Ports on the loopback address, and the API server's.
    pub ports: Ports,
    /// The address the API server listens on.
    pub bind: String,
    /// The address under which pods reach it; without one there is no node.
    pub advertise: Option<String>,
    /// The Services' address range.
    pub services: String,
}

/// The ports in use.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The API server's.
    pub api: u16,
    /// etcd's for its client.
    pub etcd: u16,
    /// etcd's for its peers, of which there are none.
    pub etcd_peer: u16,
    /// etcd's health.
    pub etcd_health: u16,
}

impl ControlPlane {
    /// The API server's address for programs on this machine.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api)
    }

    /// etcd.
    pub fn etcd(&self) -> Daemon {
        let Ports {
            etcd,
            etcd_peer,
            etcd_health,
            ..
        } = self.ports;
        let pki = self.pki();
        let (cert, key) = (
            pki::file(&pki, "etcd", "crt"),
            pki::file(&pki, "etcd", "key"),
        );
        let authority = pki::file(&pki, "ca", "crt");
        let mut args = Args::default();
        args.add("name", "node")
            .path("data-dir", &self.dir.join("etcd"))
            .add("listen-client-urls", &format!("https://127.0.0.1:{etcd}"))
            .add(
                "advertise-client-urls",
                &format!("https://127.0.0.1:{etcd}"),
            )
            .add(
                "listen-peer-urls",
                &format!("https://127.0.0.1:{etcd_peer}"),
            )
            .add(
                "initial-advertise-peer-urls",
                &format!("https://127.0.0.1:{etcd_peer}"),
            )
            .add(
                "initial-cluster",
                &format!("node=https://127.0.0.1:{etcd_peer}"),
            )
            .add(
                "listen-metrics-urls",
                &format!("http://127.0.0.1:{etcd_health}"),
            )
            .add("client-cert-auth", "true")
            .add("peer-client-cert-auth", "true")
            .path("trusted-ca-file", &authority)
            .path("peer-trusted-ca-file", &authority)
            .path("cert-file", &cert)
            .path("key-file", &key)
            .path("peer-cert-file", &cert)
            .path("peer-key-file", &key)
            // The cluster is thrown away when the machine goes down; nothing need survive that.
            .add("unsafe-no-fsync", "true")
            .add("log-level", "warn");
        self.daemon("etcd", args)
    }

    /// The API server.
    pub fn api_server(&self) -> Daemon {
        let pki = self.pki();
        let crt = |name: &str| pki::file(&pki, name, "crt");
        let key = |name: &str| pki::file(&pki, name, "key");
        let mut args = Args::default();
        args.add("bind-address", &self.bind)
            .add("secure-port", &self.ports.api.to_string())
            .add("service-cluster-ip-range", &self.services)
            .add(
                "etcd-servers",
                &format!("https://127.0.0.1:{}", self.ports.etcd),
            )
            .path("etcd-cafile", &crt("ca"))
            .path("etcd-certfile", &crt("etcd"))
            .path("etcd-keyfile", &key("etcd"))
            .path("tls-cert-file", &crt("kube-apiserver"))
            .path("tls-private-key-file", &key("kube-apiserver"))
            .path("client-ca-file", &crt("ca"))
            .add("anonymous-auth", "false")
            .add("authorization-mode", "Node,RBAC")
            .add("allow-privileged", "true")
            .add(
                "service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            )
            .path("service-account-key-file", &crt("service-account"))
            .path("service-account-signing-key-file", &key("service-account"))
            .path("requestheader-client-ca-file", &crt("ca"))
            .add("requestheader-allowed-names", "front-proxy")
            .add("requestheader-username-headers", "X-Remote-User")
            .add("requestheader-group-headers", "X-Remote-Group")
            .add("requestheader-extra-headers-prefix", "X-Remote-Extra-")
            .path("proxy-client-cert-file", &crt("front-proxy"))
            .path("proxy-client-key-file", &key("front-proxy"))
            .add("profiling", "false")
            .add("max-requests-inflight", "2000")
            .add("max-mutating-requests-inflight", "1000");
        if let Some(address) = &self.advertise {
            args.add("advertise-address", address)
                .add("enable-admission-plugins", "NodeRestriction")
                // Straight to the endpoints: a Service address may have no rule yet.
                .add("enable-aggregator-routing", "true")
                // The node's name is known to the cluster alone.
                .add("kubelet-preferred-address-types", "InternalIP")
                .path("kubelet-certificate-authority", &crt("ca"))
                .path("kubelet-client-certificate", &crt("kubelet-client"))
                .path("kubelet-client-key", &key("kubelet-client"));
        } else {
            // No controller makes service accounts, and pods should be creatable all the same.
            args.add("endpoint-reconciler-type", "none")
                .add("disable-admission-plugins", "ServiceAccount");
        }
        self.daemon("kube-apiserver", args)
    }

    /// The folder with the certificates.
    pub fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    fn daemon(&self, name: &'static str, args: Args) -> Daemon {
        daemon(&self.programs, name, args)
    }
}

/// A daemon of a program in `programs`, with no files and in the machine's own mounts.
pub fn daemon(programs: &Path, name: &'static str, args: Args) -> Daemon {
    Daemon {
        name,
        program: programs.join(name),
        args: args.0,
        files: BTreeMap::new(),
        mounts: None,
    }
}

/// A command line of `--name=value`.
#[derive(Clone, Debug, Default)]
pub struct Args(pub Vec<String>);

impl Args {
    /// Adds one option.
    pub fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.push(format!("--{name}={value}"));
        self
    }

    /// Adds one option whose value is a path.
    pub fn path(&mut self, name: &str, value: &Path) -> &mut Self {
        self.add(name, &value.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(advertise: Option<&str>) -> ControlPlane {
        ControlPlane {
            programs: PathBuf::from("/programs"),
            dir: PathBuf::from("/state"),
            ports: Ports {
                api: 1,
                etcd: 2,
                etcd_peer: 3,
                etcd_health: 4,
            },
            bind: "127.0.0.1".to_owned(),
            advertise: advertise.map(str::to_owned),
            services: "10.96.0.0/16".to_owned(),
        }
    }

    #[test]
    fn etcd_listens_on_loopback_only() {
        let etcd = plane(None).etcd();
        let listening: Vec<_> = etcd
            .args
            .iter()
            .filter(|arg| arg.contains("listen-"))
            .collect();
        assert_eq!(listening.len(), 3);
        assert!(
            listening.iter().all(|arg| arg.contains("//127.0.0.1:")),
            "{listening:?}"
        );
    }

    #[test]
    fn nobody_is_let_in_without_a_certificate() {
        let args = plane(Some("10.88.0.1")).api_server().args;
        assert!(args.contains(&"--anonymous-auth=false".to_owned()));
        assert!(args.contains(&"--client-ca-file=/state/pki/ca.crt".to_owned()));
    }

    #[test]
    fn a_lone_api_server_knows_no_kubelet_and_needs_no_service_accounts() {
        let args = plane(None).api_server().args;
        assert!(
            !args
                .iter()
                .any(|arg| arg.contains("kubelet") || arg.contains("advertise"))
        );
        assert!(args.contains(&"--disable-admission-plugins=ServiceAccount".to_owned()));
    }

    #[test]
    fn every_certificate_named_is_one_that_is_made() {
        let plane = plane(Some("10.88.0.1"));
        let mut files: Vec<_> = pki::api_requests(&[]).iter().map(|r| r.file).collect();
        files.push("ca");
        for arg in plane.api_server().args.iter().chain(&plane.etcd().args) {
            let Some((_, file)) = arg.split_once("=/state/pki/") else {
                continue;
            };
            let name = file.rsplit_once('.').unwrap().0;
            assert!(files.contains(&name), "{arg}");
        }
    }
}
