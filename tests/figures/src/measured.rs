//! What an operator uses.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flink_e2e::{Counters, Launch, Operator, Site, free_port};

/// A running operator. Ends with the value.
pub struct Measured {
    operator: Operator,
    port: u16,
}

/// What a process has used so far.
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub resident: u64,
}

impl Measured {
    /// Start `program`.
    pub fn start(program: &Path, site: &Site) -> Self {
        Self::launched(site.launch("figures", "figures").program(program))
    }

    /// Start one that watches one namespace.
    pub fn start_in(program: &Path, site: &Site, namespace: &str) -> Self {
        let launch = site.launch("figures-scaled", "figures").program(program);
        Self::launched(launch.argument("--watch-namespaces", namespace))
    }

    fn launched(launch: Launch) -> Self {
        let port = free_port();
        Self {
            operator: launch.argument("--metrics-port", &port.to_string()).start(),
            port,
        }
    }

    /// Wait until its metrics are there.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..300 {
            if self.counters().await.is_ok() {
                return Ok(());
            }
            if !self.operator.runs() {
                bail!("the operator ended; {}", self.operator.log().display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the operator does not get ready")
    }

    /// Memory and processor time, as Linux counts them.
    pub fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.operator.pid());
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .context("no VmRSS")?;
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        let after_name = stat.rsplit_once(')').context("no stat")?.1;
        let ticks: Vec<f64> = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse().ok())
            .collect();
        Ok(Usage {
            // Linux gives hundredths of a second.
            cpu_seconds: ticks.iter().sum::<f64>() / 100.0,
            resident: resident * 1024,
        })
    }

    /// What it has counted so far.
    pub async fn counters(&self) -> Result<Counters> {
        Ok(Counters::read(self.port).await?)
    }
}
