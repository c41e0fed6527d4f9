//! Columns for people. Tests are below.

use std::fmt;

/// Letters of a cell that are shown.
const WIDEST: usize = 48;

/// A table with a headline. Numbers stand to the right, the first column to the left.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table that has its headline only.
    pub fn new(headline: [&str; N]) -> Self {
        Self {
            rows: vec![headline.map(str::to_owned)],
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| shortened(&cell)));
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let cells = row.iter().zip(widths).enumerate();
            let cells = cells.map(|(position, (cell, width))| match position {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

fn shortened(cell: &str) -> String {
    if cell.chars().count() <= WIDEST {
        return cell.to_owned();
    }
    let start: String = cell.chars().take(WIDEST - 3).collect();
    format!("{start}...")
}

/// A number as a person reads it: whole from a hundred on, else with two digits.
pub fn number(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// The text of a cell; a dash for what is not known.
pub fn or_dash<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

/// A share as percent.
pub fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["VERTEX", "NOW"]);
        table.row(["Quelle: Aufträge".to_owned(), number(1234.4)]);
        table.row(["x".repeat(100), or_dash(None, number)]);
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("VERTEX "), "{text}");
        assert!(lines[1].ends_with("  1234"), "{text}");
        assert!(
            lines[2].contains("xxx...") && lines[2].ends_with("  -"),
            "{text}"
        );
        let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert!(
            widths.iter().all(|width| width.abs_diff(widths[1]) < 4),
            "{text}"
        );
    }
}
