//! Writes JSON as block YAML that every YAML reader understands alike. One rule: a text stands without
//! quotes only if no version of YAML could take it for anything else; all others are quoted as in
//! JSON, which is YAML too.

use serde_json::Value as Json;

/// Words that some version of YAML takes for a boolean or nothing.
const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];

/// The document as text, ending with a line break.
pub fn write(value: &Json) -> String {
    let mut out = String::new();
    match value {
        Json::Object(_) | Json::Array(_) if !is_empty(value) => block(value, 0, false, &mut out),
        _ => {
            out.push_str(&flow(value));
            out.push('\n');
        }
    }
    out
}

/// A map or list that is not empty, its first line already indented if `inline`.
fn block(value: &Json, indent: usize, inline: bool, out: &mut String) {
    let mut first = inline;
    let mut pad = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Json::Object(fields) => {
            for (key, value) in fields {
                pad(out);
                out.push_str(&text(key));
                out.push(':');
                match value {
                    Json::Object(_) if !is_empty(value) => {
                        out.push('\n');
                        block(value, indent + 2, false, out);
                    }
                    Json::Array(_) if !is_empty(value) => {
                        out.push('\n');
                        block(value, indent, false, out);
                    }
                    _ => line(value, out),
                }
            }
        }
        Json::Array(items) => {
            for item in items {
                pad(out);
                out.push('-');
                if matches!(item, Json::Object(_) | Json::Array(_)) && !is_empty(item) {
                    out.push(' ');
                    block(item, indent + 2, true, out);
                } else {
                    line(item, out);
                }
            }
        }
        _ => {}
    }
}

fn line(value: &Json, out: &mut String) {
    out.push(' ');
    out.push_str(&flow(value));
    out.push('\n');
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Object(fields) => fields.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => true,
    }
}

/// A scalar or an empty collection.
fn flow(value: &Json) -> String {
    match value {
        Json::String(string) => text(string),
        other => other.to_string(),
    }
}

fn text(string: &str) -> String {
    let plain = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '$')
        && string
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:;,+=$() ".contains(c))
        && !string.contains(": ")
        && !string.ends_with([':', ' '])
        && !WORDS.iter().any(|word| string.eq_ignore_ascii_case(word));
    if plain {
        string.to_owned()
    } else {
        Json::from(string).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_reads_well() {
        let document = json!({
            "spec": {
                "containers": [{"name": "main", "args": ["-x", "a b"], "ports": []}, {"name": "side"}],
                "lists": [["a", "1"], []],
                "number": 1, "text": "1", "word": "on", "none": null, "url": "s3://a/b:c",
            },
        });
        let expected = "\
spec:
  containers:
  - args:
    - \"-x\"
    - a b
    name: main
    ports: []
  - name: side
  lists:
  - - a
    - \"1\"
  - []
  none: null
  number: 1
  text: \"1\"
  url: s3://a/b:c
  word: \"on\"
";
        assert_eq!(write(&document), expected);
        assert_eq!(write(&json!({})), "{}\n");
    }

    fn documents() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i32>().prop_map(Json::from),
            "[ -~]{0,10}".prop_map(Json::from),
            "\\PC{0,6}".prop_map(Json::from),
            proptest::sample::select(
                &[
                    "~",
                    "on",
                    "NULL",
                    "1:30",
                    "0755",
                    "2026-01-01",
                    "a: b",
                    "a #b",
                    "\t\n"
                ][..]
            )
            .prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::btree_map("[ -~]{1,8}", inner, 0..4)
                    .prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(document in documents()) {
            let text = write(&document);
            let read: Json = serde_saphyr::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert_eq!(read, document, "{}", text);
        }
    }
}
