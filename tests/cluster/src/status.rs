//! What of the cluster is there, as a table for people.

use std::fmt::Write;

use crate::cluster::{DAEMONS, running};
use crate::command::run;
use crate::containerd::Containerd;
use crate::options::Options;
use crate::probe::Kubectl;
use crate::programs;
use crate::progress::Progress;

/// The state of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Each daemon with its process id and resident memory in MiB while it runs.
    pub daemons: Vec<(&'static str, Option<(i32, u64)>)>,
    /// What kubectl says of nodes; empty when the API server does not answer.
    pub nodes: String,
    /// Images that pods can use.
    pub images: Vec<String>,
}

impl Status {
    /// Looks at the cluster; changes and builds nothing.
    pub fn look(options: &Options) -> Self {
        let daemon = |name: &&'static str| {
            let record = running(options, name);
            (
                *name,
                record.map(|record| (record.pid, record.memory().unwrap_or_default())),
            )
        };
        let mut status = Self {
            daemons: DAEMONS.iter().map(daemon).collect(),
            nodes: String::new(),
            images: Vec::new(),
        };
        if status.is_up() && programs::are_built(&["kubectl"], options) {
            if let Ok(program) = programs::path("kubectl", options, &Progress::silent()) {
                let kubectl = Kubectl {
                    program,
                    kubeconfig: options.kubeconfig(),
                };
                let mut nodes = kubectl.command(&["--request-timeout=3s", "get", "nodes"]);
                status.nodes = run(&mut nodes).unwrap_or_default();
            }
            status.images = Containerd::new(options).images().unwrap_or_default();
        }
        status
    }

    /// Whether all daemons run.
    pub fn is_up(&self) -> bool {
        self.daemons.iter().all(|(_, process)| process.is_some())
    }

    /// The table.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, process) in &self.daemons {
            // Writing to a string cannot fail.
            let _ = match process {
                Some((pid, memory)) => writeln!(text, "{name:<24} runs  {pid:>7} {memory:>5} MiB"),
                None => writeln!(text, "{name:<24} does not run"),
            };
        }
        let total: u64 = self
            .daemons
            .iter()
            .filter_map(|(_, p)| p.map(|(_, mib)| mib))
            .sum();
        let _ = writeln!(text, "{:<24} {:>18} MiB", "together", total);
        if !self.nodes.is_empty() {
            let _ = write!(text, "\n{}", self.nodes);
        }
        if !self.images.is_empty() {
            let _ = writeln!(text, "\n{}", self.images.join("\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_up_when_all_of_it_runs() {
        let mut status = Status {
            daemons: vec![("etcd", Some((17, 48))), ("kubelet", Some((18, 88)))],
            nodes: "local Ready\n".to_owned(),
            images: vec!["flink:1.20".to_owned()],
        };
        assert!(status.is_up());
        let text = status.render();
        for part in ["etcd", "17", "136 MiB", "local Ready", "flink:1.20"] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        status.daemons[1].1 = None;
        assert!(!status.is_up());
        assert!(
            status
                .render()
                .contains("kubelet                  does not run")
        );
    }
}
