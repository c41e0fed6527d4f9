//! `flink-operator explain`: what the autoscaler thinks of a job, and why.
//!
//! The rule: what the operator recorded, in order and in sentences; nothing is decided here, and what cannot be
//! read is named rather than left out. Pure. Tests are below.

use std::collections::BTreeMap;
use std::fmt;

use flink_crds::{
    AutoscalerStatus, ScalingSummary, TaskManagersNeeded, TunedMemory, VertexRecommendation,
};
use flink_scaler::{Decision, store};
use serde::Serialize;

use super::stored::Stored;
use super::table::{Table, number, or_dash, percent};

/// Decisions that people are shown; machines get all.
const SHOWN: usize = 10;

/// An explanation, as machines get it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `NAMESPACE/NAME`.
    resource: String,
    /// What the autoscaler may do.
    mode: Option<String>,
    /// What it is doing.
    state: Option<String>,
    /// Since when.
    since: Option<String>,
    /// Why.
    reason: Option<String>,
    /// What keeps a recommendation from being applied.
    blocked_by: Option<String>,
    /// Who froze it, and how to lift that.
    frozen: Option<String>,
    /// What else changes the job's parallelism.
    conflict: Option<String>,
    /// The schedules that count now.
    schedule: Option<String>,
    /// The parallelism that the next start takes, by vertex.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    next_start: BTreeMap<String, i32>,
    /// When the reason ends by itself, if that is fixed.
    next_evaluation: Option<String>,
    /// Every vertex.
    vertices: Vec<VertexRecommendation>,
    /// TaskManagers as it is, and as is recommended.
    task_managers: Option<TaskManagersNeeded>,
    /// The last rescale and what became of it.
    last_scaling: Option<ScalingSummary>,
    /// Memory that was tuned, as it is deployed.
    memory: Option<TunedMemory>,
    /// Memory from the next start of the job on.
    next_memory: Option<TunedMemory>,
    /// The decisions of late, the newest first.
    decisions: Vec<Decision>,
    /// Tuned memory with which the job did not come up.
    refused_memory: Option<TunedMemory>,
    /// What could not be read.
    notes: Vec<String>,
}

impl Explanation {
    /// Of what is stored.
    ///
    /// # Errors
    /// Why there is nothing to explain.
    pub fn of(stored: &Stored) -> anyhow::Result<Self> {
        if let Some(silence) = stored.silence() {
            anyhow::bail!(silence);
        }
        let status = stored.deployment.status.as_ref();
        let AutoscalerStatus {
            mode,
            state,
            last_decision_time,
            reason,
            vertices,
            task_managers,
            overrides: _,
            next_start,
            schedule,
            frozen,
            conflict,
            memory,
            next_memory,
            refused_memory,
            blocked_by,
            next_evaluation_time,
            last_scaling,
        } = status
            .and_then(|status| status.autoscaler.clone())
            .unwrap_or_default();
        let mut notes = Vec::new();
        let text = stored
            .data
            .as_ref()
            .map(|data| data.get(store::DECISIONS_KEY).map_or("", String::as_str));
        let decisions = match text {
            None => {
                notes.push(format!(
                    "there is no ConfigMap {}, so past decisions are not known; the operator writes it within a minute",
                    stored.map_name()
                ));
                Vec::new()
            }
            Some(text) => {
                let restored = store::decisions_from_json(text);
                let passed_over = restored.ignored.iter();
                notes.extend(
                    passed_over.map(|why| format!("ConfigMap {}: {why}", stored.map_name())),
                );
                restored.value.iter().rev().cloned().collect()
            }
        };
        Ok(Self {
            resource: stored.title(),
            mode,
            state,
            since: last_decision_time,
            reason,
            blocked_by,
            frozen,
            conflict,
            schedule,
            next_start,
            next_evaluation: next_evaluation_time,
            vertices,
            task_managers,
            last_scaling,
            memory,
            next_memory,
            refused_memory,
            decisions,
            notes,
        })
    }

