//! Flink versions as users write them (`v1_20`), their order, and what each implies.
//!
//! One rule: the enum is exactly the released one, so a version that is no longer supported still
//! parses and can be answered with a status instead of silence. Tests are at the end of the file.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of Flink that runs in the cluster, without the patch level.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "&'static str")]
#[schemars(!try_from, !into)]
#[expect(missing_docs, reason = "each variant is named after its version")]
pub enum FlinkVersion {
    #[schemars(rename = "v1_13")]
    V1_13,
    #[schemars(rename = "v1_14")]
    V1_14,
    #[schemars(rename = "v1_15")]
    V1_15,
    #[schemars(rename = "v1_16")]
    V1_16,
    #[schemars(rename = "v1_17")]
    V1_17,
    #[schemars(rename = "v1_18")]
    V1_18,
    #[schemars(rename = "v1_19")]
    V1_19,
    #[schemars(rename = "v1_20")]
    V1_20,
    #[schemars(rename = "v2_0")]
    V2_0,
    #[schemars(rename = "v2_1")]
    V2_1,
    #[schemars(rename = "v2_2")]
    V2_2,
    #[schemars(rename = "v2_3")]
    V2_3,
    #[schemars(rename = "v2_4")]
    V2_4,
}

/// A value that is no known Flink version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown Flink version \"{given}\"; supported are {}", supported())]
pub struct UnknownFlinkVersion {
    /// What was written.
    pub given: String,
}

impl FlinkVersion {
    /// Every version of the enum, oldest first.
    pub const ALL: [Self; 13] = [
        Self::V1_13,
        Self::V1_14,
        Self::V1_15,
        Self::V1_16,
        Self::V1_17,
        Self::V1_18,
        Self::V1_19,
        Self::V1_20,
        Self::V2_0,
        Self::V2_1,
        Self::V2_2,
        Self::V2_3,
        Self::V2_4,
    ];

    /// The versions the operator runs, oldest first.
    pub fn supported() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|version| version.is_supported())
    }

    /// Name in the API, such as `v1_20`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_13 => "v1_13",
            Self::V1_14 => "v1_14",
            Self::V1_15 => "v1_15",
            Self::V1_16 => "v1_16",
            Self::V1_17 => "v1_17",
            Self::V1_18 => "v1_18",
            Self::V1_19 => "v1_19",
            Self::V1_20 => "v1_20",
            Self::V2_0 => "v2_0",
            Self::V2_1 => "v2_1",
            Self::V2_2 => "v2_2",
            Self::V2_3 => "v2_3",
            Self::V2_4 => "v2_4",
        }
    }

    /// First number of the version: 1 or 2.
    pub const fn major(self) -> u32 {
        if self.uses_nested_config() { 2 } else { 1 }
    }

    /// Second number of the version: 20 of 1.20.
    pub const fn minor(self) -> u32 {
        match self {
            Self::V2_0 => 0,
            Self::V2_1 => 1,
            Self::V2_2 => 2,
            Self::V2_3 => 3,
            Self::V2_4 => 4,
            Self::V1_13 => 13,
            Self::V1_14 => 14,
            Self::V1_15 => 15,
            Self::V1_16 => 16,
            Self::V1_17 => 17,
            Self::V1_18 => 18,
            Self::V1_19 => 19,
            Self::V1_20 => 20,
        }
    }

    /// Whether the operator runs this version. Older ones get a status that says so.
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::V1_13 | Self::V1_14)
    }

    /// Whether the version still runs but its support will end: 1.15 to 1.18.
    pub const fn is_deprecated(self) -> bool {
        matches!(self, Self::V1_15 | Self::V1_16 | Self::V1_17 | Self::V1_18)
    }

    /// Whether Flink reads `config.yaml` (nested YAML) only, and no longer `flink-conf.yaml`.
    pub const fn uses_nested_config(self) -> bool {
        matches!(
            self,
            Self::V2_0 | Self::V2_1 | Self::V2_2 | Self::V2_3 | Self::V2_4
        )
    }
}

/// The supported versions as a list for messages.
fn supported() -> String {
    FlinkVersion::supported()
        .map(FlinkVersion::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

impl fmt::Display for FlinkVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FlinkVersion {
    type Err = UnknownFlinkVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or_else(|| UnknownFlinkVersion {
                given: text.to_owned(),
            })
    }
}

impl TryFrom<String> for FlinkVersion {
    type Error = UnknownFlinkVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FlinkVersion> for &'static str {
    fn from(version: FlinkVersion) -> Self {
        version.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_reads_back_as_itself() {
        for version in FlinkVersion::ALL {
            let json = serde_json::to_string(&version).unwrap();
            assert_eq!(json, format!("\"{version}\""));
            assert_eq!(
                serde_json::from_str::<FlinkVersion>(&json).unwrap(),
                version
            );
            assert_eq!(
                version.to_string(),
                format!("v{}_{}", version.major(), version.minor())
            );
        }
    }

    #[test]
    fn versions_are_ordered_by_release() {
        let mut sorted = FlinkVersion::ALL;
        sorted.sort();
        assert_eq!(sorted, FlinkVersion::ALL);
        assert!(FlinkVersion::V1_20 < FlinkVersion::V2_0);
        assert!(FlinkVersion::ALL.windows(2).all(|pair| {
            (pair[0].major(), pair[0].minor()) < (pair[1].major(), pair[1].minor())
        }));
    }

    #[test]
    fn versions_before_1_15_parse_but_are_not_supported() {
        let old: FlinkVersion = "v1_14".parse().unwrap();
        assert!(!old.is_supported());
        assert_eq!(FlinkVersion::supported().next(), Some(FlinkVersion::V1_15));
    }

    #[test]
    fn an_unknown_version_is_answered_with_the_supported_ones() {
        let error = serde_json::from_str::<FlinkVersion>("\"v9_9\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"v9_9\"; supported are v1_15, v1_16"),
            "{error}"
        );
        assert!(error.contains("v2_4"), "{error}");
        assert!(!error.contains("v1_14"), "{error}");
    }

    #[test]
    fn nested_configuration_begins_with_2_0() {
        assert!(!FlinkVersion::V1_20.uses_nested_config());
        assert!(FlinkVersion::V2_0.uses_nested_config());
    }
}
