//! Numbers that cannot be wrong: not NaN, not infinite, not negative.
//!
//! The rule: a reading enters the arithmetic through these constructors or not at all, so nothing after
//! this file checks for NaN, and unknown is `None`, never zero. Tests are below.

use std::{cmp::Ordering, fmt};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name(f64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0.0);

            /// `None` for what is not a number, infinite or negative.
            pub fn new(value: f64) -> Option<Self> {
                // Adding zero turns -0.0 into 0.0, so that equality and order agree.
                (value.is_finite() && value >= 0.0).then_some(Self(value + 0.0))
            }

            #[doc = concat!("The bare number, in ", $unit, ".")]
            pub const fn get(self) -> f64 {
                self.0
            }

            /// The larger of two.
            #[must_use]
            pub fn max(self, other: Self) -> Self {
                if self < other { other } else { self }
            }

            /// The smaller of two.
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                if other < self { other } else { self }
            }

            /// Their sum; the largest finite number if it is beyond.
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self::saturated(self.0 + other.0)
            }

            /// Multiplied; the largest finite number if it is beyond.
            #[must_use]
            pub fn times(self, factor: Ratio) -> Self {
                Self::saturated(self.0 * factor.0)
            }

            /// How many times `other` fits in; `None` for a division by zero.
            pub fn over(self, other: Self) -> Option<Ratio> {
                Ratio::new(self.0 / other.0)
            }

            fn saturated(value: f64) -> Self {
                Self(value.min(f64::MAX))
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:.2}", self.0)
            }
        }
    };
}

quantity!(
    /// Records per second.
    Rate,
    "records per second"
);
quantity!(
    /// A number of records; of an average, so not always whole.
    Records,
    "records"
);
quantity!(
    /// A quotient of two equal things: a utilization, a factor, a share.
    Ratio,
    "parts of one"
);

impl Rate {
    /// The rate at which `records` are dealt with in `seconds`; `None` if no time passes.
    pub fn of(records: Records, seconds: f64) -> Option<Self> {
        (seconds > 0.0)
            .then(|| Self::new(records.get() / seconds))
            .flatten()
    }

    /// The rate that, at this utilization, fills the capacity: `rate / utilization`. `None` at
    /// utilization zero, which no capacity can meet.
    pub fn at_utilization(self, utilization: Ratio) -> Option<Self> {
        Self::new(self.get() / utilization.get())
    }
}

impl Ratio {
    /// One.
    pub const ONE: Self = Self(1.0);

    /// Two doubts as one: independent errors add up as squares.
    #[must_use]
    pub fn together(self, other: Self) -> Self {
        Self::new(self.0.hypot(other.0)).unwrap_or(self)
    }
}

/// What a vertex can process at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capacity {
    /// This rate.
    Limited(Rate),
    /// No limit can be seen: it had nothing to do.
    Unlimited,
}

impl Capacity {
    /// The rate, unless unlimited.
    pub const fn rate(self) -> Option<Rate> {
        match self {
            Self::Limited(rate) => Some(rate),
            Self::Unlimited => None,
        }
    }
}

/// How many whole ones this many are: what fits in a quota or on a node.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stays within the range of the integer"
)]
pub fn whole(value: f64) -> u32 {
    // 0.3 of a CPU three times are a hair more than 0.9.
    (value * (1.0 + 1e-9)).floor() as u32
}

/// Bytes as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53")]
pub fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e-300] {
            assert_eq!(Rate::new(value), None, "{value}");
        }
        assert_eq!(Rate::new(-0.0), Some(Rate::ZERO));
    }

    #[test]
    fn dividing_by_nothing_is_unknown() {
        let ten = Rate::new(10.0).unwrap();
        assert_eq!(ten.over(Rate::ZERO), None);
        assert_eq!(Rate::ZERO.over(Rate::ZERO), None);
        assert_eq!(ten.at_utilization(Ratio::ZERO), None);
        assert_eq!(Rate::of(Records::new(5.0).unwrap(), 0.0), None);
        assert_eq!(Rate::of(Records::new(5.0).unwrap(), 2.0), Rate::new(2.5));
    }

    #[test]
    fn an_unlimited_capacity_is_above_every_rate() {
        assert!(Capacity::Unlimited > Capacity::Limited(Rate::new(f64::MAX).unwrap()));
    }

    proptest! {
        #[test]
        fn no_arithmetic_leaves_the_range(a in any::<f64>(), b in any::<f64>()) {
            if let (Some(x), Some(y), Some(r)) = (Rate::new(a), Rate::new(b), Ratio::new(b)) {
                for value in [x.plus(y), x.times(r), x.max(y), x.min(y)] {
                    prop_assert!(value.get().is_finite() && value.get() >= 0.0);
                }
            }
        }
    }
}
