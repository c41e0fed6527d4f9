//! What could have been: the plan of one who knows the load and every capacity beforehand, and the one number of
//! subtasks that is always enough.

use std::collections::BTreeMap;

use anyhow::Result;
use flink_scaler::simulate::{Fault, Job, Model};

use super::{Contestant, rescale};
use crate::{contest::Weights, workload::Workload};

/// The plan may change so often, in seconds.
const BUCKET: u32 = 60;

/// A plan for all of a workload: what to have from which second on.
#[derive(Debug, Clone)]
pub struct Plan {
    steps: Vec<(f64, Vec<u32>)>,
    next: usize,
}

/// Enough for every minute at a utilization of 0.7, all the time.
#[derive(Debug, Clone)]
pub struct Peak(Vec<u32>);

/// Subtasks of every vertex that carry these rates of the sources.
fn vector(model: &Model, rates: &BTreeMap<usize, f64>) -> Vec<u32> {
    let mut outputs: Vec<f64> = Vec::with_capacity(model.stages.len());
    let mut subtasks = Vec::with_capacity(model.stages.len());
    for (position, stage) in model.stages.iter().enumerate() {
        let rate: f64 = if stage.inputs.is_empty() {
            rates.get(&position).copied().unwrap_or(0.0)
        } else {
            stage
                .inputs
                .iter()
                .filter_map(|from| outputs.get(*from))
                .sum()
        };
        outputs.push(rate * stage.selectivity);
        let most = stage.most().min(200);
        subtasks.push(stage.enough(rate, most));
    }
    subtasks
}

/// For each minute what its mean load asks for with this head-room, and `pace` times that while what waited at the
/// beginning is worked off.
fn needed(workload: &Workload, model: &Model, head_room: f64, pace: f64) -> Vec<Vec<u32>> {
    let mut waits = model.backlog;
    let buckets = workload.lasts.div_ceil(BUCKET);
    let slowed = |second: f64| {
        model.faults.iter().filter_map(move |fault| match fault {
            Fault::Slow { at, lasts, to, .. } if (*at..at + lasts).contains(&second) => Some(*to),
            _ => None,
        })
    };
    let of = |bucket: u32| {
        let seconds = (bucket * BUCKET)..((bucket + 1) * BUCKET).min(workload.lasts);
        let rates = model.loads.iter().map(|(at, load)| {
            let sum: f64 = seconds.clone().map(|s| load.mean(f64::from(s))).sum();
            let slow = slowed(f64::from(bucket * BUCKET)).fold(1.0, f64::min);
            let mean = sum / f64::from(BUCKET);
            let pace = if waits > 0.0 { pace } else { 1.0 };
            waits -= (pace - 1.0) * mean * f64::from(BUCKET);
            (*at, mean * pace * head_room / slow.max(0.1))
        });
        vector(model, &rates.collect())
    };
    (0..buckets).map(of).collect()
}

/// The most that any of these has, vertex by vertex.
fn peak(needs: &[Vec<u32>]) -> Vec<u32> {
    let largest = |at: usize| needs.iter().filter_map(|need| need.get(at)).copied().max();
    let width = needs.first().map_or(0, Vec::len);
    (0..width).map(|at| largest(at).unwrap_or(1)).collect()
}

fn slots(subtasks: &[u32]) -> f64 {
    f64::from(subtasks.iter().copied().max().unwrap_or(0))
}

fn covers(have: &[u32], need: &[u32]) -> bool {
    have.iter().zip(need).all(|(have, need)| have >= need)
}

impl Peak {
    /// For this workload.
    pub fn of(workload: &Workload, seed: u64) -> Self {
        let model = workload.seeded(seed);
        let all = needed(workload, &model, 1.0 / 0.7, 1.0);
        Self(peak(&all))
    }
}

impl Contestant for Peak {
    fn every(&self) -> u32 {
        1
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        if job.seconds() < 2.0 {
            rescale(job, &self.0);
        }
        Ok(())
    }
}

