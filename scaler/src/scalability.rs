//! How much of a subtask's capacity remains as there are more of them, learned from past rescales.
//!
//! The rule: off unless asked for and there are enough observations. Tests are below.

use crate::{history::History, settings::Settings, topology::VertexId, units::Ratio};

/// The share that remains, between `coefficient-min` and 1.
///
/// With observations of capacity R at parallelism P, and b the capacity of a subtask at the smallest P,
/// the share is that which fits `R = share * b * P` best: `sum(R P) / (b sum(P P))`, rounded up to
/// hundredths. For 50 at 1, 80 at 2 and 100 at 4: 610 / (50 * 21) = 0.59.
pub fn coefficient(settings: &Settings, history: &History, vertex: &VertexId) -> Ratio {
    let observed: Vec<(f64, f64)> = history
        .of(vertex)
        .filter_map(|(_, change)| Some((f64::from(change.from), change.true_rate?.get())))
        .collect();
    let enough =
        usize::try_from(settings.observed_scalability_min_observations).unwrap_or(usize::MAX);
    if !settings.observed_scalability_enabled || observed.len() < enough.max(1) {
        return Ratio::ONE;
    }
    fitted(&observed)
        .map(|share| share.max(settings.observed_scalability_coefficient_min))
        .and_then(Ratio::new)
        .map_or(Ratio::ONE, |share| share.min(Ratio::ONE))
}

fn fitted(observed: &[(f64, f64)]) -> Option<f64> {
    let smallest = observed.iter().map(|(p, _)| *p).min_by(f64::total_cmp)?;
    let (_, at_smallest) = observed.iter().rev().find(|(p, _)| *p <= smallest)?;
    let single = at_smallest / smallest;
    let products: f64 = observed.iter().map(|(p, rate)| p * rate).sum();
    let squares: f64 = observed.iter().map(|(p, _)| p * p).sum();
    let share = products / (single * squares);
    // A hair of error must not round up a whole hundredth.
    share
        .is_finite()
        .then(|| (share * 100.0 - 1e-9).ceil() / 100.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        history::{Change, Outcome, Scaling, Watch},
        units::Rate,
    };

    fn learned(least: u32, observed: &[(u32, f64)]) -> f64 {
        let id = VertexId::new("a").unwrap();
        let scaling = |(second, (from, rate)): (i64, &(u32, f64))| {
            let change = Change {
                from: *from,
                to: 1,
                true_rate: Rate::new(*rate),
                expected_rate: None,
                target_rate: None,
            };
            Scaling {
                at: Timestamp::from_second(second).unwrap(),
                vertices: BTreeMap::from([(id.clone(), change)]),
                outcome: Outcome::Open,
                watch: Watch::default(),
            }
        };
        let history = History {
            scalings: (0..).zip(observed).map(scaling).collect(),
            ..History::default()
        };
        let settings = Settings {
            observed_scalability_enabled: true,
            observed_scalability_min_observations: least,
            ..Settings::default()
        };
        coefficient(&settings, &history, &id).get()
    }

    #[test]
    fn a35_to_a41_the_share_that_fits_best_is_learned() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(learned(3, &[(4, 200.0), (2, 100.0), (8, 400.0)]), 1.0);
        close(learned(3, &[(4, 196.0), (2, 99.0), (8, 390.0)]), 0.99);
        close(learned(3, &[(1, 50.0), (2, 80.0), (4, 100.0)]), 0.59);
        close(learned(1, &[(4, 100.0)]), 1.0);
        close(learned(1, &[(2, 80.0), (4, 100.0)]), 0.7);
        close(learned(1, &[(2, 80.0), (4, 160.0)]), 1.0);
    }

    #[test]
    fn too_few_or_absurd_observations_teach_nothing() {
        for observed in [
            &[][..],
            &[(2, 80.0), (4, 100.0)],
            &[(1, 0.0), (2, 0.0), (4, 0.0)],
        ] {
            assert!((learned(3, observed) - 1.0).abs() < 1e-9);
        }
        assert!((learned(1, &[(1, 100.0), (100, 100.0)]) - 0.5).abs() < 1e-9);
    }
}
