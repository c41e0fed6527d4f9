//! Writes JSON values as YAML that people like to read and that stays small.
//!
//! One rule: what fits on a line stays on it (`name: {description: The name., type: string}`), so a
//! CRD of a thousand fields has about as many lines. Tests are at the end of the file.

use serde_json::{Map, Value};

/// Longest line, in characters, that is not broken.
const WIDTH: usize = 120;
/// Folded text keeps at least this width, however deep it is.
const MIN_FOLD: usize = 60;

/// `value` as a YAML document, with a line break at the end.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Writes `value` where the cursor stands at the start of a line, or after `- `.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (position, (key, value)) in ordered(map).into_iter().enumerate() {
                if position > 0 || out.ends_with('\n') {
                    pad(indent, out);
                }
                let key = scalar(key);
                out.push_str(&key);
                out.push(':');
                entry(value, indent, key.chars().count() + 1, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                if position > 0 || out.ends_with('\n') {
                    pad(indent, out);
                }
                out.push_str("- ");
                let line = flow(item);
                if is_scalar(item) || indent + 2 + line.chars().count() <= WIDTH {
                    out.push_str(&line);
                    out.push('\n');
                } else {
                    block(item, indent + 2, out);
                }
            }
        }
        other => {
            out.push_str(&flow(other));
            out.push('\n');
        }
    }
}

/// Writes the value of a key that took `used` characters after the indentation.
fn entry(value: &Value, indent: usize, used: usize, out: &mut String) {
    let line = flow(value);
    let fits = indent + used + 1 + line.chars().count() <= WIDTH;
    match value {
        Value::String(text) if !fits && can_fold(text) => fold(text, indent + 2, out),
        Value::Object(_) if !fits => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Value::Array(_) if !fits => {
            out.push('\n');
            block(value, indent, out);
        }
        _ => {
            out.push(' ');
            out.push_str(&line);
            out.push('\n');
        }
    }
}

/// `value` on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(flow).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", scalar(key), flow(value));
            format!(
                "{{{}}}",
                ordered(map)
                    .into_iter()
                    .map(entry)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// Entries by name, but a schema's description and type before its other parts.
fn ordered(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |key: &str, value: &Value| match key {
        "description" if value.is_string() => 0,
        "type" if value.is_string() => 1,
        _ => 2,
    };
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, value)| (rank(key, value), key.as_str()));
    entries
}

/// Text as a plain scalar if that cannot be misread, else in double quotes.
fn scalar(text: &str) -> String {
    const MISREAD: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.')
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && !MISREAD.contains(&text.to_ascii_lowercase().as_str())
        && ![".nan", ".inf"].contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}

fn is_scalar(value: &Value) -> bool {
    !(value.is_object() || value.is_array())
}

/// Whether folding and unfolding gives the text back: single spaces between words only.
fn can_fold(text: &str) -> bool {
    text.split(' ')
        .all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
}

/// Writes text as a folded block (`>-`).
fn fold(text: &str, indent: usize, out: &mut String) {
    let width = WIDTH.saturating_sub(indent).max(MIN_FOLD);
    out.push_str(" >-\n");
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            pad(indent, out);
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn short_maps_stay_on_one_line_and_long_texts_are_folded() {
        let long = "word ".repeat(30).trim_end().to_owned();
        let value = json!({
            "name": { "type": "string", "description": "Name." },
            "long": { "description": long },
            "list": [{ "b": 1, "a": [] }, "yes", { "text": "word ".repeat(30).trim_end() }],
        });
        let text = document(&value);
        assert!(
            text.contains("name: {description: Name., type: string}\n"),
            "{text}"
        );
        assert!(text.contains("  description: >-\n    word word"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(read(&text), value);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,30}",
            "([a-zA-Z0-9:#'\"{}\\[\\],&*!|>%@`.-]{1,12} ){0,30}[a-z]",
            Just("true".to_owned()),
            Just("1.5".to_owned()),
            Just(".inf".to_owned()),
            Just("two\n\nparagraphs".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-zA-Z0-9 :-]{1,12}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_json()) {
            prop_assert_eq!(read(&document(&value)), value);
        }
    }
}
