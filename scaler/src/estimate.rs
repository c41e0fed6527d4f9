//! From readings to numbers that can be relied on: means, how sure a mean is, and where a level changed.
//!
//! The rule: what is not known is left out, never guessed. Tests are in `estimate/tests.rs`.

mod series;
#[cfg(test)]
mod tests;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::units::Ratio;
pub use series::{Interval, Means, Series, SeriesBuilder, means};

/// The mean of the finite values; `None` if there are none.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values.into_iter().filter(|value| value.is_finite()) {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

/// How sure a mean is: half the width of its confidence interval, as a share of the mean.
///
/// `t(confidence, n' - 1) * s / sqrt(n') / mean`, where `n' = n (1 - r) / (1 + r)` counts how many of
/// the `n` values are worth something, `r` being the correlation of each value with the next (0 if
/// negative). For 10, 12, 11, 9 and one-sided confidence 0.9: mean 10.5, s = 1.29, r = 0, t = 1.64, so
/// 1.64 * 1.29 / 2 / 10.5 = 0.10. `None` for fewer than two values or mean zero.
pub fn relative_half_width(values: &[f64], confidence: f64) -> Option<Ratio> {
    let mean = mean(values.iter().copied())?;
    let n = count(values.len());
    if n < 2.0 || mean == 0.0 {
        return None;
    }
    let (mut squares, mut products, mut last) = (0.0, 0.0, 0.0);
    for value in values {
        let deviation = value - mean;
        squares += deviation * deviation;
        products += last * deviation;
        last = deviation;
    }
    if squares <= (mean * 1e-9).powi(2) {
        return Some(Ratio::ZERO);
    }
    let correlation = (products / squares).clamp(0.0, 0.9);
    let worth = (n * (1.0 - correlation) / (1.0 + correlation)).max(2.0);
    let deviation = (squares / (n - 1.0)).sqrt();
    let quantile = student(confidence, worth - 1.0)?;
    Ratio::new((quantile * deviation / worth.sqrt() / mean).abs())
}

fn student(confidence: f64, freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(confidence)).filter(|quantile| quantile.is_finite())
}

/// A straight line through values over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The value it has at the end.
    pub level: f64,
    /// By how much it grows in a second.
    pub slope: f64,
    /// How sure the level is: half the width of its confidence interval, as a share.
    pub doubt: Ratio,
}

/// The trend of values at certain seconds, oldest first; `None` if there is no clear one.
///
/// The line with the smallest squares. It counts when Student's test makes the slope 999 to 1 and the line
/// changes by more than a twentieth of the mean, over two minutes at least. At the end of n values its variance is about 4 / n of theirs
/// around it. 100, 111, 119, 131, 140 at 0, 40, 80, 120, 160 s: slope 0.25, level 140.2.
pub fn trend(values: &[(f64, f64)], confidence: f64) -> Option<Trend> {
    const FEWEST: usize = 5;
    const CHANCE: f64 = 0.999;
    const LEAST: f64 = 0.05;
    const SECONDS: f64 = 120.0;
    let (last, first) = (values.last()?.0, values.first()?.0);
    if values.len() < FEWEST || last - first < SECONDS {
        return None;
    }
    let line = Line::through(values)?;
    let Line { average, slope, .. } = line;
    if average <= 0.0 || (slope * (last - first)).abs() < LEAST * average {
        return None;
    }
    let (variance, error) = line.errors(values);
    let n = count(values.len());
    if slope.abs() <= 3.0 * error || slope.abs() <= student(CHANCE, n - 2.0)? * error {
        return None;
    }
    let level = (average + slope * (last - line.centre)).max(0.0);
    let sure = student(confidence, n - 2.0)? * (4.0 * variance / n).sqrt();
    Some(Trend {
        level,
        slope,
        doubt: Ratio::new(if level > 0.0 { sure / level } else { 0.0 })?,
    })
}

