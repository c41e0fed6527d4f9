//! What an operator has counted of itself, from its metrics.

use std::ops::Sub;

/// Passes and requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Passes that ended.
    pub passes: u64,
    /// Requests to the Kubernetes API that only read, watches left out.
    pub reads: u64,
    /// Requests to the Kubernetes API that change something.
    pub writes: u64,
    /// Requests to Flink.
    pub flink: u64,
}

impl Counters {
    /// Ask the operator whose metrics are on this port.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read(port: u16) -> reqwest::Result<Self> {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        let sum = |name: &str, wanted: &dyn Fn(&str) -> bool| -> u64 {
            text.lines()
                .filter(|line| line.starts_with(name) && wanted(line))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
                .sum()
        };
        let api = "flink_operator_api_requests_total";
        let reads = |line: &str| line.contains("verb=\"get\"") || line.contains("verb=\"list\"");
        Ok(Self {
            passes: sum("flink_operator_reconciles_total", &|_| true),
            reads: sum(api, &reads),
            writes: sum(api, &|line| {
                !reads(line) && !line.contains("verb=\"watch\"")
            }),
            flink: sum("flink_operator_flink_requests_total", &|_| true),
        })
    }
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            passes: self.passes.saturating_sub(earlier.passes),
            reads: self.reads.saturating_sub(earlier.reads),
            writes: self.writes.saturating_sub(earlier.writes),
            flink: self.flink.saturating_sub(earlier.flink),
        }
    }
}