    /// The vertices that the next start changes.
    fn taken_at_start(&self) -> String {
        let change = |vertex: &VertexRecommendation| {
            let (now, next) = (vertex.current?, *self.next_start.get(vertex.id.as_ref()?)?);
            (now != next).then(|| format!("{} {now} -> {next}", name(vertex)))
        };
        let changes: Vec<String> = self.vertices.iter().filter_map(change).collect();
        changes.join(", ")
    }

    fn table(&self) -> Table<8> {
        let mut table = Table::new([
            "VERTEX",
            "NOW",
            "TARGET",
            "RANGE",
            "BUSY",
            "CAPACITY/S",
            "DEMAND/S",
            "WAITING",
        ]);
        for vertex in &self.vertices {
            let range = vertex.lower.zip(vertex.upper);
            table.row([
                name(vertex),
                or_dash(vertex.current, |n| n.to_string()),
                or_dash(vertex.target, |n| n.to_string()),
                or_dash(range, |(lower, upper)| format!("{lower}-{upper}")),
                or_dash(vertex.load, percent),
                or_dash(vertex.true_rate, number),
                or_dash(vertex.target_rate, number),
                or_dash(vertex.lag, number),
            ]);
        }
        table
    }
}

fn name(vertex: &VertexRecommendation) -> String {
    let name = vertex.name.as_ref().or(vertex.id.as_ref());
    name.cloned().unwrap_or_default()
}

/// What the job takes, and would take.
fn hosts(needed: &TaskManagersNeeded) -> String {
    let (now, then) = (
        needed.current,
        needed.target.filter(|then| Some(*then) != needed.current),
    );
    let change = |number: &dyn Fn(i32) -> String| {
        let then = then.map_or_else(String::new, |n| format!(" -> {}", number(n)));
        or_dash(now, number) + &then
    };
    let text = format!("TaskManagers: {}", change(&|n| n.to_string()));
    let Some(cpu) = needed.cpu else { return text };
    let cpus = |n: i32| ((f64::from(n) * cpu * 100.0).round() / 100.0).to_string();
    format!("{text}, CPU: {}", change(&cpus))
}

