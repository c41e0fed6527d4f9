//! Floors and ceilings of the parallelism at known times: `08:00:00-18:00:00 => min 4 max 12 [Source: *]`.
//!
//! The rule: a floor counts as early as a rescale takes, so that the capacity is there when its period begins; a
//! ceiling counts from the second its period begins. Of several floors the highest counts, of several ceilings the
//! lowest, and a floor counts before a ceiling: what lacks costs more than what idles. Tests are below and in
//! `tests/it/schedules.rs`.

use jiff::{SignedDuration, Timestamp};

use crate::{
    guard::periods::Period,
    history::History,
    pattern::VertexPattern,
    settings::{Entry, Settings, Value},
    topology::Vertex,
    tracking,
};

/// A floor, a ceiling or both, for a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    period: Period,
    min: Option<u32>,
    max: Option<u32>,
    /// `None` is every vertex.
    pattern: Option<VertexPattern>,
}

impl Schedule {
    fn matches(&self, vertex: &Vertex) -> bool {
        let pattern = self.pattern.as_ref();
        pattern.is_none_or(|pattern| pattern.matches(vertex))
    }
}

impl Entry for Schedule {
    const SEPARATOR: char = ';';
    const EXPECTED: &'static str =
        "a list of schedules, such as '08:00:00-18:00:00 => min 4 max 12 [Source: *]'";

    fn read(text: &str) -> Result<Self, String> {
        let form = "is no schedule; write PERIOD => min N, PERIOD => max M or PERIOD => min N max M, then perhaps \
                    [vertex], such as 08:00:00-18:00:00 => min 4 [Source: *]";
        let form = || form.to_owned();
        let (period, rest) = text.split_once("=>").ok_or_else(form)?;
        let period = Period::parse(period.trim())
            .map_err(|error| format!("names a period that {}", error.remedy))?;
        let (numbers, pattern) = match rest.split_once('[') {
            None => (rest, None),
            Some((numbers, pattern)) => {
                let pattern = pattern.trim_end().strip_suffix(']').ok_or_else(form)?;
                let pattern = VertexPattern::new(pattern).ok_or_else(form)?;
                (numbers, Some(pattern))
            }
        };
        let mut schedule = Self {
            text: text.to_owned(),
            period,
            min: None,
            max: None,
            pattern,
        };
        let mut words = numbers.split_ascii_whitespace();
        while let Some(word) = words.next() {
            let bound = match word {
                "min" => &mut schedule.min,
                "max" => &mut schedule.max,
                _ => return Err(form()),
            };
            let number = words.next().and_then(u32::parse).ok_or_else(form)?;
            if number == 0 {
                return Err(format!(
                    "has {word} 0, which is no parallelism; write 1 or more"
                ));
            }
            if bound.replace(number).is_some() {
                return Err(format!("has {word} twice; write it once"));
            }
        }
        match (schedule.min, schedule.max) {
            (None, None) => Err(form()),
            (Some(min), Some(max)) if min > max => Err(format!(
                "has a floor above its ceiling; write min {max} max {min}"
            )),
            _ => Ok(schedule),
        }
    }
}

