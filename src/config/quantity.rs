//! Kubernetes quantities as numbers: `500m`, `1.5`, `2Gi`, `1e3`.

/// The number of a quantity; `None` if the text is not one or is negative.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => 10f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * scale).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_kubernetes_is_read() {
        for (text, value) in [
            ("500m", 0.5),
            ("1", 1.0),
            ("0.2", 0.2),
            ("2k", 2000.0),
            ("1e3", 1000.0),
            ("12E-1", 1.2),
            ("1Ki", 1024.0),
            ("1E", 1e18),
        ] {
            let read = parse(text).unwrap();
            assert!((read - value).abs() < 1e-9 * value, "{text}: {read}");
        }
        for text in ["", "m", "-1", "1 m", "1Mb", "x", "1e999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
