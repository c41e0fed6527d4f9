//! The operator's defaults: what it was given at its start, which is its own configuration and at the
//! same time the base of every cluster's. One rule: a default of a Flink version beats a default of a
//! namespace, and both beat a plain default.

use std::collections::{BTreeMap, BTreeSet};

use flink_crds::FlinkVersion;

use super::{
    ConfigError, Enforced, FlinkConfig,
    layers::{self, DEFAULT, ENFORCED},
    options,
};

/// File name of the logging configuration for Log4j.
pub const LOG4J_FILE: &str = "log4j-console.properties";
/// File name of the logging configuration for Logback.
pub const LOGBACK_FILE: &str = "logback-console.xml";

/// Packages of the Java runtime that Flink opens to itself on Java 17 and later.
const EXPORTS: [&str; 3] = [
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
];
const OPENS: [&str; 12] = [
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
];

/// The operator's defaults and the logging files that clusters get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    config: FlinkConfig,
    log_files: BTreeMap<String, String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Defaults {
    /// What holds without any file: one slot, parallelism one, the module flags that Flink needs on
    /// Java 17, and logging to the console.
    pub fn builtin() -> Self {
        let flags = module_flags();
        let config = FlinkConfig::from_iter([
            ("parallelism.default".to_owned(), "1".to_owned()),
            ("taskmanager.numberOfTaskSlots".to_owned(), "1".to_owned()),
            (
                format!("{}flink-version.v1_18.env.java.opts.all", DEFAULT.prefix),
                flags.clone(),
            ),
            (
                format!(
                    "{}flink-version.v1_19+.env.java.default-opts.all",
                    DEFAULT.prefix
                ),
                flags,
            ),
        ]);
        let log_files = BTreeMap::from([
            (
                LOG4J_FILE.to_owned(),
                include_str!("builtin/log4j-console.properties").to_owned(),
            ),
            (
                LOGBACK_FILE.to_owned(),
                include_str!("builtin/logback-console.xml").to_owned(),
            ),
        ]);
        Self { config, log_files }
    }

    /// The built-in defaults under `config`.
    #[must_use]
    pub fn with_config(mut self, config: &FlinkConfig) -> Self {
        self.config.overlay(config.clone());
        self
    }

    /// The same defaults with these logging files in place of the present ones.
    #[must_use]
    pub fn with_log_files(mut self, files: BTreeMap<String, String>) -> Self {
        self.log_files = files;
        self
    }

    /// The operator's own configuration.
    pub const fn operator(&self) -> &FlinkConfig {
        &self.config
    }

    /// The logging files by name, for clusters whose spec brings none.
    pub const fn log_files(&self) -> &BTreeMap<String, String> {
        &self.log_files
    }

    /// The base configuration of a resource: the plain defaults, then those of its namespace, then
    /// those of its Flink version (`v1_20`), from the oldest `+` upwards and the exact one last.
    pub fn for_resource(&self, namespace: &str, version: Option<FlinkVersion>) -> FlinkConfig {
        let mut config = self.config.clone();
        config.retain(|key| {
            ![DEFAULT, ENFORCED]
                .iter()
                .any(|layers| key.starts_with(layers.prefix))
        });
        config.overlay(DEFAULT.of_resource(&self.config, namespace, version));
        config
    }

    /// What stands over the configuration of a resource, whoever wrote it.
    pub fn enforced(&self, namespace: &str, version: Option<FlinkVersion>) -> Enforced {
        Enforced::new(ENFORCED.of_resource(&self.config, namespace, version))
    }

    /// What is wrong with keys that are for some resources only.
    pub fn mistakes(&self) -> Vec<String> {
        layers::mistakes(&self.config)
    }

    /// Whether Ingresses are ours to manage; without, the operator needs no rights on them.
    pub fn manages_ingresses(&self) -> bool {
        self.config.get(&options::INGRESS_MANAGE).unwrap_or(true)
    }

    /// The namespaces to watch; `None` for all of them.
    pub fn watched_namespaces(&self) -> Result<Option<BTreeSet<String>>, ConfigError> {
        let text = self.config.get(&options::WATCHED_NAMESPACES)?;
        let names: BTreeSet<String> = text
            .split(',')
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .map(Into::into)
            .collect();
        if names.is_empty() || names.contains("JOSDK_ALL_NAMESPACES") {
            return Ok(None);
        }
        match names.iter().find(|name| !is_namespace(name)) {
            None => Ok(Some(names)),
            Some(wrong) => {
                let expected =
                    "a namespace: lower case letters, digits and hyphens, for example team-a";
                let key = options::WATCHED_NAMESPACES.key;
                Err(ConfigError::invalid(key, wrong, expected))
            }
        }
    }
}

