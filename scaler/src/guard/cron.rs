//! Quartz cron expressions, only as far as "does this second match": seconds, minutes, hours, day of
//! month, month, day of week and perhaps year, with `*`, `?`, lists, ranges that may wrap round, steps,
//! names, `L`, `W` and `#`.
//!
//! The rule: an expression is understood in full or refused. Days of the week count from Sunday, 1.
//! Tests are below.

use jiff::civil::{Date, DateTime, Time};

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const YEARS: (u32, u32) = (1970, 2199);

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    second: Numbers,
    minute: Numbers,
    hour: Numbers,
    day: Days,
    month: Numbers,
    weekday: Days,
    year: Numbers,
}

/// The numbers a field allows.
type Numbers = Vec<u32>;

/// The days a field allows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    /// All of them: `*` or `?`.
    Any,
    /// Those that one of these names.
    Of(Vec<Day>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Day {
    /// One of these numbers.
    In(Numbers),
    /// `L-n`: so many days before the month's last.
    FromLast(u32),
    /// `nW`: the working day nearest to this day.
    NearestWorkday(u32),
    /// `LW`: the last working day.
    LastWorkday,
    /// `nL`: the last such weekday of the month.
    LastWeekday(u32),
    /// `n#k`: the k-th such weekday of the month.
    NthWeekday(u32, u32),
}

impl Cron {
    /// Reads an expression; the error says what to write, to follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let fields: Vec<&str> = upper.split_ascii_whitespace().collect();
        let (second, minute, hour, day, month, weekday, year) = match *fields.as_slice() {
            [second, minute, hour, day, month, weekday] => {
                (second, minute, hour, day, month, weekday, "*")
            }
            [second, minute, hour, day, month, weekday, year] => {
                (second, minute, hour, day, month, weekday, year)
            }
            _ => {
                let remedy = "is neither a daily period (09:00:00-17:30:00) nor a Quartz cron \
                              expression of 6 or 7 fields (* * 9-17 ? * MON-FRI)";
                return Err(remedy.to_owned());
            }
        };
        let numbers = |name, field, range, names: &[&str]| {
            numbers(field, range, names)
                .ok_or_else(|| format!("has '{field}' for the {name}; see Quartz cron expressions"))
        };
        let days = |name, field: &str, read: fn(&str) -> Option<Day>| {
            days(field, read)
                .ok_or_else(|| format!("has '{field}' for the {name}; see Quartz cron expressions"))
        };
        let cron = Self {
            second: numbers("second", second, (0, 59), &[])?,
            minute: numbers("minute", minute, (0, 59), &[])?,
            hour: numbers("hour", hour, (0, 23), &[])?,
            day: days("day of month", day, day_of_month)?,
            month: numbers("month", month, (1, 12), &MONTHS)?,
            weekday: days("day of week", weekday, day_of_week)?,
            year: numbers("year", year, YEARS, &[])?,
        };
        if cron.day != Days::Any && cron.weekday != Days::Any {
            return Err("names days of month and days of week; write ? for one of them".to_owned());
        }
        Ok(cron)
    }

    /// Whether the second of this instant matches.
    pub fn matches(&self, at: DateTime) -> bool {
        let is_in =
            |list: &Numbers, value: i16| u32::try_from(value).is_ok_and(|v| list.contains(&v));
        is_in(&self.second, at.second().into())
            && is_in(&self.minute, at.minute().into())
            && is_in(&self.hour, at.hour().into())
            && self.matches_day(at.date())
    }
}

impl Cron {
    /// The first second after this instant that matches; `None` if there is none for a hundred years.
    pub fn next_after(&self, after: DateTime) -> Option<DateTime> {
        const DAYS: u32 = 36_525;
        let mut date = after.date();
        let mut earliest = Some(after.time());
        for _ in 0..DAYS {
            if self.matches_day(date)
                && let Some(time) = self.first_time(earliest)
            {
                return Some(date.to_datetime(time));
            }
            date = date.tomorrow().ok()?;
            earliest = None;
        }
        None
    }

    fn matches_day(&self, date: Date) -> bool {
        self.month.contains(&number(date.month()))
            && u32::try_from(date.year()).is_ok_and(|year| self.year.contains(&year))
            && self.day.matches(date, number(date.day()))
            && self.weekday.matches(date, weekday(date))
    }

