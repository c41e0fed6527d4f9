//! `status.error`: a JSON document in a string, as tools of the Java operator read it.
//!
//! The rule: the same mistake has the same text every time, or it would be told again and again.

use std::collections::BTreeMap;

use flink_crds::FlinkDeploymentStatus;
use regex::Regex;
use serde_json::json;

use crate::config::{ConfigError, FlinkConfig, options};

/// How errors are written down: their length, and the labels of those that are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorForm {
    /// Labels by regular expression.
    labels: BTreeMap<String, String>,
    /// Most characters of a text.
    longest: usize,
}

impl Default for ErrorForm {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            longest: usize::MAX,
        }
    }
}

impl ErrorForm {
    /// Read it.
    pub fn read(config: &FlinkConfig) -> Result<Self, ConfigError> {
        let longest = config.get(&options::EXCEPTION_FIELD_MAX_LENGTH)?;
        Ok(Self {
            labels: config.get(&options::EXCEPTION_LABEL_MAPPER)?,
            longest: usize::try_from(longest).unwrap_or_default(),
        })
    }

    /// What is odd about it: expressions that are none.
    pub fn advice(&self) -> impl Iterator<Item = String> {
        let key = options::EXCEPTION_LABEL_MAPPER.key;
        self.labels.keys().filter_map(move |expression| {
            let error = Regex::new(expression).err()?;
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default();
            Some(format!(
                "{key}: '{expression}' is not a regular expression, and labels nothing: {why}"
            ))
        })
    }

    /// As much of a message as is written down.
    pub fn shortened<'a>(&self, message: &'a str) -> &'a str {
        let end = message.char_indices().nth(self.longest);
        end.and_then(|(end, _)| message.get(..end))
            .unwrap_or(message)
    }

    /// The document of these messages.
    pub fn text(&self, kind: &str, messages: &[&str]) -> String {
        let message = messages
            .iter()
            .map(|message| self.shortened(message))
            .collect::<Vec<_>>()
            .join("\n");
        let labels = self.labels_of(messages);
        if labels.is_empty() {
            return json!({ "type": kind, "message": message }).to_string();
        }
        let metadata = json!({ "labels": labels });
        json!({ "type": kind, "message": message, "additionalMetadata": metadata }).to_string()
    }

    /// The labels of the expressions that are found in any message.
    fn labels_of(&self, messages: &[&str]) -> Vec<&str> {
        let found = |(expression, _): &(&String, &String)| {
            Regex::new(expression)
                .is_ok_and(|regex| messages.iter().any(|message| regex.is_match(message)))
        };
        self.labels
            .iter()
            .filter(found)
            .map(|(_, label)| label.as_str())
            .collect()
    }

    /// The status, with a step's failure recorded beside what else is wrong.
    pub fn with_error(
        &self,
        status: &FlinkDeploymentStatus,
        kind: &str,
        message: &str,
    ) -> FlinkDeploymentStatus {
        let mut status = status.clone();
        let before = error_field(&status, "message").unwrap_or_default();
        let message = self.shortened(message);
        if !before.lines().any(|line| line == message) {
            let known = error_field(&status, "type");
            let kind = known.as_deref().unwrap_or(kind);
            let messages: Vec<&str> = before.lines().chain([message]).collect();
            status.error = Some(self.text(kind, &messages));
        }
        status.lifecycle_state = Some(super::lifecycle::lifecycle_of(&status));
        let reason = error_field(&status, "type").unwrap_or_default();
        let all = error_field(&status, "message").unwrap_or_default();
        for condition in status.conditions.iter_mut().flatten() {
            if condition.type_ == "Stalled" && condition.status != "True" {
                "True".clone_into(&mut condition.status);
                condition.reason.clone_from(&reason);
                condition.message.clone_from(&all);
            }
        }
        status
    }
}

/// One field of the document in `status.error`.
pub fn error_field(status: &FlinkDeploymentStatus, field: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(status.error.as_deref()?).ok()?;
    document.get(field)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(mapper: &str, longest: &str) -> ErrorForm {
        let config = FlinkConfig::from_iter([
            (options::EXCEPTION_LABEL_MAPPER.key, mapper),
            (options::EXCEPTION_FIELD_MAX_LENGTH.key, longest),
        ]);
        ErrorForm::read(&config).unwrap()
    }

    #[test]
    fn errors_that_an_expression_is_found_in_carry_its_label() {
        let form = form("Out ?Of ?Memory:memory,.*Kafka.*:broker,(:none", "100");
        assert_eq!(
            form.text("Error", &["java.lang.OutOfMemoryError: heap"]),
            r#"{"additionalMetadata":{"labels":["memory"]},"message":"java.lang.OutOfMemoryError: heap","type":"Error"}"#
        );
        assert_eq!(
            form.text("Error", &["fine"]),
            r#"{"message":"fine","type":"Error"}"#
        );
        let advice: Vec<String> = form.advice().collect();
        assert_eq!(advice.len(), 1);
        assert!(
            advice[0].contains("'(' is not a regular expression, and labels nothing: "),
            "{advice:?}"
        );
    }

    #[test]
    fn each_message_is_cut_at_its_longest_and_still_recognised_as_the_same() {
        let form = form("", "5");
        let status = FlinkDeploymentStatus::default();
        let once = form.with_error(&status, "Error", "größer als gedacht");
        assert_eq!(error_field(&once, "message").as_deref(), Some("größe"));
        assert_eq!(form.with_error(&once, "Error", "größer als gedacht"), once);
    }

    #[test]
    fn a_refused_step_stands_beside_what_else_is_wrong() {
        let form = ErrorForm::default();
        let status = FlinkDeploymentStatus {
            error: Some(form.text("ValidationError", &["spec.image: none"])),
            ..FlinkDeploymentStatus::default()
        };
        let both = form.with_error(&status, "Error", "failed to apply Ingress job");
        assert_eq!(
            both.error.as_deref(),
            Some(
                r#"{"message":"spec.image: none\nfailed to apply Ingress job","type":"ValidationError"}"#
            )
        );
    }
}
