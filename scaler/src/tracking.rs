//! How long rescales really take, and how long one is waited for.
//!
//! The rule: a rescale counts as done when graph and readings both show the parallelism it was for, and
//! as given up when that takes longer than [`patience`]. Tests are below.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    history::{History, Outcome, Scaling, Watch},
    settings::{Profile, Settings},
    topology::Topology,
    verdict::Interruption,
    window::Window,
};

/// A rescale is waited for at least this long: TaskManagers may have to be started for it.
const PATIENCE_AT_LEAST: SignedDuration = SignedDuration::from_mins(5);

/// A duration as the signed kind; the longest if it is longer.
pub fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

/// How long the job is expected to stand still for a rescale: the longest that was measured of those
/// remembered, with profile `adaptive` without the time it still ran while slots were waited for, where Flink
/// says so; at most `restart.time-tracking.limit`, or `restart.time` as long as there is none or
/// measuring is not wanted.
pub fn restart_time(settings: &Settings, history: &History) -> SignedDuration {
    let configured = signed(settings.restart_time);
    if settings.profile == Profile::Apache && !settings.restart_time_tracking_enabled {
        return configured;
    }
    let stood = settings.profile == Profile::Adaptive;
    longest(settings, history, stood).unwrap_or(configured)
}

/// The longest time the job was measured to stand still for a rescale, if it was, at most
/// `restart.time-tracking.limit`.
pub fn measured(settings: &Settings, history: &History) -> Option<SignedDuration> {
    longest(settings, history, true)
}

fn longest(settings: &Settings, history: &History, only_stood: bool) -> Option<SignedDuration> {
    let measured = history
        .scalings
        .iter()
        .filter_map(|scaling| match scaling.outcome {
            Outcome::Seen { restart, stood } => stood.filter(|_| only_stood).or(restart),
            Outcome::Open | Outcome::GivenUp => None,
        });
    let limit = signed(settings.restart_time_tracking_limit);
    measured.max().map(|longest| longest.min(limit))
}

/// How long a rescale is waited for: twice its expected time, that until there are slots included, at least five
/// minutes.
pub fn patience(settings: &Settings, history: &History) -> SignedDuration {
    let whole = longest(settings, history, false);
    restart_time(settings, history)
        .max(whole.unwrap_or_default())
        .saturating_mul(2)
        .max(PATIENCE_AT_LEAST)
}

/// The history with what has become of open rescales, given what the job shows now.
#[must_use]
pub fn settle(
    settings: &Settings,
    topology: &Topology<'_>,
    window: &Window,
    history: &History,
    (now, running_since): (Timestamp, Option<Timestamp>),
    interruption: Option<Interruption>,
) -> History {
    let patience = patience(settings, history);
    let mut history = history.clone();
    let newest = history.scalings.len().saturating_sub(1);
    for (position, scaling) in history.scalings.iter_mut().enumerate() {
        if scaling.outcome != Outcome::Open {
            if position == newest {
                count_restarts(&mut scaling.watch, running_since);
            }
            continue;
        }
        if position == newest && shows(topology, window, scaling) {
            let restart = running_since
                .map(|since| since.duration_since(scaling.at))
                .filter(SignedDuration::is_positive);
            let stood = interruption
                .filter(|interruption| interruption.from >= scaling.at)
                .map(|interruption| interruption.to.duration_since(interruption.from))
                .filter(SignedDuration::is_positive);
            scaling.outcome = Outcome::Seen { restart, stood };
            scaling.watch.started = running_since;
        } else if position < newest || now.duration_since(scaling.at) > patience {
            scaling.outcome = Outcome::GivenUp;
        }
    }
    let count = usize::try_from(settings.history_max_count).unwrap_or(usize::MAX);
    history.trim(now, signed(settings.history_max_age), count);
    history
}

/// A start that nobody asked for is one more.
fn count_restarts(watch: &mut Watch, running_since: Option<Timestamp>) {
    if let (Some(last), Some(now)) = (watch.started, running_since)
        && now > last
    {
        watch.restarts = watch.restarts.saturating_add(1);
        watch.started = Some(now);
    }
}

