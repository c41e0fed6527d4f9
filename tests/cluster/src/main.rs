//! `local-cluster`: the command line of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    flink_cluster::cli::main()
}
