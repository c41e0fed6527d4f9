//! Readings that scatter: doubt concerns how many subtasks are needed, not whether a full vertex before which a queue
//! grows needs more, and what was recommended is not taken back for lack of clarity.

use flink_scaler::{
    History, JobGraph, Sample, Settings, ShipStrategy, Situation, Verdict, VertexReading, Window,
    settings::Mode, step,
};

use crate::support::{at, id, short, vertex};

fn recommending() -> Settings {
    Settings {
        mode: Some(Mode::Recommend),
        ..short()
    }
}

/// A source with its work in the same vertex, as it is read every two seconds.
#[derive(Clone, Copy)]
struct Paced {
    /// Records per second that come.
    comes: f64,
    /// Records per second that it can do.
    can: f64,
    /// How old what is read is at most, in seconds, times of tasks half as old: Flink refreshes its figures at times of its own.
    age: f64,
    seed: u32,
}

impl Paced {
    /// Between 0 and 1, another one for each second and counter.
    fn chance(self, second: u32, counter: u32) -> f64 {
        let mut x =
            self.seed ^ second.wrapping_mul(0x9e37_79b9) ^ counter.wrapping_mul(0x85eb_ca6b);
        for _ in 0..3 {
            x ^= x >> 16;
            x = x.wrapping_mul(0x45d9_f3b5);
        }
        f64::from(x >> 8) / f64::from(1_u32 << 24)
    }

    fn sample(self, second: u32) -> Sample {
        let old = |most: f64, counter| most * self.chance(second, counter);
        let seen = |counter| (f64::from(second) - old(self.age, counter)).max(0.0);
        let busy = (self.comes / self.can).min(1.0);
        let ms = 1000.0 * (f64::from(second) - old(self.age / 2.0, 2)).max(0.0);
        let mut sample = Sample::at(at(i64::from(second)));
        sample.job_running_since = Some(at(0));
        let reading = VertexReading {
            parallelism: 1,
            records_in: Some(self.comes.min(self.can) * seen(0)),
            records_out: Some(self.comes.min(self.can) * seen(0)),
            busy_ms_per_s: Some(1000.0 * busy),
            busy_avg_ms_per_s: Some(1000.0 * busy),
            accumulated_busy_ms: Some(ms * busy),
            accumulated_idle_ms: Some(ms * (1.0 - busy)),
            accumulated_backpressured_ms: Some(0.0),
            pending_records: Some((self.comes - self.can).max(0.0) * seen(1)),
            ..VertexReading::default()
        };
        sample.vertices.insert(id("v"), reading);
        sample
    }

    /// What is said every two seconds for five minutes.
    fn verdicts(self) -> Vec<Verdict> {
        self.verdicts_with(&recommending(), History::default(), true)
    }

    /// The same by one that has such a history, and either remembers what it said or not.
    fn verdicts_with(
        self,
        settings: &Settings,
        mut history: History,
        remembers: bool,
    ) -> Vec<Verdict> {
        let graph = JobGraph {
            vertices: vec![vertex("v", 1, ShipStrategy::Forward, &[])],
        };
        let mut window = Window::for_settings(settings);
        let mut verdicts = Vec::new();
        for second in (0..300).step_by(2) {
            window.push(self.sample(second));
            let situation = Situation::running(at(i64::from(second)), at(0));
            let verdict = step(settings, &graph, &window, &history, &situation);
            if remembers {
                history.clone_from(&verdict.history);
            }
            verdicts.push(verdict);
        }
        verdicts
    }
}

/// What is said, each time it is something else than before: the word and the targets.
fn news(verdicts: &[Verdict]) -> Vec<(&'static str, Vec<u32>)> {
    let said = |verdict: &Verdict| {
        let targets = verdict.recommended().into_values().collect();
        (verdict.action.word(), targets)
    };
    let mut news: Vec<_> = verdicts.iter().map(said).collect();
    news.dedup();
    news
}

#[test]
fn a_full_vertex_before_which_a_queue_grows_is_recommended_more_without_a_change_of_mind() {
    for age in [0.5, 1.0, 1.5, 2.0] {
        for seed in 1..=3 {
            let paced = Paced {
                comes: 400.0,
                can: 333.0,
                age,
                seed,
            };
            let news = news(&paced.verdicts());
            let first = news.iter().position(|(word, _)| *word == "Recommending");
            let since = &news[first.unwrap()..];
            // What waits asks for more as time goes by, never for less again.
            assert!(
                since.iter().all(|(word, _)| *word == "Recommending")
                    && since.is_sorted_by_key(|(_, targets)| targets.clone()),
                "figures up to {age} s old, seed {seed}: {news:?}"
            );
        }
    }
}

#[test]
fn whether_a_full_vertex_before_which_a_queue_grows_needs_more_is_no_question_once_the_window_is_full()
 {
    for seed in 1..=5 {
        let paced = Paced {
            comes: 400.0,
            can: 333.0,
            age: 2.0,
            seed,
        };
        // Stabilized after 10 s, with 20 s of readings after 30; not even what was said before is remembered, and scatter is not
        // taken for a change of the load.
        let settings = Settings {
            adaptive_without: vec!["change".to_owned()],
            ..recommending()
        };
        let verdicts = paced.verdicts_with(&settings, History::default(), false);
        for verdict in &verdicts[15..] {
            assert_eq!(verdict.action.word(), "Recommending", "{seed}: {verdict}");
        }
    }
}

#[test]
fn a_full_vertex_before_which_nothing_waits_is_in_doubt_as_before() {
    // As much comes as it can do: full, but nothing piles up, and the figures scatter around its band.
    let paced = Paced {
        comes: 333.0,
        can: 333.0,
        age: 2.0,
        seed: 1,
    };
    let verdicts = paced.verdicts();
    assert!(
        verdicts
            .iter()
            .any(|verdict| verdict.action.word() == "Unclear"),
        "{:?}",
        news(&verdicts)
    );
}

#[test]
fn what_was_recommended_is_not_taken_back_for_lack_of_clarity() {
    for seed in 1..=4 {
        // Nothing piles up, so there is nothing but figures that scatter.
        let paced = Paced {
            comes: 320.0,
            can: 333.0,
            age: 1.0,
            seed,
        };
        let news = news(&paced.verdicts());
        let first = news.iter().position(|(word, _)| *word == "Recommending");
        let since = &news[first.unwrap()..];
        assert_eq!(since, [("Recommending", vec![2])], "seed {seed}: {news:?}");
    }
}

#[test]
fn a_recommendation_ends_when_the_figures_no_longer_ask_for_it() {
    let before = Paced {
        comes: 400.0,
        can: 333.0,
        age: 1.0,
        seed: 1,
    };
    let after = Paced {
        comes: 200.0,
        ..before
    };
    let asked = before.verdicts();
    let history = &asked.last().unwrap().history;
    assert_eq!(history.due[&id("v")].to, 3);
    let verdicts = after.verdicts_with(&recommending(), history.clone(), true);
    let last = verdicts.last().unwrap();
    assert_eq!(
        (last.recommended().len(), last.history.due.len()),
        (0, 0),
        "{last}"
    );
}
