//! `flink-operator whatif`: which parallelism a rate needs, what a parallelism would do with the load.
//!
//! The rule: the answer is the autoscaler's, from the readings and options that the operator stored; here are
//! only words around it. Pure. Tests are below; those of the answer are the scaler's.

use std::fmt;

use anyhow::{Context as _, bail};
use flink_scaler::whatif::{Answer, Asked, Known, Question, VertexAnswer, answer};
use flink_scaler::{Rate, Ratio, VertexPattern, Window, store};
use serde::Serialize;

use super::stored::{Stored, settings};
use super::table::{Table, number, or_dash, percent};

/// An answer, as machines get it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhatIf {
    /// `NAMESPACE/NAME`.
    resource: String,
    /// When the newest reading was taken.
    read_at: String,
    /// Records per second that come in, together.
    rate: Option<f64>,
    /// Most records per second that could come in.
    carries: Option<f64>,
    /// The vertex that sets this limit.
    bottleneck: Option<String>,
    /// Records that wait now.
    lag: Option<f64>,
    /// How long the rescale would interrupt the job; absent if none is needed.
    restart_seconds: Option<f64>,
    /// What becomes of what waits.
    backlog: String,
    /// Every vertex.
    vertices: Vec<Row>,
    /// What could not be read.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    name: String,
    current: u32,
    parallelism: u32,
    uncapped: Option<u32>,
    limit: Option<String>,
    rate: Option<f64>,
    capacity: Option<f64>,
    utilization: Option<f64>,
    missing: Option<String>,
}

/// The question of the command line.
pub fn question(rate: Option<f64>, parallelism: &[String]) -> anyhow::Result<Question> {
    if rate.is_none() && parallelism.is_empty() {
        bail!("nothing is asked; give --rate, --parallelism or both");
    }
    let rate = rate
        .map(|rate| {
            Rate::new(rate).context("--rate is not a number of records per second, such as 5000")
        })
        .transpose()?;
    let parallelism = match parallelism {
        [] => None,
        [one] if !one.contains('=') => Some(Asked::All(subtasks(one)?)),
        many => Some(Asked::Each(each(&many.join(","))?)),
    };
    Ok(Question { rate, parallelism })
}

/// `vertex=4,other=2`. A name may hold commas: what has no `=` belongs to what follows.
fn each(text: &str) -> anyhow::Result<Vec<(VertexPattern, u32)>> {
    let mut asked = Vec::new();
    let mut name = String::new();
    for part in text.split(',') {
        let Some((end, parallelism)) = part.rsplit_once('=') else {
            name += part;
            name.push(',');
            continue;
        };
        name += end;
        let pattern = VertexPattern::new(&name).with_context(|| {
            format!("--parallelism {text}: no vertex stands before '={parallelism}'")
        })?;
        asked.push((pattern, subtasks(parallelism)?));
        name.clear();
    }
    if name.is_empty() {
        Ok(asked)
    } else {
        bail!(
            "--parallelism {text}: '{}' has no number; write VERTEX=4",
            name.trim_end_matches(',')
        )
    }
}

fn subtasks(text: &str) -> anyhow::Result<u32> {
    let number = text
        .trim()
        .parse()
        .ok()
        .filter(|n| (1..=32_768).contains(n));
    number.with_context(|| {
        format!(
            "--parallelism: '{}' is not a number from 1 to 32768",
            text.trim()
        )
    })
}

