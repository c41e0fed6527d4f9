//! One look at the world for one pass: reads only, in parallel, each with a deadline.
//!
//! The rule: what could not be read becomes `Sighting::Unknown`, never absent; nothing is written.

mod health;
mod hpa;
mod ingress;
mod job_manager;
mod pods;
mod rest;
mod room;
mod sample;
mod scaler;
mod snapshot;

pub use hpa::Hpas;
pub use room::Rooms;
pub use sample::{JobReading, Unread, from_prometheus, sample};

use std::sync::Arc;

use flink_crds::{FlinkDeployment, FlinkDeploymentStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};

use crate::clock::Clock;
use crate::deadline::deadline;
use crate::domain::{
    Desired, HaMetadata, JobManager, Need, Needs, Observed, Pods, Rules, Sighting,
};
use crate::flink::{CheckpointStatistics, FlinkRest, RestError};
use crate::prometheus::Prometheus;
use crate::resources::{ha, names};
use crate::scaler_memory::ScalerMemories;
use crate::snapshots::Snapshots;

/// What looking needs.
#[derive(Clone)]
pub struct Observer {
    /// The API server.
    pub client: Client,
    /// Flink's REST interface.
    pub flink: FlinkRest,
    /// JobManager Deployments as last seen by a watch; good enough while nothing changes.
    pub deployments: Option<Store<Deployment>>,
    /// Ingresses of clusters as last seen by a watch.
    pub ingresses: Option<Store<Ingress>>,
    /// Snapshots, by the job they are of.
    pub snapshots: Snapshots,
    /// HorizontalPodAutoscalers, as far as they matter.
    pub hpas: Hpas,
    /// Prometheus servers, where readings come from one.
    pub prometheus: Prometheus,
    /// What the autoscaler remembers.
    pub memories: ScalerMemories,
    /// How many TaskManagers could still be had.
    pub rooms: Rooms,
    /// Time and identities.
    pub clock: Clock,
    /// What extensions add to understanding a resource.
    pub rules: Rules,
}

/// What Flink says of a job's checkpoints, for all who want to know.
type CheckpointsRead = Arc<Result<Option<CheckpointStatistics>, RestError>>;

impl Observer {
    /// Look at everything in `needs`.
    pub async fn observe(
        &self,
        object: &FlinkDeployment,
        desired: &Desired,
        status: &FlinkDeploymentStatus,
        needs: &Needs,
    ) -> Observed {
        let mut observed = Observed::nothing(self.clock.now());
        observed.fresh = self.clock.fresh_ids();
        let identity = &desired.identity;
        observed.snapshots = self.snapshots.of(&identity.namespace, &identity.name);
        let needs_live = needs.contains(&Need::Pods) || needs.contains(&Need::Ha);
        let (job_manager, pods, ha, hpa, ingress) = tokio::join!(
            self.job_manager(object, needs_live),
            self.pods(object, needs),
            self.ha(object, needs),
            self.hpa(object, needs),
            self.ingress(object, desired),
        );
        observed.ingress = ingress;
        observed.hpa = hpa;
        observed.job_manager = job_manager;
        observed.pods = pods;
        observed.ha = ha;
        if needs.contains(&Need::Rest) {
            rest::observe(self, desired, status, needs, &mut observed).await;
        }
        observed
    }

    async fn job_manager(&self, object: &FlinkDeployment, live: bool) -> Sighting<JobManager> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        if !live && let Some(store) = &self.deployments {
            let found = store.get(&ObjectRef::new(&name).within(&namespace));
            if let Some(deployment) = found {
                return Sighting::Seen(job_manager::of(&deployment, object, true));
            }
        }
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &namespace);
        let deployment = match deadline(api.get_opt(&name)).await {
            Ok(Some(deployment)) => deployment,
            Ok(None) => return Sighting::Absent,
            Err(error) => return Sighting::Unknown(format!("Deployment {name}: {error}")),
        };
        let uid = deployment.uid().unwrap_or_default();
        let accompanied = match self.accompanied(&namespace, &name, &uid).await {
            Ok(accompanied) => accompanied,
            Err(error) => return Sighting::Unknown(format!("Service {name}-rest: {error}")),
        };
        Sighting::Seen(job_manager::of(&deployment, object, accompanied))
    }

    /// The REST Service and the configuration exist and belong to the JobManager Deployment.
    async fn accompanied(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<bool, kube::Error> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let (service_name, map_name) = (names::rest_service(name), names::flink_config(name));
        let (service, map) = tokio::join!(
            deadline(services.get_metadata_opt(&service_name)),
            deadline(maps.get_metadata_opt(&map_name)),
        );
        let owned = |owners: Option<
            Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference>,
        >| {
            owners
                .unwrap_or_default()
                .iter()
                .any(|owner| owner.uid == uid)
        };
        Ok(
            owned(service?.and_then(|object| object.metadata.owner_references))
                && owned(map?.and_then(|object| object.metadata.owner_references)),
        )
    }

    async fn pods(&self, object: &FlinkDeployment, needs: &Needs) -> Sighting<Pods> {
        if !needs.contains(&Need::Pods) {
            return Sighting::not_read();
        }
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let params = ListParams::default().labels(&ha::selector(&name));
        let pods = match deadline(api.list(&params)).await {
            Ok(pods) => pods.items,
            Err(error) => return Sighting::Unknown(format!("pods of {name}: {error}")),
        };
        let mut seen = pods::of(&pods);
        if seen.failure.is_none()
            && let Some(pod) = pods::stuck_on_volumes(&pods)
        {
            let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
            let fields = format!("involvedObject.name={},reason=FailedMount", pod.name_any());
            if let Ok(events) = deadline(events.list(&ListParams::default().fields(&fields))).await
            {
                seen.failure = pods::failed_mount(pod, &events.items);
            }
        }
        Sighting::Seen(seen)
    }

    async fn hpa(&self, object: &FlinkDeployment, needs: &Needs) -> Sighting<String> {
        if !needs.contains(&Need::Hpa) {
            return Sighting::not_read();
        }
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let now = self.clock.now();
        self.hpas.of(&self.client, &namespace, &name, now).await
    }

    async fn ha(&self, object: &FlinkDeployment, needs: &Needs) -> Sighting<HaMetadata> {
        if !needs.contains(&Need::Ha) {
            return Sighting::not_read();
        }
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        let params = ListParams::default().labels(&ha::selector(&name));
        match deadline(api.list(&params)).await {
            Ok(maps) => metadata(&name, &maps.items),
            Err(error) => {
                Sighting::Unknown(format!("high-availability ConfigMaps of {name}: {error}"))
            }
        }
    }
}

/// What the high-availability ConfigMaps among `maps` tell.
fn metadata(name: &str, maps: &[ConfigMap]) -> Sighting<HaMetadata> {
    let of_jobs: Vec<&ConfigMap> = maps
        .iter()
        .filter(|map| map.metadata.deletion_timestamp.is_none())
        .filter(|map| ha::is_job_metadata(name, &map.name_any(), map.labels()))
        .collect();
    let has_checkpoint = of_jobs
        .iter()
        .any(|map| ha::has_checkpoint(map.data.iter().flatten().map(|(key, _)| key.as_str())));
    let any = maps
        .iter()
        .any(|map| ha::is_metadata(name, &map.name_any(), map.labels()));
    if any {
        Sighting::Seen(HaMetadata {
            has_job: !of_jobs.is_empty(),
            has_checkpoint,
        })
    } else {
        Sighting::Absent
    }
}
