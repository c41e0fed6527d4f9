//! Memory sizes. Two notations meet here: Flink's (`2g` is 2 GiB, units are binary) and Kubernetes'
//! (`1.5G` is 1.5 · 10⁹, `2Gi` is 2 GiB). Flink's is tried first, so `2g` and `2G` mean the same.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory(pub u64);

/// One mebibyte in bytes.
pub const MIB: u64 = 1 << 20;

const UNITS: [(&[&str], u64); 5] = [
    (&["t", "tb", "tebibytes"], 1 << 40),
    (&["g", "gb", "gibibytes"], 1 << 30),
    (&["m", "mb", "mebibytes"], 1 << 20),
    (&["k", "kb", "kibibytes"], 1 << 10),
    (&["", "b", "bytes"], 1),
];

impl Memory {
    /// From mebibytes.
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(MIB))
    }

    /// Whole mebibytes, rounded down as Flink does.
    pub const fn as_mib(self) -> u64 {
        self.0 / MIB
    }

    /// Reads Flink's notation: a whole number and a binary unit (`512m`, `2 gb`, `1024`).
    pub fn parse_flink(text: &str) -> Option<Self> {
        let text = text.trim();
        let split = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let unit = unit.trim().to_lowercase();
        let (_, scale) = UNITS
            .iter()
            .find(|(names, _)| names.contains(&unit.as_str()))?;
        Some(Self(number.parse::<u64>().ok()?.checked_mul(*scale)?))
    }

    /// Reads a memory amount of a resource spec: Flink's notation, else a Kubernetes quantity in any
    /// case, with spaces and a closing `b` allowed (`2Gi`, `2 GiB`, `1.5G`).
    pub fn parse_resource(text: &str) -> Option<Self> {
        if let Some(memory) = Self::parse_flink(text) {
            return Some(memory);
        }
        let mut quantity: String = text.to_uppercase();
        quantity.retain(|c| !c.is_whitespace());
        let quantity = quantity.strip_suffix('B').unwrap_or(&quantity);
        let split = quantity.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = quantity.split_at_checked(split.unwrap_or(quantity.len()))?;
        let number: f64 = number.parse().ok()?;
        whole_bytes(number * resource_scale(unit)?).map(Self)
    }
}

fn resource_scale(unit: &str) -> Option<f64> {
    let (letter, binary) = match unit.strip_suffix('I') {
        Some(letter) => (letter, true),
        None => (unit, false),
    };
    let power = match letter {
        "" if !binary => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return exponent(unit),
    };
    Some(if binary {
        1024f64.powi(power)
    } else {
        1000f64.powi(power)
    })
}

/// `E3` of `1E3`.
fn exponent(unit: &str) -> Option<f64> {
    let power: i32 = unit.strip_prefix('E')?.parse().ok()?;
    Some(10f64.powi(power))
}

/// Rounds up, as Kubernetes does with fractions of a byte.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the range is checked before the conversion"
)]
fn whole_bytes(bytes: f64) -> Option<u64> {
    let bytes = bytes.ceil();
    (bytes.is_finite() && bytes >= 0.0 && bytes < i64::MAX as f64).then_some(bytes as u64)
}

/// The notation Flink itself writes: the largest unit that leaves a whole number.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, scale) = match self.0 {
            0 => ("bytes", 1),
            n if n % (1 << 40) == 0 => ("tb", 1 << 40),
            n if n % (1 << 30) == 0 => ("gb", 1 << 30),
            n if n % (1 << 20) == 0 => ("mb", 1 << 20),
            n if n % (1 << 10) == 0 => ("kb", 1 << 10),
            _ => ("bytes", 1u64),
        };
        write!(f, "{} {name}", self.0 / scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_notations_mean_what_their_worlds_say() {
        for (text, bytes) in [
            ("2048m", 2 << 30),
            ("2g", 2 << 30),
            ("2G", 2 << 30),
            ("1 gb", 1 << 30),
            ("1024", 1024),
            ("512 MebiBytes", 512 << 20),
            ("2Gi", 2 << 30),
            ("2 GiB", 2 << 30),
            ("2gi", 2 << 30),
            ("1.5G", 1_500_000_000),
            ("1.5Gi", 3 << 29),
            ("0.5Ki", 512),
            ("1e9", 1_000_000_000),
            ("1P", 1_000_000_000_000_000),
        ] {
            assert_eq!(Memory::parse_resource(text), Some(Memory(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_both_notations() {
        for text in [
            "", "g", "2 apples", "-1g", "1.5", "1..5G", "2Gib i", "NaN", "1e400",
        ] {
            assert_eq!(Memory::parse_flink(text), None, "{text}");
        }
        for text in [
            "",
            "g",
            "2 apples",
            "-1g",
            "1..5G",
            "NaN",
            "1e400",
            "2I",
            "99999999999999t",
        ] {
            assert_eq!(Memory::parse_resource(text), None, "{text}");
        }
    }

    #[test]
    fn prints_the_largest_unit_without_a_remainder() {
        for (bytes, text) in [
            (1 << 30, "1 gb"),
            (2000 << 20, "2000 mb"),
            (1_500_000_000, "1500000000 bytes"),
            (0, "0 bytes"),
            (1024, "1 kb"),
        ] {
            assert_eq!(Memory(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(bytes in 0u64..i64::MAX as u64) {
            let memory = Memory(bytes);
            prop_assert_eq!(Memory::parse_flink(&memory.to_string()), Some(memory));
            prop_assert_eq!(Memory::parse_resource(&memory.to_string()), Some(memory));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,16}") {
            let _ = Memory::parse_resource(&text);
        }
    }
}
