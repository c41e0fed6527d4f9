use std::sync::atomic::{AtomicUsize, Ordering};

use flink_crds::LifecycleState::{Deployed, Stable};
use flink_crds::{FlinkDeployment, FlinkDeploymentStatus, LifecycleState};
use tokio::sync::Semaphore;

use super::*;
use crate::listen::{EventWritten, StatusWritten};
use crate::telemetry::metrics::{Identity, Switches};

/// Notes what it hears, as fast as it is let.
struct Notes {
    name: &'static str,
    heard: Arc<Mutex<Vec<String>>>,
    lets: Arc<Semaphore>,
    capacity: usize,
}

impl Notes {
    fn new(name: &'static str, lets: usize) -> Self {
        Self {
            name,
            heard: Arc::default(),
            lets: Arc::new(Semaphore::new(lets)),
            capacity: 3,
        }
    }

    async fn note(&self, text: String) {
        self.lets.acquire().await.unwrap().forget();
        self.heard.lock().unwrap().push(text);
    }
}

impl Listener for Notes {
    fn name(&self) -> &str {
        self.name
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    async fn deployment_status(
        &self,
        written: &StatusWritten<FlinkDeployment>,
    ) -> Result<(), Failure> {
        let state = |status: Option<&FlinkDeploymentStatus>| {
            let state = status.and_then(|status| status.lifecycle_state);
            state.map_or_else(|| "-".to_owned(), |state| state.to_string())
        };
        let (before, now) = (written.before.as_ref(), written.object.status.as_ref());
        self.note(format!("{} {}>{}", written.id, state(before), state(now)))
            .await;
        Ok(())
    }

    async fn event(&self, written: &EventWritten) -> Result<(), Failure> {
        self.note(written.id.clone()).await;
        Ok(())
    }
}

/// Panics at the first notice, fails at the second.
#[derive(Default)]
struct Clumsy(AtomicUsize);

impl Listener for Clumsy {
    fn name(&self) -> &'static str {
        "clumsy"
    }

    async fn event(&self, _: &EventWritten) -> Result<(), Failure> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("oh"),
            1 => Err("no paper left".into()),
            _ => Ok(()),
        }
    }
}

fn metrics() -> Metrics {
    Metrics::new(&Identity::default(), Switches::default()).unwrap()
}

fn count(metrics: &Metrics, listener: &str, outcome: &str) -> u64 {
    let text = metrics.encode().unwrap();
    let labels = format!(r#"listener="{listener}""#);
    let line = text.lines().find(|line| {
        line.starts_with("flink_operator_listener_notices_total")
            && line.contains(&labels)
            && line.contains(&format!(r#"outcome="{outcome}""#))
    });
    line.and_then(|line| line.rsplit(' ').next())
        .map_or(0, |number| number.parse().unwrap())
}

fn event(count: i32) -> Event {
    let mut event = Event::default();
    event.metadata.uid = Some("e".to_owned());
    event.count = Some(count);
    event
}

fn job(state: Option<LifecycleState>) -> FlinkDeployment {
    let mut job = FlinkDeployment::new("job", flink_crds::FlinkDeploymentSpec::default());
    job.metadata.uid = Some("u".to_owned());
    job.metadata.resource_version = Some("1".to_owned());
    job.status = state.map(status);
    job
}

fn status(state: LifecycleState) -> FlinkDeploymentStatus {
    FlinkDeploymentStatus {
        lifecycle_state: Some(state),
        ..FlinkDeploymentStatus::default()
    }
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[tokio::test]
async fn notices_come_in_the_order_of_the_writes_and_the_first_of_a_resource_has_nothing_before() {
    let notes = Notes::new("notes", 9);
    let heard = Arc::clone(&notes.heard);
    let running = Running::start(vec![Attached::new(notes)], &metrics()).unwrap();
    let news = running.newsroom();
    // Nothing was written, but it is news after a start; the second time it is none.
    news.status(&job(Some(Deployed)), &status(Deployed), None, NOW);
    news.status(&job(Some(Deployed)), &status(Deployed), None, NOW);
    news.status(&job(Some(Deployed)), &status(Stable), Some("2"), NOW);
    news.event(event(4), NOW);
    running.end(Duration::from_secs(9)).await;
    assert_eq!(
        *heard.lock().unwrap(),
        ["u/1 ->DEPLOYED", "u/2 DEPLOYED>STABLE", "e/4"]
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_hears_nothing_loses_the_oldest_and_nobody_waits_for_it() {
    let metrics = metrics();
    let (deaf, quick) = (Notes::new("deaf", 0), Notes::new("quick", 99));
    let (lets, heard) = (Arc::clone(&deaf.lets), Arc::clone(&deaf.heard));
    let quick_heard = Arc::clone(&quick.heard);
    let both = vec![Attached::new(deaf), Attached::new(quick)];
    let running = Running::start(both, &metrics).unwrap();
    let news = running.newsroom();
    for number in 1..=9 {
        news.event(event(number), NOW);
        tokio::task::yield_now().await;
    }
    assert_eq!(count(&metrics, "deaf", "dropped"), 5);
    lets.add_permits(99);
    running.end(Duration::from_secs(9)).await;
    // The first was in its hands, three waited.
    assert_eq!(*heard.lock().unwrap(), ["e/1", "e/7", "e/8", "e/9"]);
    assert_eq!(quick_heard.lock().unwrap().len(), 9);
    assert_eq!(count(&metrics, "deaf", "delivered"), 4);
}

#[tokio::test]
async fn a_listener_that_panics_or_fails_hears_the_next_all_the_same() {
    let metrics = metrics();
    let running = Running::start(vec![Attached::new(Clumsy::default())], &metrics).unwrap();
    for number in 1..=3 {
        running.newsroom().event(event(number), NOW);
    }
    running.end(Duration::from_secs(9)).await;
    let of = |outcome| count(&metrics, "clumsy", outcome);
    assert_eq!([of("panicked"), of("failed"), of("delivered")], [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_a_listener_but_not_for_ever() {
    let metrics = metrics();
    let deaf = Notes::new("deaf", 0);
    let running = Running::start(vec![Attached::new(deaf)], &metrics).unwrap();
    let news = running.newsroom();
    news.event(event(1), NOW);
    news.event(event(2), NOW);
    let begun = Instant::now();
    running.end(Duration::from_secs(10)).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    news.event(event(3), NOW);
    assert_eq!(
        count(&metrics, "deaf", "dropped"),
        2,
        "the one that waited, and the one after the end"
    );
}

#[tokio::test]
async fn two_listeners_of_one_name_are_refused() {
    let two = || Attached::new(Notes::new("same", 0));
    let refused = Running::start(vec![two(), two()], &metrics()).err();
    let text = refused.map(|error| error.to_string());
    assert_eq!(
        text.as_deref(),
        Some("two listeners are called same; give each a name of its own")
    );
}
