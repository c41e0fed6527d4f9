//! The Ingress of a cluster: made, changed and deleted as the spec says, whatever the job does.
//!
//! The rule: it never disturbs the job. What cannot be seen is left as it is, and so is an Ingress of somebody else.

use flink_crds::FlinkDeploymentSpec;

use crate::domain::draft::{self, Draft};
use crate::domain::{Component, Desired, Observed, Reason, Sighting, Step};
use crate::resources::{Object, OwnerRef, ingress};

/// Bring the Ingress to what the spec says.
pub fn keep(draft: &mut Draft, desired: &Desired, observed: &Observed) {
    if !desired.manages_ingress {
        return;
    }
    let wanted = wanted(desired);
    match (&observed.ingress, wanted) {
        (Sighting::Unknown(_), _) | (Sighting::Absent, None) => {}
        (Sighting::Seen(present), _) if !present.ours => {
            if desired.spec.ingress.is_some() {
                let name = &desired.identity.name;
                let text = format!(
                    "Ingress {name} exists and does not belong to this FlinkDeployment. Delete it, or take \
                     spec.ingress out"
                );
                draft.fail(Component::Operator, Reason::IngressManagement, &text);
            }
        }
        (Sighting::Seen(present), Some(object))
            if present.mark.as_deref() == ingress::mark_of(&object) =>
        {
            take_down(draft, desired);
        }
        (Sighting::Seen(_) | Sighting::Absent, Some(object)) => {
            draft.step(Step::ApplyIngress(Box::new(object)));
            draft.look_again_in(desired.settings.progress_interval);
        }
        (Sighting::Seen(_), None) => {
            draft.step(Step::DeleteIngress);
            take_down(draft, desired);
        }
    }
}

/// The Ingress that the spec asks for; a template that cannot be read is a violation of the spec.
fn wanted(desired: &Desired) -> Option<Object> {
    let spec = desired.spec.ingress.as_ref()?;
    let identity = &desired.identity;
    let owner = OwnerRef::managing("FlinkDeployment", &identity.name, &identity.uid);
    let of = (identity.namespace.as_str(), identity.name.as_str());
    ingress::build(of, spec, &identity.name, desired.settings.rest_port, &owner).ok()
}

/// It is as the spec says: so does the record of what is deployed.
fn take_down(draft: &mut Draft, desired: &Desired) {
    let differs = |spec: &FlinkDeploymentSpec| spec.ingress != desired.spec.ingress;
    if draft
        .deployed()
        .is_some_and(|recorded| differs(recorded.spec()))
    {
        draft::take_down(&mut draft.status, |spec| {
            spec.ingress.clone_from(&desired.spec.ingress);
        });
    }
}
