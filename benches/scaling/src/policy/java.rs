//! The Java autoscaler, unchanged, in a Java process of its own that is told what time it is.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, OnceLock, PoisonError},
};

use anyhow::{Context, Result};
use bench_scaling::{
    java::{Java, jar},
    server::Served,
};
use flink_scaler::simulate::{Job, Model, rest::Endpoint};
use jiff::Timestamp;

use super::Contestant;

/// The Java autoscaler of one run.
pub struct JavaAutoscaler {
    java: &'static Java,
    name: String,
    served: Served,
    every: u32,
}

impl JavaAutoscaler {
    /// With these settings for the job, later ones over earlier ones, and a control loop every so many seconds.
    pub fn new(
        name: String,
        settings: &[&BTreeMap<String, String>],
        every: u32,
        start: Timestamp,
    ) -> Result<Self> {
        let mut config = BTreeMap::from([
            ("jobmanager.scheduler".to_owned(), "adaptive".to_owned()),
            ("job.autoscaler.enabled".to_owned(), "true".to_owned()),
        ]);
        for settings in settings {
            config.extend((*settings).clone());
        }
        let java = process()?;
        // An earlier run of the same name must leave nothing behind.
        java.reset(&name)?;
        let empty = Job::new(Model::default(), start);
        let endpoint = Endpoint::new(&name, start, &config);
        let served = Served::start(empty, endpoint).context("cannot serve the job")?;
        Ok(Self {
            java,
            name,
            served,
            every,
        })
    }
}

/// The one process that all runs share.
fn process() -> Result<&'static Java> {
    static JAVA: OnceLock<Java> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(java) = JAVA.get() {
        return Ok(java);
    }
    let java = Java::start(&jar()?)?;
    Ok(JAVA.get_or_init(|| java))
}

impl Contestant for JavaAutoscaler {
    fn every(&self) -> u32 {
        self.every
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        if job.running_since().is_none() {
            // Its loop would find the job restarting and leave it alone.
            return Ok(());
        }
        let now = job.now();
        self.served.with(|served| mem::swap(served, job));
        let done = self.java.cycle(&self.name, &self.served.url(), now);
        self.served.with(|served| mem::swap(served, job));
        done?;
        if let Some(overrides) = self.served.take_request() {
            job.rescale(&overrides);
        }
        Ok(())
    }
}

impl Drop for JavaAutoscaler {
    fn drop(&mut self) {
        // What it remembers of the job is of no use to another; a process that is gone has forgotten it.
        let _ = self.java.reset(&self.name);
    }
}
