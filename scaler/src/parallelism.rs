//! From a factor to a whole number of subtasks: factors of change, bounds, partitions, alignment.
//!
//! The rule: nothing exceeds the key groups, the partitions or the larger of the present parallelism
//! and its bound; more load never leads to fewer subtasks. Tests are in `tests/it/vectors.rs` and below.

use crate::{
    reason::Limit,
    settings::{Alignment, LegacyAlignment, Settings},
    units::Ratio,
};

/// Products such as 10 * 0.7 are a hair off; so much too much is not worth a subtask.
const HAIR: f64 = 1e-9;

/// How a parallelism is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One of the present rules.
    Current(Alignment),
    /// One of the older rules.
    Legacy(LegacyAlignment),
}

impl Rule {
    /// The rule these settings ask for.
    pub fn of(settings: &Settings) -> Self {
        match (settings.alignment, settings.legacy_alignment) {
            (Some(rule), _) => Self::Current(rule),
            (None, Some(rule)) => Self::Legacy(rule),
            (None, None) => Self::Current(Alignment::Balanced),
        }
    }
}

/// Where a bound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `vertex.min-parallelism` or `vertex.max-parallelism`.
    All,
    /// `vertex.parallelism-bounds`.
    Vertex,
    /// `schedules`.
    Schedule,
}

/// What a vertex' parallelism must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Fewest subtasks; a vertex that has fewer is not forced up.
    pub min: u32,
    /// Where that is written.
    pub min_by: Origin,
    /// Most subtasks; a vertex that has more is not forced down.
    pub max: u32,
    /// Where that is written.
    pub max_by: Origin,
    /// Key groups.
    pub max_parallelism: u32,
    /// Sources: partitions of what they read.
    pub partitions: Option<u32>,
    /// Whether an input is spread by key.
    pub keyed: bool,
    /// How to align.
    pub rule: Rule,
}

/// Factors between which one step stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// Largest share that is taken away.
    pub down: f64,
    /// Largest share that is added.
    pub up: f64,
}

/// A whole number of subtasks and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitted {
    /// The subtasks.
    pub parallelism: u32,
    /// Subtasks before any limit.
    pub uncapped: u32,
    /// The last limit that changed the number.
    pub limit: Option<Limit>,
}

/// The parallelism for `factor` times the present one.
///
/// 1. `factor` is kept between `1 - down` and `1 + up`;
/// 2. `ceil(factor * current)`, between the lower bound and the upper bound, where a vertex outside of
///    `min..=max` may stay where it is;
/// 3. never more than partitions or key groups, even if it has more now: further subtasks stand idle;
/// 4. aligned upward, see [`align`].
///
/// 10 subtasks, factor 0.625, 720 key groups, an input by key, evenly spread: 6.25, so 7, which does not
/// divide 720, so 8.
pub fn fit(current: u32, factor: Ratio, factors: Factors, bounds: &Bounds) -> Fitted {
    let wanted = factor.get();
    let uncapped = ceil(wanted * f64::from(current)).max(1);
    let (least, most) = (1.0 - factors.down, 1.0 + factors.up);
    let mut limit = None;
    let mut note = |changed: bool, cause: Limit| {
        if changed {
            limit = Some(cause);
        }
    };
    note(wanted < least, Limit::ScaleDownFactor);
    note(wanted > most, Limit::ScaleUpFactor);
    let allowed = wanted.max(least).min(most).max(0.0);
    let mut target = ceil(allowed * f64::from(current));

    let lower = bounds.min.min(current).max(1);
    note(target < lower && lower > 1, bounds.least());
    target = target.max(lower);
    let upper = bounds.max.max(current);
    note(target > upper, bounds.most());
    target = target.min(upper);
    note(
        target > bounds.max_parallelism,
        Limit::KeyGroups(bounds.max_parallelism),
    );
    target = target.min(bounds.max_parallelism);
    if let Some(partitions) = bounds.partitions.filter(|n| *n > 0) {
        note(target > partitions, Limit::Partitions(partitions));
        target = target.min(partitions);
    }
    let aligned = align(current, target, lower, upper, bounds);
    note(aligned != target, Limit::Alignment(bounds.units()));
    let parallelism = aligned.max(1);
    Fitted {
        parallelism,
        uncapped,
        limit: limit.filter(|_| parallelism != uncapped),
    }
}

