//! Kubernetes events: the same cause is one event with a count, seen by `kubectl describe`.
//!
//! The rule: an event that cannot be written never stops a pass.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Client, Resource, ResourceExt};

use crate::deadline::deadline;
use crate::domain::{Announcement, Component};

/// Longest message that the API server takes.
const LONGEST: usize = 1024;

/// Write one event about `object`, or count it up if it is there already. Returns it as it was written.
pub async fn write<K>(
    client: &Client,
    object: &K,
    announcement: &Announcement,
    now: Timestamp,
) -> Option<Event>
where
    K: Resource<DynamicType = ()>,
{
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
    let event = event(object, announcement, now);
    let name = event.name_any();
    let outcome = match deadline(api.create(&PostParams::default(), &event)).await {
        Err(kube::Error::Api(status)) if status.code == 409 => count_up(&api, &name, &event).await,
        other => other,
    };
    outcome
        .inspect_err(|error| tracing::warn!(event = name, %error, "failed to write an event"))
        .ok()
}

async fn count_up(api: &Api<Event>, name: &str, event: &Event) -> Result<Event, kube::Error> {
    let present = deadline(api.get(name)).await?;
    let patch = serde_json::json!({
        "metadata": { "annotations": event.metadata.annotations },
        "count": present.count.unwrap_or(1).saturating_add(1),
        "lastTimestamp": event.last_timestamp,
        "message": event.message,
    });
    deadline(api.patch(name, &PatchParams::default(), &Patch::Merge(patch))).await
}

fn event<K: Resource<DynamicType = ()>>(
    object: &K,
    announcement: &Announcement,
    now: Timestamp,
) -> Event {
    let kind = K::kind(&()).into_owned();
    let object_name = object.name_any();
    let uid = object.meta().uid.clone().unwrap_or_default();
    let kind_of_event = if announcement.warning {
        "Warning"
    } else {
        "Normal"
    };
    let reason = announcement.reason.to_string();
    let message: String = announcement.message.chars().take(LONGEST).collect();
    let component = component(announcement.component);
    // The Java operator's naming, so that events are counted on across a change of operator.
    let detail = announcement.detail.as_deref();
    let said = detail.map_or(message.as_str(), |detail| &detail.key);
    let key = format!("{reason}{said}{kind_of_event}{kind}{object_name}{uid}");
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{component}.{}", java_hash(&key))),
            namespace: object.namespace(),
            annotations: detail.map(|detail| detail.annotations.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(kind),
            name: Some(object_name),
            namespace: object.namespace(),
            uid: Some(uid),
            resource_version: object.resource_version(),
            ..ObjectReference::default()
        },
        type_: Some(kind_of_event.to_owned()),
        reason: Some(reason),
        message: Some(message),
        source: Some(EventSource {
            component: Some(component.to_owned()),
            host: None,
        }),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        reporting_component: Some("flink-operator".to_owned()),
        ..Event::default()
    }
}

fn component(component: Component) -> &'static str {
    match component {
        Component::Operator => "Operator",
        Component::JobManagerDeployment => "JobManagerDeployment",
        Component::Job => "Job",
        Component::Snapshot => "Snapshot",
    }
}

/// `String.hashCode` of Java, without its sign.
fn java_hash(text: &str) -> u32 {
    let hash = text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    hash.cast_unsigned() & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::java_hash;

    #[test]
    fn the_hash_is_that_of_java() {
        // "hello".hashCode() == 99162322, "polygenelubricants".hashCode() == Integer.MIN_VALUE.
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash("polygenelubricants"), 0);
    }
}
