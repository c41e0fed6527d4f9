//! `lastReconciledSpec` and `lastStableSpec`: the spec that was deployed, kept as JSON in a status.
//!
//! One rule: both operators read each other's text, so it is written in the Java operator's form
//! (its field order, nulls and defaults spelled out) and compared by meaning, never as text. Fields
//! this version does not know are kept.
//!
//! Tests: `recorded/tests.rs`.

mod format;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{API_VERSION, FlinkBlueGreenDeploymentSpec, FlinkDeploymentSpec, FlinkSessionJobSpec};
use format::Shape;

/// A spec as recorded in a status.
///
/// Two are equal if they mean the same deployment: order, nulls, spelled-out defaults, nested or
/// flat configuration and the metadata beside the spec make no difference.
#[derive(Clone, Debug)]
pub struct RecordedSpec {
    spec: Map<String, Value>,
    metadata: Option<ResourceMetadata>,
}

/// What is recorded beside the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceMetadata {
    /// `apiVersion` of the resource.
    pub api_version: String,
    /// Whether this is the first spec ever deployed.
    pub first_deployment: bool,
}

/// Why a recorded spec cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordedSpecError {
    /// The text is no JSON object.
    #[error("the recorded spec is not a JSON object; remove it from the status to deploy anew")]
    NotAnObject {
        /// What the JSON parser said.
        source: serde_json::Error,
    },
    /// The object does not fit the kind's spec.
    #[error("the recorded spec is not a {kind} spec; remove it from the status to deploy anew")]
    OtherKind {
        /// Kind that was expected.
        kind: &'static str,
        /// Which field did not fit.
        source: serde_json::Error,
    },
}

/// A spec that statuses record.
pub trait Recordable: Serialize + DeserializeOwned + sealed::Shaped {}

impl<S: Serialize + DeserializeOwned + sealed::Shaped> Recordable for S {}

mod sealed {
    /// Ties a spec to its written form.
    pub trait Shaped {
        /// Kind for messages.
        const KIND: &'static str;
        /// Whether metadata is recorded beside the spec.
        const HAS_METADATA: bool;
    }
}

impl sealed::Shaped for FlinkDeploymentSpec {
    const KIND: &'static str = "FlinkDeployment";
    const HAS_METADATA: bool = true;
}

impl sealed::Shaped for FlinkSessionJobSpec {
    const KIND: &'static str = "FlinkSessionJob";
    const HAS_METADATA: bool = true;
}

impl sealed::Shaped for FlinkBlueGreenDeploymentSpec {
    const KIND: &'static str = "FlinkBlueGreenDeployment";
    const HAS_METADATA: bool = false;
}

impl RecordedSpec {
    /// Records `spec`. `first_deployment` says whether nothing was deployed before it; a
    /// blue/green deployment does not record that.
    pub fn new<S: Recordable>(spec: &S, first_deployment: bool) -> Self {
        let metadata = S::HAS_METADATA.then(|| ResourceMetadata {
            api_version: API_VERSION.to_owned(),
            first_deployment,
        });
        Self {
            spec: fields_of(spec),
            metadata,
        }
    }

    /// The same record with `spec` in place of the recorded one, and the fields that this version
    /// does not know carried over. For small corrections, such as a nonce that was acted on.
    #[must_use]
    pub fn amended<S: Recordable>(&self, spec: &S) -> Self {
        let mut fields = fields_of(spec);
        self.shape().carry_unknown(&self.spec, &mut fields);
        Self {
            spec: fields,
            metadata: self.metadata.clone(),
        }
    }

    /// The recorded spec as its type.
    ///
    /// # Errors
    ///
    /// If a field does not fit, as when the record belongs to another kind.
    pub fn spec<S: Recordable>(&self) -> Result<S, RecordedSpecError> {
        S::deserialize(&self.spec).map_err(|source| RecordedSpecError::OtherKind {
            kind: S::KIND,
            source,
        })
    }

    /// What is recorded beside the spec; nothing in the oldest form.
    pub fn metadata(&self) -> Option<&ResourceMetadata> {
        self.metadata.as_ref()
    }

    /// Whether this is the first spec ever deployed; not if the record does not say.
    pub fn is_first_deployment(&self) -> bool {
        self.metadata
            .as_ref()
            .is_some_and(|metadata| metadata.first_deployment)
    }

    /// The same record with another answer to whether it is the first.
    #[must_use]
    pub fn with_first_deployment(mut self, first_deployment: bool) -> Self {
        self.metadata = Some(ResourceMetadata {
            api_version: API_VERSION.to_owned(),
            first_deployment,
        });
        self
    }

    /// The record's form, told by the fields that only one kind has.
    fn shape(&self) -> &'static Shape {
        if self.spec.contains_key("template") {
            &format::BLUE_GREEN
        } else if self.spec.contains_key("deploymentName") {
            &format::SESSION_JOB
        } else {
            &format::DEPLOYMENT
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "specs are maps with text keys, which JSON can hold"
)]
fn fields_of<S: Serialize>(spec: &S) -> Map<String, Value> {
    match serde_json::to_value(spec).expect("a spec is JSON") {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl FromStr for RecordedSpec {
    type Err = RecordedSpecError;

    /// Reads every form ever written: the spec with `resource_metadata` beside it (which may hold
    /// a copy of the object's metadata), the spec alone, and the spec's fields at the top level
    /// beside `apiVersion`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut document: Map<String, Value> = serde_json::from_str(text)
            .map_err(|source| RecordedSpecError::NotAnObject { source })?;
        let metadata = document
            .remove("resource_metadata")
            .as_ref()
            .and_then(metadata_of);
        if let Some(Value::Object(spec)) = document.remove("spec") {
            return Ok(Self { spec, metadata });
        }
        document.remove("apiVersion");
        Ok(Self {
            spec: document,
            metadata,
        })
    }
}

fn metadata_of(value: &Value) -> Option<ResourceMetadata> {
    let fields = value.as_object()?;
    let api_version = fields
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or(API_VERSION);
    let first_deployment = fields
        .get("firstDeployment")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Some(ResourceMetadata {
        api_version: api_version.to_owned(),
        first_deployment,
    })
}

impl fmt::Display for RecordedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut spec = String::new();
        self.shape().write(&self.spec, &mut spec);
        write!(f, "{{\"spec\":{spec}")?;
        if let Some(ResourceMetadata {
            api_version,
            first_deployment,
        }) = &self.metadata
        {
            let api_version = Value::from(api_version.as_str());
            write!(f, ",\"resource_metadata\":{{\"apiVersion\":{api_version},")?;
            write!(f, "\"firstDeployment\":{first_deployment}}}")?;
        }
        f.write_str("}")
    }
}

impl PartialEq for RecordedSpec {
    fn eq(&self, other: &Self) -> bool {
        let shape = self.shape();
        std::ptr::eq(shape, other.shape())
            && shape.meaning(&self.spec) == shape.meaning(&other.spec)
    }
}
