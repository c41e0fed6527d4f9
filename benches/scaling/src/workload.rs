//! Workloads: a job, what comes to it and what it is held to, each in a file.
//!
//! The rule: a file that cannot be used is named, with the place and what is wrong; none is skipped.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use flink_scaler::simulate::Model;
use serde::Deserialize;

/// One workload as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Workload {
    /// The name of the file.
    #[serde(skip)]
    pub name: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// Seconds it lasts.
    pub lasts: u32,
    /// Seconds that a record may wait.
    #[serde(default = "slo")]
    pub slo: f64,
    /// Whether its load goes neither up nor down for good, so that rescales back and forth are mistakes.
    #[serde(default)]
    pub steady: bool,
    /// Options of the autoscaler that its owner would set, the same for all that know them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The job.
    pub model: Model,
}

const fn slo() -> f64 {
    30.0
}

impl Workload {
    /// The job with its chance made from this seed.
    pub fn seeded(&self, seed: u64) -> Model {
        let mut model = self.model.clone();
        model.seed = model.seed.wrapping_add(seed.wrapping_mul(0x9E37_79B9));
        for load in model.loads.values_mut() {
            load.seed = load.seed.wrapping_add(seed.wrapping_mul(7919));
        }
        model
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let mut workload: Self =
            serde_saphyr::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        stem.unwrap_or("workload").clone_into(&mut workload.name);
        workload
            .check()
            .with_context(|| format!("{}", path.display()))?;
        Ok(workload)
    }

    fn check(&self) -> Result<()> {
        let stages = &self.model.stages;
        ensure!(!stages.is_empty(), "model.stages: at least one is needed");
        ensure!(self.lasts > 0, "lasts: must be more than 0 seconds");
        for (position, stage) in stages.iter().enumerate() {
            ensure!(
                stage.inputs.iter().all(|input| *input < position),
                "model.stages: '{}' reads a stage that is not listed before it",
                stage.name
            );
            ensure!(
                stage.per_subtask > 0.0 || !stage.measured.is_empty(),
                "model.stages: '{}' needs per-subtask or measured above 0",
                stage.name
            );
        }
        for source in self.model.loads.keys() {
            let Some(stage) = stages.get(*source) else {
                bail!("model.loads: there is no stage {source}");
            };
            ensure!(
                stage.inputs.is_empty(),
                "model.loads: '{}' is no source",
                stage.name
            );
        }
        Ok(())
    }
}

/// All workloads of a folder, by name.
pub fn read_all(folder: &Path) -> Result<Vec<Workload>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut paths: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    paths.sort();
    ensure!(
        !paths.is_empty(),
        "{}: no file ends in .yaml",
        folder.display()
    );
    paths.iter().map(|path| Workload::read(path)).collect()
}
