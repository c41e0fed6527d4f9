//! DNS and metrics: programs on the machine, and the objects that lead to them. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::control_plane::{Args, daemon};
use crate::node::Node;
use crate::pki;
use crate::process::Daemon;

/// Where metrics-server listens, on the node's address.
const METRICS_PORT: u16 = 4443;

/// CoreDNS on the node's address.
pub fn coredns(node: &Node<'_>, programs: &Path) -> Daemon {
    let file = node.options.at("config/Corefile");
    let address = node.options.network.node();
    // Two blocks: within one, the template would answer before Kubernetes is asked. There is no
    // outside, so a name outside is said to be absent at once instead of after a time-out.
    let text = format!(
        "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {address}
    errors
    ready 127.0.0.1:8181
    kubernetes {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    loadbalance
}}
.:53 {{
    bind {address}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
",
        kubeconfig = node.kubeconfig_path("coredns").display(),
    );
    let mut args = Args::default();
    args.0
        .extend(["-conf".to_owned(), file.display().to_string()]);
    let mut coredns = daemon(programs, "coredns", args);
    coredns.files = BTreeMap::from([(file, text), node.kubeconfig("coredns")]);
    coredns
}

/// metrics-server on the node's address.
pub fn metrics_server(node: &Node<'_>, programs: &Path) -> Daemon {
    let kubeconfig = node.kubeconfig_path("metrics-server");
    let pki = node.plane.pki();
    let mut args = Args::default();
    args.path("kubeconfig", &kubeconfig)
        .path("authentication-kubeconfig", &kubeconfig)
        .path("authorization-kubeconfig", &kubeconfig)
        .add("bind-address", &node.options.network.node())
        .add("secure-port", &METRICS_PORT.to_string())
        .path(
            "tls-cert-file",
            &pki::file(&pki, "metrics-server-server", "crt"),
        )
        .path(
            "tls-private-key-file",
            &pki::file(&pki, "metrics-server-server", "key"),
        )
        .path(
            "kubelet-certificate-authority",
            &pki::file(&pki, "ca", "crt"),
        )
        .add("kubelet-preferred-address-types", "InternalIP")
        .add("kubelet-request-timeout", "5s")
        .add("metric-resolution", "10s");
    let mut metrics = daemon(programs, "metrics-server", args);
    metrics.files = BTreeMap::from([node.kubeconfig("metrics-server")]);
    metrics
}

/// The objects through which the API server and pods find the two programs.
///
/// `authority` is the cluster's certificate authority in base64, as an APIService wants it.
pub fn objects(address: &str, authority: &str) -> Value {
    let service = |name: &str, ports: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": name, "namespace": "kube-system" },
            "spec": { "ports": ports },
        })
    };
    let slice = |name: &str, ports: Value| {
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-node"), "namespace": "kube-system",
                "labels": { "kubernetes.io/service-name": name },
            },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
            "ports": ports,
        })
    };
    let dns = || -> Value {
        ["UDP", "TCP"]
            .map(|protocol| {
                let name = format!("dns-{}", protocol.to_lowercase());
                json!({ "name": name, "port": 53, "protocol": protocol })
            })
            .into_iter()
            .collect()
    };
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            service("kube-dns", dns()),
            slice("kube-dns", dns()),
            service("metrics-server",
                json!([{ "name": "https", "port": 443, "targetPort": METRICS_PORT }])),
            slice("metrics-server", json!([{ "name": "https", "port": METRICS_PORT }])),
            {
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": { "name": "v1beta1.metrics.k8s.io" },
                "spec": {
                    "group": "metrics.k8s.io", "version": "v1beta1",
                    "groupPriorityMinimum": 100, "versionPriority": 100,
                    "caBundle": authority,
                    "service": { "name": "metrics-server", "namespace": "kube-system" },
                },
            },
        ],
    })
}