    /// The first time of a day after `after`, or of the whole day.
    fn first_time(&self, after: Option<Time>) -> Option<Time> {
        let sorted = |numbers: &Numbers| {
            let mut sorted: Vec<i8> = numbers
                .iter()
                .filter_map(|n| i8::try_from(*n).ok())
                .collect();
            sorted.sort_unstable();
            sorted
        };
        let (hours, minutes, seconds) = (
            sorted(&self.hour),
            sorted(&self.minute),
            sorted(&self.second),
        );
        let late_enough = |time: &Time| after.is_none_or(|after| *time > after);
        hours.iter().find_map(|hour| {
            minutes.iter().find_map(|minute| {
                let times = seconds
                    .iter()
                    .filter_map(|second| Time::new(*hour, *minute, *second, 0).ok());
                times.into_iter().find(late_enough)
            })
        })
    }
}

impl Days {
    /// `value` is the day as the field counts.
    fn matches(&self, date: Date, value: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Of(days) => days.iter().any(|day| day.matches(date, value)),
        }
    }
}

impl Day {
    fn matches(&self, date: Date, value: u32) -> bool {
        let day = number(date.day());
        let last = number(date.days_in_month());
        match self {
            Self::In(numbers) => numbers.contains(&value),
            Self::FromLast(before) => day + before == last,
            Self::NearestWorkday(wanted) => nearest_workday(date, (*wanted).min(last)) == Some(day),
            Self::LastWorkday => nearest_workday(date, last) == Some(day),
            Self::LastWeekday(wanted) => weekday(date) == *wanted && day + 7 > last,
            Self::NthWeekday(wanted, nth) => weekday(date) == *wanted && day.div_ceil(7) == *nth,
        }
    }
}

/// Sunday is 1.
fn weekday(date: Date) -> u32 {
    number(date.weekday().to_sunday_one_offset())
}

fn number(value: i8) -> u32 {
    u32::from(value.unsigned_abs())
}

/// The day from Monday to Friday nearest to this day of the month, inside the month.
fn nearest_workday(date: Date, day: u32) -> Option<u32> {
    let at = date.with().day(i8::try_from(day).ok()?).build().ok()?;
    let last = number(date.days_in_month());
    Some(match weekday(at) {
        1 if day == last => day - 2,
        1 => day + 1,
        7 if day == 1 => day + 2,
        7 => day - 1,
        _ => day,
    })
}

fn days(field: &str, read: fn(&str) -> Option<Day>) -> Option<Days> {
    if matches!(field, "*" | "?") {
        return Some(Days::Any);
    }
    field
        .split(',')
        .map(read)
        .collect::<Option<_>>()
        .map(Days::Of)
}

fn day_of_month(term: &str) -> Option<Day> {
    let within = |text: &str| text.parse().ok().filter(|day| (1..=31).contains(day));
    match term {
        "L" => Some(Day::FromLast(0)),
        "LW" => Some(Day::LastWorkday),
        _ if term.starts_with("L-") => term
            .get(2..)?
            .parse()
            .ok()
            .filter(|n| *n <= 30)
            .map(Day::FromLast),
        _ if term.ends_with('W') => within(term.strip_suffix('W')?).map(Day::NearestWorkday),
        _ => numbers(term, (1, 31), &[]).map(Day::In),
    }
}

fn day_of_week(term: &str) -> Option<Day> {
    if term == "L" {
        return Some(Day::In(vec![7]));
    }
    if let Some((day, nth)) = term.split_once('#') {
        let nth = nth.parse().ok().filter(|n| (1..=5).contains(n))?;
        return Some(Day::NthWeekday(one(day, (1, 7), &DAYS)?, nth));
    }
    if let Some(day) = term.strip_suffix('L') {
        return Some(Day::LastWeekday(one(day, (1, 7), &DAYS)?));
    }
    numbers(term, (1, 7), &DAYS).map(Day::In)
}

/// A list of numbers, ranges and steps.
fn numbers(field: &str, range: (u32, u32), names: &[&str]) -> Option<Numbers> {
    let mut all = Numbers::new();
    for term in field.split(',') {
        let (span, step) = match term.split_once('/') {
            Some((span, step)) => (span, step.parse().ok().filter(|n| *n > 0)?),
            None => (term, 1usize),
        };
        let (from, to) = match span.split_once('-') {
            _ if matches!(span, "*" | "") && (span == "*" || term.contains('/')) => range,
            Some((from, to)) => (one(from, range, names)?, one(to, range, names)?),
            None if term.contains('/') => (one(span, range, names)?, range.1),
            None => (one(span, range, names)?, one(span, range, names)?),
        };
        // A range may run over the end: 22-2 is 22, 23, 0, 1, 2.
        let values: Numbers = if from <= to {
            (from..=to).collect()
        } else {
            (from..=range.1).chain(range.0..=to).collect()
        };
        all.extend(values.into_iter().step_by(step));
    }
    Some(all)
}

