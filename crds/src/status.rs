//! Parts of a status that several kinds share.
//!
//! One rule: the status is the operator's only memory, so everything here is stored data whose
//! names and meaning stay readable by earlier operators. Tests: `tests/` of this crate.

mod autoscaler;
mod job;
mod reconciliation;

pub use autoscaler::*;
pub use job::*;
pub use reconciliation::*;

use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of `status.conditions`. Nothing in it is required, as released; hence it is no map by
/// `type` either, for the API server takes only required fields for keys.
pub(crate) fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "description": "One aspect of the resource's state.",
            "properties": {
                "type": { "type": "string", "description": "Name of the aspect, such as `Ready`." },
                "status": { "type": "string", "description": "`True`, `False` or `Unknown`." },
                "reason": { "type": "string", "description": "Why, as one CamelCase word." },
                "message": { "type": "string", "description": "Why, as a sentence." },
                "lastTransitionTime": {
                    "type": "string",
                    "description": "When `status` last changed (RFC 3339)."
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "description": "Generation of the spec that the condition speaks of."
                }
            }
        }
    })
}