impl Bounds {
    /// The lower bound as a limit.
    pub const fn least(&self) -> Limit {
        match self.min_by {
            Origin::All => Limit::MinParallelism(self.min),
            Origin::Vertex => Limit::VertexBounds(self.min),
            Origin::Schedule => Limit::Schedule(self.min),
        }
    }

    /// The upper bound as a limit.
    pub const fn most(&self) -> Limit {
        match self.max_by {
            Origin::All => Limit::MaxParallelism(self.max),
            Origin::Vertex => Limit::VertexBounds(self.max),
            Origin::Schedule => Limit::Schedule(self.max),
        }
    }

    /// What the load comes in: partitions, else key groups.
    fn units(&self) -> u32 {
        self.partitions
            .filter(|n| *n > 0)
            .unwrap_or(self.max_parallelism)
    }

    /// No more than this, whatever it has now.
    pub fn cap(&self) -> u32 {
        self.units().min(self.max_parallelism).max(1)
    }
}

/// The next parallelism from `target` upward at which key groups or partitions are spread better.
///
/// Only where they matter: a source with known partitions, or an input by key. With N of them on p
/// subtasks the fullest has `ceil(N / p)`. Looking from `target` up to the cap, or up to `current` when
/// scaling down, the first p is taken that divides N, or (balanced) at which `floor(N / p)` is lower.
/// N = 128, target 24: 128 / 24 = 5 and 128 / 26 = 4, so 26; evenly spread: 32. If there is none, the
/// present rules keep the target; the older ones look downward, and leave the vertex where it is if
/// that turned up into down.
pub fn align(current: u32, target: u32, lower: u32, upper: u32, bounds: &Bounds) -> u32 {
    let applies = bounds.partitions.is_some_and(|n| n > 0) || bounds.keyed;
    if !applies || target == current || target == 0 || bounds.rule == Rule::Current(Alignment::Off)
    {
        return target;
    }
    let units = bounds.units();
    let cap = bounds.cap().min(upper);
    let last = if target > current {
        cap
    } else {
        current.min(cap)
    };
    let fewer = matches!(
        bounds.rule,
        Rule::Current(Alignment::Balanced) | Rule::Legacy(LegacyAlignment::MaximizeUtilisation)
    );
    let fits = |p: &u32| units.is_multiple_of(*p) || (fewer && units / p < units / target);
    let found = (target..=last).find(fits);
    match (found, bounds.rule) {
        (Some(found), _) => found,
        (None, Rule::Current(_)) => target,
        (None, Rule::Legacy(_)) => downward(current.min(cap), target, lower, units).min(cap),
    }
}

/// The older rules' way down: to the first parallelism at which `floor(N / p)` is higher, one more if
/// that does not divide N; `current` if the direction would change.
fn downward(current: u32, target: u32, lower: u32, units: u32) -> u32 {
    let before = units / target;
    let found = (1..=target).rev().find(|p| units / p > before);
    let found = found.map_or(target, |p| if units.is_multiple_of(p) { p } else { p + 1 });
    let found = found.max(lower);
    let reversed = if target > current {
        found < current
    } else {
        found > current
    };
    if reversed { current } else { found }
}

