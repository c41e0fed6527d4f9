//! The capacity a vertex needs, and the two thresholds between which it is left alone.
//!
//! The rule: a vertex needs `catch-up + restart + target rate / utilization`, where
//! - catch-up is what waits, over the time in which it is to be worked off (D);
//! - restart is what will have gathered during a rescale, over the same time: `rate * restart time / D`;
//! - the target rate is to fill it up to the utilization.
//!
//! With rate 700/s, 350/s to catch up, D 60 s, a restart of 300 s and utilization 0.7 it needs
//! 350 + 3500 + 1000 = 4850 records/s. Tests are in `tests/it/vectors.rs`.

use jiff::SignedDuration;

use crate::{
    evaluate::Evaluated,
    settings::{Profile, Settings},
    units::{Capacity, Rate, Ratio},
};

/// So many seconds, and a rescale, are looked ahead at a rising load to tell whether it will still be carried.
const AHEAD_AT_LEAST: f64 = 60.0;

/// So many seconds are looked ahead to tell what it will need then ...
const AHEAD: f64 = 600.0;

/// ... but no more than this share on top of what there is.
fn most_ahead() -> Ratio {
    Ratio::new(0.5).unwrap_or(Ratio::ONE)
}

/// What a vertex needs, as capacities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Enough at the utilization aimed at: what a rescale leads to.
    pub aimed_at: Capacity,
    /// With less it is scaled up.
    pub scale_up: Capacity,
    /// With more it is scaled down; unlimited if it never is.
    pub scale_down: Capacity,
}

/// What these rates need. `restart` is how long a rescale takes.
///
/// With profile `adaptive` catching up does not add to the upper threshold: a vertex that carries
/// `rate / highest utilization` or, if that is more, `rate + catch-up`, is left alone, since it will
/// be done in time. So a backlog that is being worked off does not lead to a rescale, which would only
/// add to it.
pub fn need(
    settings: &Settings,
    target_rate: Rate,
    catch_up: Rate,
    backlog: bool,
    restart: SignedDuration,
) -> Need {
    let highest = if backlog {
        Ratio::ONE
    } else {
        settings.upper_utilization()
    };
    let lowest = if backlog {
        Ratio::ZERO
    } else {
        settings.lower_utilization()
    };
    let required =
        |utilization, restart| required(settings, target_rate, catch_up, utilization, restart);
    let none = SignedDuration::ZERO;
    let scale_up = match settings.profile {
        Profile::Apache => required(highest, none),
        Profile::Adaptive => {
            let steady = target_rate
                .at_utilization(highest)
                .map_or(Capacity::Unlimited, Capacity::Limited);
            steady.max(Capacity::Limited(target_rate.plus(catch_up)))
        }
    };
    Need {
        aimed_at: required(settings.target(), restart),
        scale_up,
        scale_down: required(lowest, restart),
    }
}

fn required(
    settings: &Settings,
    target_rate: Rate,
    catch_up: Rate,
    utilization: Ratio,
    restart: SignedDuration,
) -> Capacity {
    let duration = settings.catch_up_duration.as_secs_f64();
    let gathers = Ratio::new(restart.as_secs_f64() / duration).unwrap_or(Ratio::ZERO);
    let Some(steady) = target_rate.at_utilization(utilization) else {
        // No capacity is so large that it would be filled to utilization zero.
        return Capacity::Unlimited;
    };
    let catching_up = catch_up.plus(target_rate.times(gathers));
    Capacity::Limited(match settings.profile {
        Profile::Apache => {
            let sum = catching_up.plus(steady);
            // The Java operator rounds to whole records.
            Rate::new((sum.get() + 0.5).floor()).unwrap_or(sum)
        }
        Profile::Adaptive => steady.max(target_rate.plus(catching_up)),
    })
}

/// How many times its present capacity a vertex needs. A capacity without limit is enough for anything.
pub fn factor(aimed_at: Capacity, capacity: Capacity) -> Option<Ratio> {
    match (aimed_at, capacity) {
        (_, Capacity::Unlimited) => Some(Ratio::ZERO),
        (Capacity::Unlimited, Capacity::Limited(_)) => None,
        (Capacity::Limited(need), Capacity::Limited(have)) => need.over(have),
    }
}

impl Evaluated {
    /// What this vertex needs, if its target rate is known. Where that clearly rises, a rescale is due if it will be
    /// by the time one could be done and looked at, and then it serves for the next while. What earlier days say will come
    /// counts as if it were there.
    pub fn need(
        &self,
        settings: &Settings,
        backlog: bool,
        restart: SignedDuration,
    ) -> Option<Need> {
        self.need_beside(self.forecast, (settings, backlog, restart))
    }

    /// The same without what earlier days say.
    pub fn need_now(
        &self,
        settings: &Settings,
        backlog: bool,
        restart: SignedDuration,
    ) -> Option<Need> {
        self.need_beside(None, (settings, backlog, restart))
    }

    fn need_beside(
        &self,
        forecast: Option<Rate>,
        (settings, backlog, restart): (&Settings, bool, SignedDuration),
    ) -> Option<Need> {
        let at = |seconds: f64| {
            let grown =
                Ratio::new(seconds).map_or(Rate::ZERO, |seconds| self.rising.times(seconds));
            let rate = self.target_rate?;
            let rate = rate.plus(grown.min(rate.times(most_ahead())));
            let rate = forecast.map_or(rate, |forecast| forecast.max(rate));
            Some(need(settings, rate, self.catch_up, backlog, restart))
        };
        let soon = at(AHEAD_AT_LEAST + restart.as_secs_f64())?;
        let later = at(AHEAD)?;
        Some(Need {
            scale_up: soon.scale_up,
            ..later
        })
    }
}