/// Whether a namespace can have this name: a DNS label.
fn is_namespace(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 63 && name.chars().all(legal) && !name.starts_with('-') && !name.ends_with('-')
}

fn module_flags() -> String {
    let exports = EXPORTS
        .iter()
        .map(|package| format!("--add-exports={package}=ALL-UNNAMED"));
    let opens = OPENS
        .iter()
        .map(|package| format!("--add-opens={package}=ALL-UNNAMED"));
    exports.chain(opens).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(entries: &[(&str, &str)]) -> Defaults {
        Defaults::builtin().with_config(&entries.iter().copied().collect())
    }

    #[test]
    fn module_flags_come_with_the_versions_that_need_them() {
        let defaults = Defaults::builtin();
        let keys = |version| {
            let config = defaults.for_resource("ns", Some(version));
            ["env.java.opts.all", "env.java.default-opts.all"].map(|key| config.contains(key))
        };
        assert_eq!(keys(FlinkVersion::V1_17), [false, false]);
        assert_eq!(keys(FlinkVersion::V1_18), [true, false]);
        assert_eq!(keys(FlinkVersion::V1_19), [false, true]);
        assert_eq!(keys(FlinkVersion::V2_3), [false, true]);
    }

    #[test]
    fn version_beats_namespace_and_exact_beats_later() {
        let ns = "kubernetes.operator.default-configuration.namespace.";
        let by = "kubernetes.operator.default-configuration.flink-version.";
        let entries = [
            ("a".to_owned(), "plain"),
            ("b".to_owned(), "plain"),
            (format!("{ns}ga.a"), "namespace"),
            (format!("{ns}ga.b"), "namespace"),
            (format!("{ns}other.b"), "other"),
            (format!("{by}v1_18+.b"), "1.18 on"),
            (format!("{by}v1_20+.b"), "1.20 on"),
            (format!("{by}v2_0+.b"), "2.0 on"),
            (format!("{by}v1_19.b"), "exactly 1.19"),
            (format!("{by}v1_18.c"), "exactly 1.18"),
        ];
        let defaults = Defaults::builtin().with_config(&entries.into_iter().collect());
        let value = |namespace, version| {
            let config = defaults.for_resource(namespace, version);
            ["a", "b", "c"].map(|key| config.raw(key).unwrap_or("-").to_owned())
        };
        assert_eq!(value("x", None), ["plain", "plain", "-"]);
        assert_eq!(
            value("ga", Some(FlinkVersion::V1_17)),
            ["namespace", "namespace", "-"]
        );
        assert_eq!(
            value("ga", Some(FlinkVersion::V1_18)),
            ["namespace", "1.18 on", "exactly 1.18"]
        );
        assert_eq!(
            value("ga", Some(FlinkVersion::V1_19)),
            ["namespace", "exactly 1.19", "-"]
        );
        assert_eq!(
            value("ga", Some(FlinkVersion::V1_20)),
            ["namespace", "1.20 on", "-"]
        );
        assert_eq!(
            value("ga", Some(FlinkVersion::V2_3)),
            ["namespace", "2.0 on", "-"]
        );
    }

    #[test]
    fn watched_namespaces_are_all_or_a_list() {
        let key = "kubernetes.operator.watched.namespaces";
        assert_eq!(with(&[]).watched_namespaces(), Ok(None));
        assert_eq!(with(&[(key, "")]).watched_namespaces(), Ok(None));
        let names = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            with(&[(key, "b, a,")]).watched_namespaces(),
            Ok(Some(names))
        );
    }
}
