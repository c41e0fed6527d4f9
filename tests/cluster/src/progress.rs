//! Says what a long command is doing: which step of how many, how far, for how long.
//!
//! On a terminal the current step is one line that is rewritten; elsewhere each step is a plain
//! line when it ends, and some more while it runs, ever further apart, so that logs stay short.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

/// A plain log hears from a running step this often at first, and ever more seldom.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// A plain log hears from a running step at least this often.
const PLAIN_AT_LEAST: Duration = Duration::from_mins(1);
/// A terminal's line is rewritten at most this often.
const TERMINAL_EVERY: Duration = Duration::from_millis(100);

/// Where progress is shown, and the number of the present step.
pub struct Progress {
    inner: Mutex<Inner>,
    terminal: bool,
}

struct Inner {
    out: Box<dyn Write + Send>,
    index: usize,
    total: usize,
}

impl Progress {
    /// Progress on standard error, for the command line.
    pub fn stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self::to(Box::new(std::io::stderr()), terminal)
    }

    /// No output: for a library call inside a test.
    pub fn silent() -> Self {
        Self::to(Box::new(std::io::sink()), false)
    }

    fn to(out: Box<dyn Write + Send>, terminal: bool) -> Self {
        let inner = Inner {
            out,
            index: 0,
            total: 0,
        };
        Self {
            inner: Mutex::new(inner),
            terminal,
        }
    }

    /// Announces how many steps follow.
    pub fn expect_steps(&self, more: usize) {
        self.with(|inner| inner.total += more);
    }

    /// Begins a step; drop or [`Step::done`] ends it.
    pub fn step(&self, what: impl Into<String>) -> Step<'_> {
        self.with(|inner| {
            inner.index += 1;
            inner.total = inner.total.max(inner.index);
        });
        let started = clock::now();
        let mut step = Step {
            progress: self,
            what: what.into(),
            detail: String::new(),
            started,
            shown: started,
            open: true,
        };
        if self.terminal {
            step.show();
        }
        step
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, what: &str, detail: &str, taken: Duration, last: bool) {
        self.with(|inner| {
            let text = line(inner.index, inner.total, what, detail, taken);
            // Nobody can be told that telling failed.
            let _ = match (self.terminal, last) {
                (true, false) => write!(inner.out, "\r\x1b[2K{text}"),
                (true, true) => writeln!(inner.out, "\r\x1b[2K{text}"),
                (false, _) => writeln!(inner.out, "{text}"),
            };
            let _ = inner.out.flush();
        });
    }
}

/// One step of a command.
pub struct Step<'a> {
    progress: &'a Progress,
    what: String,
    detail: String,
    started: Instant,
    shown: Instant,
    open: bool,
}

impl Step<'_> {
    /// Shows that time passes; call it in every waiting loop.
    pub fn tick(&mut self) {
        let every = if self.progress.terminal {
            TERMINAL_EVERY
        } else {
            plain_every(self.started.elapsed())
        };
        if clock::now().duration_since(self.shown) >= every {
            self.show();
        }
    }

    /// Shows how far the step is.
    pub fn at(&mut self, done: usize, total: usize, unit: &str) {
        self.detail = format!("{done}/{total} {unit}");
        self.tick();
    }

    /// Shows what is being worked on, cut to a length that leaves a terminal's line whole.
    pub fn at_item(&mut self, item: &str) {
        self.detail = item.trim().chars().take(40).collect();
        self.tick();
    }

    /// Ends the step with a word on its outcome.
    pub fn done(mut self, outcome: &str) {
        self.finish(outcome);
    }

    fn show(&mut self) {
        self.shown = clock::now();
        let detail = if self.detail.is_empty() {
            "..."
        } else {
            &self.detail
        };
        self.progress
            .write(&self.what, detail, self.started.elapsed(), false);
    }

    fn finish(&mut self, outcome: &str) {
        if std::mem::take(&mut self.open) {
            self.progress
                .write(&self.what, outcome, self.started.elapsed(), true);
        }
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.finish("failed");
    }
}

fn plain_every(running: Duration) -> Duration {
    (running / 5).clamp(PLAIN_EVERY, PLAIN_AT_LEAST)
}

fn line(index: usize, total: usize, what: &str, detail: &str, taken: Duration) -> String {
    format!(
        "[{index:>2}/{total}] {what:<42} {detail}  {}",
        elapsed(taken)
    )
}

/// A duration as a person reads it: tenths below ten seconds, then seconds, then minutes.
pub fn elapsed(taken: Duration) -> String {
    let seconds = taken.as_secs();
    if seconds < 10 {
        format!("{}.{}s", seconds, taken.subsec_millis() / 100)
    } else if seconds < 60 {
        format!("{seconds}s")
    } else {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(terminal: bool, act: impl FnOnce(&Progress)) -> String {
        let paper = Paper::default();
        act(&Progress::to(Box::new(paper.clone()), terminal));
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn durations_read_well() {
        let shown = [0, 1_240, 9_990, 10_000, 59_999, 60_000, 125_000]
            .map(|ms| elapsed(Duration::from_millis(ms)));
        assert_eq!(
            shown,
            ["0.0s", "1.2s", "9.9s", "10s", "59s", "1m00s", "2m05s"]
        );
    }

    #[test]
    fn a_long_step_is_told_of_ever_more_seldom() {
        let every = |seconds| plain_every(Duration::from_secs(seconds)).as_secs();
        assert_eq!([0, 50, 100, 600].map(every), [10, 10, 20, 60]);
    }

    #[test]
    fn a_quick_step_is_one_plain_line() {
        let text = written(false, |progress| {
            progress.expect_steps(2);
            progress.step("etcd").done("ready");
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("[ 1/2] etcd "), "{text}");
        assert!(text.contains("ready  0."), "{text}");
    }

    #[test]
    fn a_step_that_is_dropped_has_failed() {
        let text = written(false, |progress| drop(progress.step("etcd")));
        assert!(text.contains("failed"), "{text}");
    }

    #[test]
    fn a_terminal_line_is_rewritten_and_ended_once() {
        let text = written(true, |progress| progress.step("etcd").done("ready"));
        assert_eq!(text.matches("\r\x1b[2K").count(), 2);
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn how_far_is_part_of_the_line() {
        let text = line(
            2,
            11,
            "build kubernetes",
            "12/300 packages",
            Duration::from_secs(61),
        );
        assert!(text.ends_with("12/300 packages  1m01s"), "{text}");
    }
}
