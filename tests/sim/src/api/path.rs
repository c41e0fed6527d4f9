//! What a request is about, from its path and query.

use std::collections::BTreeMap;

/// The subject of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Objects or one object.
    Objects(Target),
    /// A service behind the server.
    Proxy {
        namespace: String,
        /// Name of the Service.
        service: String,
        /// Path at the service, beginning with `/`.
        path: String,
    },
    /// `/version`.
    Version,
    /// Anything else.
    Unknown,
}

/// Objects of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    /// `None` for all namespaces or kinds without one.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Target {
    /// For example `flinkdeployments/status`.
    pub(super) fn resource(&self) -> String {
        match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.plural),
            None => self.plural.clone(),
        }
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

pub(super) fn subject(path: &str) -> Subject {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let (group, version, rest) = match segments.as_slice() {
        ["version"] => return Subject::Version,
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Subject::Unknown,
    };
    if let ["namespaces", namespace, "services", service, "proxy", ..] = rest {
        return proxy(path, namespace, service);
    }
    let (namespace, rest) = match rest {
        // `/api/v1/namespaces/x` is the namespace itself.
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && *rest != ["status"] => {
            (Some((*namespace).to_owned()), rest)
        }
        rest => (None, rest),
    };
    let [plural, rest @ ..] = rest else {
        return Subject::Unknown;
    };
    Subject::Objects(Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: (*plural).to_owned(),
        namespace,
        name: rest.first().map(|name| (*name).to_owned()),
        subresource: rest.get(1).map(|subresource| (*subresource).to_owned()),
    })
}

fn proxy(path: &str, namespace: &str, service: &str) -> Subject {
    // `scheme:name:port`, `name:port` or `name`.
    let parts: Vec<&str> = service.split(':').collect();
    let name = match parts.as_slice() {
        [_, name, _] | [name, _] => *name,
        _ => service,
    };
    let rest = path.split_once("/proxy").map_or("", |(_, rest)| rest);
    Subject::Proxy {
        namespace: namespace.to_owned(),
        service: name.to_owned(),
        path: if rest.is_empty() {
            "/".to_owned()
        } else {
            rest.to_owned()
        },
    }
}

/// The query as a map, percent-encoding undone.
pub(super) fn query(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    crate::encoding::decoded(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match subject(path) {
            Subject::Objects(target) => target,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_of_both_trees_are_understood() {
        let one =
            target("/apis/flink.apache.org/v1beta1/namespaces/prod/flinkdeployments/orders/status");
        assert_eq!(
            (one.group.as_str(), one.namespace.as_deref()),
            ("flink.apache.org", Some("prod"))
        );
        assert_eq!(
            (one.name.as_deref(), one.resource().as_str()),
            (Some("orders"), "flinkdeployments/status")
        );
        let all = target("/api/v1/pods");
        assert_eq!(
            (
                all.api_version().as_str(),
                all.plural.as_str(),
                all.namespace
            ),
            ("v1", "pods", None)
        );
        let namespace = target("/api/v1/namespaces/prod");
        assert_eq!(
            (namespace.plural.as_str(), namespace.name.as_deref()),
            ("namespaces", Some("prod"))
        );
    }

    #[test]
    fn a_proxied_path_keeps_what_follows() {
        let path = "/api/v1/namespaces/prod/services/http:orders-rest:8081/proxy/jobs/overview";
        let expected = Subject::Proxy {
            namespace: "prod".to_owned(),
            service: "orders-rest".to_owned(),
            path: "/jobs/overview".to_owned(),
        };
        assert_eq!(subject(path), expected);
    }

    #[test]
    fn a_query_is_decoded() {
        let query = query("labelSelector=app%3Dorders%2Ccomponent+in+%28a%29&watch=true");
        assert_eq!(query["labelSelector"], "app=orders,component in (a)");
        assert_eq!(query["watch"], "true");
    }
}
