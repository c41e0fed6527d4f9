//! The stored form of tuned memory, which is the Java operator's: YAML of options to set and to take out.
//!
//! The rule: written for it to read, so that it finds the job as it is deployed; nothing is decided from it here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The key, in the data of the ConfigMap `autoscaler-<name>`, of options that are imposed.
pub const CONFIG_OVERRIDES_KEY: &str = "configOverrides";

/// Options to set and to take out, as YAML.
pub fn config_overrides_to_yaml(
    overrides: &BTreeMap<String, String>,
    removals: &[String],
) -> String {
    let mut text = String::from("---\n");
    if overrides.is_empty() {
        text.push_str("overrides: {}\n");
    } else {
        text.push_str("overrides:\n");
        for (key, value) in overrides {
            let _ = writeln!(text, "  {key}: {}", quoted(value));
        }
    }
    if removals.is_empty() {
        text.push_str("removals: []\n");
    } else {
        text.push_str("removals:\n");
        for key in removals {
            let _ = writeln!(text, "- {}", quoted(key));
        }
    }
    text
}

/// A text in quotes; those of JSON are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_imposed_is_written_as_the_java_operator_writes_it() {
        // Of a ConfigMap the Java operator wrote.
        assert_eq!(
            config_overrides_to_yaml(&BTreeMap::new(), &[]),
            "---\noverrides: {}\nremovals: []\n"
        );
    }

    #[test]
    fn options_are_texts_in_quotes() {
        let overrides = BTreeMap::from([
            (
                "taskmanager.memory.managed.fraction".to_owned(),
                "0.0".to_owned(),
            ),
            (
                "taskmanager.memory.process.size".to_owned(),
                "2 gb".to_owned(),
            ),
        ]);
        let removals = ["taskmanager.memory.flink.size".to_owned()];
        assert_eq!(
            config_overrides_to_yaml(&overrides, &removals),
            "---\noverrides:\n  taskmanager.memory.managed.fraction: \"0.0\"\n  \
             taskmanager.memory.process.size: \"2 gb\"\nremovals:\n- \"taskmanager.memory.flink.size\"\n"
        );
    }
}
