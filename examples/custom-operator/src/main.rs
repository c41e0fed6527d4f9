//! An operator of one's own: flink-operator, with all its commands and options, and the rules of one house.

mod cost_center;
mod journal;
mod owner;

use std::process::ExitCode;

use clap::Parser;
use flink_operator::Operator;
use flink_operator::cli::Cli;

fn main() -> ExitCode {
    let operator = Operator::builder()
        .listener(journal::Journal::default())
        .validator(owner::OwnerNeeded)
        .mutator(cost_center::CostCenter)
        .build();
    Cli::parse().execute(operator)
}
