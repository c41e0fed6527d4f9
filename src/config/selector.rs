//! Label selectors as the API server reads them, understood at the start rather than by a watch that breaks.
//!
//! The rule: what is accepted here is accepted there. Tests are below.

use super::value::Value;

/// A label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector {
    text: String,
    keys: Vec<String>,
}

impl LabelSelector {
    /// It as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it asks about the label of this key.
    pub fn names(&self, key: &str) -> bool {
        self.keys.iter().any(|named| named == key)
    }
}

impl Value for LabelSelector {
    const TYPE: &'static str = "String";
    const EXPECTED: &'static str =
        "a label selector, such as 'team=a' or 'env in (test,dev),!legacy'";

    fn parse(text: &str) -> Option<Self> {
        let keys = requirements(text).map(|part| key_of(part.trim()));
        Some(Self {
            text: text.trim().to_owned(),
            keys: keys.collect::<Option<_>>()?,
        })
    }
}

/// The requirements: commas within parentheses are not between them.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        inside = match c {
            '(' => true,
            ')' => false,
            _ => inside,
        };
        c == ',' && !inside
    })
}

/// The key of one requirement, if it is one.
fn key_of(requirement: &str) -> Option<String> {
    let key = if let Some(key) = requirement.strip_prefix('!') {
        key
    } else if let Some((key, value)) = requirement
        .split_once("!=")
        .or_else(|| requirement.split_once("=="))
        .or_else(|| requirement.split_once('='))
    {
        is_value(value.trim()).then_some(key)?
    } else if let Some((left, values)) = requirement.split_once('(') {
        let (key, operator) = left.trim().rsplit_once(char::is_whitespace)?;
        let mut values = values.strip_suffix(')')?.split(',');
        let sound = matches!(operator, "in" | "notin") && values.all(|it| is_value(it.trim()));
        sound.then_some(key)?
    } else {
        requirement
    };
    let key = key.trim();
    is_key(key).then(|| key.to_owned())
}

/// A name, perhaps with a DNS name and a slash before it.
fn is_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').unwrap_or(("a", text));
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |part: &str| {
        part.starts_with(lower)
            && part.ends_with(lower)
            && part.chars().all(|c| lower(c) || c == '-')
    };
    !name.is_empty() && is_value(name) && prefix.len() <= 253 && prefix.split('.').all(label)
}

/// At most 63 letters, digits and what may stand between them; or nothing.
fn is_value(text: &str) -> bool {
    let outside = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.starts_with(outside)
            && text.ends_with(outside)
            && text
                .chars()
                .all(|c| outside(c) || matches!(c, '-' | '_' | '.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_kubernetes_is_read_and_its_keys_are_known() {
        for (text, keys) in [
            ("team=a", vec!["team"]),
            ("team == a, env != prod", vec!["team", "env"]),
            ("env in (test, dev),!legacy", vec!["env", "legacy"]),
            ("example.org/tier notin (gold)", vec!["example.org/tier"]),
            ("watched", vec!["watched"]),
            ("team=", vec!["team"]),
        ] {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.keys, keys, "{text}");
            assert_eq!(selector.as_str(), text);
        }
        let selector = LabelSelector::parse("team=a").expect("a selector");
        assert!(selector.names("team") && !selector.names("a"));
    }

    #[test]
    fn what_the_api_server_would_refuse_is_refused() {
        let long = format!("team={}", "a".repeat(64));
        for text in [
            "team=a team=b",
            "team in a,b",
            "team in (a",
            "team within (a)",
            "=a",
            "!",
            "team=a,",
            "team=-a",
            "Example.org/team=a",
            "a/b/c",
            &long,
        ] {
            assert_eq!(LabelSelector::parse(text), None, "{text}");
        }
    }
}
