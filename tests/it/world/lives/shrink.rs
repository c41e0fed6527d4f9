//! A failing life, made as simple as it can be while it still fails.

use super::life::Life;

/// Lives tried at most.
const TRIES: u32 = 400;

/// The simplest one found, and why it fails.
pub fn shrunk(life: &Life, why: String, fails: impl Fn(&Life) -> Option<String>) -> (Life, String) {
    let mut simplest = (life.clone(), why);
    let mut tries = 0;
    loop {
        let simpler = simplest.0.simpler().into_iter().find_map(|life| {
            tries += 1;
            let why = (tries <= TRIES).then(|| fails(&life)).flatten()?;
            Some((life, why))
        });
        match simpler {
            Some(found) => simplest = found,
            None => return simplest,
        }
    }
}

#[test]
fn what_does_not_matter_goes() {
    let life = (0..200)
        .map(Life::of)
        .find(|life| life.steps.len() > 4)
        .expect("a long life");
    let last = life.steps.last().unwrap().deed;
    let fails = |life: &Life| {
        let failing = life.steps.iter().any(|step| step.deed == last);
        failing.then(|| "it is there".to_owned())
    };
    let (short, _) = shrunk(&life, String::new(), fails);
    assert_eq!(short.steps.len(), 1, "{short:#?}");
    assert!(short.steps[0].troubles.is_empty() && short.steps[0].wait == 0);
}
