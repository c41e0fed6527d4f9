//! Durations as Flink writes them: `10 s`, `5 MINUTE`, `300` (milliseconds) and ISO 8601 (`PT1H30M`).
//! Nothing is rounded; what does not fit is refused. Tests are below.

use std::time::Duration;

/// Names of each unit and its length in nanoseconds.
const UNITS: [(&[&str], u128); 7] = [
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["h", "hour", "hours"], 3_600_000_000_000),
    (&["m", "min", "minute", "minutes"], 60_000_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (
        &["ms", "milli", "millis", "millisecond", "milliseconds"],
        1_000_000,
    ),
    (
        &["us", "µs", "micro", "micros", "microsecond", "microseconds"],
        1_000,
    ),
    (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
];

/// A duration that may be negative, which several options use to say "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Whether the text had a minus sign.
    pub negative: bool,
    /// The length without its sign.
    pub length: Duration,
}

/// Reads a duration that cannot be negative; `None` if the text is not one.
pub fn parse(text: &str) -> Option<Duration> {
    let signed = parse_signed(text)?;
    (!signed.negative || signed.length.is_zero()).then_some(signed.length)
}

/// Reads a duration with an optional minus sign; `None` if the text is not one.
pub fn parse_signed(text: &str) -> Option<Signed> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if text.starts_with(['P', 'p']) {
        let (inner, nanos) = iso(text)?;
        return Some(Signed {
            negative: negative != inner,
            length: from_nanos(nanos)?,
        });
    }
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: u128 = number.parse().ok()?;
    let nanos = number.checked_mul(unit_nanos(unit.trim())?)?;
    Some(Signed {
        negative,
        length: from_nanos(nanos)?,
    })
}

fn unit_nanos(unit: &str) -> Option<u128> {
    if unit.is_empty() {
        return Some(1_000_000);
    }
    let unit = unit.to_lowercase();
    UNITS
        .iter()
        .find(|(names, _)| names.contains(&unit.as_str()))
        .map(|(_, nanos)| *nanos)
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

/// `P1DT2H3M4.5S` and parts of it, all with the same sign.
fn iso(text: &str) -> Option<(bool, u128)> {
    let text = text.to_uppercase();
    let body = text.strip_prefix('P')?;
    let (date, time) = body.split_once('T').unwrap_or((body, ""));
    if body.is_empty() || body.ends_with('T') {
        return None;
    }
    let (mut negative, mut nanos) = (None, 0u128);
    let mut rest = date;
    let mut allowed = "D";
    for section in [date, time] {
        rest = section;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let (number, tail) = rest.split_at_checked(end)?;
            let unit = tail.chars().next()?;
            let at = allowed.find(unit)?;
            allowed = allowed.get(at + 1..)?;
            let (minus, number) = match number.strip_prefix('-') {
                Some(rest) => (true, rest),
                None => (false, number),
            };
            if *negative.get_or_insert(minus) != minus {
                return None;
            }
            nanos = nanos.checked_add(iso_part(number, unit)?)?;
            rest = tail.get(1..)?;
        }
        allowed = "HMS";
    }
    rest.is_empty().then_some((negative?, nanos))
}

fn iso_part(number: &str, unit: char) -> Option<u128> {
    let scale = unit_nanos(&unit.to_string())?;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if unit == 'S' && fraction.len() <= 9 => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let whole = whole.parse::<u128>().ok()?.checked_mul(scale)?;
    let fraction = format!("{fraction:0<9}").parse::<u128>().ok()?;
    whole.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form_flink_accepts() {
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
            ("P1D", 86_400_000),
            ("P1DT1S", 86_401_000),
            ("PT0.25S", 250),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        for text in [
            "",
            "s",
            "10 parsecs",
            "1.5 s",
            "P",
            "PT",
            "PT1S1H",
            "P1M",
            "1 s 2",
            "-1 s",
            "PT1H-1S",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("99999999999999999999999999999 d"), None);
    }

    #[test]
    fn keeps_the_sign_where_negative_means_off() {
        let minute = Duration::from_mins(1);
        for text in ["-1 min", "- 1 min", "PT-1M", "-PT1M"] {
            assert_eq!(
                parse_signed(text),
                Some(Signed {
                    negative: true,
                    length: minute
                }),
                "{text}"
            );
        }
        assert_eq!(
            parse_signed("-PT-1M"),
            Some(Signed {
                negative: false,
                length: minute
            })
        );
    }

    proptest! {
        #[test]
        fn any_number_with_any_unit_is_read_exactly(
            number in 0u64..1_000_000,
            unit in proptest::sample::select(UNITS.iter().flat_map(|(n, s)| n.iter().map(|u| (*u, *s))).collect::<Vec<_>>()),
            space in " {0,3}",
        ) {
            let nanos = u128::from(number) * unit.1;
            prop_assert_eq!(parse(&format!("{number}{space}{}", unit.0)).map(|d| d.as_nanos()), Some(nanos));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,24}") {
            let _ = parse_signed(&text);
        }

        #[test]
        fn no_iso_like_text_makes_the_parser_panic(text in "-?P[0-9DTHMS.-]{0,16}") {
            let _ = parse_signed(&text);
        }
    }
}
