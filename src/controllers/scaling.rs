//! The autoscaler's verdict as metrics, with the Java operator's names.
//!
//! The rule: what is not known has no figure. Tests are below.

use std::collections::BTreeMap;

use flink_scaler::{Action, Block, Reason, Verdict, VertexVerdict};

use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Evaluation, Resource, VertexFigures};

/// Count an evaluation, and keep its figures until the next.
pub fn measure(metrics: &Metrics, resource: &Resource, verdict: &Verdict) {
    if let Some(evaluation) = evaluation(&verdict.action) {
        metrics.evaluated(resource, evaluation);
    }
    let figures = |vertex: &VertexVerdict| (vertex.id.to_string(), figures(vertex));
    metrics.set_vertices(resource, verdict.vertices.iter().map(figures).collect());
}

/// What an evaluation counts as; one that only waits counts as nothing.
const fn evaluation(action: &Action) -> Option<Evaluation> {
    match action {
        Action::Scale { .. } => Some(Evaluation::Scaled),
        Action::Hold(Reason::Balanced | Reason::WithinBand) => Some(Evaluation::Balanced),
        Action::Hold(
            Reason::Settings(_) | Reason::Graph(_) | Reason::Blocked(Block::Unreadable(_)),
        ) => Some(Evaluation::Failed),
        Action::Hold(_) | Action::Advise => None,
    }
}

fn figures(vertex: &VertexVerdict) -> VertexFigures {
    let rate = |rate: Option<flink_scaler::Rate>| rate.map(flink_scaler::Rate::get);
    let mean = [
        ("LOAD", vertex.utilization.map(flink_scaler::Ratio::get)),
        ("TRUE_PROCESSING_RATE", rate(vertex.true_rate)),
        ("TARGET_DATA_RATE", rate(vertex.target_rate)),
    ];
    let known = |figures: &[(&'static str, Option<f64>)]| -> BTreeMap<&'static str, f64> {
        figures
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?)))
            .collect()
    };
    let mut current = known(&mean);
    current.extend(known(&[
        ("PARALLELISM", Some(f64::from(vertex.current))),
        ("RECOMMENDED_PARALLELISM", Some(f64::from(vertex.target))),
        ("MAX_PARALLELISM", Some(f64::from(vertex.max_parallelism))),
        ("NUM_SOURCE_PARTITIONS", vertex.partitions.map(f64::from)),
        ("LAG", vertex.lag.map(flink_scaler::Records::get)),
        ("CATCH_UP_DATA_RATE", rate(vertex.catch_up_rate)),
        ("SCALE_UP_RATE_THRESHOLD", rate(vertex.scale_up_threshold)),
        (
            "SCALE_DOWN_RATE_THRESHOLD",
            rate(vertex.scale_down_threshold),
        ),
        ("EXPECTED_PROCESSING_RATE", rate(vertex.expected_rate)),
    ]));
    VertexFigures {
        current,
        average: known(&mean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::table;

    #[test]
    fn waiting_counts_as_nothing_and_what_cannot_work_as_an_error() {
        let held = |reason| evaluation(&Action::Hold(reason));
        assert!(matches!(held(Reason::Balanced), Some(Evaluation::Balanced)));
        let unreadable = Reason::Settings("job.autoscaler.enabled".to_owned());
        assert!(matches!(held(unreadable), Some(Evaluation::Failed)));
        assert!(held(Reason::CatchingUp).is_none());
        assert!(evaluation(&Action::Advise).is_none());
    }

    #[test]
    fn every_figure_has_a_declared_name_and_an_unknown_one_is_left_out() {
        let verdict = flink_scaler::VertexVerdict {
            lag: None,
            ..sample()
        };
        let figures = figures(&verdict);
        for name in figures.current.keys() {
            assert!(table::VERTEX_CURRENT.contains(name), "{name}");
        }
        for name in figures.average.keys() {
            assert!(table::VERTEX_AVERAGE.contains(name), "{name}");
        }
        assert_eq!(figures.current.get("RECOMMENDED_PARALLELISM"), Some(&3.0));
        assert_eq!(figures.current.get("LAG"), None);
        assert_eq!(figures.average.get("TRUE_PROCESSING_RATE"), Some(&500.0));
    }

    fn sample() -> VertexVerdict {
        let rate = flink_scaler::Rate::new;
        VertexVerdict {
            id: flink_scaler::VertexId::new("a").unwrap(),
            name: "a".to_owned(),
            current: 1,
            target: 3,
            lower: None,
            upper: None,
            uncapped: None,
            reason: flink_scaler::VertexReason::Overutilized,
            limit: None,
            outside_band: true,
            true_rate: rate(500.0),
            expected_rate: rate(1500.0),
            target_rate: rate(900.0),
            catch_up_rate: None,
            scale_up_threshold: None,
            scale_down_threshold: None,
            utilization: flink_scaler::Ratio::new(1.0),
            backpressure: None,
            lag: flink_scaler::Records::new(10.0),
            max_parallelism: 128,
            partitions: None,
        }
    }
}
