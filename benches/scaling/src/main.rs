//! The autoscaler beside its peers on simulated jobs: who falls behind, who wastes cores, who flaps.
//!
//! Every contestant meets the same job, load and chance in its own copy of the simulation, in virtual time.
//! See docs/reference/scaling.md for what came of it.

mod contest;
mod contestants;
mod picture;
mod policy;
mod report;
mod speed;
mod workload;

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Mutex, mpsc},
    thread,
};

use anyhow::{Context, Result};
use clap::Parser;

use contest::Score;
use contestants::Kind;
use flink_scaler::settings::Part;
use workload::Workload;

/// The options of the command line.
#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    /// Folders with workloads.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/workloads"))]
    workloads: Vec<PathBuf>,
    /// Only workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only these contestants.
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<Kind>,
    /// How many seeds.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// The first of them: those from 5 on are not in the tables of the documentation.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Further options of the adaptive profile, `key=value`, as an additional contestant.
    #[arg(long)]
    variant: Vec<String>,
    /// Also run the adaptive profile without each of its parts, to see what each is good for.
    #[arg(long)]
    ablation: bool,
    /// Instead of all that: how long a decision takes for chains of so many vertices, beside the Java autoscaler.
    #[arg(long, value_delimiter = ',')]
    speed: Vec<usize>,
    /// Where tables and pictures go.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Arguments {
    /// The seeds.
    fn chance(&self) -> Range<u64> {
        self.first_seed..self.first_seed.saturating_add(self.seeds)
    }
}

/// One run to be done.
#[derive(Debug, Clone, Copy)]
struct Task {
    workload: usize,
    seed: u64,
    kind: Kind,
}

/// One run done.
#[derive(Debug, Clone)]
pub struct Run {
    workload: usize,
    seed: u64,
    kind: Kind,
    score: Score,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if !arguments.speed.is_empty() {
        report::print(&speed::table(&arguments.speed)?);
        return Ok(());
    }
    let mut workloads = Vec::new();
    for folder in &arguments.workloads {
        workloads.extend(workload::read_all(folder)?);
    }
    workloads.retain(|workload| workload.name.contains(&arguments.only));
    let kinds = contestants::chosen(&arguments.contestants);
    let mut tasks = Vec::new();
    for workload in 0..workloads.len() {
        for seed in arguments.chance() {
            let task = |kind: &Kind| Task {
                workload,
                seed,
                kind: *kind,
            };
            tasks.extend(kinds.iter().map(task));
        }
    }
    let runs = run_all(&workloads, tasks, &arguments.variant)?;
    let mut text = report::tables(&workloads, &kinds, &runs)?;
    if arguments.ablation {
        text.push_str(&ablation(&workloads, &runs, arguments.chance())?);
    }
    report::write(&workloads, &kinds, &runs, &text, arguments.out.as_deref())
}

/// The adaptive profile without each of its parts, measured by the same oracle.
fn ablation(workloads: &[Workload], runs: &[Run], seeds: Range<u64>) -> Result<String> {
    let of = |kind: Kind| runs.iter().filter(move |run| run.kind == kind).cloned();
    let oracle: Vec<Run> = of(Kind::Oracle).collect();
    let mut rows = Vec::new();
    for part in Part::ALL {
        let option = format!("job.autoscaler.adaptive.without={}", part.as_str());
        let tasks = (0..workloads.len())
            .flat_map(|workload| seeds.clone().map(move |seed| (workload, seed)))
            .map(|(workload, seed)| Task {
                workload,
                seed,
                kind: Kind::Variant,
            });
        let mut without = run_all(workloads, tasks.collect(), &[option])?;
        without.extend(oracle.iter().cloned());
        rows.push((format!("without {}", part.as_str()), Kind::Variant, without));
    }
    let mut all: Vec<Run> = of(Kind::Adaptive).collect();
    all.extend(oracle);
    rows.insert(0, ("all parts".to_owned(), Kind::Adaptive, all));
    report::ablation(workloads, &rows)
}

/// Runs all tasks on all cores.
fn run_all(workloads: &[Workload], tasks: Vec<Task>, variant: &[String]) -> Result<Vec<Run>> {
    let count = tasks.len();
    let queue = Mutex::new(tasks.into_iter());
    let (send, receive) = mpsc::channel::<Result<Run>>();
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            let send = send.clone();
            let queue = &queue;
            scope.spawn(move || {
                loop {
                    let task = queue.lock().ok().and_then(|mut tasks| tasks.next());
                    let Some(task) = task else { break };
                    if send.send(run_one(workloads, task, variant)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let mut runs = Vec::with_capacity(count);
        for run in receive {
            runs.push(run?);
            report::progress(runs.len(), count);
        }
        Ok(runs)
    })
}

fn run_one(workloads: &[Workload], task: Task, variant: &[String]) -> Result<Run> {
    let workload = workloads.get(task.workload).context("no such workload")?;
    let score = task
        .kind
        .run(workload, task.seed, variant)
        .with_context(|| {
            format!(
                "{} on {} (seed {})",
                task.kind.name(),
                workload.name,
                task.seed
            )
        })?;
    Ok(Run {
        workload: task.workload,
        seed: task.seed,
        kind: task.kind,
        score,
    })
}
