//! `flink-operator backtest`: what the autoscaler would have done with a job of the past.
//!
//! The rule: the answer is the scaler's; here are words, a table and a picture around it, and they say of each course
//! whether it was measured or is an estimate. Tests are below; those of the answer are the scaler's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use flink_scaler::backtest::{self, Assumptions, Basis, Course, Policy, RestartFrom};
use flink_scaler::picture::{self, Line};
use flink_scaler::settings::{PREFIX, Profile, Value};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Format;
use super::recording::Past;
use super::stored::{self, Target};
use super::table::{Table, number, or_dash};
use crate::clock::Clock;

/// The options of the command line.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The FlinkDeployment, of which the readings stored last are used: NAMESPACE/NAME, or NAME in the namespace of
    /// the kubeconfig.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    resource: Option<Target>,
    /// A recording instead: the ConfigMap autoscaler-NAME as `kubectl get -o json` prints it, or lines of its
    /// scalerJob and scalerWindow, gathered over time.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Take the readings from this Prometheus server; resource or file give the job graph.
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// A file with the token for that server.
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    token_file: Option<PathBuf>,
    /// From when: a time such as 2026-11-27T08:00:00Z, or so long ago, such as 6h.
    #[arg(long, default_value = "1d", requires = "prometheus")]
    from: String,
    /// To when.
    #[arg(long, default_value = "0s", requires = "prometheus")]
    to: String,
    /// Seconds between two readings; not less than Prometheus scrapes at.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=300), requires = "prometheus")]
    step: u32,
    /// The profiles to try; both if left out.
    #[arg(long, value_parser = profile)]
    profile: Vec<Profile>,
    /// An option of the autoscaler, over those the job had: KEY=VALUE, with or without job.autoscaler.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seconds a rescale takes; what was measured if left out.
    #[arg(long, value_parser = seconds)]
    restart: Option<f64>,
    /// Seconds a record may wait.
    #[arg(long, default_value = "60", value_parser = seconds)]
    late: f64,
    /// Draw load, slots and lag into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,
}

fn profile(text: &str) -> Result<Profile, String> {
    Profile::parse(text).ok_or_else(|| format!("write {}", Profile::EXPECTED))
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "write a number of seconds, such as 30".to_owned())
}

/// An instant, or one so long before now.
fn moment(text: &str, now: Timestamp) -> anyhow::Result<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_second());
    }
    let ago = std::time::Duration::parse(text)
        .and_then(|ago| SignedDuration::try_from(ago).ok())
        .and_then(|ago| now.checked_sub(ago).ok());
    ago.map(Timestamp::as_second).with_context(|| {
        format!("'{text}' is neither a time such as 2026-11-27T08:00:00Z nor a duration such as 6h")
    })
}

/// The options set on the command line, over those of the job.
fn set(options: &mut BTreeMap<String, String>, pairs: &[String]) -> anyhow::Result<()> {
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .with_context(|| format!("--set {pair}: write KEY=VALUE"))?;
        let key = match key.trim() {
            full if full.starts_with(PREFIX) => full.to_owned(),
            short => format!("{PREFIX}{short}"),
        };
        let known = flink_scaler::settings::TABLE
            .iter()
            .any(|row| row.key == key);
        if !known {
            bail!("--set {pair}: there is no option {key}; see docs/reference/options.md");
        }
        options.insert(key, value.to_owned());
    }
    Ok(())
}

/// An answer, as machines get it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// What it is of.
    of: String,
    #[serde(flatten)]
    backtest: backtest::Backtest,
}

impl Answer {
    /// Read what is asked for and play it; the picture is written too.
    ///
    /// # Errors
    /// What cannot be read or is of no use.
    pub fn to(args: &BacktestArgs) -> anyhow::Result<Self> {
        let past = match (&args.file, &args.resource) {
            (Some(file), _) => Past::file(file)?,
            (None, Some(target)) => Past::stored(&stored::read(target)?)?,
            (None, None) => bail!("name a FlinkDeployment, or a recording by --file"),
        };
        let past = args.prepared(past)?;
        let answer = Self::of(past, &args.profile, &args.assumptions())?;
        if let Some(file) = &args.svg {
            let path = file.display();
            std::fs::write(file, answer.picture())
                .with_context(|| format!("failed to write {path}"))?;
        }
        Ok(answer)
    }

    /// Play what was read.
    fn of(past: Past, profiles: &[Profile], assumptions: &Assumptions) -> anyhow::Result<Self> {
        let settings = stored::settings(&past.options)?;
        let both = [Profile::Adaptive, Profile::Apache];
        let profiles = if profiles.is_empty() { &both } else { profiles };
        let policy = |profile: &Profile| Policy {
            name: profile.to_string(),
            settings: flink_scaler::Settings {
                profile: *profile,
                ..settings.clone()
            },
        };
        let policies: Vec<Policy> = profiles.iter().map(policy).collect();
        let mut backtest = backtest::backtest(&past.recording, &policies, assumptions)
            .with_context(|| format!("nothing can be said of {}", past.title))?;
        backtest.notes.extend(past.notes);
        Ok(Self {
            of: past.title,
            backtest,
        })
    }

