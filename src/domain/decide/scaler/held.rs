//! Saying what keeps a vertex from what its load needs.
//!
//! The rule: said when it begins, which is with the status that tells of it first; not again while it stays so.

use flink_crds::VertexRecommendation;
use flink_scaler::{Limit, Verdict, VertexReason, VertexVerdict};

use crate::domain::draft::Draft;
use crate::domain::{Component, Reason};

/// Tell of the vertices that are kept from what they need, and were not, or not by the same, `before`.
pub(super) fn tell(draft: &mut Draft, before: &[VertexRecommendation], verdict: &Verdict) {
    for vertex in &verdict.vertices {
        let known = before.iter().any(|earlier| {
            earlier.id.as_deref() == Some(vertex.id.as_str())
                && earlier.reason_code.as_deref() == Some(vertex.reason.word())
                && earlier.limit == vertex.limit.map(|limit| limit.to_string())
        });
        if known {
            continue;
        }
        let name = &vertex.name;
        if matches!(vertex.reason, VertexReason::Ineffective { .. }) {
            let text = format!("{name} stays at {}: {}", vertex.current, vertex.reason);
            draft.warn(Component::Job, Reason::IneffectiveScaling, text);
        } else if let Some(text) = limited(vertex) {
            draft.tell(Component::Job, Reason::ScalingLimited, text);
        }
    }
}

/// How a limit keeps it from what it needs, if one does that lasts.
fn limited(vertex: &VertexVerdict) -> Option<String> {
    let VertexVerdict {
        name,
        current,
        target,
        ..
    } = vertex;
    if let VertexReason::AtLimit(_) = vertex.reason {
        return Some(format!("{name} stays at {current}: {}", vertex.reason));
    }
    let limit = vertex
        .limit
        .filter(|limit| !matches!(limit, Limit::ScaleUpFactor | Limit::Schedule(_)))?;
    let wanted = vertex.uncapped.filter(|wanted| wanted > target)?;
    (target > current).then(|| {
        format!(
            "{name} {current} -> {target}: the load alone asks for {wanted}, but there is {limit}"
        )
    })
}
