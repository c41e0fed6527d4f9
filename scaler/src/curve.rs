//! How the capacity of a vertex grows with its subtasks, learned from what it did at each parallelism.
//!
//! By Amdahl's law n subtasks do `n / (1 + s (n - 1))` times what one does, where s is the share of work on
//! which they get in each other's way. s is fitted to the capacities that were measured, drawn towards
//! [`EXPECTED`] as long as they say little. The rule: a vertex that was seen at one parallelism only is taken
//! to be an ordinary one; nothing is scaled to where a further subtask gains less than a tenth of the first.
//! Tests are below.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    reason::Limit,
    topology::VertexId,
    units::{Rate, Ratio},
};

/// What is known of every vertex.
pub type Curves = BTreeMap<VertexId, Curve>;

/// The contention of an ordinary vertex.
const EXPECTED: f64 = 0.005;

/// How far from it an unseen one may be.
const SPREAD: f64 = 0.03;

/// How far a measured capacity may be off, as a share.
const ERROR: f64 = 0.05;

/// Most contention that is believed.
const MOST: f64 = 0.5;

/// A further subtask that gains less than this share of the first is not worth it.
const WORTH: f64 = 0.1;

/// A vertex seen at one parallelism only gets no more than so many times what a line says ...
const UNSEEN: f64 = 1.15;

/// ... and any other no more than so many times.
const SEEN: f64 = 2.0;

/// A capacity is remembered if the vertex was busy for at least this share of what it can be.
pub const TELLING: f64 = 0.4;

/// Most parallelisms remembered for one vertex.
const POINTS: usize = 8;

/// Measurements are forgotten after so long.
const AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The capacities of one vertex.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// The newest capacity at each parallelism, by parallelism.
    pub points: Vec<Point>,
    /// The busy share at which it can do no more, if that is less than all: a vertex that waits for answers
    /// from outside is full before it is busy.
    pub full_at: Option<Ratio>,
}

/// A capacity that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// With how many subtasks.
    pub parallelism: u32,
    /// Records per second of all of them together.
    pub capacity: Rate,
}

impl Curve {
    /// Takes a measurement in; it replaces an earlier one at the same parallelism.
    pub fn observe(&mut self, point: Point) {
        self.points.retain(|known| {
            known.parallelism != point.parallelism && point.at.duration_since(known.at) < AGE
        });
        if self.points.len() >= POINTS {
            let oldest = (0..).zip(&self.points).min_by_key(|(_, known)| known.at);
            if let Some((oldest, _)) = oldest {
                self.points.remove(oldest);
            }
        }
        let place = self
            .points
            .partition_point(|known| known.parallelism < point.parallelism);
        self.points.insert(place, point);
    }

    /// The capacity that was measured with so many subtasks.
    pub fn at(&self, parallelism: u32) -> Option<Rate> {
        let mut points = self.points.iter();
        let same = points.find(|point| point.parallelism == parallelism)?;
        Some(same.capacity)
    }

    /// The share of work on which subtasks get in each other's way.
    ///
    /// That which makes the logarithms of the capacities fit best, each off by [`ERROR`] or so, with the
    /// expectation as one more measurement. 1000/s at 1 and 3500/s at 4: `ln(4 * 1000 / 3500) / 3` is 0.0445.
    pub fn contention(&self) -> f64 {
        if self.points.len() < 2 {
            return EXPECTED;
        }
        let error = |contention: f64| {
            let residual = |point: &Point| {
                let growth = times(f64::from(point.parallelism), contention);
                (point.capacity.get().max(f64::MIN_POSITIVE) / growth).ln()
            };
            let count = crate::estimate::count(self.points.len());
            let mean = self.points.iter().map(residual).sum::<f64>() / count;
            let squares = self
                .points
                .iter()
                .map(|point| (residual(point) - mean).powi(2));
            // As of a Cauchy distribution: most are near the expectation, but some are far away.
            let unusual = ((contention - EXPECTED) / SPREAD).powi(2).ln_1p();
            squares.sum::<f64>() / ERROR.powi(2) + 2.0 * unusual
        };
        let candidates = (0..=100).map(|step| f64::from(step).powi(2) * MOST / 10_000.0);
        candidates
            .map(|contention| (error(contention), contention))
            .min_by(|(a, _), (b, _)| a.total_cmp(b))
            .map_or(EXPECTED, |(_, contention)| contention)
    }

    /// How the capacity grows from here on, if one key has this share of the records.
    pub fn growth(&self, hot: Ratio) -> Growth {
        let own = self.contention();
        Growth {
            contention: own.max(hot.get()).min(MOST),
            trusted: if self.points.len() < 2 { UNSEEN } else { SEEN },
            hot: Some(hot).filter(|hot| hot.get() >= own),
        }
    }
}

/// How a capacity grows with subtasks, reckoned once for all that is asked of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The share of work on which subtasks get in each other's way. One key with the share h of the records
    /// limits in the same way: n subtasks then do `1 / (h + (1 - h) / n)` times what one does.
    contention: f64,
    /// At most so many times the subtasks a line asks for.
    trusted: f64,
    /// The share of one key, if that is what limits.
    hot: Option<Ratio>,
}

impl Growth {
    /// Twice as many do twice as much.
    pub const EVEN: Self = Self {
        contention: 0.0,
        trusted: 1.0,
        hot: None,
    };