    /// Load, slots and lag of every course, as SVG.
    pub fn picture(&self) -> String {
        let courses = self.backtest.courses.iter();
        let lines: Vec<Line<'_>> = courses
            .zip(["#000000", "#999999", "#d62728", "#1f77b4"])
            .map(|(course, colour)| Line {
                name: &course.name,
                colour,
                points: &course.points,
            })
            .collect();
        let title = format!(
            "{}, {:.0} to {:.0}",
            self.of, self.backtest.from, self.backtest.to
        );
        picture::course(&title, &lines)
    }
}

impl BacktestArgs {
    fn prepared(&self, mut past: Past) -> anyhow::Result<Past> {
        set(&mut past.options, &self.set)?;
        let Some(url) = &self.prometheus else {
            return Ok(past);
        };
        let now = Clock::system().now();
        let span = (moment(&self.from, now)?, moment(&self.to, now)?);
        if span.0 >= span.1 {
            bail!("--from {} is not before --to {}", self.from, self.to);
        }
        past.from_prometheus(url, self.token_file.as_deref(), (span, self.step))
    }

    const fn assumptions(&self) -> Assumptions {
        Assumptions {
            restart: self.restart,
            late: self.late,
            every: 10,
        }
    }
}

/// Seconds as people say them.
fn time(seconds: f64) -> String {
    if seconds < 600.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, backtest } = self;
        let (from, to) = (backtest.from, backtest.to);
        writeln!(
            f,
            "{of}: {from:.0} to {to:.0}, {} samples\n",
            backtest.samples
        )?;
        let mut table = Table::new([
            "COURSE",
            "",
            "CORE HOURS",
            "LATE",
            "MEAN LAG",
            "MAX LAG",
            "DOWN",
            "RESCALES",
        ]);
        for course in &backtest.courses {
            table.row([
                course.name.clone(),
                if course.measured {
                    "measured"
                } else {
                    "estimated"
                }
                .to_owned(),
                format!("{:.2}", course.core_hours),
                or_dash(course.late_seconds, |late| time(f64::from(late))),
                or_dash(course.mean_lag, time),
                or_dash(course.max_lag, time),
                time(f64::from(course.down_seconds)),
                course.rescales.len().to_string(),
            ]);
        }
        writeln!(f, "{table}")?;
        let told = backtest
            .courses
            .iter()
            .filter(|course| course.name != "as recorded");
        for course in told.filter(|course| !course.rescales.is_empty()) {
            self.rescales(f, course)?;
        }
        writeln!(f, "What the model knows")?;
        let mut table = Table::new(["VERTEX", "SUBTASKS", "CAPACITY/S", "FROM"]);
        for known in &backtest.vertices {
            table.row([
                known.name.clone(),
                known.parallelism.to_string(),
                or_dash(known.capacity, number),
                basis(known.basis).to_owned(),
            ]);
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "A record is late after {}. A slot counts as a core. A rescale takes {} in the model: {}.",
            time(backtest.late_after),
            time(backtest.restart_seconds),
            restart(backtest.restart_from)
        )?;
        writeln!(
            f,
            "`recorded` was measured. Everything else is a model of the job under the load that was measured; \
             `as recorded` is the model\ndoing what was really done: as far as it is from `recorded`, so far may the \
             others be from the truth."
        )?;
        for note in &backtest.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

impl Answer {
    fn rescales(&self, f: &mut fmt::Formatter<'_>, course: &Course) -> fmt::Result {
        writeln!(f, "Rescales, {}", course.name)?;
        for rescale in &course.rescales {
            let after = SignedDuration::try_from_secs_f64(rescale.second).unwrap_or_default();
            let at = self
                .backtest
                .from
                .saturating_add(after)
                .unwrap_or(self.backtest.to);
            write!(f, "  {at:.0}  {}", rescale.changes)?;
            if course.measured {
                writeln!(f)?;
            } else {
                writeln!(f, ": {}", rescale.reason)?;
            }
        }
        writeln!(f)
    }
}

const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Curve => "measured at several parallelisms",
        Basis::Point => "measured at one parallelism",
        Basis::Guess => "rate over busy share, never full",
        Basis::None => "nothing: it was hardly ever busy",
    }
}

const fn restart(from: RestartFrom) -> &'static str {
    match from {
        RestartFrom::Given => "as asked for",
        RestartFrom::Recording => "the median of the restarts recorded",
        RestartFrom::History => "the longest the autoscaler remembers",
        RestartFrom::Settings => "job.autoscaler.restart.time, since none was recorded",
    }
}

#[cfg(test)]
mod tests;
