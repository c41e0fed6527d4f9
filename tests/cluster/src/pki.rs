//! The certificates of a cluster, made with openssl: one authority, and one key pair per part.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;

/// openssl's own configuration would add extensions that contradict ours.
const CONFIG: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// One certificate to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// File name without ending.
    pub file: &'static str,
    /// Common name: the user, for a client.
    pub name: String,
    /// Organisation: the group, for a client.
    pub group: Option<&'static str>,
    /// Names and addresses of a server, as `DNS:...` and `IP:...`.
    pub hosts: Vec<String>,
}

impl Request {
    /// A client's certificate.
    pub fn client(file: &'static str, name: &str, group: Option<&'static str>) -> Self {
        Self {
            file,
            name: name.to_owned(),
            group,
            hosts: Vec::new(),
        }
    }

    /// A server's certificate, good for a client too: etcd's is used both ways.
    pub fn server(file: &'static str, hosts: Vec<String>) -> Self {
        Self {
            file,
            name: file.to_owned(),
            group: None,
            hosts,
        }
    }

    fn subject(&self) -> String {
        let group = self
            .group
            .map(|group| format!("/O={group}"))
            .unwrap_or_default();
        format!("{group}/CN={}", self.name)
    }
}

/// What every API server needs, whether it has a node or not.
pub fn api_requests(addresses: &[&str]) -> Vec<Request> {
    let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let mut hosts: Vec<_> = names.iter().map(|name| format!("DNS:{name}")).collect();
    hosts.push("DNS:kubernetes.default.svc.cluster.local".to_owned());
    hosts.push("DNS:localhost".to_owned());
    hosts.extend(addresses.iter().map(|address| format!("IP:{address}")));
    vec![
        Request::server("etcd", vec!["IP:127.0.0.1".to_owned()]),
        Request::server("kube-apiserver", hosts),
        Request::client("admin", "admin", Some("system:masters")),
        Request::client(
            "kubelet-client",
            "kube-apiserver-kubelet-client",
            Some("system:masters"),
        ),
        Request::client("front-proxy", "front-proxy", None),
        // Only its key is used: it signs service account tokens.
        Request::client("service-account", "service-account", None),
    ]
}

/// What a node and the controllers need besides.
pub fn node_requests(node: &str, address: &str) -> Vec<Request> {
    let hosts = vec![format!("DNS:{node}"), format!("IP:{address}")];
    let mut metrics = hosts.clone();
    metrics.push("DNS:metrics-server.kube-system.svc".to_owned());
    vec![
        Request::client(
            "kubelet",
            &format!("system:node:{node}"),
            Some("system:nodes"),
        ),
        Request::server("kubelet-server", hosts),
        Request::client(
            "kube-controller-manager",
            "system:kube-controller-manager",
            None,
        ),
        Request::client("kube-scheduler", "system:kube-scheduler", None),
        Request::client("kube-proxy", "system:kube-proxy", None),
        Request::client("coredns", "coredns", Some("system:masters")),
        Request::client("metrics-server", "metrics-server", Some("system:masters")),
        Request::server("metrics-server-server", metrics),
    ]
}

/// Makes the authority and the certificates that are not there yet, in `folder`.
///
/// # Errors
/// When openssl fails or files cannot be written.
pub fn create(folder: &Path, requests: &[Request]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    fs::write(folder.join("openssl.cnf"), CONFIG)?;
    let authority = folder.join("ca.crt");
    if !authority.exists() {
        let mut command = openssl(folder, "ca", "/CN=flink-operator-cluster");
        extend(&mut command, "basicConstraints=critical,CA:TRUE");
        extend(
            &mut command,
            "keyUsage=critical,digitalSignature,keyCertSign,cRLSign",
        );
        finish(command, folder, "ca")?;
    }
    for request in requests {
        if file(folder, request.file, "crt").exists() {
            continue;
        }
        let mut command = openssl(folder, request.file, &request.subject());
        command
            .arg("-CA")
            .arg(&authority)
            .arg("-CAkey")
            .arg(folder.join("ca.key"));
        extend(&mut command, "basicConstraints=critical,CA:FALSE");
        extend(
            &mut command,
            "keyUsage=critical,digitalSignature,keyEncipherment",
        );
        if request.hosts.is_empty() {
            extend(&mut command, "extendedKeyUsage=clientAuth");
        } else {
            extend(&mut command, "extendedKeyUsage=serverAuth,clientAuth");
            extend(
                &mut command,
                &format!("subjectAltName={}", request.hosts.join(",")),
            );
        }
        finish(command, folder, request.file)?;
    }
    Ok(())
}

/// The path of a key (`key`) or certificate (`crt`).
pub fn file(folder: &Path, name: &str, kind: &str) -> PathBuf {
    folder.join(format!("{name}.{kind}"))
}

fn openssl(folder: &Path, name: &str, subject: &str) -> Command {
    let mut command = Command::new("openssl");
    command
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "3650", "-subj", subject])
        .arg("-config")
        .arg(folder.join("openssl.cnf"))
        .arg("-keyout")
        .arg(file(folder, name, "key"));
    command
}

fn extend(command: &mut Command, extension: &str) {
    command.args(["-addext", extension]);
}

/// The certificate gets its name last, so that one that is there is whole.
fn finish(mut command: Command, folder: &Path, name: &str) -> Result<()> {
    let part = file(folder, name, "part");
    command.arg("-out").arg(&part);
    run(&mut command).with_context(|| format!("failed to make the certificate {name}"))?;
    fs::rename(part, file(folder, name, "crt"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_group_stands_before_its_name() {
        let admin = Request::client("admin", "admin", Some("system:masters"));
        assert_eq!(admin.subject(), "/O=system:masters/CN=admin");
        assert_eq!(Request::client("x", "y", None).subject(), "/CN=y");
    }

    #[test]
    fn no_two_certificates_share_a_file() {
        let mut files: Vec<_> = api_requests(&[])
            .iter()
            .map(|request| request.file)
            .collect();
        files.extend(
            node_requests("node", "10.0.0.1")
                .iter()
                .map(|request| request.file),
        );
        let count = files.len();
        files.sort_unstable();
        files.dedup();
        assert_eq!(files.len(), count);
    }

    #[test]
    fn certificates_are_signed_by_the_authority_and_made_once() {
        let folder = std::env::temp_dir().join(format!("flink-pki-{}", std::process::id()));
        let requests = [Request::server("one", vec!["IP:127.0.0.1".to_owned()])];
        create(&folder, &requests).unwrap();
        let certificate = file(&folder, "one", "crt");
        let before = fs::read(&certificate).unwrap();
        create(&folder, &requests).unwrap();
        assert_eq!(fs::read(&certificate).unwrap(), before);
        let mut verify = Command::new("openssl");
        verify
            .arg("verify")
            .arg("-CAfile")
            .arg(folder.join("ca.crt"))
            .arg(&certificate);
        run(&mut verify).unwrap();
        let mut show = Command::new("openssl");
        show.args(["x509", "-noout", "-ext", "subjectAltName", "-in"])
            .arg(&certificate);
        assert!(run(&mut show).unwrap().contains("127.0.0.1"));
        fs::remove_dir_all(folder).unwrap();
    }
}