/// Whether every vertex that the rescale changes has its parallelism, in the graph and in the newest
/// readings, taken after the rescale.
fn shows(topology: &Topology<'_>, window: &Window, scaling: &Scaling) -> bool {
    let Some(latest) = window.latest().filter(|sample| sample.at > scaling.at) else {
        return false;
    };
    scaling.vertices.iter().all(|(id, change)| {
        let read = latest.vertices.get(id).map(|reading| reading.parallelism);
        let planned = topology.find(id).map(|vertex| vertex.parallelism);
        read == Some(change.to) && planned == Some(change.to)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        history::Change,
        sample::{Sample, VertexReading},
        topology::{JobGraph, Vertex, VertexId},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn id() -> VertexId {
        VertexId::new("a").unwrap()
    }

    fn scaling(second: i64, to: u32, outcome: Outcome) -> Scaling {
        let change = Change {
            from: 1,
            to,
            true_rate: None,
            expected_rate: None,
            target_rate: None,
        };
        Scaling {
            at: at(second),
            vertices: BTreeMap::from([(id(), change)]),
            outcome,
            watch: Watch::default(),
        }
    }

    fn seen(minutes: i64, seconds: i64) -> Scaling {
        let restart = Some(SignedDuration::from_secs(minutes * 60 + seconds));
        scaling(
            0,
            2,
            Outcome::Seen {
                restart,
                stood: None,
            },
        )
    }

    #[test]
    fn f1_to_f4_the_longest_measured_restart_counts_up_to_its_limit() {
        let tracked = Settings {
            profile: Profile::Apache,
            restart_time_tracking_enabled: true,
            ..Settings::default()
        };
        let plain = Settings {
            restart_time_tracking_enabled: false,
            ..tracked.clone()
        };
        let long = Settings {
            restart_time: Duration::from_secs(15 * 60 + 1),
            ..plain.clone()
        };
        let adaptive = Settings::default();
        for (settings, scalings, seconds) in [
            (&tracked, vec![], 300),
            (&plain, vec![seen(3, 0), seen(4, 59)], 300),
            (&long, vec![seen(3, 0), seen(4, 59)], 901),
            (&tracked, vec![seen(3, 0), seen(14, 59)], 899),
            (&tracked, vec![seen(3, 0), seen(20, 0)], 900),
            (&adaptive, vec![seen(0, 4)], 4),
            (&adaptive, vec![scaling(0, 2, Outcome::GivenUp)], 300),
        ] {
            let history = History {
                scalings,
                ..History::default()
            };
            assert_eq!(restart_time(settings, &history).as_secs(), seconds);
        }
    }

    /// The outcome of a rescale to 2 at second 0, for a job that shows this parallelism.
    fn settled(parallelism: u32, sampled: i64, now: i64) -> Outcome {
        interrupted(parallelism, (sampled, now), None)
    }

    fn interrupted(
        parallelism: u32,
        (sampled, now): (i64, i64),
        interruption: Option<(i64, i64)>,
    ) -> Outcome {
        let graph = JobGraph {
            vertices: vec![Vertex {
                id: id(),
                name: "a".to_owned(),
                parallelism,
                max_parallelism: 128,
                inputs: vec![],
                finished: false,
            }],
        };
        let mut window = Window::new(SignedDuration::from_mins(5));
        let mut sample = Sample::at(at(sampled));
        sample.vertices.insert(
            id(),
            VertexReading {
                parallelism,
                ..VertexReading::default()
            },
        );
        window.push(sample);
        let history = History {
            scalings: vec![scaling(0, 2, Outcome::Open)],
            ..History::default()
        };
        let topology = graph.topology().unwrap();
        let times = (at(now), Some(at(60)));
        let interruption = interruption.map(|(from, to)| Interruption {
            from: at(from),
            to: at(to),
        });
        let settings = Settings::default();
        let settled = settle(&settings, &topology, &window, &history, times, interruption);
        settled.scalings[0].outcome
    }

    #[test]
    fn f6_f7_a_rescale_is_done_when_its_parallelism_shows() {
        let restart = Some(SignedDuration::from_secs(60));
        let stood = None;
        assert_eq!(settled(2, 70, 70), Outcome::Seen { restart, stood });
        assert_eq!(settled(3, 70, 70), Outcome::Open);
        assert_eq!(settled(2, -5, 70), Outcome::Open);
    }

    #[test]
    fn a_rescale_that_never_shows_is_given_up() {
        assert_eq!(settled(3, 590, 600), Outcome::Open);
        assert_eq!(settled(3, 600, 601), Outcome::GivenUp);
    }

    #[test]
    fn the_time_the_job_stood_still_counts_where_flink_says_and_all_of_it_is_waited_for() {
        let restart = Some(SignedDuration::from_secs(60));
        let stood = Some(SignedDuration::from_secs(2));
        let outcome = interrupted(2, (70, 70), Some((57, 59)));
        assert_eq!(outcome, Outcome::Seen { restart, stood });
        let earlier = interrupted(2, (70, 70), Some((-20, -10)));
        let unknown = Outcome::Seen {
            restart,
            stood: None,
        };
        assert_eq!(earlier, unknown, "of a rescale before this one");

        let history = History {
            scalings: vec![scaling(
                0,
                2,
                Outcome::Seen {
                    restart: Some(SignedDuration::from_mins(6)),
                    stood,
                },
            )],
            ..History::default()
        };
        let adaptive = Settings::default();
        let apache = Settings {
            profile: Profile::Apache,
            restart_time_tracking_enabled: true,
            ..Settings::default()
        };
        assert_eq!(restart_time(&adaptive, &history).as_secs(), 2);
        assert_eq!(restart_time(&apache, &history).as_secs(), 360);
        for settings in [adaptive, apache] {
            assert_eq!(patience(&settings, &history).as_mins(), 12);
        }
    }
}
