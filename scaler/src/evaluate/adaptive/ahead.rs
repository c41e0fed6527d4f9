//! What earlier days say of the next minutes.
//!
//! The rule: it only ever asks for more. Tests are in `tests/it/forecast.rs`.

use jiff::{SignedDuration, Timestamp};

use super::{Job, flow};
use crate::{
    history::History,
    settings::{Part, Settings},
    topology::Topology,
    tracking::restart_time,
    units::Rate,
};

/// So long before an hour begins, and a rescale, what it brings is asked for.
const LEAD: SignedDuration = SignedDuration::from_mins(5);

/// What is expected at each source, by position.
pub(super) fn expected(
    settings: &Settings,
    topology: &Topology<'_>,
    history: &History,
    now: Timestamp,
) -> Vec<Option<Rate>> {
    if history.seasons.is_empty() || !settings.uses(Part::Forecast) {
        return Vec::new();
    }
    let ahead = LEAD.saturating_add(restart_time(settings, history));
    let vertices = topology.vertices().iter();
    let of = vertices.map(|vertex| history.seasons.get(&vertex.id)?.expected(now, ahead));
    of.collect()
}

impl Job<'_> {
    /// The same at every vertex, beside what comes to the sources now; `None` where it is no more than that.
    pub(super) fn forecasts(
        &self,
        ratios: &flow::Ratios,
        rates: &[Option<Rate>],
    ) -> Vec<Option<Rate>> {
        let mut more = false;
        let sources = rates.iter().enumerate().map(|(position, rate)| {
            let expected = self.expected.get(position).copied().flatten();
            let above = expected.filter(|expected| rate.is_some_and(|rate| *expected > rate));
            more |= above.is_some();
            above.or(*rate)
        });
        let sources: Vec<Option<Rate>> = sources.collect();
        if !more {
            return Vec::new();
        }
        let now = ratios.carry(rates);
        let then = ratios.carry(&sources);
        let above =
            |(now, then): (Option<Rate>, Option<Rate>)| then.filter(|then| Some(*then) > now);
        now.into_iter().zip(then).map(above).collect()
    }
}
