//! How the text of an option becomes a value, in Flink's notations for durations, memory and lists.
//!
//! The rule: a type says in `EXPECTED` what it accepts, with an example; that is what a user reads when
//! a value is refused. Nothing is rounded or guessed. Tests are below.

use std::time::Duration;

/// A type an option can have.
pub trait Value: Sized {
    /// The name of the type in the reference.
    const TYPE: &'static str;
    /// What is accepted, to follow "is not".
    const EXPECTED: &'static str;

    /// Reads the text; `None` if it is no value of this type.
    fn parse(text: &str) -> Option<Self>;

    /// The value of an option that is not set and has no default; `None` if there must be one.
    fn absent() -> Option<Self> {
        None
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Value for String {
    const TYPE: &'static str = "String";
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.trim().to_owned())
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

impl Value for u32 {
    const TYPE: &'static str = "Integer";
    const EXPECTED: &'static str = "a whole number from 0 to 2147483647, such as 3";

    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|n| *n <= i32::MAX as Self)
    }
}

impl Value for f64 {
    const TYPE: &'static str = "Double";
    const EXPECTED: &'static str = "a number, such as 0.7";

    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|n: &Self| n.is_finite())
    }
}

impl Value for Duration {
    const TYPE: &'static str = "Duration";
    const EXPECTED: &'static str = "a duration, such as '10 s', '1 min' or 'PT10S'";

    fn parse(text: &str) -> Option<Self> {
        duration(text)
    }
}

impl Value for Bytes {
    const TYPE: &'static str = "MemorySize";
    const EXPECTED: &'static str = "a memory size, such as '512m' or '2 gb'";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text.trim())?;
        let scale = match unit.as_str() {
            "" | "b" | "bytes" => 1u64,
            "k" | "kb" | "kibibytes" => 1 << 10,
            "m" | "mb" | "mebibytes" => 1 << 20,
            "g" | "gb" | "gibibytes" => 1 << 30,
            "t" | "tb" | "tebibytes" => 1 << 40,
            _ => return None,
        };
        number.checked_mul(scale).map(Self)
    }
}

impl Value for Vec<String> {
    const TYPE: &'static str = "List<String>";
    const EXPECTED: &'static str = "a list, such as 'a;b'";

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // Flink 2 also writes lists as YAML: [a, b].
        match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            Some(inner) => list(inner, ','),
            None => list(text, ';'),
        }
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

/// Declares an enum whose variants are the values of an option, read in any case.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $expected:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The name as a configuration has it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::settings::Value for $name {
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
pub(super) use choice;

/// A whole number and what follows it, in lower case.
fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim().to_lowercase()))
}

/// Flink's notation: `10 s`, `5 MINUTE`, `300` (milliseconds), or ISO 8601 (`PT1H30M`).
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with(['P', 'p']) {
        let span: jiff::SignedDuration = text.parse().ok()?;
        return Duration::try_from(span).ok();
    }
    let (number, unit) = number_and_unit(text)?;
    let nanos: u64 = match unit.as_str() {
        "d" | "day" | "days" => 86_400_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    };
    let total = u128::from(number).checked_mul(u128::from(nanos))?;
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    let rest = u32::try_from(total % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

/// Elements between separators; an element may be in quotes, a quote inside quotes is doubled.
pub(super) fn list(text: &str, separator: char) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match quote {
            Some(open) if c == open && chars.next_if_eq(&open).is_none() => quote = None,
            None if matches!(c, '\'' | '"') && part.trim().is_empty() => quote = Some(c),
            None if c == separator => parts.push(String::new()),
            _ => part.push(c),
        }
    }
    let part = |p: String| Some(p.trim().to_owned()).filter(|p| !p.is_empty());
    quote
        .is_none()
        .then(|| parts.into_iter().filter_map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_in_every_form_flink_accepts() {
        for (text, millis) in [
            ("10 s", 10_000),
            ("10s", 10_000),
            ("1 min", 60_000),
            ("5 MINUTE", 300_000),
            ("300", 300),
            ("  2   h ", 7_200_000),
            ("1 d", 86_400_000),
            ("0 ms", 0),
            ("PT10S", 10_000),
            ("pt1h30m", 5_400_000),
            ("PT0.25S", 250),
        ] {
            assert_eq!(
                Duration::parse(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "10 parsecs",
            "1.5 s",
            "P",
            "PT",
            "-1 s",
            "PT-1S",
            "99999999999999999999 d",
        ] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn memory_sizes_are_binary() {
        for (text, bytes) in [
            ("2g", 2 << 30),
            ("512 mb", 512 << 20),
            ("1024", 1024),
            ("1 kb", 1024),
        ] {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "g", "1.5g", "-1g", "2Gi", "99999999999t"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_read_in_both_notations_and_keep_quoted_separators() {
        let read = |text| Vec::<String>::parse(text);
        let ab = Some(vec!["a".to_owned(), "b".to_owned()]);
        for text in ["a;b", " a ; b ;", "[a, b]", "'a';\"b\""] {
            assert_eq!(read(text), ab, "{text}");
        }
        assert_eq!(read("'a;b'"), Some(vec!["a;b".to_owned()]));
        assert_eq!(read("'it''s'"), Some(vec!["it's".to_owned()]));
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(read("'a"), None);
    }

    #[test]
    fn numbers_that_cannot_be_counted_with_are_refused() {
        for text in ["NaN", "inf", "1e400", ""] {
            assert_eq!(f64::parse(text), None, "{text}");
        }
        for text in ["-1", "1.5", "4294967296", "2147483648"] {
            assert_eq!(u32::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,24}") {
            let _ = (Duration::parse(&text), Bytes::parse(&text), Vec::<String>::parse(&text));
        }

        #[test]
        fn no_iso_like_text_makes_the_parser_panic(text in "P[0-9DTHMS.-]{0,16}") {
            let _ = Duration::parse(&text);
        }
    }
}
