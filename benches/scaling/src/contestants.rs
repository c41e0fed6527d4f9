//! Who takes part, and with which settings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{
    contest::{Score, Weights, run},
    policy::{Contestant, Cpu, Ds2, Engine, JavaAutoscaler, Lag, Peak, Plan},
    workload::Workload,
};

/// One who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Our engine with profile `adaptive`.
    Adaptive,
    /// The same with the options of `--variant`.
    Variant,
    /// The Java autoscaler with its defaults.
    Java,
    /// The Java autoscaler, tuned.
    JavaTuned,
    /// Our engine with profile `apache`.
    Apache,
    /// The same with the settings of `java-tuned`.
    ApacheTuned,
    /// DS2.
    Ds2,
    /// A HorizontalPodAutoscaler on CPU.
    Cpu,
    /// KEDA on lag.
    Lag,
    /// As many subtasks as the highest load needs, always.
    Peak,
    /// One who knows the future.
    Oracle,
}

/// All that take part unless told otherwise.
const ALL: [Kind; 10] = [
    Kind::Adaptive,
    Kind::Java,
    Kind::JavaTuned,
    Kind::Apache,
    Kind::ApacheTuned,
    Kind::Ds2,
    Kind::Cpu,
    Kind::Lag,
    Kind::Peak,
    Kind::Oracle,
];

/// Those that were asked for, and the oracle, which the others are measured by.
pub fn chosen(asked: &[Kind]) -> Vec<Kind> {
    let mut kinds = if asked.is_empty() {
        ALL.to_vec()
    } else {
        asked.to_vec()
    };
    if !kinds.contains(&Kind::Oracle) {
        kinds.push(Kind::Oracle);
    }
    kinds
}

/// What the Java autoscaler and profile `apache` are tuned to: short windows, a band closer to the target.
pub const TUNED: &[(&str, &str)] = &[
    ("job.autoscaler.metrics.window", "3 min"),
    ("job.autoscaler.stabilization.interval", "1 min"),
    ("job.autoscaler.utilization.max", "0.8"),
    ("job.autoscaler.utilization.min", "0.5"),
    ("job.autoscaler.scale-down.interval", "10 min"),
];

impl Kind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Variant => "variant",
            Self::Java => "Java",
            Self::JavaTuned => "Java tuned",
            Self::Apache => "apache",
            Self::ApacheTuned => "apache tuned",
            Self::Ds2 => "DS2",
            Self::Cpu => "CPU rule",
            Self::Lag => "lag rule",
            Self::Peak => "static peak",
            Self::Oracle => "oracle",
        }
    }

    /// Runs the workload with it.
    pub fn run(self, workload: &Workload, seed: u64, variant: &[String]) -> Result<Score> {
        let engine = |profile: &str, options: BTreeMap<String, String>, every| {
            let profile = map(&[("job.autoscaler.profile", profile)]);
            Engine::new(&[&workload.settings, &profile, &options], every)
        };
        let mut contestant: Box<dyn Contestant> = match self {
            Self::Adaptive => Box::new(engine("adaptive", BTreeMap::new(), 10)?),
            Self::Variant => {
                let options = variant.iter().map(|option| {
                    let (key, value) = option
                        .split_once('=')
                        .context("--variant needs key=value")?;
                    Ok((key.to_owned(), value.to_owned()))
                });
                Box::new(engine("adaptive", options.collect::<Result<_>>()?, 10)?)
            }
            Self::Java => Box::new(java(workload, seed, &BTreeMap::new(), 60)?),
            Self::JavaTuned => Box::new(java(workload, seed, &map(TUNED), 30)?),
            Self::Apache => Box::new(engine("apache", BTreeMap::new(), 60)?),
            Self::ApacheTuned => Box::new(engine("apache", map(TUNED), 30)?),
            Self::Ds2 => Box::new(Ds2::default()),
            Self::Cpu => Box::new(Cpu::default()),
            Self::Lag => Box::new(Lag::default()),
            Self::Peak => Box::new(Peak::of(workload, seed)),
            Self::Oracle => return oracle(workload, seed),
        };
        run(workload, seed, contestant.as_mut())
    }
}

fn java(
    workload: &Workload,
    seed: u64,
    options: &BTreeMap<String, String>,
    every: u32,
) -> Result<JavaAutoscaler> {
    let name = format!("{}-{seed}-{}", workload.name, options.len());
    let start = crate::contest::start()?;
    JavaAutoscaler::new(name, &[&workload.settings, options], every, start)
}

/// The cheapest of the plans of one who knows the future.
fn oracle(workload: &Workload, seed: u64) -> Result<Score> {
    let mut best: Option<(f64, Score)> = None;
    for mut plan in Plan::candidates(workload, seed) {
        let score = run(workload, seed, &mut plan)?;
        let cores = score.core_seconds / f64::from(workload.lasts);
        let reference = best
            .as_ref()
            .map_or(cores, |(_, s)| s.core_seconds / f64::from(workload.lasts));
        let cost = Weights::default().cost(&score, reference);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, score));
        }
    }
    Ok(best.context("no plan")?.1)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}
