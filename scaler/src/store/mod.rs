//! The stored forms: the text of `parallelismOverrides`, which the Java operator reads and writes too, and
//! versioned JSON for history and window.
//!
//! The rule: what cannot be read is passed over with a reason and never ends in an error of the whole;
//! what was written is read back equal. Nothing is compressed here. Tests are below and in the files.

mod decisions;
mod history;
mod job;
mod memory;
mod window;

use std::{collections::BTreeMap, fmt};

pub use decisions::{decisions_from_json, decisions_to_json};
pub use history::{history_from_json, history_to_json};
pub use job::{StoredJob, job_from_json, job_to_json};
pub use memory::{CONFIG_OVERRIDES_KEY, config_overrides_to_yaml};
pub use window::{samples_from_json, window_from_json, window_to_json};

use crate::topology::VertexId;

/// The key, in the data of the ConfigMap `autoscaler-<name>`, of the overrides; its form is the Java operator's.
pub const OVERRIDES_KEY: &str = "parallelismOverrides";

/// The key of the history. The Java operator leaves it alone.
pub const HISTORY_KEY: &str = "scalerHistory";

/// The key of the window. The Java operator leaves it alone.
pub const WINDOW_KEY: &str = "scalerWindow";

/// The key of the decision log. The Java operator leaves it alone.
pub const DECISIONS_KEY: &str = "scalerDecisions";

/// The key of the job's graph and options, with which the window can be evaluated again. The Java operator
/// leaves it alone.
pub const JOB_KEY: &str = "scalerJob";

/// Why something stored was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored(pub String);

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something read back, and what had to be left out of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restored<T> {
    /// What could be read.
    pub value: T,
    /// What could not, each with its reason.
    pub ignored: Vec<Ignored>,
}

/// Writes overrides as `vertex:parallelism,vertex:parallelism`, in the order of the ids.
pub fn overrides_to_text(overrides: &BTreeMap<VertexId, u32>) -> String {
    let pairs: Vec<String> = overrides
        .iter()
        .map(|(id, n)| format!("{id}:{n}"))
        .collect();
    pairs.join(",")
}

/// Reads overrides in the same form. Blanks around parts are allowed; the last of two equal ids counts.
pub fn overrides_from_text(text: &str) -> Restored<BTreeMap<VertexId, u32>> {
    let mut restored: Restored<BTreeMap<VertexId, u32>> = Restored::default();
    for pair in text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        match override_of(pair) {
            Ok((id, parallelism)) => {
                restored.value.insert(id, parallelism);
            }
            Err(reason) => restored.ignored.push(Ignored(reason)),
        }
    }
    restored
}

fn override_of(pair: &str) -> Result<(VertexId, u32), String> {
    let (id, parallelism) = pair
        .split_once(':')
        .ok_or_else(|| format!("override '{pair}' is not of the form vertex:parallelism"))?;
    let id = VertexId::new(id.trim()).map_err(|error| format!("override '{pair}': {error}"))?;
    match parallelism.trim().parse() {
        Ok(0) | Err(_) => Err(format!(
            "override '{pair}': '{}' is no parallelism",
            parallelism.trim()
        )),
        Ok(parallelism) => Ok((id, parallelism)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overrides_have_the_java_operators_form() {
        // Of a ConfigMap the Java operator wrote; its order is that of a hash map.
        let text = "59fa767824610e31f4a11d6125e09bf4:2,2e622efb053aba8f5f8d3a6f99418525:1";
        let restored = overrides_from_text(text);
        assert_eq!(restored.ignored, []);
        assert_eq!(
            overrides_to_text(&restored.value),
            "2e622efb053aba8f5f8d3a6f99418525:1,59fa767824610e31f4a11d6125e09bf4:2"
        );
        assert_eq!(overrides_from_text(""), Restored::default());
    }

    #[test]
    fn a_broken_override_does_not_spoil_the_others() {
        let restored = overrides_from_text("a:1, b ,c:0,d:-1,e:5,:3");
        assert_eq!(overrides_to_text(&restored.value), "a:1,e:5");
        assert_eq!(restored.ignored.len(), 4);
        assert_eq!(
            restored.ignored[0].to_string(),
            "override 'b' is not of the form vertex:parallelism"
        );
    }

    proptest! {
        #[test]
        fn overrides_are_read_back(pairs in proptest::collection::btree_map("[0-9a-f]{1,32}", 1u32.., 0..20)) {
            let overrides = pairs.into_iter().map(|(id, n)| (VertexId::new(id).unwrap(), n)).collect();
            let restored = overrides_from_text(&overrides_to_text(&overrides));
            prop_assert_eq!(restored.value, overrides);
            prop_assert!(restored.ignored.is_empty());
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in ".{0,80}") {
            let _ = overrides_from_text(&text);
            let _ = history_from_json(&text);
            let _ = decisions_from_json(&text);
            let _ = job_from_json(&text);
            let _ = window_from_json(&text, jiff::SignedDuration::from_secs(60));
        }
    }
}
