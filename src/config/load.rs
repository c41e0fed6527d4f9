//! Reads the operator's defaults from where its environment says. The one module here that touches
//! files. Layers, later ones win: built in, `FLINK_CONF_DIR`, `CONF_OVERRIDE_DIR`, `WATCH_NAMESPACES`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value as Json};

use super::{
    Defaults, FlinkConfig, Place,
    defaults::{LOG4J_FILE, LOGBACK_FILE},
    in_vain, invalid_values, options, unknown_keys,
};

const YAML_FILE: &str = "config.yaml";
const LINES_FILE: &str = "flink-conf.yaml";

/// Where the defaults are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// `FLINK_CONF_DIR`: directory with the configuration and logging files.
    pub directory: Option<PathBuf>,
    /// `CONF_OVERRIDE_DIR`: directory with a second configuration file, whose entries win.
    pub overrides: Option<PathBuf>,
    /// `WATCH_NAMESPACES`: namespaces to watch, separated by commas.
    pub watch_namespaces: Option<String>,
}

impl Sources {
    /// From environment variables, read through `var`. Empty ones count as unset.
    pub fn from_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name| var(name).filter(|text| !text.trim().is_empty());
        Self {
            directory: var("FLINK_CONF_DIR").map(PathBuf::from),
            overrides: var("CONF_OVERRIDE_DIR").map(PathBuf::from),
            watch_namespaces: var("WATCH_NAMESPACES"),
        }
    }
}

/// The defaults, and what was passed over while reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The defaults.
    pub defaults: Defaults,
    /// To be logged as warnings: lines that say nothing, each with its file and line, options that do not exist,
    /// and values that cannot be read.
    pub warnings: Vec<String>,
}

/// Why the defaults could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is there and cannot be read.
    #[error("failed to read '{}'; check that the operator may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not YAML, or not a map.
    #[error("failed to parse '{}', line {line}; it must be a YAML map of options", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: u64,
        /// What the parser says.
        source: Box<serde_saphyr::Error>,
    },
}

/// Reads the defaults.
pub fn load(sources: &Sources) -> Result<Loaded, LoadError> {
    let mut defaults = Defaults::builtin();
    let mut warnings = Vec::new();
    for directory in [&sources.directory, &sources.overrides]
        .into_iter()
        .flatten()
    {
        defaults = defaults.with_config(&read_directory(directory, &mut warnings)?);
    }
    if let Some(directory) = &sources.directory {
        let files = read_log_files(directory)?;
        if !files.is_empty() {
            defaults = defaults.with_log_files(files);
        }
    }
    if let Some(namespaces) = &sources.watch_namespaces {
        let watched = FlinkConfig::from_iter([(options::WATCHED_NAMESPACES.key, namespaces)]);
        defaults = defaults.with_config(&watched);
    }
    let config = defaults.operator();
    warnings.extend(unknown_keys(config).iter().map(ToString::to_string));
    let unreadable = invalid_values(config);
    warnings.extend(unreadable.iter().map(ToString::to_string));
    warnings.extend(in_vain(config, Place::Operator));
    warnings.extend(defaults.mistakes());
    Ok(Loaded { defaults, warnings })
}

/// `config.yaml` if it is there, else `flink-conf.yaml`, else nothing.
fn read_directory(directory: &Path, warnings: &mut Vec<String>) -> Result<FlinkConfig, LoadError> {
    let path = directory.join(YAML_FILE);
    if let Some(text) = read(&path)? {
        return parse_yaml(&path, &text);
    }
    let path = directory.join(LINES_FILE);
    Ok(read(&path)?
        .map(|text| parse_lines(&path, &text, warnings))
        .unwrap_or_default())
}

fn read_log_files(directory: &Path) -> Result<BTreeMap<String, String>, LoadError> {
    let mut files = BTreeMap::new();
    for name in [LOG4J_FILE, LOGBACK_FILE] {
        if let Some(text) = read(&directory.join(name))? {
            files.insert(name.to_owned(), text);
        }
    }
    Ok(files)
}

/// The text of a file, `None` if there is no such file.
fn read(path: &Path) -> Result<Option<String>, LoadError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LoadError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn parse_yaml(path: &Path, text: &str) -> Result<FlinkConfig, LoadError> {
    // YAML 1.2: `y` and `on` are texts.
    let options = serde_saphyr::options! { strict_booleans: true };
    let parsed: Result<Option<Map<String, Json>>, _> =
        serde_saphyr::from_str_with_options(text, options);
    let object = parsed.map_err(|source| LoadError::Parse {
        path: path.to_owned(),
        line: source.location().map_or(1, |at| at.line()),
        source: Box::new(source),
    })?;
    Ok(object
        .map(|object| FlinkConfig::flatten(&object))
        .unwrap_or_default())
}

/// The old file of Flink 1.x: one `key: value` on a line, `#` starts a comment wherever it stands,
/// quotes mean nothing.
fn parse_lines(path: &Path, text: &str, warnings: &mut Vec<String>) -> FlinkConfig {
    let mut config = FlinkConfig::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.split_once(": ") {
            Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                config.set(key.trim(), value.trim());
            }
            _ if line.is_empty() => {}
            _ => warnings.push(format!(
                "{}, line {number}: '{line}' is not 'key: value' and was passed over; \
                 for nested YAML name the file {YAML_FILE}",
                path.display()
            )),
        }
    }
    config
}

#[cfg(test)]
mod tests;
