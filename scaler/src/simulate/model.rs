//! What a simulated job is made of: its vertices, what comes to it, and what happens to it.
//!
//! The rule: plain data, so that a workload can be written in a file. Tests are in `tests/it/simulation.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Load;
use crate::topology::ShipStrategy;

/// One vertex of the model. Vertices are listed so that each comes after what it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stage {
    /// Its id and name.
    pub name: String,
    /// Positions of the vertices it reads; empty for a source.
    #[serde(default)]
    pub inputs: Vec<usize>,
    /// How it reads them.
    #[serde(default = "rebalance")]
    pub ship: ShipStrategy,
    /// Records per second that one subtask alone can process.
    pub per_subtask: f64,
    /// Records written, to each reader, for one read.
    #[serde(default = "one")]
    pub selectivity: f64,
    /// Share of its capacity that a subtask loses to each other subtask.
    #[serde(default)]
    pub contention: f64,
    /// Share of its capacity that a subtask loses to each pair of subtasks that have to agree.
    #[serde(default)]
    pub coherence: f64,
    /// Measured records per second of one subtask at certain parallelisms, instead of `per_subtask` and
    /// the two shares; between them it is interpolated.
    #[serde(default)]
    pub measured: Vec<(u32, f64)>,
    /// Rate at which something outside stops it, however many subtasks there are.
    #[serde(default)]
    pub ceiling: Option<f64>,
    /// Share of the time of an occupied subtask that Flink sees as busy: an asynchronous operator that
    /// waits for answers is hardly busy though it can do no more.
    #[serde(default = "one")]
    pub busy_share: f64,
    /// Records that fit between it and what it reads: small ones by the thousand, and as long as there is room nobody
    /// notices that it falls behind. Half a second of its capacity if left out.
    #[serde(default)]
    pub buffer: Option<f64>,
    /// Records are written every so many seconds only, as by a window.
    #[serde(default)]
    pub fires_every: Option<f64>,
    /// How keys spread over subtasks.
    #[serde(default)]
    pub keys: Keys,
    /// Relative deviation of the service time, from second to second, with a memory of some ten seconds.
    #[serde(default)]
    pub jitter: f64,
    /// Sources: partitions it reads, where it tells.
    #[serde(default)]
    pub partitions: Option<u32>,
    /// Subtasks at the beginning.
    #[serde(default = "single")]
    pub parallelism: u32,
    /// Key groups.
    #[serde(default = "key_groups")]
    pub max_parallelism: u32,
}

/// How keys spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keys {
    /// No keys, or so many that each key group has its share.
    #[default]
    Even,
    /// One key has this share of all records.
    Hot(f64),
    /// A thousand keys by Zipf's law with this exponent.
    Zipf(f64),
}

impl Stage {
    /// A source.
    pub fn source(name: &str, per_subtask: f64) -> Self {
        Self {
            name: name.to_owned(),
            inputs: Vec::new(),
            ship: ShipStrategy::Rebalance,
            per_subtask,
            selectivity: 1.0,
            contention: 0.0,
            coherence: 0.0,
            measured: Vec::new(),
            ceiling: None,
            busy_share: 1.0,
            buffer: None,
            fires_every: None,
            keys: Keys::Even,
            jitter: 0.0,
            partitions: None,
            parallelism: 1,
            max_parallelism: key_groups(),
        }
    }

    /// A vertex that reads these.
    pub fn reading(name: &str, per_subtask: f64, inputs: Vec<usize>) -> Self {
        Self {
            inputs,
            ..Self::source(name, per_subtask)
        }
    }

    /// What one of `subtasks` can process in a second, before any ceiling.
    ///
    /// By the universal scalability law `1 / (1 + s (n - 1) + k n (n - 1))` of what one alone can: with
    /// contention s = 0.03, each of 20 does 0.64 of that. A table takes precedence.
    pub fn per_subtask(&self, subtasks: u32) -> f64 {
        let n = f64::from(subtasks.max(1));
        if self.measured.is_empty() {
            let loss = self.contention * (n - 1.0) + self.coherence * n * (n - 1.0);
            return self.per_subtask / (1.0 + loss);
        }
        let after = self.measured.partition_point(|(at, _)| f64::from(*at) < n);
        let before = after.checked_sub(1).and_then(|at| self.measured.get(at));
        match (before, self.measured.get(after)) {
            (Some((p, rate)), Some((q, next))) => {
                let share = (n - f64::from(*p)) / (f64::from(*q) - f64::from(*p));
                rate + (next - rate) * share
            }
            (Some((_, rate)), None) | (None, Some((_, rate))) => *rate,
            (None, None) => self.per_subtask,
        }
    }

    /// More subtasks than this have nothing to do, for want of partitions or key groups.
    pub fn most(&self) -> u32 {
        self.partitions
            .unwrap_or(u32::MAX)
            .min(self.max_parallelism)
            .max(1)
    }

    /// What `subtasks` of it can process in a second, all of them fed.
    pub fn capacity(&self, subtasks: u32) -> f64 {
        // Readers beyond the partitions stand idle.
        let useful = self.partitions.map_or(subtasks, |n| subtasks.min(n));
        let (most, _) = self.shares(subtasks);
        let fed = if self.inputs.is_empty() {
            f64::from(useful)
        } else {
            1.0 / most
        };
        let capacity = self.per_subtask(useful) * fed;
        self.ceiling
            .map_or(capacity, |ceiling| capacity.min(ceiling))
    }