/// What the schedules ask for at an instant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda<'a> {
    floors: Vec<(u32, &'a Schedule)>,
    ceilings: Vec<(u32, &'a Schedule)>,
}

impl<'a> Agenda<'a> {
    /// What they ask for now, given how long a rescale takes.
    pub fn of(settings: &'a Settings, now: Timestamp, lead: SignedDuration) -> Self {
        let mut agenda = Self::default();
        let ready = now.saturating_add(lead).unwrap_or(now);
        for schedule in settings.schedules.iter() {
            let begun = schedule.period.contains(now);
            if let Some(min) = schedule.min
                && (begun || schedule.period.contains(ready))
            {
                agenda.floors.push((min, schedule));
            }
            if let Some(max) = schedule.max.filter(|_| begun) {
                agenda.ceilings.push((max, schedule));
            }
        }
        agenda
    }

    /// Fewest subtasks asked for.
    pub fn floor(&self, vertex: &Vertex) -> Option<u32> {
        let of = |(n, schedule): &(u32, &Schedule)| schedule.matches(vertex).then_some(*n);
        self.floors.iter().filter_map(of).max()
    }

    /// Most subtasks asked for.
    pub fn ceiling(&self, vertex: &Vertex) -> Option<u32> {
        let of = |(n, schedule): &(u32, &Schedule)| schedule.matches(vertex).then_some(*n);
        self.ceilings.iter().filter_map(of).min()
    }
}

impl Settings {
    /// The schedules that count now, as they are written.
    pub fn scheduled(&self, now: Timestamp, history: &History) -> Vec<&str> {
        let agenda = Agenda::of(self, now, tracking::restart_time(self, history));
        let counts = |schedule: &&Schedule| {
            let mut all = agenda.floors.iter().chain(&agenda.ceilings);
            all.any(|(_, other)| std::ptr::eq(*other, *schedule))
        };
        let counting = self.schedules.iter().filter(counts);
        counting.map(|schedule| schedule.text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::VertexId;

    fn agenda<'a>(settings: &'a Settings, now: &str, lead: i64) -> Agenda<'a> {
        let lead = SignedDuration::from_secs(lead);
        Agenda::of(settings, now.parse().unwrap(), lead)
    }

    fn settings(schedules: &str) -> Settings {
        let options = [
            ("job.autoscaler.mode", "auto"),
            ("job.autoscaler.schedules", schedules),
        ];
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Settings::parse(&options.into()).unwrap()
    }

    fn vertex(name: &str) -> Vertex {
        Vertex {
            id: VertexId::new("a").unwrap(),
            name: name.to_owned(),
            parallelism: 1,
            max_parallelism: 128,
            inputs: Vec::new(),
            finished: false,
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_remedy() {
        for (text, remedy) in [
            ("min 4", "is no schedule; write PERIOD => min N"),
            ("08:00:00-18:00:00 => 4", "is no schedule"),
            ("08:00:00-18:00:00 =>", "is no schedule"),
            ("08:00:00-18:00:00 => min", "is no schedule"),
            ("08:00:00-18:00:00 => min four", "is no schedule"),
            ("08:00:00-18:00:00 => min 4 [map", "is no schedule"),
            ("08:00:00-18:00:00 => min 4 []", "is no schedule"),
            (
                "18:00:00-08:00:00 => min 4",
                "names a period that ends before it starts; write two",
            ),
            ("tomorrow => min 4", "names a period that is neither"),
            (
                "08:00:00-18:00:00 => min 0",
                "has min 0, which is no parallelism",
            ),
            ("08:00:00-18:00:00 => max 4 max 5", "has max twice"),
            (
                "08:00:00-18:00:00 => min 8 max 4",
                "has a floor above its ceiling; write min 4 max 8",
            ),
        ] {
            let error = Schedule::read(text).unwrap_err();
            assert!(error.starts_with(remedy), "{text}: {error}");
        }
    }

    #[test]
    fn a_floor_counts_early_and_a_ceiling_when_its_period_begins() {
        let settings = settings("08:00:00-18:00:00 => min 4 max 12");
        for (now, floor, ceiling) in [
            ("2026-11-26T07:54:59Z", None, None),
            ("2026-11-26T07:55:00Z", Some(4), None),
            ("2026-11-26T08:00:00Z", Some(4), Some(12)),
            ("2026-11-26T18:00:00Z", Some(4), Some(12)),
            ("2026-11-26T18:00:01Z", None, None),
        ] {
            let agenda = agenda(&settings, now, 300);
            let map = vertex("map");
            assert_eq!(
                (agenda.floor(&map), agenda.ceiling(&map)),
                (floor, ceiling),
                "{now}"
            );
        }
    }

    #[test]
    fn of_several_the_narrowest_counts_and_each_for_its_vertices() {
        // 2026-11-26 is a Thursday.
        let settings = settings(
            "* * * ? * * => min 2 max 20; * * 9-17 ? * MON-FRI => min 6 [Source: *]; * * * ? * * => max 8 [map]",
        );
        let agenda = agenda(&settings, "2026-11-26T12:00:00Z", 0);
        let of = |name: &str| (agenda.floor(&vertex(name)), agenda.ceiling(&vertex(name)));
        assert_eq!(of("Source: orders"), (Some(6), Some(20)));
        assert_eq!(of("map"), (Some(2), Some(8)));
        let texts =
            settings.scheduled("2026-11-28T12:00:00Z".parse().unwrap(), &History::default());
        assert_eq!(
            texts,
            ["* * * ? * * => min 2 max 20", "* * * ? * * => max 8 [map]"]
        );
    }
}
