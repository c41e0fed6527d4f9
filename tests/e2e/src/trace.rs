//! What was seen of a job over time, as a table. Tests judge by it, people read it.

use std::fmt;
use std::time::Instant;

/// One look at a job.
#[derive(Clone, Copy, Debug)]
struct Row {
    second: f64,
    rate: f64,
    subtasks: u64,
    lag: f64,
}

/// Looks at the source of a job, and what was done to it.
#[derive(Debug)]
pub struct Trace {
    began: Instant,
    rate: f64,
    rows: Vec<Row>,
    notes: Vec<(f64, String)>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            rate: 0.0,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Trace {
    /// Seconds since it began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// From now on this many records come in a second.
    pub fn step(&mut self, rate: f64) {
        self.rate = rate;
        self.note(format!("{rate} records/s"));
    }

    /// Something happened.
    pub fn note(&mut self, what: String) {
        self.notes.push((self.seconds(), what));
    }

    /// The source has this many subtasks, and this many records wait.
    pub fn saw(&mut self, subtasks: u64, lag: f64) {
        self.rows.push(Row {
            second: self.seconds(),
            rate: self.rate,
            subtasks,
            lag,
        });
    }

    /// Most subtasks ever seen.
    pub fn most_subtasks(&self) -> u64 {
        self.rows.iter().map(|row| row.subtasks).max().unwrap_or(0)
    }

    /// Most records that waited since a second.
    pub fn most_lag_since(&self, second: f64) -> f64 {
        let since = self.rows.iter().filter(|row| row.second >= second);
        since.map(|row| row.lag).fold(0.0, f64::max)
    }
}

/// A row whenever the subtasks or the rate change, and every five seconds; then the notes.
impl fmt::Display for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:>8} {:>10} {:>8} {:>10}",
            "second", "records/s", "subtasks", "lag"
        )?;
        let mut shown: Option<Row> = None;
        for row in &self.rows {
            let new = shown.is_none_or(|last| {
                last.subtasks != row.subtasks
                    || row.second - last.second >= 5.0
                    || (row.rate - last.rate).abs() > 0.0
            });
            if new {
                let Row {
                    second,
                    rate,
                    subtasks,
                    lag,
                } = row;
                writeln!(out, "{second:>8.0} {rate:>10.0} {subtasks:>8} {lag:>10.0}")?;
                shown = Some(*row);
            }
        }
        for (second, what) in &self.notes {
            writeln!(out, "{second:>8.0} {what}")?;
        }
        Ok(())
    }
}