impl WhatIf {
    /// The answer for what is stored.
    ///
    /// # Errors
    /// What is missing for an answer, with the remedy.
    pub fn of(stored: &Stored, question: &Question) -> anyhow::Result<Self> {
        if let Some(silence) = stored.silence() {
            bail!(silence);
        }
        let map = stored.map_name();
        let data = stored.readings()?;
        let text = |key: &str| data.get(key).map_or("", String::as_str);
        let job = stored.job()?;
        let settings =
            settings(&job.options).map_err(|error| anyhow::anyhow!("ConfigMap {map}: {error}"))?;
        let window = store::window_from_json(text(store::WINDOW_KEY), Window::length(&settings));
        let history = store::history_from_json(text(store::HISTORY_KEY));
        let known = Known {
            settings: &settings,
            graph: &job.graph,
            window: &window.value,
            history: &history.value,
        };
        let passed_over = window.ignored.iter().chain(&history.ignored);
        let notes: Vec<String> = passed_over
            .map(|why| format!("ConfigMap {map}: {why}"))
            .collect();
        let answer = answer(&known, question).with_context(|| {
            let title = stored.title();
            match notes.first() {
                Some(note) => format!("there is no answer for {title} ({note})"),
                None => format!("there is no answer for {title}"),
            }
        })?;
        Ok(Self::from_answer(stored.title(), &answer, notes))
    }

    fn from_answer(resource: String, answer: &Answer, notes: Vec<String>) -> Self {
        let named = |id| answer.vertices.iter().find(|vertex| vertex.id == id);
        Self {
            resource,
            read_at: answer.read_at.to_string(),
            rate: answer.rate.map(Rate::get),
            carries: answer.carries.map(Rate::get),
            bottleneck: answer
                .bottleneck
                .clone()
                .and_then(named)
                .map(|vertex| vertex.name.clone()),
            lag: answer.lag.map(flink_scaler::Records::get),
            restart_seconds: answer.restart.map(|restart| restart.as_secs_f64()),
            backlog: answer.backlog.to_string(),
            vertices: answer.vertices.iter().map(Row::of).collect(),
            notes,
        }
    }
}

impl Row {
    fn of(vertex: &VertexAnswer) -> Self {
        Self {
            id: vertex.id.to_string(),
            name: vertex.name.clone(),
            current: vertex.current,
            parallelism: vertex.parallelism,
            uncapped: vertex.uncapped,
            limit: vertex.limit.map(|limit| limit.to_string()),
            rate: vertex.rate.map(Rate::get),
            capacity: vertex.capacity.map(Rate::get),
            utilization: vertex.utilization.map(Ratio::get),
            missing: vertex.missing.map(|missing| missing.to_string()),
        }
    }
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = or_dash(self.rate, number);
        writeln!(
            f,
            "{}: {rate} records/s, by the readings up to {}\n",
            self.resource, self.read_at
        )?;
        let mut table = Table::new(["VERTEX", "NOW", "THEN", "BUSY", "CAPACITY/S", "DEMAND/S"]);
        for row in &self.vertices {
            table.row([
                row.name.clone(),
                row.current.to_string(),
                row.parallelism.to_string(),
                or_dash(row.utilization, percent),
                or_dash(row.capacity, number),
                or_dash(row.rate, number),
            ]);
        }
        writeln!(f, "{table}")?;
        for row in &self.vertices {
            if let Some(limit) = &row.limit {
                let wanted = or_dash(row.uncapped, |n| format!("{n} by the load alone"));
                writeln!(f, "{}: limited by {limit} ({wanted})", row.name)?;
            }
            if let Some(missing) = &row.missing {
                writeln!(f, "{}: {missing}", row.name)?;
            }
        }
        match (self.carries, &self.bottleneck) {
            (Some(carries), Some(vertex)) => {
                writeln!(
                    f,
                    "It carries {} records/s; {vertex} is the first that can take no more.",
                    number(carries)
                )?;
            }
            _ => writeln!(f, "No limit shows in the readings.")?,
        }
        if let Some(seconds) = self.restart_seconds {
            writeln!(
                f,
                "The rescale is expected to interrupt the job for {} s.",
                number(seconds)
            )?;
        }
        let waiting = self.lag.map_or_else(
            || "It is unknown how much waits at the sources".to_owned(),
            |lag| format!("{} records wait at the sources", number(lag)),
        );
        writeln!(f, "{waiting}; {}.", self.backlog)?;
        for note in &self.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
