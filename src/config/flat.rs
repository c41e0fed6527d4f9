//! `FlinkConfig`: a Flink configuration as Flink itself holds it, a flat map of texts. One rule: a
//! value stays text until somebody asks for it with a type, so what the operator does not know passes
//! through unchanged. Tests are below.

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use serde_json::{Map, Value as Json};

use super::{error::ConfigError, option::ConfigOption, size::Memory, split, value::Value};

/// A flat configuration, in the order of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlinkConfig(BTreeMap<String, String>);

impl FlinkConfig {
    /// An empty configuration.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// From JSON as users write it, flat or nested: keys of nested objects are joined by `.`, elements
    /// of lists by `;`, and everything else is printed. `null` says nothing.
    pub fn flatten(object: &Map<String, Json>) -> Self {
        let mut flat = Self::new();
        flat.add(object, "");
        flat
    }

    fn add(&mut self, object: &Map<String, Json>, prefix: &str) {
        for (key, value) in object {
            let key = if prefix.is_empty() {
                key.clone()
            } else {
                format!("{prefix}.{key}")
            };
            match value {
                Json::Null => {}
                Json::Object(inner) => self.add(inner, &key),
                other => self.set(key, text(other)),
            }
        }
    }

    /// The text of a key.
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether the key is set.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets a key.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Sets a key unless it is set.
    pub fn set_default(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_insert_with(|| value.into());
    }

    /// Removes a key and returns its text.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Keeps the keys for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    /// Adds the entries of `other`, which win.
    pub fn overlay(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The entries whose keys start with `prefix`, without the prefix.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let from = self
            .0
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map_while(move |(k, v)| Some((k.strip_prefix(prefix)?, v.as_str())))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of an option: its key, else an older key, else its default.
    pub fn get<T: Value>(&self, option: &ConfigOption<T>) -> Result<T, ConfigError> {
        let mut keys = std::iter::once(&option.key).chain(option.aliases);
        let found = keys.find(|key| self.contains(key));
        self.get_at(found.unwrap_or(&option.key), option)
    }

    /// The value of an option that stands at this key, else its default.
    pub fn get_at<T: Value>(&self, key: &str, option: &ConfigOption<T>) -> Result<T, ConfigError> {
        match self.raw(key).or(option.default) {
            Some(text) => read(key, text),
            None => T::absent().ok_or_else(|| ConfigError::Missing {
                key: key.to_owned(),
                expected: T::EXPECTED.to_owned(),
            }),
        }
    }

    /// Whether an option is set, by its key or an older one.
    pub fn is_set<T: Value>(&self, option: &ConfigOption<T>) -> bool {
        std::iter::once(&option.key)
            .chain(option.aliases)
            .any(|key| self.contains(key))
    }

    /// The typed value of any key.
    pub fn typed<T: Value>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        self.raw(key).map(|text| read(key, text)).transpose()
    }

    /// The duration of a key.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        self.typed(key)
    }

    /// The memory size of a key.
    pub fn memory(&self, key: &str) -> Result<Option<Memory>, ConfigError> {
        self.typed(key)
    }

    /// The boolean of a key.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.typed(key)
    }

    /// The whole number of a key.
    pub fn i32(&self, key: &str) -> Result<Option<i32>, ConfigError> {
        self.typed(key)
    }

    /// The list of a key; empty if the key is not set.
    pub fn list(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        Ok(self.typed(key)?.unwrap_or_default())
    }

    /// The map of a key, together with what was written as keys below it (`key.k1: v1`), as nested
    /// YAML is. Empty if neither is there.
    pub fn map(&self, key: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut map: BTreeMap<String, String> = self.typed(key)?.unwrap_or_default();
        let below = format!("{key}.");
        map.extend(
            self.below(&below)
                .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        Ok(map)
    }
}

fn read<T: Value>(key: &str, text: &str) -> Result<T, ConfigError> {
    T::parse(text).ok_or_else(|| ConfigError::invalid(key, text, T::EXPECTED))
}

/// A value inside a flat configuration. Objects in lists take Flink's map notation.
fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) => value.to_string(),
        Json::Array(items) => split::join(items.iter().map(text), ';'),
        Json::Object(fields) => {
            let fields: BTreeMap<String, String> =
                fields.iter().map(|(k, v)| (k.clone(), text(v))).collect();
            split::join_map(&fields)
        }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for FlinkConfig {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(
            entries
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }
}

impl From<BTreeMap<String, String>> for FlinkConfig {
    fn from(entries: BTreeMap<String, String>) -> Self {
        Self(entries)
    }
}

impl From<FlinkConfig> for BTreeMap<String, String> {
    fn from(config: FlinkConfig) -> Self {
        config.0
    }
}

#[cfg(test)]
mod tests;
