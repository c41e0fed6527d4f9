//! The command line as people meet it: commands that documents show are accepted, and failures are short.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;
use flink_operator::cli::Cli;

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path
            .extension()
            .is_some_and(|end| end == "md" || end == "yaml")
        {
            found.push(path);
        }
    }
}

/// The commands of this program in a document, without comments: lines of their own, or in a comment of a manifest.
fn commands(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| line.trim_start_matches(['#', ' ']))
        .filter_map(|line| {
            let start = if line.starts_with("kubectl") {
                line.find(" -- /flink-operator ")? + " -- /".len()
            } else {
                line.starts_with("flink-operator ").then_some(0)?
            };
            let command = line[start..].split(" # ").next()?;
            Some(command.split_whitespace().collect())
        })
        .filter(|words: &Vec<&str>| words.get(1).is_some_and(|word| SUBCOMMANDS.contains(word)))
}

const SUBCOMMANDS: [&str; 6] = ["run", "crd", "explain", "whatif", "backtest", "compare"];

#[test]
fn every_command_that_a_document_shows_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "examples"] {
        documents(&root.join(folder), &mut files);
    }
    let mut seen = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for command in commands(&text) {
            seen += 1;
            if let Err(error) = Cli::try_parse_from(&command) {
                panic!("{}: {}: {error}", file.display(), command.join(" "));
            }
        }
    }
    assert!(seen > 6, "{seen} commands found");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_flink-operator"))
        .arg("crd")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(program.stdout.take());
    let ended = program.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success());
}

#[test]
fn a_cluster_that_is_not_found_is_told_once_with_the_remedy() {
    let ended = Command::new(env!("CARGO_BIN_EXE_flink-operator"))
        .args(["explain", "shop/orders"])
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("KUBECONFIG", "/no/such/file")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(told.contains("set KUBECONFIG"), "{told}");
    assert_eq!(told.matches("/no/such/file").count(), 1, "{told}");
}
