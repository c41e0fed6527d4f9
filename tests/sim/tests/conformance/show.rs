//! Answers as lines that do not depend on time or identities.

use std::collections::BTreeMap;

use serde_json::Value;

use super::requests::Request;

/// What is known of objects so far, by name.
#[derive(Default)]
pub struct Shower {
    versions: BTreeMap<String, Vec<String>>,
    uids: BTreeMap<String, String>,
    token: String,
}

impl Shower {
    /// `{rv:name}` is the newest resource version of an object, `{first:name}` its first, `{uid:name}` its
    /// uid, `{continue}` the last token of a list.
    pub fn filled(&self, text: &str) -> String {
        let mut text = text.replace("{continue}", &self.token);
        for (name, versions) in &self.versions {
            let newest = versions.last().cloned().unwrap_or_default();
            let first = versions.first().cloned().unwrap_or_default();
            text = text.replace(&format!("{{rv:{name}}}"), &newest);
            text = text.replace(&format!("{{first:{name}}}"), &first);
        }
        for (name, uid) in &self.uids {
            text = text.replace(&format!("{{uid:{name}}}"), uid);
        }
        text
    }

    pub fn line(&mut self, request: &Request, code: u16, body: &str) -> String {
        let shown = if request.path.contains("watch=") {
            body.lines().filter_map(event).collect::<Vec<_>>().join(" ")
        } else {
            serde_json::from_str(body)
                .map_or_else(|_| body.trim().to_owned(), |value| self.shown(&value))
        };
        format!("{}: {code} {shown}", request.what)
    }

    fn shown(&mut self, value: &Value) -> String {
        let kind = value["kind"].as_str().unwrap_or_default();
        if kind == "Status" {
            let reason = value["reason"].as_str().unwrap_or_default();
            return format!(
                "Status {} {reason}",
                value["status"].as_str().unwrap_or_default()
            );
        }
        if let Some(items) = value["items"].as_array() {
            let names = items
                .iter()
                .filter_map(|item| item["metadata"]["name"].as_str());
            let names: Vec<&str> = names
                .map(|name| {
                    if name.starts_with("made-") {
                        "made-*"
                    } else {
                        name
                    }
                })
                .collect();
            value["metadata"]["continue"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut self.token);
            let more = if self.token.is_empty() {
                ""
            } else {
                " and more"
            };
            return format!("{kind} {}{more}", names.join(","));
        }
        self.object(kind, value)
    }

    fn object(&mut self, kind: &str, value: &Value) -> String {
        let metadata = &value["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        let mut parts = vec![kind.to_owned()];
        if metadata["generateName"].is_null() {
            parts.push(name.clone());
        } else {
            let prefix = metadata["generateName"].as_str().unwrap_or_default();
            parts.push(format!("{prefix}+{}", name.len() - prefix.len()));
        }
        let version = metadata["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let known = self.versions.entry(name.clone()).or_default();
        parts.push(match known.last() {
            None => "first-version".to_owned(),
            Some(last) if *last == version => "same-version".to_owned(),
            Some(_) => "new-version".to_owned(),
        });
        if known.last() != Some(&version) {
            known.push(version);
        }
        if let Some(uid) = metadata["uid"].as_str() {
            self.uids.insert(name, uid.to_owned());
        }
        for field in ["generation", "labels", "annotations", "finalizers"] {
            if !metadata[field].is_null() && kind != "EndpointSlice" {
                parts.push(format!("{field}={}", metadata[field]));
            }
        }
        if !metadata["deletionTimestamp"].is_null() {
            parts.push("deleting".to_owned());
        }
        let grace = &metadata["deletionGracePeriodSeconds"];
        if grace.as_i64().is_some_and(|grace| grace > 0) {
            parts.push(format!("grace={grace}"));
        }
        let custom = matches!(kind, "FlinkDeployment" | "Scale");
        if value["data"]
            .as_object()
            .is_some_and(|data| !data.is_empty())
        {
            parts.push(format!("data={}", value["data"]));
        }
        if !value["status"].is_null() && custom {
            parts.push(format!("status={}", value["status"]));
        }
        if custom {
            parts.push(format!("spec={}", value["spec"]));
        }
        parts.join(" ")
    }
}

/// Type and name of a watch event; bookmarks come when the server likes.
fn event(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let kind = event["type"].as_str()?;
    let name = event["object"]["metadata"]["name"]
        .as_str()
        .unwrap_or_default();
    (kind != "BOOKMARK").then(|| format!("{kind}({name})"))
}
