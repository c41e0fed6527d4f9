//! Flink's list and map notation: `a;b;c` and `k1:v1,k2:v2`, where an element that holds a separator
//! is put in quotes, and a quote inside quotes is doubled.

use std::collections::BTreeMap;

/// Splits at `separator` outside quotes and takes the quotes away. Blanks around elements are
/// dropped, and so are empty elements without quotes. `None` if a quote is not closed or text follows a closing one.
pub fn list(text: &str, separator: char) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
            let (part, tail) = quoted(rest, quote)?;
            parts.push(part);
            let tail = tail.trim_start();
            rest = match tail.strip_prefix(separator) {
                Some(tail) => tail,
                None if tail.is_empty() => "",
                None => return None,
            };
        } else {
            let (part, tail) = rest.split_once(separator).unwrap_or((rest, ""));
            if !part.trim_end().is_empty() {
                parts.push(part.trim_end().to_owned());
            }
            rest = tail;
        }
        rest = rest.trim_start();
    }
    Some(parts)
}

/// The element that starts with `quote`, and what follows its closing quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            part.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            part.push(quote);
        } else {
            return Some((part, text.get(at + 1..)?));
        }
    }
    None
}

/// Reads `k1:v1,k2:v2`; `None` if an element is not a pair.
pub fn map(text: &str) -> Option<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for pair in list(text, ',')? {
        let mut parts = list(&pair, ':')?.into_iter();
        let key = parts.next()?;
        let value = parts.next().unwrap_or_default();
        // "key:" is a pair with an empty value, "key" is not a pair.
        if parts.next().is_some() || (value.is_empty() && !pair.contains(':')) {
            return None;
        }
        pairs.insert(key, value);
    }
    Some(pairs)
}

/// Writes a list so that [`list`] reads the same elements back.
pub fn join<S: AsRef<str>>(parts: impl IntoIterator<Item = S>, separator: char) -> String {
    let parts: Vec<String> = parts
        .into_iter()
        .map(|p| escape(p.as_ref(), separator))
        .collect();
    parts.join(&separator.to_string())
}

/// Writes a map so that [`map`] reads the same pairs back.
pub fn join_map<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let pairs = pairs
        .into_iter()
        .map(|(k, v)| format!("{}:{}", escape(k, ':'), escape(v, ':')));
    join(pairs, ',')
}

fn escape(part: &str, separator: char) -> String {
    // A bracket at the start would be taken for a YAML list or map.
    let plain = !part.is_empty()
        && !part.contains([separator, '\'', '"'])
        && !part.starts_with(['[', '{'])
        && part.trim() == part;
    if plain {
        part.to_owned()
    } else {
        format!("'{}'", part.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Value;
    use proptest::prelude::*;

    fn texts(parts: &[&str]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_are_split_outside_quotes() {
        assert_eq!(list("a; b ;c", ';'), Some(texts(&["a", "b", "c"])));
        assert_eq!(
            list("--q;'a;b';\"it's\"", ';'),
            Some(texts(&["--q", "a;b", "it's"]))
        );
        assert_eq!(list("'it''s'", ';'), Some(texts(&["it's"])));
        assert_eq!(list("", ';'), Some(vec![]));
        assert_eq!(list("'open", ';'), None);
        assert_eq!(list("'a'b;c", ';'), None);
    }

    #[test]
    fn maps_need_pairs() {
        let expected = BTreeMap::from([("k1".into(), "v1".into()), ("k2".into(), "v:2".into())]);
        assert_eq!(map("k1:v1, k2:'v:2'"), Some(expected.clone()));
        assert_eq!(map("k1:v1,'k2:''v:2'''"), Some(expected));
        assert_eq!(
            map("k1:"),
            Some(BTreeMap::from([("k1".into(), String::new())]))
        );
        assert_eq!(map("k1"), None);
        assert_eq!(map("a:b:c"), None);
    }

    proptest! {
        #[test]
        fn a_joined_list_is_read_back(parts in proptest::collection::vec("[ -~]{0,8}", 0..5)) {
            let parts: Vec<String> = parts;
            let text = join(&parts, ';');
            prop_assert_eq!(<Vec<String> as Value>::parse(&text), Some(parts.clone()));
            prop_assert_eq!(list(&text, ';'), Some(parts));
        }

        #[test]
        fn a_joined_map_is_read_back(pairs in proptest::collection::btree_map("[ -~]{1,6}", "[ -~]{0,6}", 0..4)) {
            prop_assert_eq!(map(&join_map(&pairs)), Some(pairs));
        }

        #[test]
        fn no_text_makes_the_splitter_panic(text in ".{0,24}") {
            let _ = map(&text);
            let _ = list(&text, ';');
        }
    }
}
