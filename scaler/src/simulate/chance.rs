//! Chance that repeats itself: a function of a seed and a second.

/// A number of a normal distribution for this second: twelve uniform ones less six.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds since the beginning are small and positive"
)]
pub fn normal(seed: u64, second: f64) -> f64 {
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

/// Bits of which each depends on all of these.
pub const fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
