//! When something happens again and again: every so often, or at the times of a Quartz cron expression;
//! and when it must not. Times are UTC. Tests are below.

use std::time::Duration;

use flink_scaler::guard::cron::Cron;
use flink_scaler::guard::periods::{self, Period};
use jiff::{Timestamp, tz::TimeZone};

use super::{duration, value::Value};

/// Times at which something is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Never.
    Off,
    /// Each time so long after the last.
    Every(Duration),
    /// At these times.
    At(Box<Cron>),
}

impl Schedule {
    /// When it is due for the first time after `last`; `None` is never.
    pub fn due_after(&self, last: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Off => None,
            Self::Every(interval) => last.checked_add(*interval).ok(),
            Self::At(cron) => {
                let last = last.to_zoned(TimeZone::UTC).datetime();
                let next = cron.next_after(last)?;
                next.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
            }
        }
    }
}

impl Value for Schedule {
    const TYPE: &'static str = "Duration or cron";
    const EXPECTED: &'static str = "a duration such as '6 h', or a Quartz cron expression of 6 or 7 fields such as '0 0 3 * * ?'";

    fn parse(text: &str) -> Option<Self> {
        if let Some(interval) = duration::parse(text) {
            return Some(if interval.is_zero() {
                Self::Off
            } else {
                Self::Every(interval)
            });
        }
        Cron::parse(text).ok().map(|cron| Self::At(Box::new(cron)))
    }
}

/// Periods in which something must not happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blackout(Vec<Period>);

impl Blackout {
    /// Whether it must not happen at this instant.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.0.iter().any(|period| period.contains(now))
    }
}

impl Value for Blackout {
    const TYPE: &'static str = "List<Period>";
    const EXPECTED: &'static str = "periods separated by ';', each from-to times of a day such as '08:00:00-18:00:00' or a Quartz cron expression such as '* * 9-17 ? * MON-FRI'";

    fn parse(text: &str) -> Option<Self> {
        let texts: Vec<String> = text
            .split(';')
            .map(str::trim)
            .filter(|period| !period.is_empty())
            .map(str::to_owned)
            .collect();
        periods::parse(&texts).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(text: &str, last: &str) -> Option<String> {
        let due = Schedule::parse(text)?.due_after(last.parse().ok()?);
        due.map(|due| due.to_string())
    }

    #[test]
    fn an_interval_counts_from_the_last_time() {
        let at = |due: &str| Some(due.to_owned());
        assert_eq!(
            due("30 min", "2026-01-01T00:10:00Z"),
            at("2026-01-01T00:40:00Z")
        );
        assert_eq!(
            due("PT1H", "2026-01-01T00:10:00Z"),
            at("2026-01-01T01:10:00Z")
        );
        assert_eq!(due("0", "2026-01-01T00:10:00Z"), None);
    }

    #[test]
    fn a_cron_expression_names_times_of_its_own() {
        let at = |due: &str| Some(due.to_owned());
        assert_eq!(
            due("0 0 3 * * ?", "2026-01-01T03:00:00Z"),
            at("2026-01-02T03:00:00Z")
        );
        assert_eq!(due("0 0 3 * * ? 2025", "2026-01-01T03:00:00Z"), None);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["soon", "-1 h", "* * * * *", ""] {
            assert!(Schedule::parse(text).is_none(), "{text}");
        }
        for text in ["08:00-18:00", "nights"] {
            assert!(Blackout::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn any_of_the_periods_forbids() {
        let blackout = Blackout::parse("08:00:00-09:00:00; * * * ? * SUN").expect("periods");
        let forbids = |at: &str| blackout.contains(at.parse().expect("a time"));
        assert!(forbids("2026-11-26T08:30:00Z"));
        assert!(forbids("2026-11-29T23:00:00Z"), "a Sunday");
        assert!(!forbids("2026-11-26T23:00:00Z"));
    }
}
