//! Which vertices a user means: an id, or a name in which `*` stands for anything.
//!
//! The rule: ids and names are compared whole, so that `map` means the vertex of that name and no other;
//! `map*` means more. Tests are below.

use std::fmt;

use crate::topology::Vertex;

/// An id or a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VertexPattern(String);

impl VertexPattern {
    /// The pattern; `None` if there is nothing in the text.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Whether it means this vertex.
    pub fn matches(&self, vertex: &Vertex) -> bool {
        self.0 == vertex.id.as_str() || like(&self.0, &vertex.name)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VertexPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the name has the parts between the stars, in their order and without sharing a letter.
fn like(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(inner) = name
        .strip_prefix(start)
        .and_then(|name| name.strip_suffix(end))
    else {
        return false;
    };
    let mut left = inner;
    middle.split('*').all(|part| match left.split_once(part) {
        Some((_, after)) => {
            left = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::VertexId;
    use proptest::prelude::*;

    fn vertex(name: &str) -> Vertex {
        Vertex {
            id: VertexId::new("0a448493b4782967b150582570326227").unwrap(),
            name: name.to_owned(),
            parallelism: 1,
            max_parallelism: 128,
            inputs: Vec::new(),
            finished: false,
        }
    }

    #[test]
    fn an_id_a_name_and_a_part_of_a_name_mean_a_vertex() {
        for (pattern, name, matches) in [
            ("0a448493b4782967b150582570326227", "map", true),
            ("map", "map", true),
            ("map", "map -> sink", false),
            ("map*", "map -> sink", true),
            ("Source: *", "Source: orders", true),
            ("*sink*", "map -> sink: Writer", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*b*b*c", "abc", false),
            ("Map", "map", false),
        ] {
            let pattern = VertexPattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(&vertex(name)), matches, "{pattern} {name}");
        }
        assert_eq!(VertexPattern::new("  "), None);
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_with_any_part_left_out(name in "[a-c>é ]{0,12}", from in 0usize..13, to in 0usize..13) {
            let letters: Vec<char> = name.chars().collect();
            let (from, to) = (from.min(to).min(letters.len()), from.max(to).min(letters.len()));
            let start: String = letters.iter().take(from).collect();
            let end: String = letters.iter().skip(to).collect();
            let pattern = format!("{start}*{end}");
            prop_assert!(like(&pattern, &name), "{pattern}");
        }
    }
}
