//! Runs other programs and reports what went wrong with the words they used.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::progress::Step;

/// So many of a failed program's last lines are worth showing.
const TAIL: usize = 15;

/// A command of `program` with `args`.
pub fn command<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[A]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or ends with a failure; the text has the end of what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {}", shown(command)))?;
    checked(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command ends well; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command whose standard input `write` writes.
///
/// # Errors
/// As [`run`], or when `write` fails while the command would still read.
pub fn feed(
    command: &mut Command,
    write: impl FnOnce(&mut ChildStdin) -> Result<()>,
) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {}", shown(command)))?;
    let written = match child.stdin.take() {
        Some(mut stdin) => write(&mut stdin),
        None => Ok(()),
    };
    let output = child.wait_with_output()?;
    // The program's own words explain a broken pipe better than the pipe does.
    checked(command, &output)?;
    written?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a long command, hands every line it prints to `on_line`, keeps `step` moving, and writes
/// all lines to the file `log`.
///
/// # Errors
/// As [`run`]; the text names the log.
pub fn watch(
    command: &mut Command,
    log: &Path,
    step: &mut Step<'_>,
    mut on_line: impl FnMut(&str, &mut Step<'_>),
) -> Result<()> {
    let mut file = std::fs::File::create(log)
        .with_context(|| format!("failed to create the log {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {}", shown(command)))?;
    let (sender, lines) = mpsc::channel();
    let stdout = child
        .stdout
        .take()
        .map(|from| read_lines(from, sender.clone()));
    let stderr = child.stderr.take().map(|from| read_lines(from, sender));
    let mut last = Vec::new();
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                writeln!(file, "{line}")?;
                on_line(&line, step);
                last.push(line);
                if last.len() > TAIL {
                    last.remove(0);
                }
            }
            Err(RecvTimeoutError::Timeout) => step.tick(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for reader in [stdout, stderr].into_iter().flatten() {
        // A reader ends with its pipe; it has nothing to say.
        let _ = reader.join();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!(
            "{} failed ({status}); all of its output is in {}; it ended with:\n{}",
            shown(command),
            log.display(),
            last.join("\n")
        );
    }
    Ok(())
}

fn read_lines(
    from: impl std::io::Read + Send + 'static,
    to: mpsc::Sender<String>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if to
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
        }
    })
}

fn checked(command: &Command, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    let said = tail(&String::from_utf8_lossy(said));
    bail!("{} failed ({}):\n{said}", shown(command), output.status)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ");
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(&text)),
        None => text,
    }
}

/// The last lines of a text.
pub fn tail(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines
        .get(lines.len().saturating_sub(TAIL)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error = run(&mut command(
            "sh",
            &["-c", "echo no such thing >&2; exit 3"],
        ))
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh -c") && text.contains("no such thing"),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_is_absent_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"));
    }

    #[test]
    fn fed_text_reaches_the_program() {
        let said = feed(&mut Command::new("cat"), |stdin| {
            Ok(stdin.write_all(b"hello")?)
        });
        assert_eq!(said.unwrap(), "hello");
    }

    #[test]
    fn watched_lines_arrive_from_both_streams() {
        let progress = Progress::silent();
        let mut step = progress.step("watch");
        let log = std::env::temp_dir().join(format!("flink-watch-{}", std::process::id()));
        let mut seen = Vec::new();
        let mut shell = command("sh", &["-c", "echo out; echo err >&2"]);
        watch(&mut shell, &log, &mut step, |line, _| {
            seen.push(line.to_owned());
        })
        .unwrap();
        seen.sort();
        assert_eq!(seen, ["err", "out"]);
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn the_tail_is_the_end() {
        let text = (0..100)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        assert!(tail(&text).starts_with("85\n") && tail(&text).ends_with("99"));
    }
}
