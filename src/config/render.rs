//! The configuration file of a cluster, in the form its Flink version reads: flat lines up to 1.20,
//! nested YAML from 2.0. One rule: what Flink reads from the file is what the map holds.

use flink_crds::FlinkVersion;
use serde_json::{Map, Value as Json};

use super::{ConfigError, FlinkConfig, Value, flink, yaml};

/// Keys whose value is written as a YAML list, because its elements are a user's texts.
const LISTS: [&str; 3] = [
    flink::PROGRAM_ARGS.key,
    "pipeline.jars",
    "pipeline.classpaths",
];

/// Keys that were renamed because they are the beginning of others.
pub const RENAMED: [(&str, &str); 4] = [
    ("high-availability", "high-availability.type"),
    ("state.backend", "state.backend.type"),
    ("restart-strategy", "restart-strategy.type"),
    ("env.java.opts", "env.java.opts.all"),
];

/// The name of the configuration file that a version reads.
pub const fn file_name(version: FlinkVersion) -> &'static str {
    if version.uses_nested_config() {
        "config.yaml"
    } else {
        "flink-conf.yaml"
    }
}

/// The configuration file of a version.
pub fn file(config: &FlinkConfig, version: FlinkVersion) -> Result<String, Vec<ConfigError>> {
    if version.uses_nested_config() {
        nested(config)
    } else {
        Ok(lines(config))
    }
}

/// One `key: value` on each line, as Flink 1.x reads it: without quotes and escapes, so a line break
/// inside a value, which could not be read back, becomes a blank.
pub fn lines(config: &FlinkConfig) -> String {
    let mut out = String::new();
    for (key, value) in config.iter() {
        let parts: Vec<&str> = value
            .lines()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        out.push_str(key);
        out.push_str(": ");
        out.push_str(&parts.join(" "));
        out.push('\n');
    }
    out
}

/// Nested YAML, as Flink 2.x reads it.
pub fn nested(config: &FlinkConfig) -> Result<String, Vec<ConfigError>> {
    let mut root = Map::new();
    let mut errors = Vec::new();
    for (key, value) in config.iter() {
        match shorter_key(config, key) {
            Some(shorter) => errors.push(overlap(shorter, key)),
            None => insert(&mut root, key, scalar(key, value)),
        }
    }
    if errors.is_empty() {
        Ok(yaml::write(&Json::Object(root)))
    } else {
        Err(errors)
    }
}

/// A key of the configuration below which `key` would stand.
fn shorter_key<'a>(config: &FlinkConfig, key: &'a str) -> Option<&'a str> {
    key.match_indices('.')
        .filter_map(|(at, _)| key.get(..at))
        .find(|shorter| config.contains(shorter))
}

fn overlap(shorter: &str, longer: &str) -> ConfigError {
    let renamed = RENAMED
        .iter()
        .find(|(old, _)| *old == shorter)
        .map(|(_, new)| *new);
    let remedy = renamed.map_or_else(
        || format!("replace '{shorter}' by its current name or remove it"),
        |new| format!("replace '{shorter}' by '{new}'"),
    );
    ConfigError::Overlap {
        shorter: shorter.into(),
        longer: longer.into(),
        remedy,
    }
}

fn insert(root: &mut Map<String, Json>, key: &str, value: Json) {
    let (sections, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut place = root;
    for section in sections.split('.').filter(|_| !sections.is_empty()) {
        let entry = place
            .entry(section)
            .or_insert_with(|| Json::Object(Map::new()));
        let Json::Object(inner) = entry else { return };
        place = inner;
    }
    place.insert(last.to_owned(), value);
}

fn scalar(key: &str, value: &str) -> Json {
    if LISTS.contains(&key)
        && let Some(items) = Vec::<String>::parse(value)
    {
        return Json::from(items);
    }
    Json::from(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(entries: &[(&str, &str)]) -> FlinkConfig {
        entries.iter().copied().collect()
    }

    #[test]
    fn version_1_gets_lines_without_quotes() {
        let config = config(&[
            ("$internal.application.program-args", "--rps;50"),
            ("env.java.opts.all", "-Da=b\n  -Dc='d'\n"),
            ("parallelism.default", "2"),
        ]);
        assert_eq!(
            file(&config, FlinkVersion::V1_20).unwrap(),
            "$internal.application.program-args: --rps;50\nenv.java.opts.all: -Da=b -Dc='d'\nparallelism.default: 2\n"
        );
    }

    #[test]
    fn version_2_gets_sections_and_lists() {
        let config = config(&[
            ("$internal.application.program-args", "--q;'a;b: c'"),
            ("jobmanager.memory.process.size", "1 gb"),
            ("jobmanager.rpc.port", "6123"),
            ("web", "yes"),
        ]);
        let expected = "\
$internal:
  application:
    program-args:
    - \"--q\"
    - \"a;b: c\"
jobmanager:
  memory:
    process:
      size: \"1 gb\"
  rpc:
    port: \"6123\"
web: \"yes\"
";
        assert_eq!(file(&config, FlinkVersion::V2_3).unwrap(), expected);
    }

    #[test]
    fn a_key_that_is_the_beginning_of_another_is_refused_for_version_2() {
        let config = config(&[
            ("high-availability", "kubernetes"),
            ("high-availability-x", "fine"),
            ("high-availability.storageDir", "s3://x"),
        ]);
        let errors = file(&config, FlinkVersion::V2_0).unwrap_err();
        assert_eq!(errors.len(), 1);
        let message = errors[0].to_string();
        assert!(
            message.ends_with("replace 'high-availability' by 'high-availability.type'"),
            "{message}"
        );
        assert!(file(&config, FlinkVersion::V1_20).is_ok());
    }

    proptest! {
        #[test]
        fn nested_yaml_holds_what_the_map_holds(
            entries in proptest::collection::btree_map("[a-c]{1,2}(\\.[a-c]{1,2}){0,3}", "[ -~]{0,10}", 0..8)
        ) {
            let config = FlinkConfig::from(entries);
            if let Ok(text) = nested(&config) {
                let read: Map<String, Json> = serde_saphyr::from_str(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert_eq!(FlinkConfig::flatten(&read), config);
            } else {
                let keys: Vec<&str> = config.iter().map(|(key, _)| key).collect();
                let overlap = |a: &&str| keys.iter().any(|b| b.starts_with(&format!("{a}.")));
                prop_assert!(keys.iter().any(overlap));
            }
        }
    }
}
