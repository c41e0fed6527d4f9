//! What comes to a source over time.

/// A load in records per second over seconds since the beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Second and rate from then on, in order; nothing before the first.
    steps: Vec<(f64, f64)>,
    /// Half the height of a wave, and its length in seconds.
    wave: Option<(f64, f64)>,
    /// Standard deviation as a share of the rate, and the seed.
    noise: Option<(f64, u64)>,
}

impl Load {
    /// Always the same.
    pub fn constant(rate: f64) -> Self {
        Self::steps(&[(0.0, rate)])
    }

    /// Rates from certain seconds on.
    pub fn steps(steps: &[(f64, f64)]) -> Self {
        Self {
            steps: steps.to_vec(),
            wave: None,
            noise: None,
        }
    }

    /// Up and down between two rates, beginning at the lower.
    pub fn wave(lower: f64, upper: f64, length: f64) -> Self {
        let mut load = Self::constant(lower.midpoint(upper));
        load.wave = Some(((upper - lower) / 2.0, length));
        load
    }

    /// The same with noise: every second another factor around 1, never below 0.
    #[must_use]
    pub const fn noisy(mut self, deviation: f64, seed: u64) -> Self {
        self.noise = Some((deviation, seed));
        self
    }

    /// The rate at this second.
    pub fn rate(&self, second: f64) -> f64 {
        let steady = self
            .steps
            .iter()
            .rev()
            .find(|(from, _)| *from <= second)
            .map_or(0.0, |(_, rate)| *rate);
        let wave = self.wave.map_or(0.0, |(half, length)| {
            -half * (std::f64::consts::TAU * second / length).cos()
        });
        let factor = self.noise.map_or(1.0, |(deviation, seed)| {
            1.0 + deviation * normal(seed, second)
        });
        ((steady + wave) * factor).max(0.0)
    }
}

/// A number of a normal distribution for this second: twelve uniform ones less six.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds since the beginning are small and positive"
)]
fn normal(seed: u64, second: f64) -> f64 {
    // Mixed once, so that neighbouring seconds share nothing.
    let mut state = mixed(seed ^ mixed(second.max(0.0) as u64));
    (0..12).map(|_| uniform(&mut state)).sum::<f64>() - 6.0
}

/// SplitMix64, as a number between 0 and 1.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    let fraction = (mixed(*state) >> 11) as f64 / (1u64 << 53) as f64;
    fraction
}

const fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
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
    fn steps_and_waves_are_where_they_are_said_to_be() {
        let steps = Load::steps(&[(10.0, 5.0), (20.0, 7.0)]);
        for (second, rate) in [(9.0, 0.0), (10.0, 5.0), (25.0, 7.0)] {
            assert!((steps.rate(second) - rate).abs() < 1e-9);
        }
        let wave = Load::wave(100.0, 900.0, 60.0);
        assert!((wave.rate(0.0) - 100.0).abs() < 1e-6 && (wave.rate(30.0) - 900.0).abs() < 1e-6);
    }
}
