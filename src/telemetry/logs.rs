//! Log lines: one per action, as text for a person or as JSON for a collector.
//!
//! The rule: a failure is printed once, whole, by whoever handles it. Errors do not repeat the text
//! of what caused them; [`Chain`] puts the causes behind one another on one line.
//! Lines go to standard error, so that what a command prints stays apart from them.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::util::TryInitError;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Columns for a person to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter does not parse.
    #[error("log level {filter:?} is not a level or filter such as info or flink_operator=debug")]
    Filter {
        /// The text given.
        filter: String,
        /// What the parser objects to.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody has set up logging in this process before.
    #[error("logging is already set up in this process")]
    AlreadySet {
        /// The refusal.
        source: TryInitError,
    },
}

/// Sets up logging for the whole process, to standard error. To be called once, by the command line.
///
/// `filter` is a level (`debug`) or a list of directives (`info,kube=warn`).
///
/// # Errors
/// When the filter does not parse, or logging has been set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), Error> {
    let level = parse(filter)?;
    let result = match format {
        LogFormat::Text => text(level, io::stderr).try_init(),
        LogFormat::Json => json(level, io::stderr).try_init(),
    };
    result.map_err(|source| Error::AlreadySet { source })
}

/// What `info` means: the span that kube puts around each pass repeats the name of the object that ours has.
const INFO: &str = "info,kube_runtime=warn";

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    let plain = filter.trim().eq_ignore_ascii_case("info");
    EnvFilter::builder()
        .parse(if plain { INFO } else { filter })
        .map_err(|source| Error::Filter {
            filter: filter.to_owned(),
            source,
        })
}

fn text<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false)
        .finish()
}

fn json<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .json()
        .flatten_event(true)
        .finish()
}

/// An error and all its causes on one line, outermost first.
///
/// A cause whose text is already part of what stands before it is left out: some libraries repeat
/// it.
///
/// ```
/// use flink_operator::telemetry::logs::Chain;
///
/// let error: Box<dyn std::error::Error> = "no route to host".into();
/// assert_eq!(Chain(error.as_ref()).to_string(), "no route to host");
/// ```
#[derive(Clone, Copy)]
pub struct Chain<'e>(pub &'e (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said.push_str(&text);
            }
            next = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
pub(crate) use tests::Memory;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        #[source]
        cause: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().expect("at least one text");
        let cause = (!rest.is_empty()).then(|| Box::new(layers(rest)));
        Layer { text: first, cause }
    }

    #[test]
    fn a_chain_names_every_cause_in_order() {
        let error = layers(&[
            "failed to read job",
            "request timed out",
            "deadline of 10s passed",
        ]);
        let line = Chain(&error).to_string();
        assert_eq!(
            line,
            "failed to read job: request timed out: deadline of 10s passed"
        );
    }

    #[test]
    fn a_cause_already_quoted_is_not_said_twice() {
        let error = layers(&["ApiError: not found", "not found", "status 404"]);
        assert_eq!(Chain(&error).to_string(), "ApiError: not found: status 404");
    }

    /// Keeps what was logged.
    #[derive(Clone, Default)]
    pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Memory {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no test panics holding it").clone())
                .expect("log lines are text")
        }
    }

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .map_err(|_| io::ErrorKind::Other)?
                .write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_carries_the_fields_at_the_top() {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = json(parse("info").expect("a level"), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(object.name = "basic", "upgraded");
            tracing::debug!("not asked for");
        });
        let lines: Vec<serde_json::Value> = memory
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON object"))
            .collect();
        assert_eq!(lines.len(), 1, "debug is below info");
        assert_eq!(lines[0]["message"], "upgraded");
        assert_eq!(lines[0]["object.name"], "basic");
        assert_eq!(lines[0]["level"], "INFO");
    }

    #[test]
    fn a_text_line_is_one_line_without_colour_codes() {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = text(
            parse("info,flink_operator=debug").expect("directives"),
            move || writer.clone(),
        );
        let error = layers(&["failed to apply Deployment basic", "forbidden"]);
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(error = %Chain(&error), "pass failed");
        });
        let text = memory.text();
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.contains("error=failed to apply Deployment basic: forbidden"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_quoted_in_the_message() {
        let error = parse("flink_operator=loud").expect_err("no such level");
        assert!(
            error.to_string().contains("\"flink_operator=loud\""),
            "{error}"
        );
    }
}