/// A number or a name; names begin at the range's first number.
fn one(text: &str, range: (u32, u32), names: &[&str]) -> Option<u32> {
    let by_name = (range.0..).zip(names).find(|(_, n)| **n == text);
    let number = by_name.map(|(n, _)| n).or_else(|| text.parse().ok())?;
    (range.0..=range.1).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(cron: &str, at: &str) -> bool {
        Cron::parse(cron).unwrap().matches(at.parse().unwrap())
    }

    #[test]
    fn every_notation_means_what_quartz_says() {
        // November 2026 begins on a Sunday and ends on Monday the 30th.
        for (cron, at, expected) in [
            ("* * 9-17 ? * MON-FRI", "2026-11-26T17:59:59", true),
            ("* * 9-17 ? * MON-FRI", "2026-11-28T12:00:00", false),
            ("0 0/15 * * * ?", "2026-11-26T10:45:00", true),
            ("0 0/15 * * * ?", "2026-11-26T10:46:00", false),
            ("0 0/15 * * * ?", "2026-11-26T10:45:01", false),
            ("* * 22-2 * * ?", "2026-11-26T01:00:00", true),
            ("* * 22-2 * * ?", "2026-11-26T03:00:00", false),
            ("* * * ? * FRI-MON", "2026-11-29T00:00:00", true),
            ("* * * L * ?", "2026-11-30T00:00:00", true),
            ("* * * L-3 * ?", "2026-11-27T00:00:00", true),
            ("* * * LW * ?", "2026-10-30T00:00:00", true),
            ("* * * 1W * ?", "2026-11-02T00:00:00", true),
            ("* * * 1W 8 ?", "2026-08-03T00:00:00", true),
            ("* * * 15W * ?", "2026-11-16T00:00:00", true),
            ("* * * ? * 6L", "2026-11-27T00:00:00", true),
            ("* * * ? * 6L", "2026-11-20T00:00:00", false),
            ("* * * ? * THU#4", "2026-11-26T00:00:00", true),
            ("* * * ? * THU#3", "2026-11-26T00:00:00", false),
            ("* * * ? nov-dec *", "2026-11-26T00:00:00", true),
            ("* * * * * ? 2027", "2026-11-26T00:00:00", false),
            ("1,3,5-7/2 * * * * ?", "2026-11-26T00:00:07", true),
            ("1,3,5-7/2 * * * * ?", "2026-11-26T00:00:06", false),
        ] {
            assert_eq!(matches(cron, at), expected, "{cron} at {at}");
        }
    }

    #[test]
    fn the_next_time_is_the_first_that_matches() {
        for (cron, after, expected) in [
            (
                "0 0/15 * * * ?",
                "2026-11-26T10:45:00",
                "2026-11-26T11:00:00",
            ),
            (
                "0 0/15 * * * ?",
                "2026-11-26T10:44:59.5",
                "2026-11-26T10:45:00",
            ),
            ("0 30 2 * * ?", "2026-11-26T02:30:00", "2026-11-27T02:30:00"),
            (
                "30 59 23 L * ?",
                "2026-02-28T23:59:30",
                "2026-03-31T23:59:30",
            ),
            (
                "0 0 12 ? * MON",
                "2026-12-31T12:00:00",
                "2027-01-04T12:00:00",
            ),
            ("0 0 0 29 2 ?", "2026-11-26T00:00:00", "2028-02-29T00:00:00"),
            (
                "0 0 22-1 * * ?",
                "2026-11-26T23:30:00",
                "2026-11-27T00:00:00",
            ),
        ] {
            let next = Cron::parse(cron)
                .unwrap()
                .next_after(after.parse().unwrap());
            assert_eq!(
                next,
                Some(expected.parse().unwrap()),
                "{cron} after {after}"
            );
        }
    }

    #[test]
    fn an_expression_of_the_past_has_no_next_time() {
        let past = Cron::parse("0 0 0 * * ? 2025").unwrap();
        assert_eq!(
            past.next_after("2026-01-01T00:00:00".parse().unwrap()),
            None
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for cron in [
            "* * * * *",
            "60 * * * * ?",
            "* * 24 * * ?",
            "* * * 0 * ?",
            "* * * ? * 8",
            "* * * 1 * MON",
            "* * * ? * MON#6",
            "*/0 * * * * ?",
            "x * * * * ?",
            "* * * * * ? 1969",
            "1- * * * * ?",
        ] {
            assert!(Cron::parse(cron).is_err(), "{cron}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9A-Z*?/,#LW -]{0,24}", day in 0i64..40_000) {
            if let Ok(cron) = Cron::parse(&text) {
                let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day));
                let _ = cron.matches(date.at(1, 2, 3, 0));
            }
        }
    }
}
