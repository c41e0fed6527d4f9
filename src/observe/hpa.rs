//! Which HorizontalPodAutoscalers scale our resources.
//!
//! The rule: one list for each namespace in which the autoscaler acts, from the API server's cache, once a minute
//! however many jobs there are; where it acts on none, nothing is read. A list that may not be read says nothing and
//! is not asked for again for a while; one that fails leaves what was known. Tests are below and in
//! `tests/it/world/stories.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::sync::Mutex;

use crate::deadline::deadline;
use crate::domain::Sighting;

/// A list is used for so long.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Permissions seldom change.
const REFUSED: SignedDuration = SignedDuration::from_mins(10);

/// The autoscalers of pods, by namespace; clones share them.
#[derive(Clone, Default)]
pub struct Hpas {
    by_namespace: Arc<Mutex<HashMap<String, Arc<Mutex<Listed>>>>>,
}

/// What a namespace has.
#[derive(Default)]
struct Listed {
    /// Names by the name of the FlinkDeployment they scale, or why that is not known.
    targets: Option<Result<HashMap<String, String>, String>>,
    /// When to read again.
    until: Option<Timestamp>,
}

impl Hpas {
    /// The one that scales the FlinkDeployment `name`.
    pub async fn of(
        &self,
        client: &Client,
        namespace: &str,
        name: &str,
        now: Timestamp,
    ) -> Sighting<String> {
        let listed = {
            let mut all = self.by_namespace.lock().await;
            Arc::clone(all.entry(namespace.to_owned()).or_default())
        };
        // Passes of the same namespace wait for one list rather than make one each.
        let mut listed = listed.lock().await;
        if listed.until.is_none_or(|until| until <= now) {
            let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
            let read = deadline(api.list(&ListParams::default().match_any())).await;
            listed.take(read.map(|list| targets(&list.items)), namespace, now);
        }
        match &listed.targets {
            Some(Ok(targets)) => targets
                .get(name)
                .map_or(Sighting::Absent, |hpa| Sighting::Seen(hpa.clone())),
            Some(Err(why)) => Sighting::Unknown(why.clone()),
            None => Sighting::not_read(),
        }
    }
}

impl Listed {
    fn take(
        &mut self,
        read: Result<HashMap<String, String>, kube::Error>,
        namespace: &str,
        now: Timestamp,
    ) {
        let refused = matches!(&read, Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403 | 404));
        let wait = if refused { REFUSED } else { FRESH };
        self.until = now.saturating_add(wait).ok();
        match read {
            Ok(targets) => self.targets = Some(Ok(targets)),
            Err(error) => {
                let why = format!("HorizontalPodAutoscalers of {namespace}: {error}");
                if self.targets.as_ref().and_then(|known| known.as_ref().err()) != Some(&why) {
                    tracing::debug!(
                        %why,
                        "whether one of them scales a FlinkDeployment is not known"
                    );
                }
                if refused || !matches!(self.targets, Some(Ok(_))) {
                    self.targets = Some(Err(why));
                }
            }
        }
    }
}

/// The autoscalers that scale a FlinkDeployment, by its name.
fn targets(hpas: &[HorizontalPodAutoscaler]) -> HashMap<String, String> {
    let of = |hpa: &HorizontalPodAutoscaler| {
        let target = &hpa.spec.as_ref()?.scale_target_ref;
        let group = target.api_version.as_deref()?.split('/').next();
        let ours = target.kind == "FlinkDeployment" && group == Some("flink.apache.org");
        ours.then(|| (target.name.clone(), hpa.name_any()))
    };
    hpas.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hpa(name: &str, version: &str, kind: &str, target: &str) -> HorizontalPodAutoscaler {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": name },
            "spec": {
                "maxReplicas": 4,
                "scaleTargetRef": { "apiVersion": version, "kind": kind, "name": target },
            },
        }))
        .unwrap()
    }

    fn refused(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(
            kube::core::Status::failure("no", "Forbidden").with_code(code),
        ))
    }

    fn known(listed: &Listed) -> Option<usize> {
        listed.targets.as_ref()?.as_ref().ok().map(HashMap::len)
    }

    #[test]
    fn only_those_of_flink_deployments_count() {
        let found = targets(&[
            hpa("a", "flink.apache.org/v1beta1", "FlinkDeployment", "orders"),
            hpa("b", "apps/v1", "Deployment", "orders"),
            hpa("c", "example.com/v1", "FlinkDeployment", "orders"),
        ]);
        assert_eq!(
            found,
            HashMap::from([("orders".to_owned(), "a".to_owned())])
        );
    }

    #[test]
    fn a_list_that_fails_leaves_what_was_known_and_one_that_is_refused_says_nothing() {
        let now = Timestamp::UNIX_EPOCH;
        let mut listed = Listed::default();
        listed.take(Err(refused(500)), "shop", now);
        assert_eq!(known(&listed), None);
        let found = HashMap::from([("orders".to_owned(), "a".to_owned())]);
        listed.take(Ok(found), "shop", now);
        listed.take(Err(refused(500)), "shop", now);
        assert_eq!(known(&listed), Some(1));
        assert_eq!(listed.until, Some(now + FRESH));
        listed.take(Err(refused(403)), "shop", now);
        assert_eq!(known(&listed), None);
        assert_eq!(listed.until, Some(now + REFUSED));
    }
}
