//! How the text of a configuration value becomes a typed value. One rule: a type says in `EXPECTED`
//! what it accepts, with an example, and that text is what a user reads when the value is refused.

use std::{collections::BTreeMap, time::Duration};

use super::{duration, size::Memory, split};

/// A type an option can have.
pub trait Value: Sized {
    /// The name of the type in the reference.
    const TYPE: &'static str;
    /// What is accepted, to follow "is not".
    const EXPECTED: &'static str;

    /// Reads the text; `None` if it is not a value of this type.
    fn parse(text: &str) -> Option<Self>;

    /// The value of an option that is not set and has no default; `None` if it must be set.
    fn absent() -> Option<Self> {
        None
    }
}

impl Value for String {
    const TYPE: &'static str = "String";
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Value for bool {
    const TYPE: &'static str = "Boolean";
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

macro_rules! number {
    ($type:ty, $name:literal, $expected:literal) => {
        impl Value for $type {
            const TYPE: &'static str = $name;
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }
        }
    };
}
number!(
    i32,
    "Integer",
    "a whole number of at most 2147483647, such as 3"
);
number!(i64, "Long", "a whole number, such as 3");
number!(
    u16,
    "Integer",
    "a port number between 0 and 65535, such as 8081"
);
number!(u32, "Integer", "a whole number of at least 0, such as 3");

impl Value for f64 {
    const TYPE: &'static str = "Double";
    const EXPECTED: &'static str = "a number, such as 0.7";

    fn parse(text: &str) -> Option<Self> {
        text.trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }
}

impl Value for Duration {
    const TYPE: &'static str = "Duration";
    const EXPECTED: &'static str = "a duration, such as '10 s', '1 min' or 'PT10S'";

    fn parse(text: &str) -> Option<Self> {
        duration::parse(text)
    }
}

/// A duration of which a negative value means "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Option<Duration>);

impl Value for Interval {
    const TYPE: &'static str = "Duration";
    const EXPECTED: &'static str = "a duration, such as '10 s', or a negative one for off";

    fn parse(text: &str) -> Option<Self> {
        let signed = duration::parse_signed(text)?;
        Some(Self((!signed.negative).then_some(signed.length)))
    }
}

/// Time between two looks at something. Less than a second counts as a second, so that a number without a unit, which
/// is milliseconds, makes nothing spin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause(pub Duration);

impl Pause {
    /// The shortest there is.
    const SHORTEST: Duration = Duration::from_secs(1);
}

impl Value for Pause {
    const TYPE: &'static str = Duration::TYPE;
    const EXPECTED: &'static str = Duration::EXPECTED;

    fn parse(text: &str) -> Option<Self> {
        Some(Self(duration::parse(text)?.max(Self::SHORTEST)))
    }
}

impl Value for Memory {
    const TYPE: &'static str = "MemorySize";
    const EXPECTED: &'static str = "a memory size, such as '512m' or '2 gb'";

    fn parse(text: &str) -> Option<Self> {
        Self::parse_flink(text)
    }
}

impl Value for Vec<String> {
    const TYPE: &'static str = "List<String>";
    const EXPECTED: &'static str = "a list, such as 'a;b'";

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // Flink 2 also writes lists as YAML: [a, b].
        match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            Some(inner) => split::list(inner, ','),
            None => split::list(text, ';'),
        }
    }
}

impl Value for BTreeMap<String, String> {
    const TYPE: &'static str = "Map";
    const EXPECTED: &'static str = "a map, such as 'k1:v1,k2:v2'";

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // Flink 2 also writes maps as YAML: {a: b}.
        split::map(
            text.strip_prefix('{')
                .and_then(|t| t.strip_suffix('}'))
                .unwrap_or(text),
        )
    }
}

impl Value for Vec<BTreeMap<String, String>> {
    const TYPE: &'static str = "List<Map>";
    const EXPECTED: &'static str = "a list of maps, such as 'k1:v1,k2:v2;k1:v3'";

    fn parse(text: &str) -> Option<Self> {
        split::list(text, ';')?
            .iter()
            .map(|part| split::map(part))
            .collect()
    }
}

/// An option that may be left out, or be empty.
impl<T: Value> Value for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            Some(None)
        } else {
            T::parse(text).map(Some)
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Declares an enum whose variants are option values, read in any case.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $expected:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The name as it is written in a configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl $crate::config::Value for $name {
            const TYPE: &'static str = "Enum";
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                let text = text.trim();
                $(if text.eq_ignore_ascii_case($text) { return Some(Self::$variant); })+
                None
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_are_read_in_the_old_and_the_yaml_notation() {
        let ab = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(Vec::parse("a;b"), ab);
        assert_eq!(Vec::parse("[a, b]"), ab);
        let map = Some(BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!(BTreeMap::parse("a:b"), map);
        assert_eq!(BTreeMap::parse("{a: b}"), map);
        let maps = Vec::<BTreeMap<_, _>>::parse("key:a,value:b;key:c").unwrap();
        assert_eq!(maps.len(), 2);
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        assert_eq!(f64::parse("NaN"), None);
        assert_eq!(f64::parse("inf"), None);
        assert_eq!(f64::parse(" 0.7 "), Some(0.7));
    }

    #[test]
    fn an_empty_optional_value_is_absent() {
        assert_eq!(<Option<Duration>>::parse(""), Some(None));
        assert_eq!(
            <Option<Duration>>::parse("1 s"),
            Some(Some(Duration::from_secs(1)))
        );
        assert_eq!(<Option<Duration>>::parse("x"), None);
    }

    #[test]
    fn a_pause_of_less_than_a_second_is_one() {
        for text in ["0", "15", "15 ms", "PT0.5S"] {
            assert_eq!(Pause::parse(text), Some(Pause(Pause::SHORTEST)), "{text}");
        }
        assert_eq!(Pause::parse("15 s"), Some(Pause(Duration::from_secs(15))));
        assert_eq!(Pause::parse("-1 s"), None);
    }

    #[test]
    fn a_negative_interval_is_off() {
        assert_eq!(Interval::parse("-1 min"), Some(Interval(None)));
        assert_eq!(
            Interval::parse("1 min"),
            Some(Interval(Some(Duration::from_mins(1))))
        );
    }
}
