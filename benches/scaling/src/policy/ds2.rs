//! DS2 as published: true rates from useful time, one step to `ceil(rate / true rate)` for every vertex.

use std::collections::BTreeMap;

use anyhow::Result;
use flink_scaler::{Sample, VertexId, VertexReading, simulate::Job};

use super::Contestant;

/// Seconds after a start that are not looked at.
const WARM_UP: f64 = 30.0;

/// Share of useful time that is aimed at. The paper fills subtasks to the brim; then every record that gathers during
/// a rescale waits for ever.
const FULL: f64 = 0.8;

/// So many decisions in a row must agree, as the paper's manager demands.
const AGREE: u32 = 2;

/// The policy and what it remembers.
#[derive(Debug, Default)]
pub struct Ds2 {
    before: Option<Sample>,
    wanted: BTreeMap<VertexId, u32>,
    agreed: u32,
}

impl Contestant for Ds2 {
    fn every(&self) -> u32 {
        60
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        let Some(sample) = job.sample() else {
            self.before = None;
            return Ok(());
        };
        let up = job
            .running_since()
            .map_or(0.0, |since| sample.at.duration_since(since).as_secs_f64());
        if up < WARM_UP {
            self.before = None;
            return Ok(());
        }
        let Some(before) = self.before.replace(sample.clone()) else {
            return Ok(());
        };
        let overrides = targets(job, &before, &sample);
        // Changes of one or two subtasks are ignored, unless somebody is full.
        let full = sample
            .vertices
            .values()
            .filter_map(|r| r.busy_avg_ms_per_s)
            .any(|busy| busy > 950.0);
        let least = if full { 1 } else { 2 };
        let differs = job
            .model()
            .stages
            .iter()
            .zip(job.parallelism())
            .any(|(stage, own)| {
                VertexId::new(&stage.name).is_ok_and(|id| {
                    overrides
                        .get(&id)
                        .is_some_and(|n| n.abs_diff(*own) >= least)
                })
            });
        self.agreed = if overrides == self.wanted {
            self.agreed + 1
        } else {
            1
        };
        self.wanted.clone_from(&overrides);
        if differs && (self.agreed >= AGREE || full) {
            self.before = None;
            job.rescale(&overrides);
        }
        Ok(())
    }
}

/// Fewest subtasks for the rates that come, by the rates of useful time between two samples. A source's own
/// rate is what came to it: what it read and by how much what waits grew.
fn targets(job: &Job, before: &Sample, after: &Sample) -> BTreeMap<VertexId, u32> {
    let stages = &job.model().stages;
    let mut rates: Vec<f64> = Vec::with_capacity(stages.len());
    let mut outputs: Vec<f64> = Vec::with_capacity(stages.len());
    let mut targets = BTreeMap::new();
    for (position, stage) in stages.iter().enumerate() {
        let readers = stages
            .iter()
            .filter(|s| s.inputs.contains(&position))
            .count()
            .max(1);
        let Some((id, first, second)) = readings(&stage.name, before, after) else {
            rates.push(0.0);
            outputs.push(0.0);
            continue;
        };
        let grew = |value: fn(&VertexReading) -> Option<f64>| {
            (value(second).unwrap_or(0.0) - value(first).unwrap_or(0.0)).max(0.0)
        };
        let seconds = after.at.duration_since(before.at).as_secs_f64().max(1.0);
        let (read, written) = (grew(|r| r.records_in), grew(|r| r.records_out));
        let useful = grew(|r| r.accumulated_busy_ms) / 1000.0;
        let rate = if stage.inputs.is_empty() {
            let waits = |r: &VertexReading| r.pending_records.unwrap_or(0.0);
            (read + waits(second) - waits(first)).max(0.0) / seconds
        } else {
            stage
                .inputs
                .iter()
                .filter_map(|from| outputs.get(*from))
                .sum()
        };
        #[expect(clippy::cast_precision_loss, reason = "a vertex has few readers")]
        let selectivity = if read > 0.0 {
            written / readers as f64 / read
        } else {
            0.0
        };
        rates.push(rate);
        outputs.push(rate * selectivity);
        if read > 0.0 && useful > 0.0 {
            let one = read / useful;
            let most = stage.most();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small and positive"
            )]
            let wanted = (rate / one / FULL).ceil() as u32;
            targets.insert(id, wanted.clamp(1, most));
        }
    }
    targets
}

fn readings<'s>(
    name: &str,
    before: &'s Sample,
    after: &'s Sample,
) -> Option<(VertexId, &'s VertexReading, &'s VertexReading)> {
    let id = VertexId::new(name).ok()?;
    let (first, second) = (before.vertices.get(&id)?, after.vertices.get(&id)?);
    Some((id, first, second))
}
