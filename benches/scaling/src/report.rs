//! What came of it: tables for the eye, CSV for others, pictures.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    Run,
    contest::{Score, Weights},
    contestants::Kind,
    picture,
    workload::Workload,
};

/// Says how far it is.
#[expect(clippy::print_stderr, reason = "progress is for the eye")]
pub fn progress(done: usize, of: usize) {
    if done.is_multiple_of(20) || done == of {
        eprint!("\r{done} of {of} runs");
        if done == of {
            eprintln!();
        }
    }
}

/// One row of the table: a contestant on a workload, medians over the seeds.
struct Row<'r> {
    kind: Kind,
    cost: f64,
    cores: f64,
    slo: f64,
    max_lag: f64,
    rescales: f64,
    reversals: f64,
    scores: Vec<&'r Score>,
}

/// All tables as text.
pub fn tables(workloads: &[Workload], kinds: &[Kind], runs: &[Run]) -> Result<String> {
    let tables = all_rows(workloads, kinds, runs);
    let mut text = String::new();
    for (workload, rows) in workloads.iter().zip(&tables) {
        writeln!(text, "\n{}: {}", workload.name, workload.about)?;
        text.push_str(&table(rows)?);
    }
    text.push_str(&overview(workloads, kinds, &tables)?);
    text.push_str("\nAll workloads\n");
    text.push_str(&head()?);
    for kind in kinds {
        text.push_str(&total(kind.name(), *kind, workloads, &tables)?);
    }
    Ok(text)
}

/// What each part of the adaptive profile is good for: a name, a contestant, its runs beside the oracle's.
pub fn ablation(workloads: &[Workload], rows: &[(String, Kind, Vec<Run>)]) -> Result<String> {
    let mut text = String::from("\nThe adaptive profile without each of its parts\n");
    text.push_str(&head()?);
    for (name, kind, runs) in rows {
        let tables = all_rows(workloads, &[*kind], runs);
        text.push_str(&total(name, *kind, workloads, &tables)?);
    }
    Ok(text)
}

/// Prints what was found.
#[expect(clippy::print_stdout, reason = "the tables are what it is for")]
pub fn print(text: &str) {
    println!("{text}");
}

/// Prints the tables, and writes them, the figures and the pictures into the folder.
pub fn write(
    workloads: &[Workload],
    kinds: &[Kind],
    runs: &[Run],
    text: &str,
    out: Option<&Path>,
) -> Result<()> {
    print(text);
    let Some(out) = out else { return Ok(()) };
    let tables = all_rows(workloads, kinds, runs);
    fs::create_dir_all(out).with_context(|| format!("{}", out.display()))?;
    fs::write(out.join("scores.csv"), csv(workloads, runs)?)?;
    fs::write(out.join("scores.txt"), text)?;
    for (workload, rows) in workloads.iter().zip(&tables) {
        let line = |row: &Row<'_>| Some((row.kind, row.scores.first()?.trace.clone()));
        let lines: Vec<_> = rows.iter().filter_map(line).collect();
        let path = out.join(format!("{}.svg", workload.name));
        fs::write(path, picture::course(&workload.name, &lines))?;
    }
    let points: Vec<(Kind, f64, f64)> = kinds.iter().map(|kind| pareto(*kind, &tables)).collect();
    fs::write(out.join("pareto.svg"), picture::pareto(&points))?;
    Ok(())
}

fn all_rows<'r>(workloads: &[Workload], kinds: &[Kind], runs: &'r [Run]) -> Vec<Vec<Row<'r>>> {
    (0..workloads.len())
        .map(|at| rows(workloads, kinds, runs, at))
        .collect()
}

fn rows<'r>(workloads: &[Workload], kinds: &[Kind], runs: &'r [Run], at: usize) -> Vec<Row<'r>> {
    let of = |kind: Kind, seed: u64| {
        runs.iter()
            .find(|run| run.workload == at && run.kind == kind && run.seed == seed)
    };
    let mut seeds: Vec<u64> = runs.iter().map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let lasts = workloads
        .get(at)
        .map_or(1.0, |workload| f64::from(workload.lasts));
    let row = |kind: &Kind| {
        let pairs = seeds
            .iter()
            .filter_map(|seed| Some((&of(*kind, *seed)?.score, &of(Kind::Oracle, *seed)?.score)));
        let pairs: Vec<(&Score, &Score)> = pairs.collect();
        let each = |value: &dyn Fn(&Score, &Score) -> f64| {
            median(
                pairs
                    .iter()
                    .map(|(score, oracle)| value(score, oracle))
                    .collect(),
            )
        };
        let weights = Weights::default();
        let cost = |score: &Score, oracle: &Score| weights.cost(score, oracle.core_seconds / lasts);
        Row {
            kind: *kind,
            cost: each(&|score, oracle| cost(score, oracle) / cost(oracle, oracle)),
            cores: each(&|score, oracle| score.core_seconds / oracle.core_seconds),
            slo: each(&|score, _| score.slo_seconds),
            max_lag: each(&|score, _| score.max_lag),
            rescales: each(&|score, _| f64::from(score.rescales)),
            reversals: each(&|score, _| f64::from(score.reversals)),
            scores: pairs.iter().map(|(score, _)| *score).collect(),
        }
    };
    kinds.iter().map(row).collect()
}

