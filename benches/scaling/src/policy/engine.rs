//! The crate's own engine, with either profile.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use flink_scaler::{
    Action, Settings, Verdict,
    simulate::{Job, run::Autoscaler},
};

use super::Contestant;

/// The engine as the operator runs it.
pub struct Engine {
    autoscaler: Autoscaler,
    every: u32,
    traced: bool,
}

/// Says what is done and why, with the figures.
#[expect(clippy::print_stderr, reason = "asked for")]
fn trace(second: f64, before: &[u32], verdict: &Verdict) {
    eprintln!("{second:>8} from {before:?}\n{verdict}");
}

impl Engine {
    /// With these options, later ones over earlier ones.
    pub fn new(options: &[&BTreeMap<String, String>], every: u32) -> Result<Self> {
        let mut config = BTreeMap::from([
            ("job.autoscaler.enabled".to_owned(), "true".to_owned()),
            ("job.autoscaler.mode".to_owned(), "auto".to_owned()),
        ]);
        for options in options {
            config.extend((*options).clone());
        }
        let settings = Settings::parse(&config).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow!("{}", errors.join("; "))
        })?;
        Ok(Self {
            autoscaler: Autoscaler::new(settings),
            every,
            traced: std::env::var_os("SCALING_TRACE").is_some(),
        })
    }
}

impl Contestant for Engine {
    fn every(&self) -> u32 {
        self.every
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        let before = job.parallelism().to_vec();
        let verdict = self.autoscaler.look(job);
        if self.traced && matches!(verdict.action, Action::Scale { .. }) {
            trace(job.seconds(), &before, &verdict);
        }
        Ok(())
    }
}
