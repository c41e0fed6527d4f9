//! The vertices of a simulated job and their counters.

use std::collections::BTreeMap;

use super::load::Load;
use super::profile::Profile;
use crate::random::hex_of;

/// Flink's own limit on key groups unless configured: 128 for small jobs.
const DEFAULT_MAX_PARALLELISM: u32 = 128;

/// One vertex of a running job.
#[derive(Clone, Debug)]
pub(super) struct Vertex {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parallelism: u32,
    pub(super) max_parallelism: u32,
    /// Bounds asked for (`resource-requirements`).
    pub(super) lower: u32,
    pub(super) upper: u32,
    pub(super) counters: Counters,
    pub(super) load: Load,
}

/// Totals over all subtasks since they started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) fetched: f64,
    pub(super) read: f64,
    pub(super) written: f64,
    pub(super) busy_ms: f64,
    pub(super) back_pressured_ms: f64,
    pub(super) idle_ms: f64,
}

/// The vertices of a job that starts with this parallelism and these overrides by vertex id.
pub(super) fn of(
    profile: &Profile,
    parallelism: u32,
    overrides: &BTreeMap<String, u32>,
    max_parallelism: Option<u32>,
) -> Vec<Vertex> {
    profile
        .vertices
        .iter()
        .map(|vertex| {
            let id = hex_of(&vertex.name);
            let max_parallelism = max_parallelism.unwrap_or(DEFAULT_MAX_PARALLELISM);
            let chosen = overrides
                .get(&id)
                .copied()
                .or(vertex.parallelism)
                .unwrap_or(parallelism);
            let parallelism = chosen.clamp(1, max_parallelism);
            Vertex {
                id,
                name: vertex.name.clone(),
                parallelism,
                max_parallelism,
                lower: 1,
                upper: parallelism,
                counters: Counters::default(),
                load: Load::default(),
            }
        })
        .collect()
}

impl Vertex {
    /// Count what happens in `seconds` under the present load.
    pub(super) fn count(&mut self, seconds: f64) {
        let Load {
            records_in,
            records_out,
            fetched,
            busy,
            back_pressured,
        } = self.load;
        let subtask_ms = seconds * 1000.0 * f64::from(self.parallelism);
        let counters = &mut self.counters;
        counters.fetched += fetched * seconds;
        counters.read += records_in * seconds;
        counters.written += records_out * seconds;
        counters.busy_ms += busy * subtask_ms;
        counters.back_pressured_ms += back_pressured * subtask_ms;
        counters.idle_ms += (1.0 - busy - back_pressured).max(0.0) * subtask_ms;
    }

    /// Its subtasks start anew.
    pub(super) fn reset(&mut self) {
        self.counters = Counters::default();
        self.load = Load::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_win_over_the_jobs_parallelism() {
        let profile = Profile::pipeline(1.0, 1.0);
        let overrides = BTreeMap::from([(hex_of("slow"), 5)]);
        let vertices = of(&profile, 2, &overrides, Some(4));
        let parallelism: Vec<u32> = vertices.iter().map(|vertex| vertex.parallelism).collect();
        assert_eq!(parallelism, [2, 4, 2]);
    }

    #[test]
    fn counters_add_up_to_the_time_of_all_subtasks() {
        let profile = Profile::pipeline(1.0, 1.0);
        let mut vertex = of(&profile, 3, &BTreeMap::new(), None).remove(1);
        vertex.load = Load {
            busy: 0.25,
            back_pressured: 0.5,
            records_in: 10.0,
            ..Load::default()
        };
        vertex.count(2.0);
        let Counters {
            busy_ms,
            back_pressured_ms,
            idle_ms,
            read,
            ..
        } = vertex.counters;
        assert_eq!(
            (busy_ms, back_pressured_ms, idle_ms, read),
            (1500.0, 3000.0, 1500.0, 20.0)
        );
    }
}
