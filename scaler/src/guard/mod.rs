//! Vetoes: everything that forbids to rescale now, each with its reason.
//!
//! The rule: from what could not be read follows no rescale. All vetoes are reported, not only the
//! first, so that a person sees what must happen before anything does. Tests are in `tests/it/guards.rs`.

pub mod cron;
pub mod periods;

use jiff::{SignedDuration, Timestamp};

use crate::{
    estimate::mean,
    history::{History, Outcome},
    reason::Block,
    sample::Sample,
    settings::Settings,
    topology::{Topology, Vertex},
    tracking,
    verdict::{CheckpointHealth, Situation},
    window::Window,
};

/// Readings are stale after so many times their usual distance, and not before [`STALE_AT_LEAST`].
const STALE_SPACINGS: i32 = 5;

/// Readings younger than this are never stale.
const STALE_AT_LEAST: SignedDuration = SignedDuration::from_secs(60);

/// Clocks of two machines may differ by this much.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// Everything that forbids to rescale now, the most telling first.
pub fn blocks(
    settings: &Settings,
    topology: &Topology<'_>,
    window: &Window,
    history: &History,
    situation: &Situation,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    blocks.extend(situation.frozen.clone().map(Block::Frozen));
    blocks.extend(situation.conflict.clone().map(Block::Conflict));
    blocks.extend(of_the_job(situation));
    blocks.extend(awaited(settings, topology, window, history, situation));
    blocks.extend(of_the_readings(topology, window, situation));
    blocks.extend(too_early(settings, window, history, situation));
    blocks.extend(memory(settings, window));
    blocks.extend(excluded(settings, situation.now));
    blocks
}

fn of_the_job(situation: &Situation) -> Vec<Block> {
    let mut blocks = Vec::new();
    if situation.restarting {
        blocks.push(Block::Restarting);
    }
    if !situation.job_state_running {
        blocks.push(Block::NotRunning);
    } else if !situation.all_tasks_running {
        blocks.push(Block::TasksNotRunning);
    }
    blocks.extend(
        situation
            .change_in_progress
            .clone()
            .map(Block::ChangeInProgress),
    );
    match &situation.checkpoints_ok {
        CheckpointHealth::Ok | CheckpointHealth::Disabled => {}
        CheckpointHealth::Failing(why) | CheckpointHealth::Overdue { why, .. } => {
            blocks.push(Block::CheckpointsFailing(why.clone()));
        }
        CheckpointHealth::Unknown(why) => blocks.push(Block::CheckpointsUnknown(why.clone())),
    }
    blocks
}

/// One decision per effect: as long as the last rescale does not show, nothing new is decided. After
/// [`tracking::patience`] the job is taken as it is.
fn awaited(
    settings: &Settings,
    topology: &Topology<'_>,
    window: &Window,
    history: &History,
    situation: &Situation,
) -> Option<Block> {
    let open = history.last().filter(|s| s.outcome == Outcome::Open);
    let of_history = open.into_iter().flat_map(|scaling| {
        let since = scaling.at;
        scaling
            .vertices
            .iter()
            .map(move |(id, change)| (id, change.to, since))
    });
    let of_situation = situation.pending_rescale.iter().flat_map(|pending| {
        pending
            .target
            .iter()
            .map(|(id, to)| (id, *to, pending.since))
    });
    let patience = tracking::patience(settings, history);
    of_situation
        .chain(of_history)
        .filter(|(.., since)| situation.now.duration_since(*since) <= patience)
        .find_map(|(vertex, target, since)| {
            // What the job no longer has, or has finished, is not waited for.
            let in_graph = topology.find(vertex).filter(|vertex| !vertex.finished)?;
            let seen = shown(window.latest(), in_graph);
            (seen != Some(target)).then(|| Block::AwaitingRescale {
                vertex: vertex.clone(),
                target,
                seen,
                since,
            })
        })
}

/// The parallelism of which graph and newest readings agree, if they do.
fn shown(latest: Option<&Sample>, vertex: &Vertex) -> Option<u32> {
    let read = latest?.vertices.get(&vertex.id)?.parallelism;
    (vertex.parallelism == read).then_some(read)
}

fn of_the_readings(
    topology: &Topology<'_>,
    window: &Window,
    situation: &Situation,
) -> Option<Block> {
    let latest = window.latest()?;
    let age = situation.now.duration_since(latest.at);
    if age < -CLOCK_TOLERANCE {
        return Some(Block::ClockWentBack { ahead: -age });
    }
    let first = window.samples().next()?;
    let gaps = i32::try_from(window.len())
        .unwrap_or(i32::MAX)
        .saturating_sub(1)
        .max(1);
    let usual = latest.at.duration_since(first.at) / gaps;
    if age > STALE_AT_LEAST.max(usual.saturating_mul(STALE_SPACINGS)) {
        return Some(Block::Stale { age });
    }
    topology.vertices().iter().find_map(|vertex| {
        let reading = latest.vertices.get(&vertex.id)?;
        (reading.parallelism != vertex.parallelism && !vertex.finished).then(|| {
            Block::ReadingsDisagree {
                vertex: vertex.id.clone(),
            }
        })
    })
}

fn too_early(
    settings: &Settings,
    window: &Window,
    history: &History,
    situation: &Situation,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    let Some(start) = started(window, situation) else {
        // Of a job that does not run this is no news.
        return if situation.job_state_running {
            vec![Block::StartUnknown]
        } else {
            blocks
        };
    };
    if start.duration_since(situation.now) > CLOCK_TOLERANCE {
        blocks.push(Block::ClockWentBack {
            ahead: start.duration_since(situation.now),
        });
    }
    let interval = tracking::signed(settings.stabilization());
    let until = start.saturating_add(interval).unwrap_or(start);
    if situation.now < until {
        blocks.push(Block::Stabilizing { until });
    }
    let last = history
        .last()
        .map(|scaling| scaling.at.saturating_add(interval).unwrap_or(scaling.at));
    if let Some(next) = last.filter(|next| situation.now < *next && *next > until) {
        blocks.push(Block::TooSoon { until: next });
    }
    blocks
}

/// When the job last became RUNNING, by whichever source is later.
pub fn started(window: &Window, situation: &Situation) -> Option<Timestamp> {
    let read = window.latest().and_then(|sample| sample.job_running_since);
    situation.running_since.max(read)
}

fn memory(settings: &Settings, window: &Window) -> Option<Block> {
    let pressure = |what, share: f64, threshold: f64| {
        (share > threshold).then(|| Block::MemoryPressure {
            what,
            percent: percent(share),
        })
    };
    let gc = window.latest().and_then(|sample| sample.gc_ms_per_s);
    let gc = gc.and_then(|ms| {
        pressure(
            "garbage collection",
            ms / 1000.0,
            settings.gc_pressure_threshold,
        )
    });
    gc.or_else(|| {
        let heap = mean(window.samples().filter_map(|sample| sample.heap_used_ratio))?;
        pressure("used heap", heap, settings.heap_usage_threshold)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stays within the range of the integer"
)]
fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

fn excluded(settings: &Settings, now: Timestamp) -> Option<Block> {
    settings.excluded_periods.iter().find_map(|text| {
        let periods = periods::parse(std::slice::from_ref(text)).unwrap_or_default();
        let inside = periods.iter().any(|period| period.contains(now));
        inside.then(|| Block::ExcludedPeriod(text.clone()))
    })
}
