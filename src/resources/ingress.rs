//! The Ingress of a cluster, from its template. Paths are passed on as they are written, because their
//! meaning, rewriting included, belongs to the ingress controller.

use flink_crds::IngressSpec;
use serde_json::{Map, Value, json};

use super::{
    labels::Labels,
    names,
    object::{Kind, Meta, Object},
    owner::OwnerRef,
};
use crate::config::ConfigError;

/// The Ingress of the cluster `name`, which leads to the REST Service of the cluster `backend`: the same
/// one, or the active side of a blue/green deployment.
pub fn build(
    (namespace, name): (&str, &str),
    spec: &IngressSpec,
    backend: &str,
    rest_port: u16,
    owner: &OwnerRef,
) -> Result<Object, ConfigError> {
    let target = Target::parse(namespace, name, spec)?;
    let service = json!({"name": names::rest_service(backend), "port": {"number": rest_port}});
    let mut path = json!({"backend": {"service": service}, "pathType": "ImplementationSpecific"});
    if let (Value::Object(fields), Some(text)) = (&mut path, target.path) {
        fields.insert("path".into(), text.into());
    }
    let mut rule = json!({"http": {"paths": [path]}});
    if let (Value::Object(fields), Some(host)) = (&mut rule, target.host) {
        fields.insert("host".into(), host.into());
    }
    let mut content = Map::from_iter([("rules".to_owned(), json!([rule]))]);
    if let Some(class) = &spec.class_name {
        content.insert("ingressClassName".into(), class.clone().into());
    }
    if let Some(tls) = spec.tls.as_ref().filter(|tls| !tls.is_empty()) {
        content.insert("tls".into(), json!(tls));
    }
    let mut labels: Labels = spec.labels.clone().unwrap_or_default();
    labels.insert("component".into(), "ingress".into());
    let mut annotations = spec.annotations.clone().unwrap_or_default();
    let content = Value::Object(content);
    let mark = digest(&json!([&labels, &annotations, &content]).to_string());
    annotations.insert(MARK.into(), mark);
    let meta = Meta {
        namespace,
        name: names::ingress(name),
        labels,
        annotations,
        owner,
    };
    Ok(Object::new(Kind::Ingress, meta, "spec", content))
}

/// Annotation by which an Ingress is recognised as what the spec now asks for, whatever others add to it.
pub const MARK: &str = "flinkdeployment.flink.apache.org/ingress";

/// The mark of an Ingress that was built here.
pub fn mark_of(ingress: &Object) -> Option<&str> {
    let annotations = ingress.body.get("metadata")?.get("annotations")?;
    annotations.get(MARK)?.as_str()
}

/// A short text that differs if the text does: FNV-1a, the same in every version of the program.
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Where an Ingress listens.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: Option<String>,
    path: Option<String>,
}

impl Target {
    /// Reads `[scheme://][host[:port]][/path]` after the placeholders are filled in.
    fn parse(namespace: &str, name: &str, spec: &IngressSpec) -> Result<Self, ConfigError> {
        const FIELD: &str = "spec.ingress.template";
        let wrong = |problem: &str| ConfigError::field(FIELD, problem);
        let template = spec.template.as_deref().map(str::trim).unwrap_or_default();
        if template.is_empty() {
            return Err(wrong(
                "must be set, for example to 'flink.example.org/{{namespace}}/{{name}}'",
            ));
        }
        let filled = fill(&fill(template, "name", name), "namespace", namespace);
        let rest = match filled.split_once("://") {
            Some(("http" | "https", rest)) => rest,
            Some(_) => return Err(wrong("only http and https lead to the REST interface")),
            None => &filled,
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
        // Names of hosts are the same in any case, and Kubernetes takes the lower one only.
        let host = authority.split(':').next().unwrap_or_default();
        let host = host.to_ascii_lowercase();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '*');
        if !host.chars().all(legal) {
            return Err(wrong("the host may only have letters, digits, '-' and '.'"));
        }
        let path = path.split('?').next().unwrap_or_default();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            host: some(&host),
            path: some(path),
        })
    }
}

/// Replaces `{{key}}` in any case.
fn fill(template: &str, key: &str, value: &str) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}") {
            Some((inner, tail)) if inner.trim().eq_ignore_ascii_case(key) => {
                filled.push_str(value);
                rest = tail;
            }
            _ => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(template: &str) -> Result<(String, String), String> {
        let spec = IngressSpec {
            template: Some(template.into()),
            ..IngressSpec::default()
        };
        Target::parse("ns", "cluster", &spec)
            .map(|target| {
                (
                    target.host.unwrap_or_default(),
                    target.path.unwrap_or_default(),
                )
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn templates_give_host_and_path() {
        for (template, host, path) in [
            (
                "{{name}}.{{namespace}}.example.org",
                "cluster.ns.example.org",
                "",
            ),
            (
                "example.org/{{NAMESPACE}}/{{ Name }}(/|$)(.*)",
                "example.org",
                "/ns/cluster(/|$)(.*)",
            ),
            ("/{{namespace}}/{{name}}", "", "/ns/cluster"),
            ("Flink.Example.org/Jobs", "flink.example.org", "/Jobs"),
            ("https://example.org:8443/a?b=c", "example.org", "/a"),
            ("*.example.org/{{other}}", "*.example.org", "/{{other}}"),
        ] {
            assert_eq!(
                target(template),
                Ok((host.into(), path.into())),
                "{template}"
            );
        }
        for template in [
            "",
            "  ",
            "ftp://example.org",
            "exa mple.org/x",
            "{{unknown}}.example.org",
        ] {
            assert!(
                target(template)
                    .unwrap_err()
                    .starts_with("spec.ingress.template: "),
                "{template}"
            );
        }
    }

    #[test]
    fn an_ingress_carries_what_the_spec_says() {
        let spec: IngressSpec = serde_json::from_value(json!({
            "template": "example.org/{{name}}",
            "className": "nginx",
            "annotations": {"a": "1"},
            "labels": {"b": "2"},
            "tls": [{"hosts": ["example.org"], "secretName": "s"}],
        }))
        .unwrap();
        let owner = OwnerRef::managing("FlinkDeployment", "c", "u");
        let ingress = build(("ns", "c"), &spec, "c-blue", 8081, &owner).unwrap();
        let other = build(("ns", "c"), &spec, "c-green", 8081, &owner).unwrap();
        assert_ne!(mark_of(&ingress), mark_of(&other));
        let mark = mark_of(&ingress).unwrap();
        let expected = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "c", "namespace": "ns",
                "annotations": {"a": "1", MARK: mark},
                "labels": {"b": "2", "component": "ingress"},
                "ownerReferences": [{
                    "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "c",
                    "uid": "u", "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{"hosts": ["example.org"], "secretName": "s"}],
                "rules": [{
                    "host": "example.org",
                    "http": {"paths": [{
                        "path": "/c", "pathType": "ImplementationSpecific",
                        "backend": {"service": {"name": "c-blue-rest", "port": {"number": 8081}}},
                    }]},
                }],
            },
        });
        assert_eq!(ingress.body, expected);
    }
}
