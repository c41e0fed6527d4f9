//! The chart's dashboard and alerts: they use only what is exported, Prometheus reads them, and the alerts fire when
//! they should (`monitoring/alerts.test.yaml`). `promtool` comes with Debian's `prometheus`; without it the tests
//! that need it say that they did nothing, and fail in CI.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use flink_operator::telemetry::metrics::table::{self, Type};
use serde_json::Value;

/// Labels that are on every series: the operator's own, and those Prometheus adds or computes.
const EVERYWHERE: &[&str] = &["host", "namespace", "name", "le"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("charts/flink-operator/monitoring")
}

fn dashboard() -> Value {
    let text = fs::read_to_string(folder().join("dashboard.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn alerts() -> Value {
    let text = fs::read_to_string(folder().join("alerts.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Queries of the dashboard, with the place of each.
fn panels() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap().to_owned();
            found.push((format!("panel {title}"), query));
        }
    }
    found
}

fn rules() -> Vec<(String, String)> {
    let alerts = alerts();
    let groups = alerts["groups"].as_array().unwrap().iter();
    groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .map(|rule| {
            let name = rule["alert"].as_str().unwrap();
            (
                format!("alert {name}"),
                rule["expr"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// As Grafana sends it.
fn filled_in(query: &str) -> String {
    query
        .replace("$__rate_interval", "5m")
        .replace("$resourcens", ".*")
}

/// The words of a query outside of quotation marks.
fn words(query: &str) -> impl Iterator<Item = &str> {
    let code = query.split('"').step_by(2);
    code.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| !word.is_empty())
}

/// Labels that a query matches or groups by.
fn labels(query: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (opens, closes) in [("{", '}'), ("by (", ')'), ("on (", ')'), ("without (", ')')] {
        for part in query.split(opens).skip(1) {
            let inside = part.split(closes).next().unwrap_or_default();
            found.extend(words(inside));
        }
    }
    found
}

#[test]
fn dashboard_and_alerts_use_only_what_is_exported() {
    let mut used = BTreeSet::new();
    for (place, query) in panels().into_iter().chain(rules()) {
        let mut known: BTreeSet<&str> = EVERYWHERE.iter().copied().collect();
        for word in words(&query).filter(|w| w.starts_with("flink_") || w.starts_with("process_")) {
            let declaration = table::ALL.iter().find(|declaration| {
                declaration
                    .names()
                    .iter()
                    .any(|name| match declaration.kind {
                        Type::Histogram(_) => word
                            .strip_prefix(name.as_str())
                            .is_some_and(|rest| ["_bucket", "_count", "_sum"].contains(&rest)),
                        Type::Counter | Type::Gauge => word == name,
                    })
            });
            let declaration =
                declaration.unwrap_or_else(|| panic!("{place}: {word} is not exported"));
            known.extend(declaration.labels);
            used.insert(declaration.name);
        }
        for label in labels(&query) {
            assert!(
                known.contains(label),
                "{place}: no label {label} in {query}"
            );
        }
    }
    assert!(
        used.len() > 20,
        "the queries are not where they were: {used:?}"
    );
}

#[test]
fn every_state_that_is_asked_for_exists() {
    let states = [table::LIFECYCLES, table::SNAPSHOTS, table::BLUE_GREEN].concat();
    for (place, query) in panels().into_iter().chain(rules()) {
        for operator in ["state=~\"", "state!~\"", "state=\""] {
            for part in query.split(operator).skip(1) {
                let value = part.split('"').next().unwrap_or_default();
                for state in value.split('|') {
                    assert!(states.contains(&state), "{place}: no state {state}");
                }
            }
        }
    }
}

#[test]
fn the_dashboard_is_as_grafana_reads_it() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "flink-operator");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id is taken"
        );
        let place = &panel["gridPos"];
        let right = place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap();
        assert!(right <= 24, "{title} is too far to the right");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
    }
}

/// Runs promtool in the folder of the chart's files; false where it is not installed.
fn promtool(arguments: &[&str]) -> bool {
    let run = Command::new("promtool")
        .args(arguments)
        .current_dir(folder())
        .output();
    match run {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&said)
            );
            true
        }
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "promtool: {error}");
            eprintln!("NOT TESTED: promtool is not there; `apt-get install prometheus`");
            false
        }
    }
}

#[test]
fn prometheus_reads_every_query_and_every_alert() {
    if !promtool(&["check", "rules", "alerts.yaml"]) {
        return;
    }
    let mut text = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, (_, query)) in panels().iter().enumerate() {
        let query = Value::from(filled_in(query));
        let _ = writeln!(text, "  - record: query:{number}\n    expr: {query}");
    }
    let name = format!("flink-operator-dashboard-{}.yaml", std::process::id());
    let file = std::env::temp_dir().join(name);
    fs::write(&file, text).unwrap();
    assert!(promtool(&["check", "rules", file.to_str().unwrap()]));
    fs::remove_file(&file).unwrap();
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let tests =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/monitoring/alerts.test.yaml");
    promtool(&["test", "rules", tests.to_str().unwrap()]);
    let text = fs::read_to_string(&tests).unwrap();
    for (place, _) in rules() {
        let name = place.trim_start_matches("alert ");
        assert!(text.contains(name), "{name} has no test");
    }
}

#[test]
fn every_alert_is_explained() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/guides/monitoring.md");
    let guide = fs::read_to_string(path).unwrap();
    for (place, _) in rules() {
        let name = place.trim_start_matches("alert ");
        assert!(
            guide.contains(&format!("`{name}`")),
            "{name} is not in the guide"
        );
    }
}
