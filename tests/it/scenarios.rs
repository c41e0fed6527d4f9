//! Stories through `decide`, as text.
//!
//! A scenario is a list of passes. Above `----` stand changes to the world and the spec, below it what
//! one pass decided; the status carries over to the next. `UPDATE=1 cargo test --test it scenarios`
//! rewrites the lower halves; reviewing is reading the diff.

mod outcome;
mod readings;
mod script;
mod snapshots;
mod stage;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("tests/scenarios exists")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    scripts.sort();
    scripts
}

#[test]
fn every_scenario_decides_as_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    let scripts = scripts();
    assert!(!scripts.is_empty(), "no scenarios found");
    for path in &scripts {
        let text = std::fs::read_to_string(path).expect("a readable scenario");
        let played =
            script::play(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if played == text {
            continue;
        }
        if update {
            std::fs::write(path, &played).expect("a writable scenario");
        } else {
            let _ = writeln!(wrong, "{}:\n{}", path.display(), diff(&text, &played));
        }
    }
    assert!(
        wrong.is_empty(),
        "UPDATE=1 rewrites these if the change is meant:\n{wrong}"
    );
}

/// Lines that differ, with a little of what is around them.
fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let first = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let show = |lines: &[&str], mark: char| {
        lines
            .iter()
            .skip(first.saturating_sub(2))
            .take(12)
            .fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{mark} {line}");
                text
            })
    };
    format!("{}{}", show(&old, '-'), show(&new, '+'))
}
