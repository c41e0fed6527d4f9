//! What the simulated Flink reads of its configuration.

use std::collections::BTreeMap;
use std::time::Duration;

/// The configuration of one cluster, flat, as Flink finds it in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConfig(BTreeMap<String, String>);

impl ClusterConfig {
    /// From flat keys and values.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }

    /// From the data of a ConfigMap: `config.yaml` (nested YAML) or `flink-conf.yaml` (one pair a line).
    pub fn from_files(data: &BTreeMap<String, String>) -> Self {
        let mut values = BTreeMap::new();
        if let Some(text) = data.get("config.yaml") {
            if let Ok(tree) = serde_saphyr::from_str::<serde_json::Value>(text) {
                flatten("", &tree, &mut values);
            }
        } else if let Some(text) = data.get("flink-conf.yaml") {
            values.extend(text.lines().filter_map(line));
        }
        Self(values)
    }

    /// These values on top.
    #[must_use]
    pub fn with(mut self, values: &BTreeMap<String, String>) -> Self {
        self.0.extend(
            values
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        self
    }

    /// All keys and values.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The value of the first of `keys` that is set.
    pub fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter()
            .find_map(|key| self.0.get(*key))
            .map(String::as_str)
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(&[key]).and_then(|text| text.trim().parse().ok())
    }

    /// Major and minor version, from `$internal.flink.version` (`v1_20`); 1.20 if absent.
    pub fn version(&self) -> (u32, u32) {
        self.get(&["$internal.flink.version"])
            .and_then(|text| text.strip_prefix('v')?.split_once('_'))
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .unwrap_or((1, 20))
    }

    pub(super) fn slots_per_task_manager(&self) -> u32 {
        self.number("taskmanager.numberOfTaskSlots")
            .unwrap_or(1)
            .max(1)
    }

    /// Bytes of a TaskManager's process.
    pub(super) fn task_manager_memory(&self) -> Option<u64> {
        let text = self.get(&["taskmanager.memory.process.size"])?.trim();
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let power = match text.strip_prefix(digits)?.trim().chars().next() {
            Some('k') => 10,
            Some('m') => 20,
            Some('g') => 30,
            _ => 0,
        };
        Some(digits.parse::<u64>().ok()? << power)
    }

    pub(super) fn parallelism(&self) -> u32 {
        self.number("parallelism.default").unwrap_or(1).max(1)
    }

    pub(super) fn max_parallelism(&self) -> Option<u32> {
        self.number("pipeline.max-parallelism")
            .filter(|max| *max > 0)
    }

    /// Parallelism by vertex id.
    pub(super) fn overrides(&self) -> BTreeMap<String, u32> {
        let text = self
            .get(&["pipeline.jobvertex-parallelism-overrides"])
            .unwrap_or_default();
        let pair = |pair: &str| {
            let (vertex, parallelism) = pair.split_once(':')?;
            Some((vertex.trim().to_owned(), parallelism.trim().parse().ok()?))
        };
        text.split(',').filter_map(pair).collect()
    }

    /// High availability is on.
    pub fn high_availability(&self) -> bool {
        self.get(&["high-availability.type", "high-availability"])
            .is_some_and(|kind| {
                kind.eq_ignore_ascii_case("kubernetes")
                    || kind.eq_ignore_ascii_case("zookeeper")
                    || kind.ends_with("KubernetesHaServicesFactory")
            })
    }

    pub(super) fn ha_storage(&self) -> &str {
        self.get(&["high-availability.storageDir"])
            .unwrap_or("file:///ha")
    }

    /// Where the end of a job is recorded.
    pub(super) fn job_results(&self) -> String {
        self.get(&["job-result-store.storage-path"]).map_or_else(
            || {
                format!(
                    "{}/job-result-store/{}",
                    self.ha_storage(),
                    self.cluster_id()
                )
            },
            str::to_owned,
        )
    }

    /// Where the end of an application is recorded (2.3 and up).
    pub(super) fn application_results(&self) -> String {
        self.get(&["application-result-store.storage-path"])
            .map_or_else(
                || {
                    format!(
                        "{}/application-result-store/{}",
                        self.ha_storage(),
                        self.cluster_id()
                    )
                },
                str::to_owned,
            )
    }

    fn cluster_id(&self) -> &str {
        self.get(&["high-availability.cluster-id", "kubernetes.cluster-id"])
            .unwrap_or("/default")
    }

    pub(super) fn job_id(&self) -> Option<&str> {
        self.get(&["$internal.pipeline.job-id"])
    }

    pub(super) fn job_name(&self) -> Option<&str> {
        self.get(&["pipeline.name"])
    }

