//! Listeners that the configuration names: `kubernetes.operator.plugins.listeners.<name>.<parameter>`, each
//! parameter declared once.
//!
//! The rule: what cannot be understood is an error that names the key; a listener that says nothing would not be missed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::option::{ConfigOption, Row, Scope};
use super::unknown::nearest;
use super::value::Value;
use super::{ConfigError, FlinkConfig};

/// What the keys of listeners start with.
pub const LISTENERS: &str = "kubernetes.operator.plugins.listeners.";

/// The one class there is.
const HTTP: &str = "http";

macro_rules! parameters {
    ($($name:ident: $type:ty, $key:literal $(= $default:literal)?, $doc:literal;)+) => {
        $(const $name: ConfigOption<$type> = ConfigOption::new($key, Scope::Process, $doc)$(.or($default))?;)+

        /// The parameters of a listener, their keys without what stands before.
        pub const LISTENER_PARAMETERS: &[Row] = &[$($name.row()),+];
    };
}

parameters! {
    BEARER_TOKEN_FILE: Option<String>, "bearer-token-file",
        "File with a token that is sent as `Authorization: Bearer`. Read anew for each delivery, since tokens change.";
    CA_FILE: Option<String>, "ca-file",
        "File with certificates (PEM) of authorities that the receiver may have its own from, beside the usual ones.";
    CLASS: String, "class",
        "What kind of listener it is: `http`, which posts CloudEvents. Listeners in Java cannot be loaded; for others than this one build an operator of your own.";
    HEADERS_FILE: Option<String>, "headers-file",
        "File with headers that are sent along, a line `Name: value` each. Read anew for each delivery.";
    QUEUE_SIZE: u32, "queue-size" = "1000",
        "How many notices may wait. What does not fit is dropped, the oldest first, and counted.";
    FIRST_DELAY: Duration, "retry.initial-delay" = "1 s",
        "Time until a delivery that failed is tried again; doubled with each further failure, and made a little longer or shorter by chance.";
    LONGEST_DELAY: Duration, "retry.max-delay" = "1 min",
        "Longest such time.";
    TIMEOUT: Duration, "timeout" = "10 s",
        "Time a delivery may take.";
    URL: String, "url",
        "Where to post to: `https://…` or `http://…`. No user and password in it; they belong in a file.";
}

/// A listener, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Its name.
    pub name: String,
    /// Where to post to.
    pub url: String,
    /// File with a token.
    pub bearer_token_file: Option<String>,
    /// File with headers.
    pub headers_file: Option<String>,
    /// File with certificates.
    pub ca_file: Option<String>,
    /// How many notices may wait.
    pub queue_size: usize,
    /// Time a delivery may take.
    pub timeout: Duration,
    /// First and longest time until the next try.
    pub delays: (Duration, Duration),
}

impl ListenerSettings {
    /// The key of a parameter of this listener.
    pub fn key(name: &str, parameter: &str) -> String {
        format!("{LISTENERS}{name}.{parameter}")
    }
}

/// The listeners of the operator's configuration, by name.
pub fn listeners(config: &FlinkConfig) -> Result<Vec<ListenerSettings>, ConfigError> {
    let mut names = BTreeSet::new();
    for (key, value) in config.iter() {
        let Some(rest) = key.strip_prefix(LISTENERS) else {
            continue;
        };
        let (name, parameter) = rest.split_once('.').unwrap_or((rest, ""));
        if name.is_empty() || !LISTENER_PARAMETERS.iter().any(|row| row.key == parameter) {
            return Err(unknown(key, value, parameter));
        }
        names.insert(name);
    }
    names
        .into_iter()
        .map(|name| listener(config, name))
        .collect()
}

fn unknown(key: &str, value: &str, parameter: &str) -> ConfigError {
    let known: Vec<&'static str> = LISTENER_PARAMETERS.iter().map(|row| row.key).collect();
    let expected = match nearest(parameter, known.iter().copied()) {
        Some(meant) => format!("read: a listener has no such parameter; did you mean {meant}?"),
        None => format!(
            "read: a listener has no such parameter; it has {}",
            known.join(", ")
        ),
    };
    ConfigError::invalid(key, value, &expected)
}