/// The next whole number, within the range of the type.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stays within the range of the integer"
)]
pub(crate) fn ceil(value: f64) -> u32 {
    let value = value.clamp(0.0, f64::from(i32::MAX));
    (value - value * HAIR).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(rule: Rule) -> Bounds {
        Bounds {
            min: 1,
            min_by: Origin::All,
            max: 200,
            max_by: Origin::All,
            max_parallelism: 720,
            partitions: None,
            keyed: true,
            rule,
        }
    }

    const FREE: Factors = Factors {
        down: 1.0,
        up: f64::MAX,
    };

    fn rules() -> impl Strategy<Value = Rule> {
        proptest::sample::select(vec![
            Rule::Current(Alignment::Balanced),
            Rule::Current(Alignment::EvenlySpread),
            Rule::Current(Alignment::Off),
            Rule::Legacy(LegacyAlignment::EvenlySpread),
            Rule::Legacy(LegacyAlignment::MaximizeUtilisation),
        ])
    }

    #[test]
    fn the_last_limit_that_changed_the_number_is_named() {
        let rule = Rule::Current(Alignment::EvenlySpread);
        let fitted = |factor, factors, bounds: &Bounds| {
            fit(10, Ratio::new(factor).unwrap(), factors, bounds)
        };
        let some = Factors { down: 0.5, up: 0.5 };
        for (factor, factors, bounds, parallelism, limit) in [
            (1.5, FREE, bounds(rule), 15, None),
            (0.625, FREE, bounds(rule), 8, Some(Limit::Alignment(720))),
            (2.0, some, bounds(rule), 15, Some(Limit::ScaleUpFactor)),
            (0.1, some, bounds(rule), 5, Some(Limit::ScaleDownFactor)),
            (
                100.0,
                FREE,
                bounds(rule),
                200,
                Some(Limit::MaxParallelism(200)),
            ),
            (
                0.1,
                FREE,
                Bounds {
                    min: 8,
                    ..bounds(rule)
                },
                8,
                Some(Limit::MinParallelism(8)),
            ),
            (
                9.0,
                FREE,
                Bounds {
                    max: 20,
                    ..bounds(rule)
                },
                20,
                Some(Limit::MaxParallelism(20)),
            ),
            (
                9.0,
                FREE,
                Bounds {
                    max_parallelism: 16,
                    ..bounds(rule)
                },
                16,
                Some(Limit::KeyGroups(16)),
            ),
            (
                9.0,
                FREE,
                Bounds {
                    partitions: Some(12),
                    ..bounds(rule)
                },
                12,
                Some(Limit::Partitions(12)),
            ),
        ] {
            let result = fitted(factor, factors, &bounds);
            assert_eq!(
                (result.parallelism, result.limit),
                (parallelism, limit),
                "{factor} {bounds:?}"
            );
        }
    }

    #[test]
    fn absurd_factors_end_at_the_bounds() {
        let rule = Rule::Current(Alignment::Off);
        for (factor, parallelism) in [(0.0, 1), (f64::MAX, 200), (1e-300, 1)] {
            assert_eq!(
                fit(7, Ratio::new(factor).unwrap(), FREE, &bounds(rule)).parallelism,
                parallelism
            );
        }
    }

    proptest! {
        #[test]
        fn no_bound_is_ever_exceeded(
            current in 1u32..400, factor in 0.0f64..50.0, min in 1u32..50, extra in 0u32..300,
            groups in 1u32..500, partitions in proptest::option::of(0u32..100), keyed: bool, rule in rules(),
        ) {
            let bounds = Bounds { min, min_by: Origin::All, max: min + extra, max_by: Origin::All, max_parallelism: groups, partitions, keyed, rule };
            let p = fit(current, Ratio::new(factor).unwrap(), FREE, &bounds).parallelism;
            prop_assert!(p >= 1 && p <= groups && p <= bounds.max.max(current));
            prop_assert!(partitions.is_none_or(|n| n == 0 || p <= n));
            let enough = min.min(current).min(bounds.cap());
            prop_assert!(p >= enough, "{p} below {enough}");
        }

        #[test]
        fn more_load_never_leads_to_fewer_subtasks(
            current in 1u32..200, a in 0.0f64..20.0, more in 0.0f64..5.0,
            groups in 1u32..500, partitions in proptest::option::of(1u32..100), keyed: bool,
            rule in proptest::sample::select(vec![
                Rule::Current(Alignment::Balanced), Rule::Current(Alignment::EvenlySpread), Rule::Current(Alignment::Off),
            ]),
        ) {
            let bounds = Bounds { min: 1, min_by: Origin::All, max: 150, max_by: Origin::All, max_parallelism: groups, partitions, keyed, rule };
            let at = |factor: f64| fit(current, Ratio::new(factor).unwrap(), FREE, &bounds).parallelism;
            prop_assert!(at(a) <= at(a + more));
        }
    }
}
