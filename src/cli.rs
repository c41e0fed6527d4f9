//! The command line.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::{self, RunArgs};

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
}

impl Cli {
    /// Do what was asked for.
    pub fn execute(self) -> ExitCode {
        let outcome = match self.command {
            Command::Run(args) => run::run(&args),
            Command::Crd => print_crds(),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "flink-operator: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

fn print_crds() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for crd in flink_crds::all() {
        writeln!(out, "---\n{}", flink_crds::to_yaml(&crd)?)?;
    }
    Ok(())
}
