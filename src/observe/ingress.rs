//! The Ingress of a cluster, as a watch has it.

use flink_crds::FlinkDeployment;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::reflector::{ObjectRef, Store};

use super::Observer;
use crate::deadline::deadline;
use crate::domain::{Desired, IngressView, Sighting};
use crate::resources::names;

impl Observer {
    /// The Ingress of this resource. One that is wanted and not at hand is asked for, since the watch may lag.
    pub(super) async fn ingress(
        &self,
        object: &FlinkDeployment,
        desired: &Desired,
    ) -> Sighting<IngressView> {
        if !desired.manages_ingress {
            return Sighting::not_read();
        }
        let namespace = object.namespace().unwrap_or_default();
        let name = names::ingress(&object.name_any());
        let at_hand = |store: &Store<Ingress>| store.get(&ObjectRef::new(&name).within(&namespace));
        let found = self.ingresses.as_ref().and_then(at_hand);
        if let Some(found) = found {
            return Sighting::Seen(view(&found, object));
        }
        if self.ingresses.is_some() && desired.spec.ingress.is_none() {
            return Sighting::Absent;
        }
        let api: Api<Ingress> = Api::namespaced(self.client.clone(), &namespace);
        match deadline(api.get_opt(&name)).await {
            Ok(Some(found)) => Sighting::Seen(view(&found, object)),
            Ok(None) => Sighting::Absent,
            Err(error) => Sighting::Unknown(format!("Ingress {name}: {error}")),
        }
    }
}

fn view(ingress: &Ingress, object: &FlinkDeployment) -> IngressView {
    let uid = object.uid().unwrap_or_default();
    let ours =
        |owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference| owner.uid == uid;
    IngressView {
        ours: ingress.owner_references().iter().any(ours),
        mark: ingress
            .annotations()
            .get(crate::resources::ingress::MARK)
            .cloned(),
    }
}
