//! Where things are: the state directory, the cache, and the addresses the cluster uses.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// Settings of a cluster. [`Options::from_env`] gives what the command line uses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything of the running cluster; `FLINK_CLUSTER_DIR`.
    pub state: PathBuf,
    /// Programs and images that were built once; under `XDG_CACHE_HOME`.
    pub cache: PathBuf,
    /// Whether missing Debian packages may be installed; set when `CI` is `true`.
    pub install: bool,
    /// The cluster's addresses.
    pub network: Network,
}

/// The two address ranges of the cluster, each the first two numbers of a /16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Pods, and the node itself as the first address; `FLINK_CLUSTER_POD_NET`.
    pub pods: String,
    /// Services; `FLINK_CLUSTER_SERVICE_NET`.
    pub services: String,
}

impl Options {
    /// Options from the environment, with the documented defaults.
    ///
    /// # Errors
    /// When an address range is not two numbers with a dot between.
    pub fn from_env() -> Result<Self> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").unwrap_or_else(|| "/root".to_owned());
        let cache = variable("XDG_CACHE_HOME").unwrap_or_else(|| format!("{home}/.cache"));
        let state = variable("FLINK_CLUSTER_DIR")
            .unwrap_or_else(|| "/var/lib/flink-operator-cluster".to_owned());
        Ok(Self {
            state: PathBuf::from(state),
            cache: Path::new(&cache).join("flink-operator"),
            install: variable("CI").is_some_and(|value| value == "true"),
            network: Network {
                pods: prefix(variable("FLINK_CLUSTER_POD_NET"), "10.88")?,
                services: prefix(variable("FLINK_CLUSTER_SERVICE_NET"), "10.96")?,
            },
        })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// A file or folder inside the state directory.
    pub fn at(&self, path: &str) -> PathBuf {
        self.state.join(path)
    }

    /// The socket of the cluster's own containerd.
    pub fn containerd_socket(&self) -> PathBuf {
        self.at("run/containerd.sock")
    }
}

impl Network {
    /// The node's address: the bridge, where the API server, DNS and metrics are reached by pods.
    pub fn node(&self) -> String {
        format!("{}.0.1", self.pods)
    }

    /// The pods' range.
    pub fn pod_range(&self) -> String {
        format!("{}.0.0/16", self.pods)
    }

    /// The Services' range.
    pub fn service_range(&self) -> String {
        format!("{}.0.0/16", self.services)
    }

    /// The address of the Service `kubernetes`.
    pub fn api_service(&self) -> String {
        format!("{}.0.1", self.services)
    }
}

fn prefix(given: Option<String>, default: &str) -> Result<String> {
    let text = given.unwrap_or_else(|| default.to_owned());
    let right = text.split('.').count() == 2 && text.split('.').all(|n| n.parse::<u8>().is_ok());
    ensure!(
        right,
        "{text} is no address range: give the first two numbers of a /16, as in 10.88"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_two_numbers() {
        let network = Network {
            pods: "10.1".into(),
            services: "10.2".into(),
        };
        assert_eq!(network.node(), "10.1.0.1");
        assert_eq!(network.pod_range(), "10.1.0.0/16");
        assert_eq!(network.service_range(), "10.2.0.0/16");
        assert_eq!(network.api_service(), "10.2.0.1");
    }

    #[test]
    fn a_wrong_range_is_refused_with_an_example() {
        for wrong in ["10", "10.300", "10.1.2", "a.b"] {
            let text = prefix(Some(wrong.to_owned()), "10.88")
                .unwrap_err()
                .to_string();
            assert!(text.contains(wrong) && text.contains("10.88"), "{text}");
        }
        assert_eq!(prefix(None, "10.88").unwrap(), "10.88");
    }
}
