//! Many short lives, each with deeds, faults and deaths of its own, chosen by a seed.
//!
//! `LIVES=100000` plays that many, `SEED=7` one or `LIVES` from there, `LIFE='{...}'` the one that is written there, and `FAILURES=20`
//! goes on until so many have failed. A life in which something happens that never should is made simpler while it still
//! does, and printed so that it can be played again. What must hold is in [`witness`] and at the end of [`play`].

mod life;
mod play;
mod queue;
mod shrink;
mod witness;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::mortal::Sabotage;
use life::Life;

/// Lives played if nobody says how many.
const LIVES: u64 = 300;
/// How often a long run says how far it is.
const REPORT: Duration = Duration::from_secs(10);

/// Play it; a panic of the operator is a failure too.
fn outcome(life: &Life, sabotage: Option<Sabotage>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| play::play(life, sabotage))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// How far a run is, told now and then.
struct Progress {
    seeds: std::ops::Range<u64>,
    begun: Instant,
    told: Mutex<Instant>,
}

impl Progress {
    fn of(seeds: std::ops::Range<u64>) -> Self {
        let begun = Instant::now();
        let told = Mutex::new(begun);
        Self { seeds, begun, told }
    }

    /// Lives up to this seed are being played.
    fn at(&self, seed: u64) {
        let mut told = self.told.lock().unwrap();
        if told.elapsed() >= REPORT {
            *told = Instant::now();
            say(&format!("{} ...", self.text(seed)));
        }
    }

    fn text(&self, seed: u64) -> String {
        let (first, all) = (self.seeds.start, self.seeds.end - self.seeds.start);
        let played = seed - first;
        let millis = self.begun.elapsed().as_millis().max(1);
        let rate = u128::from(played) * 1000 / millis;
        format!("{played} of {all} lives from seed {first}, {rate} a second")
    }
}

/// To the terminal at once: what a test prints otherwise is kept back until it has failed.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Play lives of these seeds on all cores until so many have failed; the failure of the lowest seed.
fn first_failure(
    seeds: std::ops::Range<u64>,
    enough: u64,
    sabotage: Option<Sabotage>,
) -> Option<Life> {
    let next = AtomicU64::new(seeds.start);
    let progress = Progress::of(seeds.clone());
    let failed: Mutex<Vec<u64>> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end || failed.lock().unwrap().len() as u64 >= enough {
                        return;
                    }
                    progress.at(seed);
                    if let Err(why) = outcome(&Life::of(seed), sabotage) {
                        if enough > 1 {
                            say(&format!("seed {seed}: {why}"));
                        }
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if failed.is_empty() {
        say(&format!(
            "{}: nothing forbidden happened",
            progress.text(seeds.end)
        ));
    }
    failed.into_iter().min().map(Life::of)
}

/// The story of a failure, shrunk, and how to see it again.
fn told(life: &Life) -> String {
    let Err(first) = outcome(life, None) else {
        return format!("seed {} failed once, and not again", life.seed);
    };
    eprintln!("seed {} fails and is made simpler: {first}", life.seed);
    let (short, why) = shrink::shrunk(life, first.clone(), |life| outcome(life, None).err());
    let json = |life: &Life| serde_json::to_string(life).unwrap();
    format!(
        "seed {}: {first}\n\nshrunk from {} to {} bytes: {why}\n{short:#?}\n\nplay it again:\n  \
         LIFE='{}' cargo test --test it lives::nothing\n  SEED={} cargo test --test it lives::nothing",
        life.seed,
        json(life).len(),
        json(&short).len(),
        json(&short),
        life.seed,
    )
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_forbidden_happens_in_any_life() {
    if let Ok(text) = std::env::var("LIFE") {
        let life: Life = serde_json::from_str(&text).expect("LIFE is a life as JSON");
        let why = outcome(&life, None);
        assert_eq!(why, Ok(()), "{life:#?}");
        return;
    }
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + number("LIVES").unwrap_or(1),
        None => 1..number("LIVES").unwrap_or(LIVES) + 1,
    };
    let enough = number("FAILURES").unwrap_or(1);
    if let Some(life) = first_failure(seeds, enough, None) {
        panic!("{}", told(&life));
    }
}

#[test]
fn a_life_is_the_same_by_its_seed_and_as_text() {
    for seed in 0..50 {
        let life = Life::of(seed);
        let text = serde_json::to_string(&life).unwrap();
        assert_eq!(life, Life::of(seed));
        assert_eq!(life, serde_json::from_str(&text).unwrap());
    }
}

/// An operator broken on purpose is found, and its life shrinks to the deeds that matter.
fn is_found(sabotage: Sabotage, deeds: usize) {
    let broken = |life: &Life| outcome(life, Some(sabotage)).err();
    let life = first_failure(1..LIVES + 1, 1, Some(sabotage)).expect("a broken operator fails");
    let why = broken(&life).expect("a life fails twice");
    let (short, why) = shrink::shrunk(&life, why, broken);
    assert!(short.steps.len() <= deeds, "{why}: {short:#?}");
    assert_eq!(outcome(&short, None), Ok(()), "{short:#?}");
}

#[test]
fn an_operator_that_forgets_savepoints_is_found() {
    is_found(Sabotage::ForgetsSavepoints, 2);
}