/// The size of a process, where it was tuned.
fn size(memory: Option<&TunedMemory>) -> &str {
    let size = memory.and_then(|memory| memory.overrides.get("taskmanager.memory.process.size"));
    size.map_or("as in the spec", String::as_str)
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or =
            |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        write!(f, "{}: mode {}", self.resource, or(&self.mode, "unknown"))?;
        if self.frozen.is_some() {
            f.write_str(" (frozen)")?;
        }
        write!(f, ", {}", or(&self.state, "unknown"))?;
        if let Some(since) = &self.since {
            write!(f, " since {since}")?;
        }
        writeln!(f)?;
        if let Some(reason) = &self.reason {
            writeln!(f, "{reason}")?;
        }
        // Whatever holds it back is told below, but for a mode that only recommends nothing is held back.
        let held = self.blocked_by.as_deref().unwrap_or_default();
        for text in [&self.frozen, &self.conflict].into_iter().flatten() {
            if !held.contains(text.as_str()) {
                writeln!(f, "Note: {text}")?;
            }
        }
        if let Some(blocked) = &self.blocked_by {
            writeln!(f, "Held back: {blocked}")?;
        }
        if let Some(schedule) = &self.schedule {
            writeln!(f, "Schedules now: {schedule}")?;
        }
        let taken = self.taken_at_start();
        if !taken.is_empty() {
            writeln!(f, "At the next start: {taken}")?;
        }
        if let Some(next) = &self.next_evaluation {
            writeln!(f, "Next evaluation: {next}")?;
        }
        if !self.vertices.is_empty() {
            write!(f, "\n{}", self.table())?;
            if let Some(needed) = &self.task_managers {
                writeln!(f, "{}", hosts(needed))?;
            }
            write!(f, "\nWhy\n")?;
        }
        for vertex in &self.vertices {
            write!(
                f,
                "  {}: {}",
                name(vertex),
                or(&vertex.reason, "no reason is recorded")
            )?;
            if let (Some(uncapped), Some(limit)) = (vertex.uncapped, &vertex.limit) {
                write!(
                    f,
                    "; the load alone asks for {uncapped}, but there is {limit}"
                )?;
            }
            writeln!(f)?;
        }
        if let Some(last) = &self.last_scaling {
            let outcome = match (last.outcome.as_deref(), last.restart_seconds) {
                (Some("Reached"), Some(seconds)) => {
                    format!("reached, the job ran again after {seconds} s")
                }
                (Some("Reached"), None) => "reached".to_owned(),
                (Some("GivenUp"), _) => "not reached in time and given up".to_owned(),
                _ => "under way".to_owned(),
            };
            let (time, changes) = (or(&last.time, "-"), or(&last.changes, "-"));
            write!(f, "\nLast rescale\n  {time}  {changes}: {outcome}\n")?;
        }
        if self.memory.is_some() || self.next_memory.is_some() || self.refused_memory.is_some() {
            write!(
                f,
                "\nMemory of a TaskManager\n  now: {}\n",
                size(self.memory.as_ref())
            )?;
        }
        if let Some(next) = &self.next_memory {
            writeln!(f, "  from the next start on: {}", size(Some(next)))?;
        }
        if let Some(refused) = &self.refused_memory {
            let size = size(Some(refused));
            writeln!(f, "  not again: {size}, with which the job did not come up")?;
        }
        if !self.decisions.is_empty() {
            writeln!(f, "\nDecisions, the newest first")?;
        }
        for decision in self.decisions.iter().take(SHOWN) {
            writeln!(f, "  {:.0}  {}", decision.at, decision.text)?;
        }
        if let Some(more) = self
            .decisions
            .len()
            .checked_sub(SHOWN)
            .filter(|more| *more > 0)
        {
            writeln!(f, "  and {more} more; -o json has them")?;
        }
        for note in &self.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(decisions: Option<&str>) -> Stored {
        let deployment = serde_json::from_value(serde_json::json!({
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkDeployment",
            "metadata": { "name": "orders", "namespace": "shop" },
            "spec": { "job": { "jarURI": "local:///job.jar" }, "flinkConfiguration": {} },
            "status": { "autoscaler": {
                "mode": "auto",
                "state": "ExcludedPeriod",
                "lastDecisionTime": "2026-11-27T08:00:00Z",
                "reason": "no rescale: inside the excluded period 08:00:00-10:00:00",
                "blockedBy": "inside the excluded period 08:00:00-10:00:00",
                "vertices": [
                    { "id": "a", "name": "Source: orders", "current": 1, "target": 1, "load": 0.25,
                      "trueRate": 4000.0, "targetRate": 1000.0, "lag": 120.0,
                      "reason": "utilization is inside its bounds", "reasonCode": "Stable" },
                    { "id": "b", "name": "sink", "current": 2, "target": 4, "lower": 4, "upper": 6,
                      "uncapped": 6, "limit": "vertex.max-parallelism 4",
                      "reason": "more comes in than it carries at the utilization allowed" },
                ],
                "taskManagers": { "current": 1, "target": 2, "cpu": 1.5 },
                "lastScaling": { "time": "2026-11-27T07:00:00Z", "changes": "sink 1 -> 2",
                    "outcome": "Reached", "restartSeconds": 12 },
                "nextMemory": { "overrides": { "taskmanager.memory.process.size": "512 mb" } },
            }},
        }));
        let data = decisions
            .map(|text| BTreeMap::from([(store::DECISIONS_KEY.to_owned(), text.to_owned())]));
        Stored {
            deployment: deployment.unwrap(),
            data,
        }
    }

    fn log(count: usize) -> String {
        let decision = r#"{"at":"2026-11-27T07:00:00Z","word":"Scaling","text":"rescale sink 1 -> 2: 1 vertex cannot carry the load"}"#;
        format!(
            r#"{{"version":1,"decisions":[{}]}}"#,
            vec![decision; count].join(",")
        )
    }

    #[test]
    fn a_person_reads_what_why_and_what_came_before() {
        let text = Explanation::of(&stored(Some(&log(12))))
            .unwrap()
            .to_string();
        let expected = "\
shop/orders: mode auto, ExcludedPeriod since 2026-11-27T08:00:00Z
no rescale: inside the excluded period 08:00:00-10:00:00
Held back: inside the excluded period 08:00:00-10:00:00

VERTEX          NOW  TARGET  RANGE  BUSY  CAPACITY/S  DEMAND/S  WAITING
Source: orders    1       1      -   25%        4000      1000      120
sink              2       4    4-6     -           -         -        -
TaskManagers: 1 -> 2, CPU: 1.5 -> 3

Why
  Source: orders: utilization is inside its bounds
  sink: more comes in than it carries at the utilization allowed; the load alone asks for 6, but there is vertex.max-parallelism 4

Last rescale
  2026-11-27T07:00:00Z  sink 1 -> 2: reached, the job ran again after 12 s

Memory of a TaskManager
  now: as in the spec
  from the next start on: 512 mb

Decisions, the newest first
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("  and 2 more; -o json has them\n"), "{text}");
    }

    #[test]
    fn schedules_a_freeze_and_what_the_next_start_takes_are_told() {
        let mut stored = stored(Some(&log(1)));
        let status = stored.deployment.status.as_mut().unwrap();
        let scaler = status.autoscaler.as_mut().unwrap();
        scaler.mode = Some("initial".to_owned());
        scaler.frozen = Some("frozen until tomorrow".to_owned());
        scaler.schedule = Some("08:00:00-18:00:00 => min 4".to_owned());
        scaler.next_start = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 4)]);
        let text = Explanation::of(&stored).unwrap().to_string();
        let expected = "\
shop/orders: mode initial (frozen), ExcludedPeriod since 2026-11-27T08:00:00Z
no rescale: inside the excluded period 08:00:00-10:00:00
Note: frozen until tomorrow
Held back: inside the excluded period 08:00:00-10:00:00
Schedules now: 08:00:00-18:00:00 => min 4
At the next start: sink 2 -> 4
";
        assert!(text.starts_with(expected), "{text}");
        let json = serde_json::to_value(Explanation::of(&stored).unwrap()).unwrap();
        assert_eq!(json["nextStart"]["b"], 4);
        assert_eq!(json["frozen"], "frozen until tomorrow");
    }

    #[test]
    fn a_machine_gets_every_decision() {
        let explanation = Explanation::of(&stored(Some(&log(12)))).unwrap();
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(json["decisions"].as_array().unwrap().len(), 12);
        assert_eq!(json["vertices"][0]["reasonCode"], "Stable");
        assert_eq!(json["lastScaling"]["restartSeconds"], 12);
        assert_eq!(json["taskManagers"]["target"], 2);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_is_told() {
        let half = log(2);
        for (decisions, why) in [
            (None, "there is no ConfigMap autoscaler-orders"),
            (
                Some(half.get(..40).unwrap()),
                "the stored decision log is not ours",
            ),
            (
                Some(r#"{"version":7}"#),
                "has version 7, this program reads version 1",
            ),
        ] {
            let text = Explanation::of(&stored(decisions)).unwrap().to_string();
            assert!(text.contains("sink: more comes in"), "{text}");
            let (_, note) = text.split_once("Note: ").unwrap();
            assert!(note.contains(why), "{note}");
        }
    }
}
