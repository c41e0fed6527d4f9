//! The settings of one job: a typed struct, read from a flat Flink configuration.
//!
//! The rule: every option is declared once, in [`TABLE`]; whatever is wrong is reported at once, each
//! with its key and what to write instead. Tests are in `settings/tests.rs`.

mod check;
mod entries;
mod part;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::{collections::BTreeMap, ops::Bound, time::Duration};

pub use check::Notice;
pub use entries::{Entries, Entry, VertexBounds};
pub use part::Part;
pub use table::{
    Alignment, BusyTime, FAMILIES, LegacyAlignment, MetricsSource, Mode, OLD_PREFIX, PREFIX,
    Profile, Row, Settings, TABLE,
};
pub use value::{Bytes, Value};

use crate::{pattern::VertexPattern, topology::Vertex, units::Ratio};

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The text is no value of the option's type.
    #[error("{key}: '{value}' is not {expected}")]
    Unreadable {
        /// The key as the user wrote it.
        key: String,
        /// What the user wrote.
        value: String,
        /// What is accepted, with an example.
        expected: &'static str,
    },
    /// The value is of the right type but of no use.
    #[error("{key}: {value} {remedy}")]
    Range {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What to write, to follow the value.
        remedy: String,
    },
}

impl Settings {
    /// Reads the options from a flat configuration. Keys that are not the autoscaler's are passed over.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the table.
    pub fn parse(config: &BTreeMap<String, String>) -> Result<Self, Vec<SettingsError>> {
        let settings = Self::read(config)?;
        // A job that is not scaled must not fail over the values of options that are not used.
        let errors = match settings.effective_mode() {
            Mode::Off => Vec::new(),
            _ => settings.check(),
        };
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }

    /// What the autoscaler may do. `enabled: false` is off whatever else is set, then the mode counts,
    /// `scaling.enabled: false` turns acting into recommending:
    ///
    /// | enabled | mode | scaling.enabled | effective |
    /// | --- | --- | --- | --- |
    /// | false | any | any | off |
    /// | unset | unset | any | off |
    /// | true | unset | true / false | auto / recommend |
    /// | true or unset | auto | true / false | auto / recommend |
    /// | true or unset | another | any | the mode |
    pub fn effective_mode(&self) -> Mode {
        let mode = match (self.enabled, self.mode) {
            (Some(false), _) | (None, None) => Mode::Off,
            (_, Some(mode)) => mode,
            (Some(true), None) => Mode::Auto,
        };
        if mode == Mode::Auto && !self.scaling_enabled {
            Mode::Recommend
        } else {
            mode
        }
    }

    /// Utilization aimed at.
    pub fn target(&self) -> Ratio {
        clamped(self.utilization_target)
    }

    /// Utilization above which a vertex is scaled up. With target 0.7 and nothing else set: 1.0 with
    /// profile `apache`, 0.85 with `adaptive`, which so acts before a backlog forms.
    pub fn upper_utilization(&self) -> Ratio {
        let target = self.utilization_target;
        let unset = match (self.utilization_boundary, self.profile) {
            (Some(boundary), _) => target + boundary,
            (None, Profile::Apache) => target + DEFAULT_BOUNDARY,
            (None, Profile::Adaptive) => target.midpoint(1.0),
        };
        clamped(self.utilization_max.unwrap_or(unset))
    }

    /// Utilization below which a vertex is scaled down. With target 0.7 and nothing else set: 0.4.
    pub fn lower_utilization(&self) -> Ratio {
        let boundary = self.utilization_boundary.unwrap_or(DEFAULT_BOUNDARY);
        clamped(
            self.utilization_min
                .unwrap_or(self.utilization_target - boundary),
        )
    }

    /// Whether decisions use this part: with profile `adaptive`, unless it is left out.
    pub fn uses(&self, part: Part) -> bool {
        self.profile == Profile::Adaptive
            && !self
                .adaptive_without
                .iter()
                .any(|name| name == part.as_str())
    }

    /// Time after a start of which the readings are left out.
    pub fn stabilization(&self) -> Duration {
        self.stabilization_interval.unwrap_or(match self.profile {
            Profile::Apache => Duration::from_mins(5),
            Profile::Adaptive => Duration::from_mins(1),
        })
    }

    /// Largest share of its subtasks that a vertex loses at once, of which only what it could do with many is known.
    pub fn largest_loss(&self) -> f64 {
        self.scale_down_max_factor.unwrap_or(DEFAULT_LOSS)
    }

    /// Whether this vertex is never scaled.
    pub fn excludes(&self, vertex: &Vertex) -> bool {
        let mut patterns = self
            .vertex_exclude_ids
            .iter()
            .filter_map(|text| VertexPattern::new(text));
        patterns.any(|pattern| pattern.matches(vertex))
    }

    /// Whether a vertex whose last scale-up brought too little is left alone.
    pub fn detects_ineffective(&self) -> bool {
        self.effectiveness_detection_enabled
            .unwrap_or(self.profile == Profile::Adaptive)
    }
}

impl Default for Settings {
    #[expect(
        clippy::expect_used,
        reason = "every default of the table is read by a test"
    )]
    fn default() -> Self {
        Self::read(&BTreeMap::new()).expect("the defaults of the table are values")
    }
}

/// What a vertex loses at once at most when nothing is set.
const DEFAULT_LOSS: f64 = 0.6;

/// Distance of the bounds from the target when nothing is set.
const DEFAULT_BOUNDARY: f64 = 0.3;

/// Nearest number between 0 and 1; differences such as 0.7 - 0.3 are rounded to what a person means.
fn clamped(value: f64) -> Ratio {
    let rounded = (value.clamp(0.0, 1.0) * 1e9).round() / 1e9;
    Ratio::new(rounded).unwrap_or(Ratio::ZERO)
}

/// The entry that sets this option: its key, then older keys, each by the present and the old prefix.
fn entry<'c>(row: &Row, config: &'c BTreeMap<String, String>) -> Option<(&'c String, &'c String)> {
    std::iter::once(&row.key)
        .chain(row.aliases)
        .find_map(|key| {
            config.get_key_value(*key).or_else(|| {
                let suffix = key.strip_prefix(PREFIX)?;
                // There are hardly ever any, and to write each option's old key takes long.
                let from = (Bound::Included(OLD_PREFIX), Bound::Unbounded);
                config
                    .range::<str, _>(from)
                    .map_while(|entry| Some((entry.0.strip_prefix(OLD_PREFIX)?, entry)))
                    .find_map(|(rest, entry)| (rest == suffix).then_some(entry))
            })
        })
}

fn value_of<T: Value>(
    row: &Row,
    config: &BTreeMap<String, String>,
    errors: &mut Vec<SettingsError>,
) -> Option<T> {
    let Some((key, text)) = entry(row, config) else {
        return row.default.map_or_else(T::absent, T::parse);
    };
    let value = T::parse(text);
    if value.is_none() {
        errors.push(SettingsError::Unreadable {
            key: key.clone(),
            value: text.clone(),
            expected: row.expected,
        });
    }
    value
}
