//! `make bench`: what the operator costs and how fast it is.
//!
//! The operator is the program that users run, as a process of its own. The API server and etcd are real;
//! nodes, controllers and Flink are simulated, since a thousand jobs fit on no small machine. Everything
//! shares this machine, so figures of time are an upper bound. Nothing is asserted: it prints a table.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a command whose output is its purpose"
)]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

mod fleet;
mod measured;
mod scaled;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use fleet::Fleet;
use flink_e2e::{Counters, Site, application};
use measured::{Measured, Usage};

#[derive(Debug, Parser)]
struct Options {
    /// The operator to measure: a release build.
    #[arg(long)]
    program: PathBuf,
    /// FlinkDeployments made at once.
    #[arg(long, default_value_t = 1000)]
    resources: u32,
    /// Seconds over which a fleet at rest is watched.
    #[arg(long, default_value_t = 180)]
    rest: u64,
    /// FlinkDeployments with the autoscaler, measured by themselves after that; 0 leaves them out.
    #[arg(long, default_value_t = 100)]
    autoscaled: u32,
}

/// What happened while an operator was watched.
struct Rest {
    hours: f64,
    before: Usage,
    after: Usage,
    counted: Counters,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Rest {
    /// Watch it so long.
    async fn watch(operator: &Measured, time: Duration) -> Result<Self> {
        let before = operator.usage()?;
        let counts = operator.counters().await?;
        tokio::time::sleep(time).await;
        Ok(Self {
            hours: time.as_secs_f64() / 3600.0,
            before,
            after: operator.usage()?,
            counted: operator.counters().await? - counts,
        })
    }

    /// A count, for each resource and hour.
    fn each(&self, count: u64, resources: usize) -> String {
        format!("{:.1}", count as f64 / (self.hours * resources as f64))
    }

    /// Processor seconds, for each resource and hour.
    fn processor_each(&self, resources: usize) -> String {
        let seconds = self.after.cpu_seconds - self.before.cpu_seconds;
        format!("{:.2}", seconds / (self.hours * resources as f64))
    }
}

/// Resources made one after the other, to see how long one takes.
const SINGLES: u32 = 20;

/// One line of the table.
struct Figure {
    what: String,
    measured: String,
    aim: &'static str,
}

fn figure(what: impl Into<String>, measured: impl Into<String>, aim: &'static str) -> Figure {
    Figure {
        what: what.into(),
        measured: measured.into(),
        aim,
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    eprintln!("start an API server, and a simulated node and Flink beside it");
    let site = Site::start();
    let figures = site.runtime().block_on(measure(&options, &site))?;
    println!("| figure | measured | aim |\n| --- | --- | --- |");
    for figure in figures {
        println!("| {} | {} | {} |", figure.what, figure.measured, figure.aim);
    }
    Ok(())
}

async fn measure(options: &Options, site: &Site) -> Result<Vec<Figure>> {
    let fleet = Fleet::start(site, "figures");
    let mut figures = Vec::new();

    eprintln!("start the operator with nothing to do");
    let mut operator = Measured::start(&options.program, site);
    operator.wait_until_ready().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = operator.usage()?;
    figures.push(figure("resident memory, idle", mib(idle.resident), "small"));

    eprintln!("make {SINGLES} resources one by one");
    let mut singles = Vec::new();
    for number in 0..SINGLES {
        let name = format!("single-{number}");
        let began = Instant::now();
        fleet.create(&name, application(&name)).await?;
        singles.push(fleet.watch.deployed(&name).await?.duration_since(began));
    }
    singles.sort();
    figures.push(figure(
        format!(
            "from creation to the JobManager's Deployment, {SINGLES} one by one: median, longest"
        ),
        format!("{}, {}", ms(middle(&singles)), ms(singles.last().copied())),
        "short",
    ));

    eprintln!("restart the operator with a new resource waiting");
    drop(operator);
    fleet.create("waiting", application("waiting")).await?;
    let began = Instant::now();
    operator = Measured::start(&options.program, site);
    let first = fleet.watch.deployed("waiting").await?.duration_since(began);
    figures.push(figure(
        "from the operator's start to the first Deployment it writes",
        ms(Some(first)),
        "under 1 s",
    ));

    figures.extend(many(options, &fleet).await?);
    eprintln!(
        "let it settle, then watch it at rest for {} s",
        options.rest
    );
    fleet.watch.all_stable().await?;
    tokio::time::sleep(Duration::from_secs(45)).await;
    let rest = Rest::watch(&operator, Duration::from_secs(options.rest)).await?;
    figures.extend(at_rest(options, &rest, fleet.watch.resources()));
    drop(operator);
    if options.autoscaled > 0 {
        figures.extend(scaled::measure(options, site).await?);
    }
    Ok(figures)
}

/// Many at once.
async fn many(options: &Options, fleet: &Fleet) -> Result<Vec<Figure>> {
    let count = options.resources;
    eprintln!("make {count} resources at once");
    let names: Vec<String> = (0..count).map(|number| format!("fleet-{number}")).collect();
    let began = Instant::now();
    fleet.create_all(&names).await?;
    let made = began.elapsed();
    let mut deployed = Vec::new();
    for name in &names {
        deployed.push(fleet.watch.deployed(name).await?);
    }
    let mut stable = Vec::new();
    for name in &names {
        stable.push(fleet.watch.stable(name).await?);
    }
    deployed.sort();
    stable.sort();
    Ok(vec![
        figure(
            format!("{count} resources at once: all created"),
            seconds(Some(made)),
            "",
        ),
        figure(
            format!("{count} resources at once: first, median, last JobManager Deployment"),
            spread(&deployed, began),
            "",
        ),
        figure(
            format!("{count} resources at once: first, median, last STABLE"),
            spread(&stable, began),
            "",
        ),
    ])
}

/// First, median and last of sorted moments.
fn spread(sorted: &[Instant], began: Instant) -> String {
    let since = |moment: Option<&Instant>| seconds(moment.map(|at| at.duration_since(began)));
    let median = sorted.get(sorted.len() / 2);
    format!(
        "{}, {}, {}",
        since(sorted.first()),
        since(median),
        since(sorted.last())
    )
}

fn at_rest(options: &Options, rest: &Rest, resources: usize) -> Vec<Figure> {
    let each = |count: u64| rest.each(count, resources);
    vec![
        figure(
            format!("resident memory, {resources} resources"),
            mib(rest.after.resident),
            "small",
        ),
        figure(
            "processor seconds a resource and hour, at rest",
            rest.processor_each(resources),
            "small",
        ),
        figure(
            "API reads a resource and hour, at rest (watches left out)",
            each(rest.counted.reads),
            "few",
        ),
        figure(
            format!(
                "API writes at rest, all {resources} resources in {} s",
                options.rest
            ),
            rest.counted.writes.to_string(),
            "0",
        ),
        figure(
            "Flink requests a resource and hour, at rest",
            each(rest.counted.flink),
            "",
        ),
    ]
}

fn middle(sorted: &[Duration]) -> Option<Duration> {
    sorted.get(sorted.len() / 2).copied()
}

fn ms(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{} ms", time.as_millis()))
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.1} s", time.as_secs_f64()),
    )
}

#[expect(clippy::cast_precision_loss, reason = "memory far below 2^52 bytes")]
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
