//! The stored form of the history, version 1.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Ignored, Restored};
use crate::{
    curve::{Curve, Point},
    history::{
        Change, Delayed, Due, Failed, Flow, History, Outcome, Recommendation, Scaling, Watch,
    },
    season::Season,
    topology::VertexId,
    units::{Rate, Ratio},
};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredHistory {
    version: u32,
    #[serde(default)]
    scalings: Vec<StoredScaling>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    delayed: BTreeMap<String, Vec<StoredRecommendation>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    due: BTreeMap<String, (u32, u32, bool)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    curves: BTreeMap<String, StoredCurve>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<StoredFailed>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    seasons: BTreeMap<String, StoredSeason>,
}

/// Hours are rates of five digits, which is more than they are sure to.
#[derive(Serialize, Deserialize)]
struct StoredSeason {
    newest: i64,
    looks: u32,
    hours: Vec<Option<f64>>,
}

#[derive(Serialize, Deserialize)]
struct StoredFailed {
    at: Timestamp,
    vertices: BTreeMap<String, (u32, u32)>,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct StoredWatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<(f64, f64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(default)]
    restarts: u32,
    #[serde(default)]
    back: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredCurve {
    #[serde(default)]
    points: Vec<(Timestamp, u32, f64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full_at: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredScaling {
    at: Timestamp,
    outcome: StoredOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watch: Option<StoredWatch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stood_ms: Option<i64>,
    vertices: BTreeMap<String, StoredChange>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StoredOutcome {
    Open,
    Seen,
    GivenUp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredChange {
    from: u32,
    to: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    true_rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_rate: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRecommendation {
    at: Timestamp,
    parallelism: u32,
    outside_band: bool,
    first: Timestamp,
}

/// The history as JSON.
pub fn history_to_json(history: &History) -> String {
    let stored = StoredHistory {
        version: VERSION,
        scalings: history.scalings.iter().map(store_scaling).collect(),
        delayed: history
            .delayed
            .iter()
            .map(|(id, delayed)| {
                (
                    id.to_string(),
                    delayed.0.iter().map(store_recommendation).collect(),
                )
            })
            .collect(),
        due: history
            .due
            .iter()
            .map(|(id, due)| (id.to_string(), (due.from, due.to, due.outside_band)))
            .collect(),
        curves: history
            .curves
            .iter()
            .map(|(id, curve)| (id.to_string(), store_curve(curve)))
            .collect(),
        failed: history.failed.iter().map(store_failed).collect(),
        seasons: history
            .seasons
            .iter()
            .map(|(id, season)| (id.to_string(), store_season(season)))
            .collect(),
    };
    // Maps with text keys and finite numbers always serialize.
    serde_json::to_string(&stored).unwrap_or_default()
}

/// The history from JSON; an empty one, and the reason, if it cannot be read.
pub fn history_from_json(text: &str) -> Restored<History> {
    let mut restored = Restored::default();
    if text.trim().is_empty() {
        return restored;
    }
    let stored = match read::<StoredHistory>("history", VERSION, text) {
        Ok(stored) => stored,
        Err(reason) => {
            restored.ignored.push(reason);
            return restored;
        }
    };
    for scaling in stored.scalings {
        match restore_scaling(scaling) {
            Ok(scaling) => restored.value.scalings.push(scaling),
            Err(reason) => restored.ignored.push(reason),
        }
    }
    restored.value.scalings.sort_by_key(|scaling| scaling.at);
    for (id, list) in stored.delayed {
        match vertex(&id) {
            Ok(id) => {
                let list = list.iter().map(restore_recommendation).collect();
                restored.value.delayed.insert(id, Delayed(list));
            }
            Err(reason) => restored.ignored.push(reason),
        }
    }
    for (id, (from, to, outside_band)) in stored.due {
        let due = Due {
            from,
            to,
            outside_band,
        };
        match vertex(&id) {
            Ok(id) if to > 0 => drop(restored.value.due.insert(id, due)),
            Ok(id) => restored.ignored.push(Ignored(format!(
                "what was recommended for vertex {id} is parallelism 0"
            ))),
            Err(reason) => restored.ignored.push(reason),
        }
    }
    for (id, curve) in stored.curves {
        match vertex(&id) {
            Ok(id) => {
                restored.value.curves.insert(id, restore_curve(&curve));
            }
            Err(reason) => restored.ignored.push(reason),
        }
    }
    for (id, season) in stored.seasons {
        match vertex(&id) {
            Ok(id) => {
                let season = Season::restored(season.newest, season.looks, season.hours);
                restored.value.seasons.insert(id, season);
            }
            Err(reason) => restored.ignored.push(reason),
        }
    }
    for failed in stored.failed {
        match restore_failed(failed) {
            Ok(failed) => restored.value.failed.push(failed),
            Err(reason) => restored.ignored.push(reason),
        }
    }
    restored
}

fn store_season(season: &Season) -> StoredSeason {
    let (newest, looks, hours) = season.stored();
    let short = |rate: f64| format!("{rate:.4e}").parse().unwrap_or(rate);
    StoredSeason {
        newest,
        looks,
        hours: hours.map(|rate| rate.map(short)).collect(),
    }
}

fn store_failed(failed: &Failed) -> StoredFailed {
    let change = |(id, change): (&VertexId, &(u32, u32))| (id.to_string(), *change);
    StoredFailed {
        at: failed.at,
        vertices: failed.vertices.iter().map(change).collect(),
        why: failed.why.clone(),
    }
}

fn restore_failed(stored: StoredFailed) -> Result<Failed, Ignored> {
    let change = |(id, change): (String, (u32, u32))| Ok((vertex(&id)?, change));
    Ok(Failed {
        at: stored.at,
        vertices: stored
            .vertices
            .into_iter()
            .map(change)
            .collect::<Result<_, _>>()?,
        why: stored.why,
    })
}

fn store_watch(watch: &Watch) -> Option<StoredWatch> {
    let stored = StoredWatch {
        before: watch.before.map(|flow| (flow.read.get(), flow.asked.get())),
        started: watch.started,
        restarts: watch.restarts,
        back: watch.back,
    };
    Some(stored).filter(|_| *watch != Watch::default())
}

fn restore_watch(stored: &StoredWatch) -> Watch {
    let flow = |(read, asked)| {
        Some(Flow {
            read: Rate::new(read)?,
            asked: Rate::new(asked)?,
        })
    };
    Watch {
        before: stored.before.and_then(flow),
        started: stored.started,
        restarts: stored.restarts,
        back: stored.back,
    }
}

fn store_curve(curve: &Curve) -> StoredCurve {
    let point = |point: &Point| (point.at, point.parallelism, point.capacity.get());
    StoredCurve {
        points: curve.points.iter().map(point).collect(),
        full_at: curve.full_at.map(Ratio::get),
    }
}

/// The curve of what can be read; a capacity that is no number is as good as none.
fn restore_curve(stored: &StoredCurve) -> Curve {
    let mut curve = Curve {
        full_at: stored
            .full_at
            .and_then(Ratio::new)
            .filter(|share| *share <= Ratio::ONE),
        ..Curve::default()
    };
    for (at, parallelism, capacity) in &stored.points {
        if let Some(capacity) = Rate::new(*capacity).filter(|_| *parallelism > 0) {
            curve.observe(Point {
                at: *at,
                parallelism: *parallelism,
                capacity,
            });
        }
    }
    curve
}

/// Reads JSON of this version; says why not otherwise.
pub(super) fn read<T: for<'de> Deserialize<'de>>(
    what: &str,
    version: u32,
    text: &str,
) -> Result<T, Ignored> {
    let head: Head = serde_json::from_str(text)
        .map_err(|error| Ignored(format!("the stored {what} is not ours: {error}")))?;
    if head.version != version {
        return Err(Ignored(format!(
            "the stored {what} has version {}, this program reads version {version}",
            head.version
        )));
    }
    serde_json::from_str(text)
        .map_err(|error| Ignored(format!("the stored {what} is damaged: {error}")))
}

pub(super) fn vertex(id: &str) -> Result<VertexId, Ignored> {
    VertexId::new(id).map_err(|error| Ignored(error.to_string()))
}

fn store_scaling(scaling: &Scaling) -> StoredScaling {
    let (outcome, restart, stood) = match scaling.outcome {
        Outcome::Open => (StoredOutcome::Open, None, None),
        Outcome::Seen { restart, stood } => (StoredOutcome::Seen, restart, stood),
        Outcome::GivenUp => (StoredOutcome::GivenUp, None, None),
    };
    let ms = |time: Option<SignedDuration>| i64::try_from(time?.as_millis()).ok();
    let change = |c: &Change| StoredChange {
        from: c.from,
        to: c.to,
        true_rate: c.true_rate.map(Rate::get),
        expected_rate: c.expected_rate.map(Rate::get),
        target_rate: c.target_rate.map(Rate::get),
    };
    StoredScaling {
        at: scaling.at,
        outcome,
        restart_ms: ms(restart),
        stood_ms: ms(stood),
        watch: store_watch(&scaling.watch),
        vertices: scaling
            .vertices
            .iter()
            .map(|(id, c)| (id.to_string(), change(c)))
            .collect(),
    }
}

fn restore_scaling(stored: StoredScaling) -> Result<Scaling, Ignored> {
    let mut vertices = BTreeMap::new();
    for (id, c) in stored.vertices {
        if c.from == 0 || c.to == 0 {
            return Err(Ignored(format!(
                "a stored rescale of vertex {id} has parallelism 0"
            )));
        }
        let change = Change {
            from: c.from,
            to: c.to,
            true_rate: c.true_rate.and_then(Rate::new),
            expected_rate: c.expected_rate.and_then(Rate::new),
            target_rate: c.target_rate.and_then(Rate::new),
        };
        vertices.insert(vertex(&id)?, change);
    }
    let time = |ms: Option<i64>| {
        let ms = ms.filter(|ms| *ms >= 0)?;
        Some(SignedDuration::from_millis(ms))
    };
    let (restart, stood) = (time(stored.restart_ms), time(stored.stood_ms));
    Ok(Scaling {
        at: stored.at,
        watch: stored.watch.as_ref().map(restore_watch).unwrap_or_default(),
        vertices,
        outcome: match stored.outcome {
            StoredOutcome::Open => Outcome::Open,
            StoredOutcome::Seen => Outcome::Seen { restart, stood },
            StoredOutcome::GivenUp => Outcome::GivenUp,
        },
    })
}

const fn store_recommendation(r: &Recommendation) -> StoredRecommendation {
    StoredRecommendation {
        at: r.at,
        parallelism: r.parallelism,
        outside_band: r.outside_band,
        first: r.first,
    }
}

const fn restore_recommendation(r: &StoredRecommendation) -> Recommendation {
    Recommendation {
        at: r.at,
        parallelism: r.parallelism,
        outside_band: r.outside_band,
        first: r.first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn history() -> History {
        let change = Change {
            from: 2,
            to: 5,
            true_rate: Rate::new(100.0),
            expected_rate: Rate::new(250.0),
            target_rate: None,
        };
        let scaling = |second, outcome| Scaling {
            at: at(second),
            vertices: BTreeMap::from([(VertexId::new("a").unwrap(), change)]),
            outcome,
            watch: Watch::default(),
        };
        let watched = Scaling {
            watch: Watch {
                before: Some(Flow {
                    read: Rate::new(90.0).unwrap(),
                    asked: Rate::new(100.0).unwrap(),
                }),
                started: Some(at(4)),
                restarts: 2,
                back: true,
            },
            ..scaling(4, Outcome::Open)
        };
        let mut delayed = Delayed::default();
        delayed.push(at(5), 1, true);
        History {
            scalings: vec![
                scaling(1, Outcome::GivenUp),
                scaling(
                    2,
                    Outcome::Seen {
                        restart: Some(SignedDuration::from_millis(1500)),
                        stood: Some(SignedDuration::from_millis(300)),
                    },
                ),
                scaling(
                    3,
                    Outcome::Seen {
                        restart: None,
                        stood: None,
                    },
                ),
                scaling(4, Outcome::Open),
                watched,
            ],
            delayed: BTreeMap::from([(VertexId::new("a").unwrap(), delayed)]),
            due: BTreeMap::from([(
                VertexId::new("a").unwrap(),
                Due {
                    from: 2,
                    to: 3,
                    outside_band: true,
                },
            )]),
            curves: BTreeMap::from([(VertexId::new("a").unwrap(), curve())]),
            failed: vec![Failed {
                at: at(4),
                vertices: BTreeMap::from([(VertexId::new("a").unwrap(), (2, 5))]),
                why: "the sources read less".to_owned(),
            }],
            seasons: BTreeMap::from([(
                VertexId::new("a").unwrap(),
                Season::restored(500_000, 3, vec![Some(1234.5), None, Some(0.0)]),
            )]),
        }
    }

    fn curve() -> Curve {
        let mut curve = Curve {
            full_at: Ratio::new(0.25),
            ..Curve::default()
        };
        for (second, parallelism) in [(1, 2), (2, 5)] {
            curve.observe(Point {
                at: at(second),
                parallelism,
                capacity: Rate::new(100.0).unwrap(),
            });
        }
        curve
    }

    #[test]
    fn a_history_is_read_back_equal() {
        let restored = history_from_json(&history_to_json(&history()));
        assert_eq!(restored.value, history());
        assert_eq!(restored.ignored, []);
    }

    #[test]
    fn hours_of_all_sources_take_some_kilobytes_and_absurd_ones_are_unknown() {
        let mut history = History::default();
        for source in 0..16 {
            let mut season = Season::default();
            for hour in 0..1000_u32 {
                let rate = Rate::new(f64::from(hour).mul_add(1_234.567_89, 1.0 / 3.0)).unwrap();
                season.observe(at(i64::from(hour) * 3600), rate);
            }
            let id = VertexId::new(format!("{source:032x}")).unwrap();
            history.seasons.insert(id, season);
        }
        let bytes = history_to_json(&history).len();
        assert!(bytes < 50_000, "{bytes}");
        let text = r#"{"version":1,"seasons":{"a":{"newest":7,"looks":1,"hours":[-5.0,3.0]}}}"#;
        let known = Season::restored(7, 1, vec![None, Some(3.0)]);
        assert_eq!(
            history_from_json(text).value.seasons.into_values().next(),
            Some(known)
        );
    }

    #[test]
    fn a_history_from_before_rescales_were_watched_is_read() {
        let text = r#"{"version":1,"scalings":[{"at":"2027-01-15T08:00:00Z","outcome":"open",
            "vertices":{"a":{"from":2,"to":5}}}]}"#;
        let restored = history_from_json(text);
        assert_eq!(restored.ignored, []);
        assert_eq!(restored.value.scalings[0].watch, Watch::default());
        assert_eq!(restored.value.failed, []);
    }

    #[test]
    fn what_is_not_ours_is_passed_over_with_its_reason() {
        for (text, reason) in [
            ("scalingRecords: {}", "the stored history is not ours"),
            ("H4sIAAAAAAAA", "the stored history is not ours"),
            (
                r#"{"version":9}"#,
                "the stored history has version 9, this program reads version 1",
            ),
            (
                r#"{"version":1,"scalings":[{}]}"#,
                "the stored history is damaged",
            ),
        ] {
            let restored = history_from_json(text);
            assert!(restored.value.is_empty());
            assert!(
                restored.ignored[0].to_string().starts_with(reason),
                "{restored:?}"
            );
        }
        assert_eq!(history_from_json(""), Restored::default());
    }

    #[test]
    fn an_absurd_rescale_is_passed_over_alone() {
        let text = history_to_json(&history()).replacen("\"from\":2", "\"from\":0", 1);
        let restored = history_from_json(&text);
        assert_eq!(restored.value.scalings.len(), history().scalings.len() - 1);
        assert_eq!(restored.ignored.len(), 1);
    }
}
