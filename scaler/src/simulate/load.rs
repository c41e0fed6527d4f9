//! What comes to a source over time.

use serde::{Deserialize, Serialize};

use super::chance;

/// A load in records per second over seconds since the beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Load {
    /// Second and rate, in order. Between two points the rate stays as it was, or goes evenly from one to
    /// the other if `ramps`; nothing comes before the first.
    pub points: Vec<(f64, f64)>,
    /// Whether the rate goes evenly from point to point.
    #[serde(default)]
    pub ramps: bool,
    /// After so many seconds the points begin anew.
    #[serde(default)]
    pub repeats: Option<f64>,
    /// Waves that are laid over it.
    #[serde(default)]
    pub waves: Vec<Wave>,
    /// Standard deviation from second to second, as a share of the rate.
    #[serde(default)]
    pub noise: f64,
    /// What the noise is made from.
    #[serde(default)]
    pub seed: u64,
}

/// Up and down around the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wave {
    /// Half its height, in records per second.
    pub half: f64,
    /// Its length in seconds.
    pub length: f64,
    /// Where it begins: 0 at its lowest, 0.5 at its highest.
    #[serde(default)]
    pub phase: f64,
}

impl Load {
    /// Always the same.
    pub fn constant(rate: f64) -> Self {
        Self::steps(&[(0.0, rate)])
    }

    /// Rates from certain seconds on.
    pub fn steps(steps: &[(f64, f64)]) -> Self {
        Self {
            points: steps.to_vec(),
            ramps: false,
            repeats: None,
            waves: Vec::new(),
            noise: 0.0,
            seed: 0,
        }
    }

    /// Up and down between two rates, beginning at the lower.
    pub fn wave(lower: f64, upper: f64, length: f64) -> Self {
        Self {
            waves: vec![Wave {
                half: (upper - lower) / 2.0,
                length,
                phase: 0.0,
            }],
            ..Self::constant(lower.midpoint(upper))
        }
    }

    /// The same with noise: every second another factor around 1, never below 0.
    #[must_use]
    pub fn noisy(self, noise: f64, seed: u64) -> Self {
        Self {
            noise,
            seed,
            ..self
        }
    }

    /// The rate in this second, noise included.
    pub fn rate(&self, second: f64) -> f64 {
        let factor = if self.noise > 0.0 {
            1.0 + self.noise * chance::normal(self.seed, second)
        } else {
            1.0
        };
        (self.mean(second) * factor).max(0.0)
    }

    /// The rate without noise.
    pub fn mean(&self, second: f64) -> f64 {
        let within = self
            .repeats
            .filter(|length| *length > 0.0)
            .map_or(second, |length| second.rem_euclid(length));
        let after = self.points.partition_point(|(from, _)| *from <= within);
        let before = after.checked_sub(1).and_then(|at| self.points.get(at));
        let steady = match (before, self.points.get(after)) {
            (None, _) => 0.0,
            (Some((from, rate)), Some((to, next))) if self.ramps => {
                rate + (next - rate) * (within - from) / (to - from)
            }
            (Some((_, rate)), _) => *rate,
        };
        let waves = self.waves.iter().map(|wave| {
            -wave.half * (std::f64::consts::TAU * (second / wave.length + wave.phase)).cos()
        });
        (steady + waves.sum::<f64>()).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_keeps_the_mean_and_repeats_itself() {
        let load = Load::constant(100.0).noisy(0.3, 7);
        let rates: Vec<f64> = (0..2000)
            .map(|second| load.rate(f64::from(second)))
            .collect();
        let mean = rates.iter().sum::<f64>() / 2000.0;
        assert!((mean - 100.0).abs() < 3.0, "{mean}");
        assert!(rates.iter().any(|rate| *rate > 140.0));
        assert!((load.rate(5.0) - load.rate(5.9)).abs() < 1e-9);
        let neighbours: f64 = rates
            .windows(2)
            .map(|pair| (pair[0] - mean) * (pair[1] - mean))
            .sum();
        let all: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        assert!((neighbours / all).abs() < 0.1, "{}", neighbours / all);
    }

    #[test]
    fn steps_ramps_and_waves_are_where_they_are_said_to_be() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        let steps = Load::steps(&[(10.0, 5.0), (20.0, 7.0)]);
        for (second, rate) in [(9.0, 0.0), (10.0, 5.0), (19.9, 5.0), (25.0, 7.0)] {
            close(steps.rate(second), rate);
        }
        let ramps = Load {
            ramps: true,
            repeats: Some(40.0),
            ..steps
        };
        for (second, rate) in [(15.0, 6.0), (30.0, 7.0), (45.0, 0.0), (55.0, 6.0)] {
            close(ramps.rate(second), rate);
        }
        let wave = Load::wave(100.0, 900.0, 60.0);
        close(wave.rate(0.0), 100.0);
        close(wave.rate(30.0), 900.0);
    }
}