    /// How many times as many subtasks are needed to do `factor` times as much as `now` do; the number at which a
    /// further one is hardly worth it if that is less. For a smaller factor no gain from less contention is
    /// counted on unless it was measured.
    pub fn subtasks(&self, now: u32, factor: Ratio) -> Ratio {
        let (n, wanted) = (f64::from(now.max(1)), factor.get());
        let unseen = self.trusted < SEEN;
        if self.contention <= 0.0 || (wanted <= 1.0 && unseen) {
            return factor;
        }
        let times = times(n, self.contention) * wanted;
        let free = 1.0 - self.contention * times;
        let needed = if free > 0.0 {
            times * (1.0 - self.contention) / free
        } else {
            f64::INFINITY
        };
        let most = (n * wanted * self.trusted).min(worthwhile(self.contention).max(n));
        Ratio::new(needed.min(most) / n).unwrap_or(factor)
    }

    /// What keeps it from doing `factor` times as much as `now` subtasks do, if something does.
    pub fn limit(&self, now: u32, factor: Ratio) -> Option<Limit> {
        if self.contention <= 0.0 {
            return None;
        }
        let most = self.most(now);
        let reached =
            times(f64::from(most), self.contention) / times(f64::from(now.max(1)), self.contention);
        if factor.get() <= reached {
            return None;
        }
        Some(match self.hot {
            Some(hot) => Limit::HotKey {
                percent: whole(hot.get() * 100.0),
            },
            None => Limit::Contention(most),
        })
    }

    /// The number of subtasks at which a further one is hardly worth it, at least `now`.
    pub fn most(&self, now: u32) -> u32 {
        whole(worthwhile(self.contention).ceil()).max(now)
    }

    /// What `to` subtasks are expected to do if `from` do `rate`.
    pub fn expected(&self, rate: Rate, from: u32, to: u32) -> Rate {
        let of = |n: u32| times(f64::from(n), self.contention);
        Rate::new(rate.get() * of(to) / of(from.max(1))).unwrap_or(rate)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stays within the range of the integer"
)]
fn whole(value: f64) -> u32 {
    value as u32
}

/// What n subtasks do, as a multiple of one.
fn times(n: f64, contention: f64) -> f64 {
    n / (1.0 + contention * (n - 1.0))
}

/// The number of subtasks at which one more gains [`WORTH`] of what the first did: the growth has the slope
/// `(1 - s) / (1 + s (n - 1))^2`.
fn worthwhile(contention: f64) -> f64 {
    if contention <= 0.0 {
        return f64::INFINITY;
    }
    1.0 + (((1.0 - contention) / WORTH).sqrt() - 1.0).max(0.0) / contention
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(u32, f64)]) -> Curve {
        let mut curve = Curve::default();
        for (second, (parallelism, capacity)) in (0..).zip(points) {
            curve.observe(Point {
                at: Timestamp::from_second(second).unwrap(),
                parallelism: *parallelism,
                capacity: Rate::new(*capacity).unwrap(),
            });
        }
        curve
    }

    fn subtasks(curve: &Curve, now: u32, factor: f64) -> f64 {
        curve
            .growth(Ratio::ZERO)
            .subtasks(now, Ratio::new(factor).unwrap())
            .get()
            * f64::from(now)
    }

    #[test]
    fn an_unseen_vertex_is_an_ordinary_one() {
        let unseen = Curve::default();
        let needed = subtasks(&unseen, 4, 3.0);
        assert!((12.2..13.0).contains(&needed), "{needed}");
        assert!((subtasks(&unseen, 10, 0.5) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn published_curves_are_learned_from_two_points() {
        // Records per second of a mapper, as published for ContTune's Q1.
        let seen = curve(&[(1, 529_573.0), (8, 3_118_478.0)]);
        assert!(
            (0.03..0.07).contains(&seen.contention()),
            "{}",
            seen.contention()
        );
        let needed = subtasks(&seen, 8, 7_089_387.0 / 3_118_478.0);
        assert!(
            (22.0..38.0).contains(&needed),
            "25 is right, a line says 18.2: {needed}"
        );
    }

    #[test]
    fn a_vertex_that_scales_evenly_is_taken_at_its_word() {
        let seen = curve(&[(2, 2000.0), (4, 4000.0), (8, 8000.0)]);
        assert!(seen.contention() < 0.004, "{}", seen.contention());
        assert!((subtasks(&seen, 8, 0.25) - 2.0).abs() < 0.1);
    }

    #[test]
    fn what_cannot_grow_is_not_chased() {
        let stuck = curve(&[(4, 1000.0), (8, 1010.0)]);
        let needed = subtasks(&stuck, 8, 4.0);
        assert!(needed <= 16.0, "{needed}");
        assert!(subtasks(&stuck, 100, 1.1) <= 100.0 + 1e-9);
    }

    #[test]
    fn the_newest_measurements_are_kept() {
        let many: Vec<(u32, f64)> = (1..=20).map(|n| (n, f64::from(n) * 100.0)).collect();
        let seen = curve(&many);
        assert_eq!(seen.points.len(), POINTS);
        assert_eq!(seen.points.first().map(|point| point.parallelism), Some(13));
        let again = curve(&[(1, 100.0), (2, 150.0), (1, 90.0)]);
        assert_eq!(again.points.len(), 2);
    }
}
