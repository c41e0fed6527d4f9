//! Parallelism overrides by vertex, in Flink's own configuration key.
//!
//! The rule: the user's spec is never written; overrides are laid over a copy of it.

use std::collections::BTreeMap;

use flink_crds::{AutoscalerStatus, FlinkDeploymentSpec};

use crate::config::{FlinkConfig, flink};

/// Overrides written in a spec.
pub fn overrides_in(spec: &FlinkDeploymentSpec) -> BTreeMap<String, u32> {
    let Some(map) = &spec.flink_configuration else {
        return BTreeMap::new();
    };
    let config = FlinkConfig::flatten(&map.0);
    let overrides = config
        .get(&flink::PARALLELISM_OVERRIDES)
        .unwrap_or_default();
    overrides
        .into_iter()
        .filter_map(|(vertex, parallelism)| Some((vertex, parallelism.trim().parse().ok()?)))
        .collect()
}

/// The spec with the autoscaler's overrides over it; where both name a vertex, the autoscaler wins.
pub fn with_overrides(
    spec: &FlinkDeploymentSpec,
    scaler: Option<&AutoscalerStatus>,
) -> FlinkDeploymentSpec {
    let Some(scaler) = scaler.filter(|scaler| !scaler.overrides.is_empty()) else {
        return spec.clone();
    };
    imposed(spec, overrides_in(spec), &scaler.overrides)
}

/// The spec with `overrides` over the user's `own`, whatever it had before.
pub fn imposed(
    spec: &FlinkDeploymentSpec,
    own: BTreeMap<String, u32>,
    overrides: &BTreeMap<String, i32>,
) -> FlinkDeploymentSpec {
    let mut all = own;
    for (vertex, parallelism) in overrides {
        all.insert(vertex.clone(), u32::try_from(*parallelism).unwrap_or(1));
    }
    let text: Vec<String> = all
        .iter()
        .map(|(id, parallelism)| format!("{id}:{parallelism}"))
        .collect();
    let mut spec = spec.clone();
    let map = spec.flink_configuration.get_or_insert_default();
    map.0.insert(
        flink::PARALLELISM_OVERRIDES.key.to_owned(),
        text.join(",").into(),
    );
    spec
}