impl Plan {
    /// The plans that are worth trying: for each head-room the cheapest by dynamic programming, in every minute
    /// at least what the load asks for, a rescale costing what the weights say; short peaks, which wait no longer
    /// than they may, are not served. What waits at the beginning is worked off at several paces. Last comes
    /// one that never changes.
    pub fn candidates(workload: &Workload, seed: u64) -> Vec<Self> {
        let model = workload.seeded(seed);
        let paces: &[f64] = if model.backlog > 0.0 {
            &[1.3, 2.0, 4.0, 8.0]
        } else {
            &[1.0]
        };
        let mut plans: Vec<Self> = Vec::new();
        for head_room in [1.02, 1.1, 1.3, 1.7] {
            for pace in paces {
                plans.push(Self::planned(workload, &model, head_room, *pace));
            }
        }
        for head_room in [1.1, 1.4] {
            let steps = vec![(0.0, peak(&needed(workload, &model, head_room, 1.0)))];
            plans.push(Self { steps, next: 0 });
        }
        plans
    }

    fn planned(workload: &Workload, model: &Model, head_room: f64, pace: f64) -> Self {
        let needs = smoothed(workload, needed(workload, model, head_room, pace));
        let mut levels = needs.clone();
        levels.sort();
        levels.dedup();
        let count = u32::try_from(needs.len()).unwrap_or(1).max(1);
        let mean = needs.iter().map(|n| slots(n)).sum::<f64>() / f64::from(count);
        let weights = Weights::default();
        let stands = (model.restart + model.replays - workload.slo).max(0.0);
        let change = mean * (weights.rescale + weights.slo * stands);
        let mut steps = cheapest(&needs, levels, change);
        // Slots and the restart take time: one who knows begins earlier.
        let lead = model.restart + model.provisioning + model.warm_up / 2.0;
        for (index, (at, _)) in steps.iter_mut().enumerate() {
            *at = if index == 0 {
                0.0
            } else {
                (*at - lead).max(0.0)
            };
        }
        Self { steps, next: 0 }
    }
}

/// Peaks so short that what waits is gone before it is late are left out: each need counts only if the next minute
/// has it too.
fn smoothed(workload: &Workload, needs: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    if workload.slo < f64::from(BUCKET) {
        return needs;
    }
    let mut smooth = needs.clone();
    for (slot, pair) in smooth.iter_mut().zip(needs.windows(2)) {
        if let [a, b] = pair {
            *slot = a.iter().zip(b).map(|(a, b)| *a.min(b)).collect();
        }
    }
    smooth
}

fn cheapest(
    needs: &[Vec<u32>],
    mut candidates: Vec<Vec<u32>>,
    change: f64,
) -> Vec<(f64, Vec<u32>)> {
    candidates.push(peak(&candidates));
    let mut cost = vec![0.0; candidates.len()];
    let mut came: Vec<Vec<usize>> = Vec::with_capacity(needs.len());
    for (minute, need) in needs.iter().enumerate() {
        let (best_at, best) = cost
            .iter()
            .copied()
            .enumerate()
            .min_by(|(_, a): &(usize, f64), (_, b)| a.total_cmp(b))
            .unwrap_or((0, 0.0));
        let mut from = vec![0; candidates.len()];
        let mut next = vec![f64::INFINITY; candidates.len()];
        for (at, candidate) in candidates.iter().enumerate() {
            let stay = cost.get(at).copied().unwrap_or(f64::INFINITY);
            let moved = best + if minute == 0 { 0.0 } else { change };
            let (before, origin) = if stay <= moved {
                (stay, at)
            } else {
                (moved, best_at)
            };
            if covers(candidate, need)
                && let (Some(slot), Some(origin_slot)) = (next.get_mut(at), from.get_mut(at))
            {
                *slot = before + slots(candidate) * f64::from(BUCKET);
                *origin_slot = origin;
            }
        }
        cost = next;
        came.push(from);
    }
    let mut at = cost
        .iter()
        .enumerate()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map_or(0, |(at, _)| at);
    let mut steps: Vec<(f64, Vec<u32>)> = Vec::new();
    for (minute, from) in came.iter().enumerate().rev() {
        let begins = f64::from(u32::try_from(minute).unwrap_or(u32::MAX)) * f64::from(BUCKET);
        let origin = from.get(at).copied().unwrap_or(at);
        if origin != at || minute == 0 {
            steps.push((begins, candidates.get(at).cloned().unwrap_or_default()));
        }
        at = origin;
    }
    steps.reverse();
    steps
}

impl Contestant for Plan {
    fn every(&self) -> u32 {
        1
    }

    fn look(&mut self, job: &mut Job) -> Result<()> {
        while let Some((_, subtasks)) = self
            .steps
            .get(self.next)
            .filter(|(at, _)| *at <= job.seconds())
        {
            rescale(job, subtasks);
            self.next += 1;
        }
        Ok(())
    }
}
