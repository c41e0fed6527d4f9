//! A recording from the simulator, played and told.

use clap::Parser;
use std::path::Path;

use super::*;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/recording.jsonl"
);

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: BacktestArgs,
}

fn args(more: &[&str]) -> Result<BacktestArgs, clap::Error> {
    let words = ["backtest"].iter().chain(more);
    Line::try_parse_from(words).map(|line| line.args)
}

fn answer(more: &[&str]) -> anyhow::Result<Answer> {
    Answer::to(&args(&[&["--file", FILE], more].concat())?)
}

/// The job was scaled by the Java operator's arithmetic; its source does 2000/s with a subtask, its map 200/s, and
/// 300 to 900 records a second came.
#[test]
fn a_person_reads_what_happened_and_what_would_have() {
    let text = answer(&["--profile", "adaptive", "--late", "30"])
        .unwrap()
        .to_string();
    insta::assert_snapshot!("backtest", text.replace(FILE, "recording.jsonl"));
}

#[test]
fn a_machine_gets_every_course_with_its_way() {
    let json = serde_json::to_value(answer(&[]).unwrap()).unwrap();
    let names: Vec<&str> = json["courses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|course| course["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["recorded", "as recorded", "adaptive", "apache"]);
    assert!(json["courses"][2]["points"].as_array().unwrap().len() > 300);
    assert_eq!(json["courses"][0]["measured"], true);
    assert_eq!(json["restartFrom"], "recording");
}

#[test]
fn the_picture_shows_every_course() {
    let svg = std::env::temp_dir().join(format!(
        "flink-operator-backtest-{}.svg",
        std::process::id()
    ));
    answer(&["--svg", svg.to_str().unwrap()]).unwrap();
    let text = std::fs::read_to_string(&svg).unwrap();
    std::fs::remove_file(&svg).unwrap();
    assert_eq!(text.matches("<polyline").count(), 1 + 4 + 4);
    assert!(text.contains(">as recorded</text>"));
}

#[test]
fn options_can_be_tried() {
    let capped = answer(&["--profile", "adaptive", "--set", "vertex.max-parallelism=3"]).unwrap();
    let course = capped.backtest.courses.last().unwrap();
    let most = course
        .points
        .iter()
        .map(|point| point.slots)
        .fold(0.0, f64::max);
    assert!((most - 3.0).abs() < 0.1, "{most}");
    for (set, part) in [
        (
            "vertex.max-paralelism=3",
            "there is no option job.autoscaler.vertex.max-paralelism",
        ),
        ("profile", "write KEY=VALUE"),
        (
            "utilization.target=9",
            "the stored options cannot be used: job.autoscaler.utilization.target",
        ),
    ] {
        let error = format!("{:#}", answer(&["--set", set]).unwrap_err());
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_is_asked_must_make_sense() {
    for words in [
        &[][..],
        &["shop/orders", "--file", "x"],
        &["--file", "x", "--from", "1h"],
        &["--file", "x", "--profile", "fast"],
        &["--file", "x", "--restart", "-1"],
    ] {
        assert!(args(words).is_err(), "{words:?}");
    }
    let error = Answer::to(&args(&["--file", "/nowhere"]).unwrap()).unwrap_err();
    assert!(
        error.to_string().contains("failed to read /nowhere"),
        "{error:#}"
    );
    let past = Past::file(Path::new(FILE)).unwrap();
    let args = args(&[
        "--file",
        FILE,
        "--prometheus",
        "http://x",
        "--from",
        "1h",
        "--to",
        "2h",
    ]);
    let error = args.unwrap().prepared(past).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("--from 1h is not before --to 2h"),
        "{error}"
    );
    let now = "2026-11-27T08:00:00Z".parse().unwrap();
    let at = |text| moment(text, now).ok();
    assert_eq!(at("2026-11-27T07:00:00Z"), at("1 h"));
    assert_eq!(at("yesterday"), None);
}
