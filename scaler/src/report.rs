//! A verdict as a person reads it, and as the Java operator's events have it.
//!
//! The rule: whoever reads it can tell what is done, why, from which figures and how sure they are,
//! without another source. Tests are below.

use std::fmt::{self, Display};

use crate::{
    topology::VertexId,
    units::{Rate, Ratio},
    verdict::{Action, Verdict, VertexVerdict},
};

/// How the Java operator begins the event of a rescale.
const SCALING: &str = "Scaling execution enabled, begin scaling vertices:";

/// How the Java operator begins the event of a recommendation.
const ADVICE: &str = "Scaling execution disabled by config ";

impl Verdict {
    /// The decision in a line, without figures.
    ///
    /// ```text
    /// rescale map 1 -> 2, keyed 1 -> 4: 2 vertices cannot carry the load
    /// ```
    /// What would be done but for a veto is named with it.
    pub fn headline(&self) -> String {
        match &self.action {
            Action::Hold(reason) if self.vertices.iter().any(VertexVerdict::changes) => format!(
                "no rescale: {reason} (recommended: {})",
                changes(&self.vertices)
            ),
            Action::Hold(reason) => format!("no rescale: {reason}"),
            Action::Advise => format!("recommended: {}", changes(&self.vertices)),
            Action::Scale { reason, .. } => {
                format!("rescale {}: {reason}", changes(&self.vertices))
            }
        }
    }

    /// The Java operator's text of the event `ScalingReport`, if something changes or should. `disabled_by`
    /// is the setting because of which nothing is done, such as `job.autoscaler.scaling.enabled:false`.
    pub fn scaling_report(&self, disabled_by: Option<&str>) -> Option<String> {
        let mut text = match disabled_by {
            None => SCALING.to_owned(),
            Some(setting) => format!("{ADVICE}{setting}, recommended parallelism change:"),
        };
        let mut entries = self
            .vertices
            .iter()
            .filter(|vertex| vertex.changes())
            .map(entry)
            .peekable();
        entries.peek()?;
        text.extend(entries);
        Some(text)
    }
}

impl Display for Verdict {
    /// The headline, every veto beyond the first and every vertex, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.headline())?;
        for block in self.blocked_by.iter().skip(1) {
            write!(f, "\n  also: {block}")?;
        }
        for vertex in &self.vertices {
            write!(f, "\n  {vertex}")?;
        }
        Ok(())
    }
}

impl Display for VertexVerdict {
    /// ```text
    /// keyed 1 -> 4 (3 to 4 may be right): more comes in than it carries at the utilization allowed;
    /// ```
    /// then the figures that are known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.current)?;
        if self.changes() {
            write!(f, " -> {}", self.target)?;
        }
        if let (Some(lower), Some(upper)) = (self.lower, self.upper)
            && lower != upper
        {
            write!(f, " ({lower} to {upper} may be right)")?;
        }
        write!(f, ": {}", self.reason)?;
        if let (Some(limit), Some(wanted)) = (self.limit.filter(|_| self.changes()), self.uncapped)
        {
            write!(f, ", {wanted} by the load alone but for {limit}")?;
        }
        let figures = self.figures();
        if figures.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", figures.join(", "))
        }
    }
}