fn listener(config: &FlinkConfig, name: &str) -> Result<ListenerSettings, ConfigError> {
    let class = read(config, name, &CLASS)?;
    if class.trim() != HTTP {
        let key = ListenerSettings::key(name, CLASS.key);
        return Err(ConfigError::invalid(
            &key,
            &class,
            "a class of listener that this operator has: it has 'http'. Take the keys of this listener out, or \
             build an operator with a listener of your own",
        ));
    }
    let size = read(config, name, &QUEUE_SIZE)?;
    Ok(ListenerSettings {
        name: name.to_owned(),
        url: url(config, name)?,
        bearer_token_file: read(config, name, &BEARER_TOKEN_FILE)?,
        headers_file: read(config, name, &HEADERS_FILE)?,
        ca_file: read(config, name, &CA_FILE)?,
        queue_size: usize::try_from(size).unwrap_or(usize::MAX).max(1),
        timeout: read(config, name, &TIMEOUT)?,
        delays: (
            read(config, name, &FIRST_DELAY)?,
            read(config, name, &LONGEST_DELAY)?,
        ),
    })
}

fn url(config: &FlinkConfig, name: &str) -> Result<String, ConfigError> {
    let url = read(config, name, &URL)?.trim().to_owned();
    let after_scheme = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = after_scheme.and_then(|rest| rest.split(['/', '?', '#']).next());
    let key = ListenerSettings::key(name, URL.key);
    match host {
        Some(host) if host.contains('@') => Err(ConfigError::invalid(
            &key,
            "(with a user or password)",
            "read: the configuration can be seen by many. Write them into a file and name it as headers-file or \
             bearer-token-file",
        )),
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err(ConfigError::invalid(
            &key,
            &url,
            "an address such as https://audit.example.org/flink",
        )),
    }
}

/// The value of one parameter of the listener.
fn read<T: Value>(
    config: &FlinkConfig,
    name: &str,
    option: &ConfigOption<T>,
) -> Result<T, ConfigError> {
    config.get_at(&ListenerSettings::key(name, option.key), option)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Vec<ListenerSettings>, String> {
        let config: FlinkConfig = pairs
            .iter()
            .map(|(key, value)| (format!("{LISTENERS}{key}"), (*value).to_owned()))
            .collect();
        listeners(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_listener_has_a_name_an_address_and_defaults() {
        let both = of(&[
            ("b.class", "http"),
            ("b.url", "https://b.example.org/x"),
            ("a.class", "http"),
            ("a.url", "http://a:80"),
            ("a.timeout", "3 s"),
        ])
        .unwrap();
        let [a, b] = both.as_slice() else {
            panic!("{both:?}")
        };
        assert_eq!((a.name.as_str(), a.timeout), ("a", Duration::from_secs(3)));
        assert_eq!(b.queue_size, 1000);
        assert_eq!(b.delays, (Duration::from_secs(1), Duration::from_mins(1)));
        assert_eq!(of(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key_and_what_to_do() {
        let address = ("a.url", "https://a");
        let class = ("a.class", "http");
        for (pairs, expected) in [
            (vec![address], "a.class is not set; give it a text"),
            (vec![class], "a.url is not set; give it a text"),
            (
                vec![class, ("a.url", "ftp://a")],
                "a.url: 'ftp://a' is not an address such as",
            ),
            (
                vec![class, ("a.url", "https://me:secret@a/")],
                "a.url: '(with a user or password)' is not read",
            ),
            (
                vec![class, address, ("a.timeout", "soon")],
                "a.timeout: 'soon' is not a duration",
            ),
            (
                vec![class, address, ("a.timeuot", "1 s")],
                "did you mean timeout?",
            ),
            (
                vec![("a.class", "com.example.Audit"), address],
                "a.class: 'com.example.Audit' is not a class of listener that this operator has",
            ),
        ] {
            let error = of(&pairs).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(error.starts_with(LISTENERS), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