fn table(rows: &[Row<'_>]) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "  {:<14} {:>7} {:>7} {:>8} {:>8} {:>8} {:>9}  final",
        "", "cost", "cores", "late s", "max lag", "rescales", "reversals"
    )?;
    for row in rows {
        let last = row
            .scores
            .first()
            .map(|score| format!("{:?}", score.final_parallelism));
        writeln!(
            text,
            "  {:<14} {:>7.2} {:>7.2} {:>8.0} {:>8.0} {:>8.0} {:>9.0}  {}",
            row.kind.name(),
            row.cost,
            row.cores,
            row.slo,
            row.max_lag,
            row.rescales,
            row.reversals,
            last.unwrap_or_default()
        )?;
    }
    Ok(text)
}

/// The cost of every contestant on every workload, beside the oracle's.
fn overview(workloads: &[Workload], kinds: &[Kind], tables: &[Vec<Row<'_>>]) -> Result<String> {
    let mut text = String::from("\nCost beside the oracle's\n");
    write!(text, "  {:<18}", "")?;
    for kind in kinds {
        write!(text, " {:>13}", kind.name())?;
    }
    text.push('\n');
    for (workload, rows) in workloads.iter().zip(tables) {
        write!(text, "  {:<18}", workload.name)?;
        for row in rows {
            write!(text, " {:>13.2}", row.cost)?;
        }
        text.push('\n');
    }
    Ok(text)
}

fn head() -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "  {:<20} {:>11} {:>10} {:>12} {:>8} {:>8} {:>9} {:>13}",
        "",
        "median cost",
        "worst cost",
        "median cores",
        "late s",
        "rescales",
        "reversals",
        "on even loads"
    )?;
    Ok(text)
}

/// Medians and sums over all workloads.
fn total(
    name: &str,
    kind: Kind,
    workloads: &[Workload],
    tables: &[Vec<Row<'_>>],
) -> Result<String> {
    let of = |rows: &'_ [Row<'_>]| rows.iter().position(|row| row.kind == kind);
    let rows: Vec<(&Workload, &Row<'_>)> = workloads
        .iter()
        .zip(tables)
        .filter_map(|(workload, rows)| Some((workload, rows.get(of(rows)?)?)))
        .collect();
    let all =
        |value: fn(&Row<'_>) -> f64| rows.iter().map(|(_, row)| value(row)).collect::<Vec<f64>>();
    let sum = |value: fn(&Row<'_>) -> f64| all(value).iter().sum::<f64>();
    let even = rows.iter().filter(|(workload, _)| workload.steady);
    let mut text = String::new();
    writeln!(
        text,
        "  {:<20} {:>11.2} {:>10.2} {:>12.2} {:>8.0} {:>8.0} {:>9.0} {:>13.0}",
        name,
        median(all(|row| row.cost)),
        all(|row| row.cost).into_iter().fold(0.0, f64::max),
        median(all(|row| row.cores)),
        sum(|row| row.slo),
        sum(|row| row.rescales),
        sum(|row| row.reversals),
        even.map(|(_, row)| row.reversals).sum::<f64>(),
    )?;
    Ok(text)
}

fn pareto(kind: Kind, tables: &[Vec<Row<'_>>]) -> (Kind, f64, f64) {
    let rows: Vec<&Row<'_>> = tables
        .iter()
        .flatten()
        .filter(|row| row.kind == kind)
        .collect();
    let cores = median(rows.iter().map(|row| row.cores).collect());
    (kind, cores, rows.iter().map(|row| row.slo).sum())
}

fn csv(workloads: &[Workload], runs: &[Run]) -> Result<String> {
    let mut text = String::from(
        "workload,seed,contestant,core_seconds,slo_seconds,late_seconds,max_lag,down_seconds,rescales,reversals,last_rescale,final\n",
    );
    let mut sorted: BTreeMap<(usize, u64, Kind), &Score> = BTreeMap::new();
    for run in runs {
        sorted.insert((run.workload, run.seed, run.kind), &run.score);
    }
    for ((at, seed, kind), score) in sorted {
        let name = workloads.get(at).map_or("", |workload| &workload.name);
        let last: Vec<String> = score
            .final_parallelism
            .iter()
            .map(ToString::to_string)
            .collect();
        writeln!(
            text,
            "{name},{seed},{},{:.0},{},{},{:.1},{},{},{},{},{}",
            kind.name(),
            score.core_seconds,
            score.slo_seconds,
            score.late_seconds,
            score.max_lag,
            score.down_seconds,
            score.rescales,
            score.reversals,
            score.last_rescale,
            last.join(" ")
        )?;
    }
    Ok(text)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => {
            let before = middle.checked_sub(1).and_then(|at| values.get(at));
            before.map_or(*value, |before| before.midpoint(*value))
        }
        (None, _) => f64::NAN,
    }
}
