//! Pictures as SVG: the courses of a job side by side.
//!
//! The rule: text in, text out; what is not known has no point. Tests are below.

use std::fmt::Write as _;

use serde::Serialize;

/// Width of every picture.
pub const WIDTH: f64 = 900.0;

/// Where the axes begin.
pub const LEFT: f64 = 60.0;

const PANEL: f64 = 150.0;
const GAP: f64 = 40.0;

/// One point of a course.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Second since the beginning.
    pub second: f64,
    /// Records per second that come.
    pub rate: f64,
    /// How long the oldest record waits, in seconds, where that is known.
    pub lag: Option<f64>,
    /// Slots in use.
    pub slots: f64,
}

/// One course.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// What the legend calls it.
    pub name: &'a str,
    /// Its colour.
    pub colour: &'a str,
    /// Its points, in order.
    pub points: &'a [Point],
}

/// What a panel shows of a point.
type Value = fn(&Point) -> Option<f64>;

/// Load, slots and lag over time, one panel each. The load is the first course's: it is the same for all.
pub fn course(title: &str, lines: &[Line<'_>]) -> String {
    let end = lines
        .iter()
        .filter_map(|line| line.points.last())
        .map(|point| point.second)
        .fold(1.0, f64::max);
    let height = 3.0 * (PANEL + GAP) + 40.0;
    let mut svg = open(height, title);
    let panels: [(&str, Value); 3] = [
        ("records/s", |p| Some(p.rate)),
        ("slots", |p| Some(p.slots)),
        ("lag in seconds", |p| p.lag),
    ];
    for (row, (title, value)) in (0u32..).zip(panels) {
        let top = 40.0 + f64::from(row) * (PANEL + GAP);
        let most = lines
            .iter()
            .flat_map(|line| line.points.iter().filter_map(value))
            .fold(1.0, f64::max);
        axis(&mut svg, top, title, most);
        let shown = if row == 0 {
            lines.get(..1).unwrap_or_default()
        } else {
            lines
        };
        for line in shown {
            let mut path = String::new();
            for point in line.points {
                let Some(value) = value(point) else { continue };
                let x = LEFT + point.second / end * (WIDTH - LEFT - 20.0);
                let y = top + PANEL - value / most * PANEL;
                let _ = write!(path, "{x:.1},{y:.1} ");
            }
            let colour = if row == 0 { "#444444" } else { line.colour };
            let _ = writeln!(
                svg,
                r#"<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{}"/>"#,
                path.trim_end()
            );
        }
    }
    legend(&mut svg, height - 14.0, lines);
    svg.push_str("</svg>\n");
    svg
}

/// The beginning of a picture.
pub fn open(height: f64, title: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    )
}

fn axis(svg: &mut String, top: f64, title: &str, most: f64) {
    let bottom = top + PANEL;
    let right = WIDTH - 20.0;
    let _ = writeln!(
        svg,
        r##"<path d="M{LEFT},{top} V{bottom} H{right}" fill="none" stroke="#999"/><text x="{LEFT}" y="{:.1}" fill="#444">{title}</text><text x="4" y="{:.1}">{most:.0}</text><text x="4" y="{bottom}">0</text>"##,
        top - 5.0,
        top + 10.0
    );
}

fn legend(svg: &mut String, y: f64, lines: &[Line<'_>]) {
    for (position, line) in (0u32..).zip(lines) {
        let x = LEFT + f64::from(position) * 92.0;
        let _ = writeln!(
            svg,
            r#"<rect x="{x}" y="{:.1}" width="12" height="4" fill="{}"/><text x="{:.1}" y="{y}">{}</text>"#,
            y - 6.0,
            line.colour,
            x + 16.0,
            escaped(line.name)
        );
    }
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_has_no_point_and_names_are_text() {
        let point = |second, lag| Point {
            second,
            rate: 10.0,
            lag,
            slots: 2.0,
        };
        let points = [
            point(0.0, Some(0.0)),
            point(60.0, None),
            point(120.0, Some(5.0)),
        ];
        let line = Line {
            name: "a<b",
            colour: "#000000",
            points: &points,
        };
        let svg = course("x & y", &[line, line]);
        assert!(svg.contains("x &amp; y") && svg.contains("a&lt;b"), "{svg}");
        let paths: Vec<&str> = svg
            .lines()
            .filter(|line| line.contains("polyline"))
            .collect();
        assert_eq!(paths.len(), 5, "one load, two of slots and of lag");
        let points = |path: &str| path.matches(',').count();
        assert_eq!((points(paths[1]), points(paths[4])), (3, 2));
    }
}
