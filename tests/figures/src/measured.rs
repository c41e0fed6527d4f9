//! What an operator uses.

use std::fs;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flink_e2e::{Operator, Site, free_port};

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

/// Requests counted by the operator itself.
pub struct Requests {
    /// To the Kubernetes API, watches left out.
    pub reads: u64,
    /// To the Kubernetes API: everything that changes something.
    pub writes: u64,
    /// To Flink.
    pub flink: u64,
}

impl Sub for Requests {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            reads: self.reads.saturating_sub(earlier.reads),
            writes: self.writes.saturating_sub(earlier.writes),
            flink: self.flink.saturating_sub(earlier.flink),
        }
    }
}

impl Measured {
    /// Start `program`.
    pub fn start(program: &Path, site: &Site) -> Self {
        let port = free_port();
        let launch = site.launch("figures", "figures").program(program);
        Self {
            operator: launch.argument("--metrics-port", &port.to_string()).start(),
            port,
        }
    }

    /// Wait until its metrics are there.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..300 {
            if self.metrics().await.is_ok() {
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

    /// Requests so far.
    pub async fn requests(&self) -> Result<Requests> {
        let text = self.metrics().await?;
        let sum = |name: &str, wanted: &dyn Fn(&str) -> bool| -> u64 {
            text.lines()
                .filter(|line| line.starts_with(name) && wanted(line))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
                .sum()
        };
        let api = "flink_operator_api_requests_total";
        let reads = |line: &str| line.contains("verb=\"get\"") || line.contains("verb=\"list\"");
        Ok(Requests {
            reads: sum(api, &reads),
            writes: sum(api, &|line| {
                !reads(line) && !line.contains("verb=\"watch\"")
            }),
            flink: sum("flink_operator_flink_requests_total", &|_| true),
        })
    }

    async fn metrics(&self) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let answer = reqwest::get(url).await?.error_for_status()?;
        Ok(answer.text().await?)
    }
}
