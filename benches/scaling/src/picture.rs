//! Pictures of a contest: the course of a workload, and all contestants by what they cost and how late they are.

use std::fmt::Write as _;

use flink_scaler::picture::{self, LEFT, Line, Point, WIDTH};

use crate::contestants::Kind;

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

/// Load, slots and lag over time.
pub fn course(name: &str, lines: &[(Kind, Vec<Point>)]) -> String {
    let lines: Vec<Line<'_>> = lines
        .iter()
        .map(|(kind, points)| Line {
            name: kind.name(),
            colour: colour(*kind),
            points,
        })
        .collect();
    picture::course(name, &lines)
}

/// Cores beside the oracle's, and seconds beyond the objective; better is further down and left.
pub fn pareto(points: &[(Kind, f64, f64)]) -> String {
    let height = 420.0;
    let mut svg = picture::open(
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