impl VertexVerdict {
    fn figures(&self) -> Vec<String> {
        let rate = |name: &str, rate: Option<Rate>| rate.map(|rate| format!("{name} {rate}/s"));
        let share = |name: &str, share: Option<Ratio>| {
            share.map(|s| format!("{:.0} % {name}", s.get() * 100.0))
        };
        [
            rate("target rate", self.target_rate),
            rate(
                "catch-up",
                self.catch_up_rate.filter(|rate| *rate > Rate::ZERO),
            ),
            rate("capacity", self.true_rate),
            share("busy", self.utilization),
            share(
                "backpressured",
                self.backpressure.filter(|share| share.get() >= 0.005),
            ),
            self.lag
                .filter(|lag| lag.get() >= 1.0)
                .map(|lag| format!("{:.0} records waiting", lag.get())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn changes(vertices: &[VertexVerdict]) -> String {
    let changing = vertices.iter().filter(|vertex| vertex.changes());
    let parts: Vec<String> = changing
        .map(|v| format!("{} {} -> {}", v.name, v.current, v.target))
        .collect();
    if parts.is_empty() {
        "no change".to_owned()
    } else {
        parts.join(", ")
    }
}

/// One vertex in the Java operator's form.
fn entry(vertex: &VertexVerdict) -> String {
    entry_of(
        &vertex.id,
        (vertex.current, vertex.target),
        (vertex.true_rate, vertex.expected_rate),
        vertex.target_rate,
    )
}

fn entry_of(
    id: &VertexId,
    (from, to): (u32, u32),
    (capacity, expected): (Option<Rate>, Option<Rate>),
    target: Option<Rate>,
) -> String {
    // What has no limit is called so there too.
    let or = |rate: Option<Rate>, other: &str| {
        rate.map_or_else(|| other.to_owned(), |rate| rate.to_string())
    };
    format!(
        "{{ Vertex ID {id} | Parallelism {from} -> {to} | Processing capacity {} -> {} | Target data rate {}}}",
        or(capacity, "Infinity"),
        or(expected, "Infinity"),
        or(target, "NaN"),
    )
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::{
        history::History,
        reason::{Block, Limit, Missing, Reason, VertexReason},
        units::Records,
    };

    fn vertex() -> VertexVerdict {
        VertexVerdict {
            id: VertexId::new("59fa767824610e31f4a11d6125e09bf4").unwrap(),
            name: "keyed".to_owned(),
            current: 1,
            target: 2,
            lower: Some(2),
            upper: Some(3),
            uncapped: Some(3),
            reason: VertexReason::Overutilized,
            limit: Some(Limit::MaxParallelism(2)),
            outside_band: true,
            true_rate: Rate::new(78.354),
            expected_rate: Rate::new(156.708),
            target_rate: Rate::new(77.689),
            catch_up_rate: Some(Rate::ZERO),
            scale_up_threshold: None,
            scale_down_threshold: None,
            utilization: Ratio::new(0.988),
            backpressure: Ratio::new(0.0),
            lag: Records::new(12.0),
            max_parallelism: 12,
            partitions: None,
        }
    }

    fn verdict(action: Action, vertices: Vec<VertexVerdict>) -> Verdict {
        Verdict {
            action,
            vertices,
            blocked_by: Vec::new(),
            next_evaluation: Timestamp::UNIX_EPOCH,
            history: History::default(),
        }
    }

    #[test]
    fn a_rescale_says_what_why_and_from_which_figures() {
        let reason = Reason::OutsideBand { up: 1, down: 0 };
        let action = Action::Scale {
            overrides: std::collections::BTreeMap::new(),
            reason,
        };
        assert_eq!(
            verdict(action, vec![vertex()]).to_string(),
            "rescale keyed 1 -> 2: 1 vertex cannot carry the load\n  \
             keyed 1 -> 2 (2 to 3 may be right): more comes in than it carries at the utilization allowed, \
             3 by the load alone but for vertex.max-parallelism 2; \
             target rate 77.69/s, capacity 78.35/s, 99 % busy, 12 records waiting"
        );
    }

    #[test]
    fn every_veto_is_named() {
        let blocks = vec![
            Block::CheckpointsFailing("3 in a row".to_owned()),
            Block::ExcludedPeriod("09:00:00-17:00:00".to_owned()),
        ];
        let mut held = verdict(Action::Hold(Reason::Blocked(blocks[0].clone())), Vec::new());
        held.blocked_by = blocks;
        assert_eq!(
            held.to_string(),
            "no rescale: checkpoints are failing: 3 in a row\n  also: inside the excluded period 09:00:00-17:00:00"
        );
    }

    #[test]
    fn a_vertex_without_figures_says_what_is_missing() {
        let unknown = VertexVerdict {
            target: 1,
            reason: VertexReason::Unknown(Missing::BusyTime),
            lower: None,
            upper: None,
            true_rate: None,
            target_rate: None,
            catch_up_rate: None,
            utilization: None,
            backpressure: None,
            lag: None,
            ..vertex()
        };
        assert_eq!(
            unknown.to_string(),
            "keyed 1: left alone: its busy time is unknown"
        );
    }

    #[test]
    fn the_event_is_the_java_operators_letter_for_letter() {
        // As an event of the Java operator had it.
        let event = "Scaling execution enabled, begin scaling vertices:{ Vertex ID 59fa767824610e31f4a11d6125e09bf4 \
                     | Parallelism 1 -> 2 | Processing capacity 78.35 -> 156.71 | Target data rate 77.69}";
        let report = |vertices| verdict(Action::Advise, vertices).scaling_report(None);
        assert_eq!(report(vec![vertex()]).as_deref(), Some(event));
        assert_eq!(
            report(vec![VertexVerdict {
                target: 1,
                ..vertex()
            }]),
            None
        );
        let advice = verdict(
            Action::Advise,
            vec![VertexVerdict {
                true_rate: None,
                expected_rate: None,
                ..vertex()
            }],
        );
        let text = advice
            .scaling_report(Some("job.autoscaler.scaling.enabled:false"))
            .unwrap();
        assert!(text.starts_with(
            "Scaling execution disabled by config job.autoscaler.scaling.enabled:false, recommended"
        ));
        assert!(text.contains("Processing capacity Infinity -> Infinity"));
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let need = SignedDuration::from_secs(900);
        let collecting = Reason::Collecting {
            have: SignedDuration::from_secs(42),
            need,
        };
        assert_eq!(
            collecting.to_string(),
            "collecting readings: 42 s of 15 min"
        );
        let until = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(
            Block::Stabilizing { until }.to_string(),
            "the job is stabilizing until 2027-01-15T08:00:00Z"
        );
    }
}
