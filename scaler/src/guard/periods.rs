//! Periods in which nothing is scaled: daily from-to times, Quartz cron expressions, or both at once.
//!
//! The rule: a text is understood in full or refused; a period that is misread would let a rescale
//! through at the very time it was forbidden. Times are UTC. Tests are below and in [`super::cron`].

use jiff::{Timestamp, civil::Time, tz::TimeZone};

use super::cron::Cron;

/// One period: all of its parts must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    daily: Option<(Time, Time)>,
    cron: Option<Cron>,
}

/// A text that is no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' {remedy}")]
pub struct PeriodError {
    /// The text.
    pub text: String,
    /// What to write instead, to follow the text.
    pub remedy: String,
}

/// Reads periods, one a text.
pub fn parse(texts: &[String]) -> Result<Vec<Period>, PeriodError> {
    texts.iter().map(|text| Period::parse(text)).collect()
}

impl Period {
    /// Reads a period.
    ///
    /// # Errors
    /// The text, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let fail = |remedy: String| PeriodError {
            text: text.to_owned(),
            remedy,
        };
        let mut period = Self {
            daily: None,
            cron: None,
        };
        for part in text.split("&&").map(str::trim) {
            let twice = if let Some(daily) = daily(part) {
                let (from, to) = daily.map_err(fail)?;
                period.daily.replace((from, to)).is_some()
            } else {
                let cron = Cron::parse(part).map_err(fail)?;
                period.cron.replace(cron).is_some()
            };
            if twice {
                let remedy = "joins two of a kind; join one daily period and one cron expression, \
                              or separate periods by ';'";
                return Err(fail(remedy.to_owned()));
            }
        }
        Ok(period)
    }

    /// Whether the instant lies in the period.
    pub fn contains(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(TimeZone::UTC).datetime();
        let second = local.time().with().subsec_nanosecond(0).build();
        let time = second.unwrap_or_else(|_| local.time());
        self.daily
            .is_none_or(|(from, to)| from <= time && time <= to)
            && self.cron.as_ref().is_none_or(|cron| cron.matches(local))
    }
}

/// `HH:mm:ss-HH:mm:ss`; `None` if it does not look like one.
fn daily(text: &str) -> Option<Result<(Time, Time), String>> {
    let (from, to) = text.split_once('-')?;
    if !from.contains(':') || !to.contains(':') {
        return None;
    }
    Some(match (time(from), time(to)) {
        (Some(from), Some(to)) if from < to => Ok((from, to)),
        (Some(_), Some(_)) => {
            Err("ends before it starts; write two periods, one up to 23:59:59".to_owned())
        }
        _ => Err("is no daily period; write 09:00:00-17:30:00 for example".to_owned()),
    })
}

fn time(text: &str) -> Option<Time> {
    let mut parts = text.trim().split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    parts
        .next()
        .is_none()
        .then(|| Time::new(hour, minute, second, 0).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Result<Period, PeriodError> {
        Period::parse(text)
    }

    #[test]
    fn unclear_periods_are_refused() {
        for text in [
            "09:13:17-08:15:18",
            "25:00:00-26:00:00",
            "09:00-10:00",
            "09:00:00-10:00:00 && 11:00:00-12:00:00",
            "* * * ? * 2 && * * * ? * 3",
            "",
            "tomorrow",
        ] {
            assert!(period(text).is_err(), "{text}");
        }
    }

    #[test]
    fn both_ends_of_a_daily_period_belong_to_it() {
        let daily = period("14:01:20-16:00:00").unwrap();
        for (at, inside) in [
            ("2026-11-26T14:01:19Z", false),
            ("2026-11-26T14:01:20Z", true),
            ("2026-11-26T16:00:00.9Z", true),
            ("2026-11-26T16:00:01Z", false),
        ] {
            assert_eq!(daily.contains(at.parse().unwrap()), inside, "{at}");
        }
    }

    #[test]
    fn joined_parts_must_both_hold() {
        // Quartz counts days from Sunday: 2 is Monday, 5 is Thursday. 2026-11-26 is a Thursday.
        let joined = period("* * * ? * 2,5 && 14:01:20-16:00:00").unwrap();
        for (at, inside) in [
            ("2026-11-26T14:01:30Z", true),
            ("2026-11-26T14:01:10Z", false),
            ("2026-11-25T14:01:30Z", false),
            ("2026-11-23T15:00:00Z", true),
        ] {
            assert_eq!(joined.contains(at.parse().unwrap()), inside, "{at}");
        }
    }
}
