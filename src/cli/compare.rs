//! `flink-operator compare`: a job that was recorded, beside a model of it in the simulator.
//!
//! The rule: the figures are the scaler's; here they become a table and a picture. Tests are below.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use flink_scaler::backtest::{Assumptions, Beside, Policy, beside};
use flink_scaler::picture::{self, Line};
use flink_scaler::simulate::Model;
use serde::Serialize;

use super::Format;
use super::recording::Past;
use super::stored;
use super::table::{Table, number, or_dash};

/// The options of the command line.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The recording: the ConfigMap autoscaler-NAME as `kubectl get -o json` prints it, or lines of its scalerJob and
    /// scalerWindow, gathered over time.
    #[arg(long)]
    file: PathBuf,
    /// The model, in YAML: stages called as the job's vertices, and what comes to them in seconds since the job began
    /// to run.
    #[arg(long)]
    model: PathBuf,
    /// Seconds between two looks at the model.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300))]
    every: u32,
    /// Draw load, slots and lag of both into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,
}

/// Both, side by side.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What it is of.
    of: String,
    #[serde(flatten)]
    beside: Beside,
    /// What could not be read.
    notes: Vec<String>,
}

impl Comparison {
    /// Read both and compare them; the picture is written too.
    ///
    /// # Errors
    /// What cannot be read or is of no use.
    pub fn of(args: &CompareArgs) -> anyhow::Result<Self> {
        let past = Past::file(&args.file)?;
        let policy = Policy {
            name: "the autoscaler".to_owned(),
            settings: stored::settings(&past.options)?,
        };
        let assumptions = Assumptions {
            every: args.every,
            ..Assumptions::default()
        };
        let beside = beside(&past.recording, &model(&args.model)?, &policy, &assumptions)
            .with_context(|| format!("nothing can be compared with {}", past.title))?;
        let answer = Self {
            of: past.title,
            beside,
            notes: past.notes,
        };
        if let Some(file) = &args.svg {
            let path = file.display();
            std::fs::write(file, answer.picture())
                .with_context(|| format!("failed to write {path}"))?;
        }
        Ok(answer)
    }

    fn picture(&self) -> String {
        let courses = self.beside.courses.iter().zip(["#000000", "#d62728"]);
        let lines: Vec<Line<'_>> = courses
            .map(|(course, colour)| Line {
                name: &course.name,
                colour,
                points: &course.points,
            })
            .collect();
        picture::course(&self.of, &lines)
    }
}

fn model(file: &Path) -> anyhow::Result<Model> {
    let place = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {place}"))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{place} is no model of a job"))
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, beside, notes } = self;
        writeln!(
            f,
            "{of}: {:.0} to {:.0}, {} samples\n",
            beside.from, beside.to, beside.samples
        )?;
        let mut table = Table::new(["PHASE", "QUANTITY", "REAL", "MODEL", "RATIO"]);
        let mut phase = "";
        for figure in &beside.figures {
            let again = std::mem::replace(&mut phase, &figure.phase) == figure.phase;
            table.row([
                if again {
                    String::new()
                } else {
                    figure.phase.clone()
                },
                figure.quantity.clone(),
                or_dash(figure.real, number),
                or_dash(figure.model, number),
                or_dash(figure.ratio(), |ratio| format!("{ratio:.2}")),
            ]);
        }
        writeln!(f, "{table}")?;
        for course in &beside.courses {
            writeln!(f, "Rescales, {}", course.name)?;
            for rescale in &course.rescales {
                writeln!(f, "  {:.0} s  {}", rescale.second, rescale.changes)?;
            }
        }
        writeln!(
            f,
            "\nRates, shares and capacities are those of the second half of each phase, as far as nothing was rescaled in it."
        )?;
        for note in notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

    fn compare(model: &str) -> anyhow::Result<Comparison> {
        Comparison::of(&CompareArgs {
            file: Path::new(TESTS).join("recording.jsonl"),
            model: Path::new(TESTS).join(model),
            every: 10,
            svg: None,
            output: Format::Text,
        })
    }

    #[test]
    fn a_table_has_every_figure_of_both_and_a_picture_both_courses() {
        let answer = compare("recording-model.yaml").unwrap();
        let text = answer.to_string();
        for part in [
            "PHASE",
            "RATIO",
            "capacity of a subtask",
            "Rescales, recorded",
            "Rescales, model",
        ] {
            assert!(text.contains(part), "no {part}: {text}");
        }
        let known = answer
            .beside
            .figures
            .iter()
            .filter(|figure| figure.ratio().is_some());
        assert!(known.count() > 3, "{text}");
        assert!(answer.picture().contains(">model<"));
    }

    #[test]
    fn what_is_no_model_is_named_with_its_file() {
        let error = compare("recording.jsonl").unwrap_err();
        assert!(
            format!("{error:#}").contains("recording.jsonl is no model"),
            "{error:#}"
        );
    }
}
