//! What comes to a source hour by hour, and what that says of the hour to come.
//!
//! The hour to come is to the last full one as the hours a day, or a week, before were to each other. The rule: that is said
//! only as long as it would have been at most half as wrong over the last three days as "it stays as it is". A load that comes
//! when it likes fails that, and nothing is foretold. Tests are below and in `tests/it/forecast.rs`.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::{topology::VertexId, units::Rate};

/// What is known of every source.
pub type Seasons = BTreeMap<VertexId, Season>;

/// So many sources are remembered; a few kilobytes each.
pub(crate) const SOURCES: usize = 16;

/// A week and a day, in hours. Where both say the same the week is right, since it knows the weekend.
const PERIODS: [usize; 2] = [7 * 24, 24];

/// Hours that are foretold in hindsight to see whether it is worth it ...
const TRIED: usize = 72;

/// ... of which so many must be known.
const ENOUGH: usize = 20;

/// At most so many times as wrong as the naive forecast.
const MARGIN: f64 = 0.5;

/// Hours kept: a week, the days in which it is tried, the hour before that and the one that has begun.
const KEPT: usize = 7 * 24 + TRIED + 2;

/// The hours of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Season {
    /// The hour that has begun, counted since the epoch.
    newest: i64,
    /// How often was looked in it.
    looks: u32,
    /// The mean rate of each hour up to it, oldest first; `None` where nothing was seen.
    hours: VecDeque<Option<f64>>,
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

impl Season {
    /// What was stored. Hours that are no rates are unknown, and those too many are dropped.
    pub fn restored(newest: i64, looks: u32, hours: Vec<Option<f64>>) -> Self {
        let known = |rate: Option<f64>| rate.filter(|rate| rate.is_finite() && *rate >= 0.0);
        let excess = hours.len().saturating_sub(KEPT);
        Self {
            newest,
            looks,
            hours: hours.into_iter().skip(excess).map(known).collect(),
        }
    }

    /// What to store: the hour that has begun, how often was looked in it, and the hours.
    pub fn stored(&self) -> (i64, u32, impl Iterator<Item = Option<f64>>) {
        (self.newest, self.looks, self.hours.iter().copied())
    }

    /// Takes in what comes now. What is older than the newest hour is passed over: a clock was set back.
    pub fn observe(&mut self, at: Timestamp, rate: Rate) {
        let (now, rate) = (hour(at), rate.get());
        let passed = now.saturating_sub(self.newest);
        if self.hours.is_empty() || usize::try_from(passed).is_ok_and(|passed| passed > KEPT) {
            self.hours = VecDeque::from([Some(rate)]);
            (self.newest, self.looks) = (now, 1);
        } else if passed > 0 {
            self.hours.extend((1..passed).map(|_| None));
            self.hours.push_back(Some(rate));
            let excess = self.hours.len().saturating_sub(KEPT);
            self.hours.drain(..excess);
            (self.newest, self.looks) = (now, 1);
        } else if passed == 0
            && let Some(Some(mean)) = self.hours.back_mut()
        {
            self.looks = self.looks.saturating_add(1);
            *mean += (rate - *mean) / f64::from(self.looks);
        }
    }

    /// The most that is to be expected from now until `ahead` of it, by the hour; no more than was ever seen. `None` where
    /// the past does not say.
    pub fn expected(&self, now: Timestamp, ahead: SignedDuration) -> Option<Rate> {
        let now_is = hour(now);
        let then = hour(now.saturating_add(ahead).ok()?);
        let last = self.position(now_is.checked_sub(1)?)?;
        let period = self.period(last)?;
        let levels = [now_is, then].into_iter().filter_map(|at| {
            let steps = usize::try_from(at.checked_sub(now_is)?)
                .ok()?
                .checked_add(1)?;
            self.foretold(last, period, steps)
        });
        let largest = self
            .hours
            .iter()
            .copied()
            .flatten()
            .max_by(f64::total_cmp)?;
        Rate::new(levels.max_by(f64::total_cmp)?.min(largest))
    }

    fn position(&self, hour: i64) -> Option<usize> {
        let back = usize::try_from(self.newest.checked_sub(hour)?).ok()?;
        self.hours.len().checked_sub(back)?.checked_sub(1)
    }

    fn at(&self, position: usize) -> Option<f64> {
        self.hours.get(position).copied().flatten()
    }

    /// So many hours after `last`: 600/s in the last hour, and once 200/s after 100/s, are 1200/s.
    fn foretold(&self, last: usize, period: usize, steps: usize) -> Option<f64> {
        let before = last.checked_sub(period)?;
        let (from, to) = (self.at(before)?, self.at(before.checked_add(steps)?)?);
        let level = self.at(last)? * to / from;
        level.is_finite().then_some(level)
    }

