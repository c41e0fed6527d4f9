//! Pictures as SVG: the course of a workload, and all contestants by what they cost and how late they are.

use std::fmt::Write as _;

use crate::{contest::Point, contestants::Kind};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
const PANEL: f64 = 150.0;
const GAP: f64 = 40.0;

const fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Adaptive => "#d62728",
        Kind::Variant => "#e377c2",
        Kind::Java => "#9467bd",
        Kind::JavaTuned => "#c5b0d5",
        Kind::Apache => "#1f77b4",
        Kind::ApacheTuned => "#17becf",
        Kind::Ds2 => "#2ca02c",
        Kind::Cpu => "#ff7f0e",
        Kind::Lag => "#8c564b",
        Kind::Peak => "#7f7f7f",
        Kind::Oracle => "#000000",
    }
}

/// What a panel shows of a point.
type Value = fn(&Point) -> f64;

/// Load, slots and lag over time.
pub fn course(name: &str, lines: &[(Kind, Vec<Point>)]) -> String {
    let end = lines
        .iter()
        .filter_map(|(_, points)| points.last())
        .map(|point| point.second)
        .fold(1.0, f64::max);
    let height = 3.0 * (PANEL + GAP) + 40.0;
    let mut svg = open(height, name);
    let panels: [(&str, Value); 3] = [
        ("records/s", |p| p.rate),
        ("slots", |p| p.slots),
        ("lag in seconds", |p| p.lag),
    ];
    for (row, (title, value)) in (0u32..).zip(panels) {
        let top = 40.0 + f64::from(row) * (PANEL + GAP);
        let most = lines
            .iter()
            .flat_map(|(_, points)| points.iter().map(value))
            .fold(1.0, f64::max);
        axis(&mut svg, top, title, most);
        let shown = if row == 0 {
            lines.get(..1).unwrap_or_default()
        } else {
            lines
        };
        for (kind, points) in shown {
            let mut path = String::new();
            for point in points {
                let x = LEFT + point.second / end * (WIDTH - LEFT - 20.0);
                let y = top + PANEL - value(point) / most * PANEL;
                let _ = write!(path, "{x:.1},{y:.1} ");
            }
            let colour = if row == 0 { "#444444" } else { colour(*kind) };
            let _ = writeln!(
                svg,
                r#"<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{}"/>"#,
                path.trim_end()
            );
        }
    }
    legend(&mut svg, height - 14.0, lines.iter().map(|(kind, _)| *kind));
    svg.push_str("</svg>\n");
    svg
}

/// Cores beside the oracle's, and seconds beyond the objective; better is further down and left.
pub fn pareto(points: &[(Kind, f64, f64)]) -> String {
    let height = 420.0;
    let mut svg = open(
        height,
        "cores beside the oracle's, and seconds beyond the objective",
    );
    let most_x = points.iter().map(|p| p.1).fold(1.0, f64::max) * 1.1;
    // Seconds by their logarithm: the differences are of that kind.
    let scale = |seconds: f64| (seconds + 1.0).log10();
    let most_y = points.iter().map(|p| scale(p.2)).fold(1.0, f64::max) * 1.1;
    for (kind, cores, late) in points {
        let x = LEFT + cores / most_x * (WIDTH - LEFT - 120.0);
        let y = 380.0 - scale(*late) / most_y * 330.0;
        let colour = colour(*kind);
        let _ = writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="6" fill="{colour}"/><text x="{:.1}" y="{:.1}">{}: {cores:.2} of the cores, {late:.0} s late</text>"#,
            x + 10.0,
            y + 4.0,
            kind.name()
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn open(height: f64, title: &str) -> String {
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

fn legend(svg: &mut String, y: f64, kinds: impl Iterator<Item = Kind>) {
    for (position, kind) in (0u32..).zip(kinds) {
        let x = LEFT + f64::from(position) * 92.0;
        let _ = writeln!(
            svg,
            r#"<rect x="{x}" y="{:.1}" width="12" height="4" fill="{}"/><text x="{:.1}" y="{y}">{}</text>"#,
            y - 6.0,
            colour(kind),
            x + 16.0,
            kind.name()
        );
    }
}
