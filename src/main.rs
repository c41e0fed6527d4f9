//! Command line entry: parse, hand over, say what went wrong.

use std::process::ExitCode;

use clap::Parser;
use flink_operator::Operator;
use flink_operator::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().execute(Operator::builder().build())
}
