//! Writes docs/reference/metrics.md from the table, and fails when it is stale.

use std::fmt::Write as _;
use std::path::Path;

use super::table::{ALL, Declaration, ELSEWHERE};

const INTRODUCTION: &str = "# Metrics

The operator exports these metrics at `/metrics` of its health port (8085), and of the metrics port when one
is set, in the Prometheus text format. This page is generated from the table in
`src/telemetry/metrics/table.rs`; run `make generate` after changing it.

Every metric carries the labels `host`, `namespace` and `name` of the operator itself. The namespace and name
of a resource are `resourcens` and `resourcename`, its kind is `resourcetype`.
Names beginning with `flink_k8soperator_` are those of the Java operator and mean the same.

| metric | type | labels | what it counts | since |
| --- | --- | --- | --- | --- |
";

fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for declaration in ALL {
        page.push_str(&row(declaration));
    }
    page.push_str("\n## Sets\n\nWhere a name holds a state or figure in angle brackets, there is one metric for each of:\n\n");
    for (placeholder, declaration) in ALL.iter().filter_map(|d| placeholder(d).map(|p| (p, d))) {
        let values: Vec<_> = declaration
            .each
            .iter()
            .map(|value| format!("`{value}`"))
            .collect();
        let _ = writeln!(
            page,
            "- `{placeholder}` of `{}`: {}",
            shown(declaration),
            values.join(", ")
        );
    }
    page.push_str(
        "\n## Metrics of the Java operator that are elsewhere\n\n| there | here |\n| --- | --- |\n",
    );
    for (there, here) in ELSEWHERE {
        let _ = writeln!(page, "| {there} | {here} |");
    }
    page
}

fn row(declaration: &Declaration) -> String {
    let labels: Vec<_> = declaration
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    format!(
        "| `{}` | {} | {} | {} | {} |\n",
        shown(declaration),
        declaration.kind.as_str(),
        labels.join(", "),
        declaration.help,
        declaration.since
    )
}

/// The word that stands for the set in a name.
fn placeholder(declaration: &Declaration) -> Option<&'static str> {
    let before = declaration.name.split("{}").next().unwrap_or_default();
    (!declaration.each.is_empty()).then(|| match before {
        before if before.ends_with("Transition_") => "<Transition>",
        before if before.ends_with("jobVertexID_") => "<METRIC>",
        _ => "<STATE>",
    })
}

fn shown(declaration: &Declaration) -> String {
    declaration.name_for(placeholder(declaration).unwrap_or_default())
}

#[test]
fn the_reference_of_metrics_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/metrics.md");
    let fresh = reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(&path, &fresh).expect("a writable file");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == fresh,
        "docs/reference/metrics.md is stale: run `make generate`"
    );
}

#[test]
fn no_name_or_label_breaks_the_rules_of_prometheus() {
    let legal = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    for declaration in ALL {
        for name in declaration.names() {
            assert!(legal(&name), "{name}");
        }
        assert!(
            declaration.labels.iter().all(|label| legal(label)),
            "{}",
            declaration.name
        );
        assert!(
            declaration.help.ends_with('.'),
            "{} needs a sentence",
            declaration.name
        );
    }
}
