//! The table of capabilities says what the source says: every row is there, what is built names a test, and every
//! test that is named exists.

use std::collections::BTreeSet;
use std::path::Path;

/// Rows there are.
const ROWS: usize = 169;

struct Row {
    number: usize,
    state: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = read("docs/reference/capabilities.md").expect("the table of capabilities");
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let number = cells.first()?.parse().ok()?;
    let tests = cells.get(3).map(|cell| cell.split('`'));
    Some(Row {
        number,
        state: (*cells.get(2)?).to_owned(),
        // What stands between backticks.
        tests: tests
            .into_iter()
            .flatten()
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    })
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// `file::function`, or a file.
fn exists(test: &str) -> bool {
    let Some((file, function)) = test.split_once("::") else {
        return read(test).is_some();
    };
    let head = format!("fn {function}(");
    read(file).is_some_and(|source| {
        let mut marked = false;
        source.lines().any(|line| {
            let found = marked && line.contains(&head);
            marked = line.contains("#[test]") || line.contains("#[tokio::test");
            found
        })
    })
}

#[test]
fn every_row_is_there_once_and_in_order() {
    let numbers: Vec<usize> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>());
}

#[test]
fn every_state_is_one_of_three_and_what_is_built_names_a_test() {
    for row in rows() {
        let Row {
            number,
            state,
            tests,
        } = row;
        let partly = state.starts_with("partly: ");
        let nothing = state.starts_with("not built");
        assert!(state == "built" || partly || nothing, "{number}: {state}");
        assert!(state != "built" || !tests.is_empty(), "{number}: no test");
        assert!(!nothing || tests.is_empty(), "{number}: a test of nothing");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.tests).collect();
    let missing: Vec<&String> = named.iter().filter(|test| !exists(test)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(!exists("tests/it/capabilities.rs::read"), "not a test");
}