    /// What `subtasks` of it can process in a second for good: of a source the one with most partitions must
    /// keep up. Ten partitions on seven subtasks are as slow as on five.
    pub fn sustained(&self, subtasks: u32) -> f64 {
        let capacity = self.capacity(subtasks);
        match self.partitions {
            Some(partitions) if self.inputs.is_empty() && partitions > 0 => {
                let useful = subtasks.min(partitions);
                let fullest = f64::from(partitions.div_ceil(useful));
                let slowest = self.per_subtask(useful) * f64::from(partitions) / fullest;
                capacity.min(slowest)
            }
            _ => capacity,
        }
    }

    /// Fewest subtasks that can process this in a second for good, at most `most`.
    pub fn enough(&self, rate: f64, most: u32) -> u32 {
        (1..=most)
            .find(|n| self.sustained(*n) >= rate)
            .unwrap_or_else(|| self.best(most))
    }

    /// The number of subtasks that can process most, at most `most`, the smallest of several.
    fn best(&self, most: u32) -> u32 {
        let mut best = (1, self.sustained(1));
        for n in 2..=most {
            let capacity = self.sustained(n);
            if capacity > best.1 * (1.0 + 1e-9) {
                best = (n, capacity);
            }
        }
        best.0
    }

    /// The shares of the records that go to the fullest and to the emptiest subtask.
    pub fn shares(&self, subtasks: u32) -> (f64, f64) {
        let n = subtasks.max(1);
        let even = 1.0 / f64::from(n);
        if self.inputs.is_empty() || self.ship != ShipStrategy::Hash {
            return (even, even);
        }
        let groups = self.max_parallelism.max(n);
        let share = |groups_of_one: u32| f64::from(groups_of_one) / f64::from(groups);
        let (most, least) = (share(groups.div_ceil(n)), share(groups / n));
        match self.keys {
            Keys::Even => (most, least),
            Keys::Hot(hot) => (hot + (1.0 - hot) * most, (1.0 - hot) * least),
            Keys::Zipf(exponent) => zipf(exponent, groups, n),
        }
    }
}

/// Shares of the fullest and the emptiest subtask when a thousand keys lie in key groups as by chance.
fn zipf(exponent: f64, groups: u32, subtasks: u32) -> (f64, f64) {
    const KEYS: u32 = 1000;
    let mut loads = vec![0.0; subtasks as usize];
    let mut total = 0.0;
    for key in 1..=KEYS {
        let weight = f64::from(key).powf(-exponent);
        total += weight;
        // A multiplicative hash; Flink's own is of the same kind.
        let group = u64::from(key.wrapping_mul(2_654_435_761) >> 8) % u64::from(groups);
        let subtask = group * u64::from(subtasks) / u64::from(groups);
        if let Some(load) = usize::try_from(subtask).ok().and_then(|s| loads.get_mut(s)) {
            *load += weight;
        }
    }
    let most = loads.iter().copied().fold(0.0, f64::max);
    let least = loads.iter().copied().fold(f64::MAX, f64::min);
    (most / total, least / total)
}

/// Something that happens to the job, at a second since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// It fails and restarts by itself, as when a TaskManager is lost.
    Restart {
        /// When.
        at: f64,
    },
    /// A vertex is slower for a while, as when garbage is collected or a database is.
    Slow {
        /// When.
        at: f64,
        /// For how many seconds.
        lasts: f64,
        /// Which, by position.
        stage: usize,
        /// What remains of its capacity.
        to: f64,
    },
}

/// A job and its surroundings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Model {
    /// The vertices.
    pub stages: Vec<Stage>,
    /// What comes to each source, by position; sources without one get nothing.
    pub loads: BTreeMap<usize, Load>,
    /// Whether what a source does not take waits for it, as in a log. If not it is lost.
    pub keeps: bool,
    /// Whether sources say how much waits (`pendingRecords`).
    pub tells: bool,
    /// A number of records that every source counts as waiting though it can never read them.
    pub stuck: f64,
    /// Records that wait in front of each source at the beginning.
    pub backlog: f64,
    /// Seconds a rescale or a restart takes.
    pub restart: f64,
    /// Records of how many seconds are read again after it.
    pub replays: f64,
    /// Seconds after it until subtasks are as fast as before; they begin with half of it.
    pub warm_up: f64,
    /// Seconds until slots that are not there yet can be had; the job goes on meanwhile.
    pub provisioning: f64,
    /// Most slots that can be had.
    pub slots: Option<u32>,
    /// How many seconds lie between two refreshes of what Flink answers.
    pub refresh: f64,
    /// What happens to it.
    pub faults: Vec<Fault>,
    /// What chance is made from.
    pub seed: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            loads: BTreeMap::new(),
            keeps: true,
            tells: true,
            stuck: 0.0,
            backlog: 0.0,
            restart: 5.0,
            replays: 3.0,
            warm_up: 0.0,
            provisioning: 0.0,
            slots: None,
            refresh: 10.0,
            faults: Vec::new(),
            seed: 1,
        }
    }
}

const fn rebalance() -> ShipStrategy {
    ShipStrategy::Rebalance
}

const fn one() -> f64 {
    1.0
}

const fn single() -> u32 {
    1
}

const fn key_groups() -> u32 {
    128
}
