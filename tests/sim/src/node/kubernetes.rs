//! What the node needs of an API server, in memory or real.
//!
//! The rule: an error is an error; a node that cannot read does nothing, so that a fault of the server
//! does not look like pods that went.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{ApiServer, Failure};

/// Namespace and name.
pub(super) type Key<'a> = (&'a str, &'a str);

/// Reads and writes of the node.
pub trait Kubernetes: Send {
    /// Objects of a kind whose labels match, in all namespaces, each with its type.
    fn list(&self, plural: &str, labels: &str) -> Result<Arc<Vec<Arc<Value>>>, Failure>;
    /// One object.
    fn get(&self, plural: &str, key: (&str, &str)) -> Result<Option<Arc<Value>>, Failure>;
    /// Create an object.
    fn create(&self, object: Value) -> Result<(), Failure>;
    /// Merge a change into an object, or into its status.
    fn merge(
        &self,
        plural: &str,
        key: (&str, &str),
        subresource: Option<&str>,
        change: &Value,
    ) -> Result<(), Failure>;
    /// Delete an object; `at_once` without giving it time to end.
    fn delete(&self, plural: &str, key: (&str, &str), at_once: bool) -> Result<(), Failure>;
    /// Collect garbage as kube-controller-manager would.
    fn collect_garbage(&self) -> Result<(), Failure>;
    /// A number that changes with every change; `None` if it is not known.
    fn revision(&self) -> Option<u64>;
}

impl Kubernetes for ApiServer {
    fn list(&self, plural: &str, labels: &str) -> Result<Arc<Vec<Arc<Value>>>, Failure> {
        Ok(self.list_cached(plural, labels))
    }

    fn get(&self, plural: &str, (namespace, name): Key<'_>) -> Result<Option<Arc<Value>>, Failure> {
        Ok(Self::get(self, plural, namespace, name))
    }

    fn create(&self, object: Value) -> Result<(), Failure> {
        Self::create(self, object).map(drop)
    }

    fn merge(
        &self,
        plural: &str,
        key: Key<'_>,
        subresource: Option<&str>,
        change: &Value,
    ) -> Result<(), Failure> {
        Self::merge(self, plural, key, subresource, change).map(drop)
    }

    fn delete(&self, plural: &str, key: Key<'_>, at_once: bool) -> Result<(), Failure> {
        let options = if at_once {
            json!({ "gracePeriodSeconds": 0 })
        } else {
            json!({})
        };
        self.delete_with(plural, key, &options);
        Ok(())
    }

    fn collect_garbage(&self) -> Result<(), Failure> {
        Self::collect_garbage(self);
        Ok(())
    }

    fn revision(&self) -> Option<u64> {
        Some(Self::revision(self))
    }
}
