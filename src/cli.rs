//! The command line.

pub mod backtest;
pub mod compare;
pub mod explain;
pub mod recording;
pub mod stored;
pub mod table;
pub mod whatif;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::operator::Operator;
use crate::run::RunArgs;
use crate::telemetry::logs::Chain;
use backtest::BacktestArgs;
use compare::{CompareArgs, Comparison};
use explain::Explanation;
use stored::Target;
use whatif::WhatIf;

/// Runs Apache Flink on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "flink-operator", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the custom resource definitions, ready for `kubectl apply -f -`.
    Crd,
    /// Say what the autoscaler thinks of a FlinkDeployment, and why.
    Explain(ExplainArgs),
    /// Say which parallelism a rate needs, or what a parallelism would do with the load.
    #[command(name = "whatif")]
    WhatIf(WhatIfArgs),
    /// Say what the autoscaler would have done with a job of the past, beside what really happened.
    Backtest(BacktestArgs),
    /// Show what a model of a job in the simulator has in common with the job itself.
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// The FlinkDeployment: NAMESPACE/NAME, or NAME in the namespace of the kubeconfig.
    resource: Target,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
struct WhatIfArgs {
    /// The FlinkDeployment: NAMESPACE/NAME, or NAME in the namespace of the kubeconfig.
    resource: Target,
    /// Records per second that come in at all sources together; what comes in now if left out.
    #[arg(long)]
    rate: Option<f64>,
    /// A parallelism for every vertex, or VERTEX=N,VERTEX=N for some: by id or by name, in which * stands for
    /// anything. The one that is needed if left out.
    #[arg(long, value_name = "N|VERTEX=N")]
    parallelism: Vec<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// For whom something is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Cli {
    /// Do what was asked for; `operator` is the one to run.
    pub fn execute(self, operator: Operator) -> ExitCode {
        let outcome = match self.command {
            Command::Run(args) => operator.run(&args),
            Command::Crd => print_crds(),
            Command::Explain(args) => explain(&args),
            Command::WhatIf(args) => what_if(&args),
            Command::Backtest(args) => {
                backtest::Answer::to(&args).and_then(|answer| print(&answer, args.output))
            }
            Command::Compare(args) => {
                Comparison::of(&args).and_then(|answer| print(&answer, args.output))
            }
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if has_enough(&error) => ExitCode::SUCCESS,
            Err(error) => {
                let chain = Chain(error.as_ref());
                let _ = writeln!(std::io::stderr(), "flink-operator: {chain}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether who reads the output stopped reading, as `head` does.
fn has_enough(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    print(
        &Explanation::of(&stored::read(&args.resource)?)?,
        args.output,
    )
}

fn what_if(args: &WhatIfArgs) -> anyhow::Result<()> {
    let question = whatif::question(args.rate, &args.parallelism)?;
    print(
        &WhatIf::of(&stored::read(&args.resource)?, &question)?,
        args.output,
    )
}

fn print(what: &(impl Display + Serialize), format: Format) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Text => write!(out, "{what}")?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(what)?)?,
    }
    Ok(())
}

fn print_crds() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for crd in flink_crds::all() {
        writeln!(out, "---\n{}", flink_crds::to_yaml(&crd)?)?;
    }
    Ok(())
}