    /// The period that would have foretold the hours up to `last` best, if well enough.
    fn period(&self, last: usize) -> Option<usize> {
        let tried = PERIODS.into_iter().filter_map(|period| {
            let errors = (0..TRIED).filter_map(|back| {
                let before = last.checked_sub(back)?.checked_sub(1)?;
                let (was, came) = (self.at(before)?, self.at(before + 1)?);
                let foretold = self.foretold(before, period, 1)?;
                Some(((foretold - came).abs(), (was - came).abs()))
            });
            let (count, ours, naive) = errors.fold((0, 0.0, 0.0), |(n, a, b), (ours, naive)| {
                (n + 1, a + ours, b + naive)
            });
            (count >= ENOUGH && ours < MARGIN * naive).then_some((ours, period))
        });
        let best = tried.min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map(|(_, period)| period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::chance;

    fn at(hour: i64, minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600 + minute * 60).unwrap()
    }

    fn season(rates: impl IntoIterator<Item = f64>) -> (Season, i64) {
        let mut season = Season::default();
        let mut hours = 0;
        for rate in rates {
            season.observe(at(hours, 10), Rate::new(rate).unwrap());
            season.observe(at(hours, 50), Rate::new(rate).unwrap());
            hours += 1;
        }
        (season, hours - 1)
    }

    fn expected(season: &Season, hour: i64, minute: i64) -> Option<f64> {
        let ahead = SignedDuration::from_mins(5);
        season.expected(at(hour, minute), ahead).map(Rate::get)
    }

    /// Open from hour 8 to 17 of each day.
    fn office(hour: u32) -> f64 {
        if (8..18).contains(&(hour % 24)) {
            900.0
        } else {
            300.0
        }
    }

    #[test]
    fn an_hour_that_repeats_is_foretold_shortly_before_it_begins() {
        let (season, now) = season((0..80).map(office));
        assert_eq!(now % 24, 7);
        assert_eq!(expected(&season, now, 54), Some(300.0));
        assert_eq!(expected(&season, now, 55), Some(900.0));
        // Twice as much today is twice as much in an hour too, but never more than was ever seen.
        let (twice, now) =
            self::season((0..80).map(|h| if h < 48 { office(h) } else { 2.0 * office(h) }));
        assert_eq!(expected(&twice, now, 55), Some(1800.0));
    }

    #[test]
    fn two_days_are_needed_and_then_only_what_repeats_counts() {
        let (young, now) = season((0..32).map(office));
        assert_eq!(expected(&young, now, 55), None);
        let (steady, now) = season((0..80).map(|_| 300.0));
        assert_eq!(expected(&steady, now, 55), None);
        let (rises, now) = season((0..80).map(|h| 300.0 + f64::from(h)));
        assert_eq!(
            expected(&rises, now, 55),
            Some(379.0),
            "no more than was seen"
        );
    }

    #[test]
    fn a_load_that_comes_when_it_likes_is_never_foretold() {
        for seed in 0..40 {
            let mut level = 1000.0_f64;
            let walk = (0..400).map(|hour| {
                let step: f64 = 0.2 * chance::normal(seed, f64::from(hour));
                level *= step.exp();
                level
            });
            let mut season = Season::default();
            for (hour, rate) in (0..).zip(walk) {
                season.observe(at(hour, 10), Rate::new(rate).unwrap());
                assert_eq!(
                    expected(&season, hour, 55),
                    None,
                    "seed {seed}, hour {hour}"
                );
            }
        }
    }

    #[test]
    fn a_weekend_is_known_after_eight_days() {
        let week = |hour: u32| {
            if hour / 24 % 7 < 5 {
                office(hour)
            } else {
                300.0
            }
        };
        let (season, now) = season((0..(7 * 24 * 2 + 8)).map(week));
        assert_eq!(expected(&season, now, 55), Some(900.0), "monday");
        let (season, now) = self::season((0..(7 * 24 + 5 * 24 + 8)).map(week));
        assert_eq!(expected(&season, now, 55), Some(300.0), "saturday");
    }

    #[test]
    fn hours_are_bounded_and_gaps_are_unknown() {
        let (mut season, now) = season((0..300).map(office));
        assert_eq!(season.hours.len(), KEPT);
        season.observe(at(now + 5, 0), Rate::ZERO);
        assert_eq!(season.hours.len(), KEPT);
        assert_eq!(
            expected(&season, now + 5, 55),
            None,
            "the last hour is not known"
        );
        season.observe(at(now, 0), Rate::ZERO);
        assert_eq!(season.newest, hour(at(now + 5, 0)), "a clock was set back");
        season.observe(at(now + 5000, 0), Rate::ZERO);
        assert_eq!(season.hours.len(), 1);
    }
}