    pub(super) fn restore_path(&self) -> Option<&str> {
        self.get(&["execution.savepoint.path", "execution.state-recovery.path"])
    }

    pub(super) fn savepoint_dir(&self) -> Option<&str> {
        self.get(&[
            "execution.checkpointing.savepoint-dir",
            "state.savepoints.dir",
        ])
    }

    pub(super) fn checkpoint_dir(&self) -> Option<&str> {
        self.get(&["execution.checkpointing.dir", "state.checkpoints.dir"])
    }

    /// `None` if the job takes no checkpoints.
    pub(super) fn checkpoint_interval(&self) -> Option<Duration> {
        duration(self.get(&["execution.checkpointing.interval"])?).filter(|every| !every.is_zero())
    }

    /// Checkpoints stay when the job is cancelled.
    pub(super) fn retains_checkpoints(&self) -> bool {
        let keys = [
            "execution.checkpointing.externalized-checkpoint-retention",
            "execution.checkpointing.externalized-checkpoint-retention-policy",
        ];
        self.get(&keys)
            .is_some_and(|policy| policy.eq_ignore_ascii_case("RETAIN_ON_CANCELLATION"))
    }

    pub(super) fn reactive(&self) -> bool {
        self.get(&["scheduler-mode"])
            .is_some_and(|mode| mode.eq_ignore_ascii_case("reactive"))
    }

    /// The scheduler can rescale a running job.
    pub(super) fn adaptive(&self) -> bool {
        self.reactive()
            || self
                .get(&["jobmanager.scheduler"])
                .is_some_and(|scheduler| scheduler.eq_ignore_ascii_case("adaptive"))
    }

    /// How often a failed job is started again; `None` is for ever.
    pub(super) fn restart_attempts(&self) -> Option<u64> {
        match self.get(&["restart-strategy.type", "restart-strategy"]) {
            Some("none" | "off" | "disable") => Some(0),
            Some("fixed-delay" | "fixeddelay") => Some(
                self.number("restart-strategy.fixed-delay.attempts")
                    .unwrap_or(1),
            ),
            Some(_) => None,
            None if self.checkpoint_interval().is_some() => None,
            None => Some(0),
        }
    }
}

fn line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once(": ")?;
    let value = value.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    Some((key.trim().to_owned(), unquoted.to_owned()))
}

fn flatten(prefix: &str, tree: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    use serde_json::Value;
    match tree {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, into);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            into.insert(prefix.to_owned(), items.join(";"));
        }
        Value::Null => {}
        value => {
            into.insert(prefix.to_owned(), scalar(value));
        }
    }
}

fn scalar(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Flink's durations: a number and a unit, milliseconds if there is none.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "" | "ms" | "milli" | "millis" => number,
        "s" | "sec" | "secs" | "second" | "seconds" => number * 1000,
        "m" | "min" | "mins" | "minute" | "minutes" => number * 60_000,
        "h" | "hour" | "hours" => number * 3_600_000,
        "d" | "day" | "days" => number * 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, text: &str) -> ClusterConfig {
        ClusterConfig::from_files(&BTreeMap::from([(name.to_owned(), text.to_owned())]))
    }

    #[test]
    fn both_files_are_read() {
        let flat = "# comment\nparallelism.default: 2\nhigh-availability.type: kubernetes\n\
            $internal.flink.version: v1_20\nexecution.checkpointing.interval: 10s\n\
            pipeline.jobvertex-parallelism-overrides: \"a:3,b:1\"\n";
        let nested = "parallelism:\n  default: '2'\nhigh-availability:\n  type: kubernetes\n\
            $internal:\n  flink:\n    version: v2_3\nexecution:\n  checkpointing:\n    interval: 10 s\n";
        let one = files("flink-conf.yaml", flat);
        let two = files("config.yaml", nested);
        for config in [&one, &two] {
            assert_eq!(config.parallelism(), 2);
            assert!(config.high_availability());
            assert_eq!(config.checkpoint_interval(), Some(Duration::from_secs(10)));
        }
        assert_eq!((one.version(), two.version()), ((1, 20), (2, 3)));
        assert_eq!(
            one.overrides(),
            BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 1)])
        );
    }

    #[test]
    fn a_job_without_checkpoints_and_strategy_is_not_restarted() {
        assert_eq!(ClusterConfig::default().restart_attempts(), Some(0));
        assert_eq!(
            files("flink-conf.yaml", "execution.checkpointing.interval: 60000").restart_attempts(),
            None
        );
        assert_eq!(
            files("flink-conf.yaml", "restart-strategy.type: none").restart_attempts(),
            Some(0)
        );
    }
}