/// Whether values at certain seconds grow with this one-sided confidence, by the slope of the line through them. 0, 30, 110,
/// 120 after 0, 10, 20, 30 s do at 90 %: the slope is 4.4 and may be off by 0.81, and 1.9 times that is asked for.
pub fn rises(values: &[(f64, f64)], confidence: f64) -> bool {
    const FEWEST: usize = 4;
    if values.len() < FEWEST {
        return false;
    }
    Line::through(values).is_some_and(|line| {
        let (_, error) = line.errors(values);
        let needed = student(confidence, count(values.len()) - 2.0);
        line.slope > 0.0 && needed.is_some_and(|needed| line.slope > needed * error)
    })
}

/// The straight line with the smallest squares.
struct Line {
    /// The middle of the seconds.
    centre: f64,
    /// The value there.
    average: f64,
    slope: f64,
    /// The sum of the squared distances of the seconds from the middle.
    width: f64,
}

impl Line {
    fn through(values: &[(f64, f64)]) -> Option<Self> {
        let centre = mean(values.iter().map(|(at, _)| *at))?;
        let average = mean(values.iter().map(|(_, value)| *value))?;
        let width: f64 = values.iter().map(|(at, _)| (at - centre).powi(2)).sum();
        let product = |(at, value): &(f64, f64)| (at - centre) * (value - average);
        Some(Self {
            centre,
            average,
            slope: values.iter().map(product).sum::<f64>() / width,
            width,
        })
    }

    /// The variance of the values around it, and how far its slope may be off: its standard error.
    fn errors(&self, values: &[(f64, f64)]) -> (f64, f64) {
        let off = |(at, value): &(f64, f64)| {
            (value - self.average - self.slope * (at - self.centre)).powi(2)
        };
        let variance = values.iter().map(off).sum::<f64>() / (count(values.len()) - 2.0);
        (variance, (variance / self.width).sqrt())
    }
}

/// Where the newest level begins: the position from which on the values stand at another level than
/// just before, 0 if there is no clear change.
///
/// A level is at least two values; it is compared with as many values before it. A change counts when
/// the means differ by more than a quarter of the larger and Student's test makes it 999 to 1. Of
/// several changes the latest counts. In 100, 104, 98, 401, 396, 405 the means of the halves are 101
/// and 401, the standard error is 3.1, so t = 97, far beyond the 7.2 needed: the level begins at 3.
pub fn newest_level(values: &[f64]) -> usize {
    const LEVEL: usize = 2;
    let last = values.len().saturating_sub(LEVEL);
    let changes = |split: &usize| {
        let (before, after) = values.split_at_checked(*split).unwrap_or_default();
        let before = before
            .get(before.len().saturating_sub(after.len())..)
            .unwrap_or_default();
        differ_clearly(before, after)
    };
    (LEVEL..=last).rev().find(changes).unwrap_or(0)
}

fn differ_clearly(before: &[f64], after: &[f64]) -> bool {
    const CONFIDENCE: f64 = 0.999;
    let (Some(m1), Some(m2)) = (mean(before.iter().copied()), mean(after.iter().copied())) else {
        return false;
    };
    let (difference, larger) = ((m1 - m2).abs(), m1.max(m2));
    if difference <= 0.25 * larger {
        return false;
    }
    let squares =
        |values: &[f64], mean: f64| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let (n1, n2) = (count(before.len()), count(after.len()));
    let freedom = n1 + n2 - 2.0;
    // A spread of a hundredth is assumed at least: two equal values prove no certainty.
    let variance =
        ((squares(before, m1) + squares(after, m2)) / freedom).max((0.01 * larger).powi(2));
    let error = (variance * (1.0 / n1 + 1.0 / n2)).sqrt();
    // No quantile at this confidence is below 3; looking it up takes a while.
    if difference <= 3.0 * error {
        return false;
    }
    student(CONFIDENCE, freedom).is_some_and(|needed| difference > needed * error)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of samples are small")]
pub(crate) const fn count(n: usize) -> f64 {
    n as f64
}
