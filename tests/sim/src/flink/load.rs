//! A simple model of load: how fast a job can go, and which vertices that keeps busy.
//!
//! Every source reads its share of the input. A vertex reads what its inputs write. The job goes as fast
//! as its narrowest vertex lets it, and no faster than records are there.

use jiff::Timestamp;

use super::profile::Profile;
use super::vertices::Vertex;

/// Records that have arrived for a cluster's jobs, whether they run or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Produced {
    pub(super) total: f64,
    since: Option<Timestamp>,
}

impl Produced {
    pub(super) fn advance(&mut self, rate: f64, now: Timestamp) {
        if let Some(since) = self.since {
            self.total += rate * seconds(since, now);
        }
        self.since = Some(self.since.map_or(now, |since| since.max(now)));
    }
}

/// Seconds from one time to another; 0 if it is not later.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// How one vertex is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    /// Records read per second, over all subtasks; 0 for sources.
    pub(super) records_in: f64,
    /// Records written per second, over all subtasks; 0 for sinks.
    pub(super) records_out: f64,
    /// Records fetched per second by a source.
    pub(super) fetched: f64,
    /// Share of the time a subtask is busy.
    pub(super) busy: f64,
    /// Share of the time a subtask waits for the vertices after it.
    pub(super) back_pressured: f64,
}

/// The load of each vertex and the input records processed per second.
pub(super) fn of(profile: &Profile, vertices: &[Vertex], backlog: f64) -> (Vec<Load>, f64) {
    let factors = factors(profile);
    let capacity = |vertex: usize| {
        let parallelism = vertices.get(vertex).map_or(1, |vertex| vertex.parallelism);
        profile
            .vertices
            .get(vertex)
            .map_or(0.0, |profile| profile.capacity)
            * f64::from(parallelism)
    };
    let limit_of = |vertex: usize, factor: f64| {
        if factor > 0.0 {
            capacity(vertex) / factor
        } else {
            f64::INFINITY
        }
    };
    let limits: Vec<f64> = factors
        .iter()
        .enumerate()
        .map(|(vertex, factor)| limit_of(vertex, *factor))
        .collect();
    let limit = limits.iter().copied().fold(f64::INFINITY, f64::min);
    // Records that wait are processed as fast as possible, new ones as they come.
    let rate = if backlog > profile.input.max(1.0) {
        limit
    } else {
        limit.min(profile.input)
    };
    let rate = if rate.is_finite() { rate } else { 0.0 };
    let strained = rate >= limit * 0.999;
    let loads = factors.iter().enumerate().map(|(vertex, factor)| {
        let read = rate * factor;
        let busy = if capacity(vertex) > 0.0 {
            (read / capacity(vertex)).min(1.0)
        } else {
            0.0
        };
        let narrow_below = strained && leads_to_narrow(profile, &limits, limit, vertex);
        let source = profile.is_source(vertex);
        let sink = profile.edges.iter().all(|(from, ..)| *from != vertex);
        let selectivity = profile
            .vertices
            .get(vertex)
            .map_or(1.0, |profile| profile.selectivity);
        Load {
            records_in: if source { 0.0 } else { read },
            records_out: if sink { 0.0 } else { read * selectivity },
            fetched: if source { read } else { 0.0 },
            busy,
            back_pressured: if narrow_below { 1.0 - busy } else { 0.0 },
        }
    });
    (loads.collect(), rate)
}

/// Records each vertex reads per record of input.
fn factors(profile: &Profile) -> Vec<f64> {
    let count = profile.vertices.len();
    let sources = (0..count)
        .filter(|vertex| profile.is_source(*vertex))
        .count()
        .max(1);
    #[expect(clippy::cast_precision_loss, reason = "a handful of sources")]
    let share = 1.0 / sources as f64;
    let mut factors: Vec<f64> = (0..count)
        .map(|vertex| {
            if profile.is_source(vertex) {
                share
            } else {
                0.0
            }
        })
        .collect();
    // As many rounds as vertices reach every one, the graph having no cycles.
    for _ in 0..count {
        let next: Vec<f64> = (0..count)
            .map(|vertex| {
                let inputs = profile.edges.iter().filter(|(_, to, _)| *to == vertex);
                let read: f64 = inputs
                    .map(|(from, ..)| {
                        let written = profile
                            .vertices
                            .get(*from)
                            .map_or(0.0, |from| from.selectivity);
                        factors.get(*from).copied().unwrap_or_default() * written
                    })
                    .sum();
                if profile.is_source(vertex) {
                    share
                } else {
                    read
                }
            })
            .collect();
        factors = next;
    }
    factors
}

/// A vertex after this one is the narrowest.
fn leads_to_narrow(profile: &Profile, limits: &[f64], limit: f64, vertex: usize) -> bool {
    profile
        .edges
        .iter()
        .filter(|(from, ..)| *from == vertex)
        .any(|(_, to, _)| {
            limits.get(*to).is_some_and(|narrow| *narrow <= limit)
                || leads_to_narrow(profile, limits, limit, *to)
        })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers are exact")]
mod tests {
    use super::super::vertices;
    use super::*;

    fn loads(input: f64, slow: f64, parallelism: u32, backlog: f64) -> (Vec<Load>, f64) {
        let profile = Profile::pipeline(input, slow);
        let vertices = vertices::of(
            &profile,
            parallelism,
            &std::collections::BTreeMap::new(),
            None,
        );
        of(&profile, &vertices, backlog)
    }

    #[test]
    fn a_job_with_room_goes_as_fast_as_records_come() {
        let (loads, rate) = loads(100.0, 400.0, 1, 0.0);
        assert_eq!(rate, 100.0);
        assert_eq!(loads[1].busy, 0.25);
        assert_eq!(loads[0].back_pressured, 0.0);
        assert_eq!(
            (loads[0].fetched, loads[0].records_in, loads[0].records_out),
            (100.0, 0.0, 100.0)
        );
        assert_eq!((loads[2].records_in, loads[2].records_out), (100.0, 0.0));
    }

    #[test]
    fn the_narrowest_vertex_holds_back_those_before_it() {
        let (loads, rate) = loads(100.0, 40.0, 1, 0.0);
        assert_eq!(rate, 40.0);
        assert_eq!(loads[1].busy, 1.0);
        assert!(loads[0].back_pressured > 0.9);
        assert_eq!(loads[2].back_pressured, 0.0);
    }

    #[test]
    fn a_backlog_is_worked_off_at_full_speed() {
        assert_eq!(loads(100.0, 400.0, 2, 10_000.0).1, 800.0);
    }

    #[test]
    fn records_arrive_whether_or_not_a_job_runs() {
        let mut produced = Produced::default();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        produced.advance(10.0, start);
        produced.advance(10.0, start + std::time::Duration::from_secs(6));
        assert_eq!(produced.total, 60.0);
    }
}
