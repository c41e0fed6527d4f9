//! All vertices together: whether the job is rescaled, and to what.

use jiff::{SignedDuration, Timestamp};

use crate::{
    guard,
    history::History,
    reason::Reason,
    settings::{Mode, Settings},
    topology::JobGraph,
    tracking,
    verdict::{Action, Situation, Verdict},
    window::Window,
};

/// When to ask again if nothing else says so.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// What to do with the job now. Total: whatever goes in, a verdict with its reason comes out.
pub fn step(
    settings: &Settings,
    graph: &JobGraph,
    window: &Window,
    history: &History,
    situation: &Situation,
) -> Verdict {
    let hold = |reason, history: History| Verdict {
        action: Action::Hold(reason),
        vertices: Vec::new(),
        blocked_by: Vec::new(),
        next_evaluation: after(situation.now, AGAIN),
        history,
    };
    if settings.effective_mode() == Mode::Off {
        return hold(Reason::Off, history.clone());
    }
    if let Some(error) = settings.check().first() {
        return hold(Reason::Settings(error.to_string()), history.clone());
    }
    let topology = match graph.topology() {
        Ok(topology) => topology,
        Err(error) => return hold(Reason::Graph(error), history.clone()),
    };
    let started = guard::started(window, situation);
    let history = tracking::settle(
        settings,
        &topology,
        window,
        history,
        (situation.now, started),
    );
    let blocked_by = guard::blocks(settings, &topology, window, &history, situation);
    let reason = blocked_by.first().cloned().map_or(
        Reason::Collecting {
            have: SignedDuration::ZERO,
            need: tracking::signed(settings.metrics_window),
        },
        Reason::Blocked,
    );
    Verdict {
        blocked_by,
        ..hold(reason, history)
    }
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(now)
}
