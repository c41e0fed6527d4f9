//! Is one CRD a safe successor of another? Asked of every released CRD before a new one is.
//!
//! One rule: safe means that each object the old one accepted is accepted by the new one, keeps all
//! its fields, and reads the same. Whatever is not safe is listed, not just the first.
//!
//! Tests: `tests/it/compat.rs` of this crate.

mod schema;

use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};

/// A reason why one CRD is no safe successor of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// Where: a field path such as `spec.job.state` (empty for the whole object), or a part of the
    /// CRD such as `names.kind`.
    pub path: String,
    /// What.
    pub kind: BreakKind,
    /// Particulars, such as the values.
    pub detail: String,
}

/// Ways to break a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakKind {
    /// A field, version, column or subresource is gone.
    Removed,
    /// It is there and means something else.
    Changed,
    /// Values that were accepted are refused.
    Narrowed,
    /// A default rewrites objects that leave the field out.
    Defaulted,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            BreakKind::Removed => "removed",
            BreakKind::Changed => "changed",
            BreakKind::Narrowed => "narrowed",
            BreakKind::Defaulted => "defaulted",
        };
        let path = if self.path.is_empty() {
            "object"
        } else {
            &self.path
        };
        write!(f, "{path}: {kind}")?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.detail)
        }
    }
}

/// Everything that keeps `new` from being a safe successor of `old`, sorted by path.
pub fn breaks(old: &CustomResourceDefinition, new: &CustomResourceDefinition) -> Vec<Break> {
    let mut found = Breaks::default();
    let (old, new) = (&old.spec, &new.spec);
    found.compare("group", &old.group, &new.group);
    found.compare("scope", &old.scope, &new.scope);
    found.compare("names.kind", &old.names.kind, &new.names.kind);
    found.compare("names.plural", &old.names.plural, &new.names.plural);
    for name in old.names.short_names.iter().flatten() {
        if !new
            .names
            .short_names
            .iter()
            .flatten()
            .any(|other| other == name)
        {
            found.add("names.shortNames", BreakKind::Removed, name);
        }
    }
    for version in old.versions.iter().filter(|version| version.served) {
        match new
            .versions
            .iter()
            .find(|other| other.name == version.name && other.served)
        {
            Some(other) => compare_versions(version, other, &mut found),
            None => found.add("versions", BreakKind::Removed, &version.name),
        }
    }
    found.0.sort();
    found.0
}

fn compare_versions(
    old: &CustomResourceDefinitionVersion,
    new: &CustomResourceDefinitionVersion,
    found: &mut Breaks,
) {
    if old.storage != new.storage {
        found.add("storage", BreakKind::Changed, &old.name);
    }
    for column in old.additional_printer_columns.iter().flatten() {
        let same = |name: &str| {
            let mut columns = new.additional_printer_columns.iter().flatten();
            columns.find(|other| other.name == name)
        };
        let path = format!("columns.{}", column.name);
        match same(&column.name) {
            None => found.add(&path, BreakKind::Removed, ""),
            Some(other) => {
                found.compare(&path, &column.json_path, &other.json_path);
                found.compare(&path, &column.type_, &other.type_);
            }
        }
    }
    let (old_parts, new_parts) = (old.subresources.as_ref(), new.subresources.as_ref());
    if old_parts.is_some_and(|parts| parts.status.is_some())
        && new_parts.is_none_or(|parts| parts.status.is_none())
    {
        found.add("subresources.status", BreakKind::Removed, "");
    }
    let scale = old_parts.and_then(|parts| parts.scale.as_ref());
    if scale.is_some() && scale != new_parts.and_then(|parts| parts.scale.as_ref()) {
        found.add("subresources.scale", BreakKind::Changed, "");
    }
    let schema = |version: &CustomResourceDefinitionVersion| {
        version
            .schema
            .clone()
            .and_then(|schema| schema.open_api_v3_schema)
            .unwrap_or_default()
    };
    schema::compare(&schema(old), &schema(new), "", found);
}

/// Collects what was found.
#[derive(Default)]
struct Breaks(Vec<Break>);

impl Breaks {
    fn add(&mut self, path: &str, kind: BreakKind, detail: impl Into<String>) {
        self.0.push(Break {
            path: path.to_owned(),
            kind,
            detail: detail.into(),
        });
    }

    fn compare(&mut self, path: &str, old: &str, new: &str) {
        if old != new {
            self.add(path, BreakKind::Changed, format!("{old} to {new}"));
        }
    }
}
