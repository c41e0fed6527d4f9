//! How many TaskManagers could still be had: what the nodes have free, and what quotas of the namespace leave.
//!
//! The rule: read only where the user asks for it, kept for a while, and shared by all jobs. What could not be
//! read limits nothing. Tests are below.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flink_scaler::units::{float, whole};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::sync::Mutex;

use crate::config::quantity;
use crate::deadline::deadline;
use crate::domain::{Desired, TaskManager};

/// Objects of one page of a list.
const PAGE: u32 = 500;

/// Quotas of a namespace are read anew after this long, if the nodes are not.
const QUOTAS_FOR: SignedDuration = SignedDuration::from_mins(1);

/// What is known of the room there is; clones share it.
#[derive(Clone, Default)]
pub struct Rooms {
    /// How long a reading of the nodes counts; `None` if they are not read.
    refresh: Option<SignedDuration>,
    nodes: Arc<Mutex<Option<Read<Vec<Free>>>>>,
    quotas: Arc<Mutex<HashMap<String, Read<Vec<Left>>>>>,
}

type Quantities = BTreeMap<String, Quantity>;

/// Something read at an instant; `None` if it could not be.
struct Read<T> {
    at: Timestamp,
    value: Option<Arc<T>>,
}

/// What one node has free.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Free {
    cpu: f64,
    memory: f64,
    pods: f64,
    /// Not every pod may run there.
    tainted: bool,
}

/// What one quota leaves; `None` where it says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Left {
    cpu: Option<f64>,
    memory: Option<f64>,
    pods: Option<f64>,
}

impl Rooms {
    /// Nodes are read so often, or not at all.
    pub fn refreshed(every: Option<std::time::Duration>) -> Self {
        Self {
            refresh: every.and_then(|every| SignedDuration::try_from(every).ok()),
            ..Self::default()
        }
    }

    /// How many more TaskManagers of this resource there is room for, as far as that is known.
    pub async fn left(&self, client: &Client, desired: &Desired, now: Timestamp) -> Option<u32> {
        let manager = &desired.task_manager;
        let of_quotas = match self.quotas(client, desired, now).await {
            Some(quotas) => quotas.iter().filter_map(|left| left.takes(manager)).min(),
            None => None,
        };
        let tolerant = tolerates(desired);
        let on_nodes = match self.nodes(client, now).await {
            Some(nodes) => on_nodes(&nodes, manager, tolerant),
            None => None,
        };
        of_quotas.into_iter().chain(on_nodes).min()
    }

    async fn nodes(&self, client: &Client, now: Timestamp) -> Option<Arc<Vec<Free>>> {
        let keep = self.refresh?;
        // Held while reading, so that a thousand jobs read once.
        let mut known = self.nodes.lock().await;
        if let Some(read) = known.as_ref().filter(|read| read.counts(keep, now)) {
            return read.value.clone();
        }
        let value = told("nodes", free_nodes(client).await);
        *known = Some(Read {
            at: now,
            value: value.clone(),
        });
        value
    }

    async fn quotas(
        &self,
        client: &Client,
        desired: &Desired,
        now: Timestamp,
    ) -> Option<Arc<Vec<Left>>> {
        let scaler = &desired.scaler;
        let asked = scaler.quota_cpu.is_some() || scaler.quota_memory.is_some();
        if !asked && self.refresh.is_none() {
            return None;
        }
        let namespace = &desired.identity.namespace;
        let keep = self.refresh.unwrap_or(QUOTAS_FOR);
        let mut known = self.quotas.lock().await;
        if let Some(read) = known.get(namespace).filter(|read| read.counts(keep, now)) {
            return read.value.clone();
        }
        let api: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
        let read = deadline(api.list(&ListParams::default())).await;
        let value = told(
            "resourcequotas",
            read.map(|quotas| quotas.items.iter().map(Left::of).collect()),
        );
        let read = Read {
            at: now,
            value: value.clone(),
        };
        known.insert(namespace.clone(), read);
        value
    }
}

impl<T> Read<T> {
    fn counts(&self, keep: SignedDuration, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        age >= SignedDuration::ZERO && age < keep
    }
}

/// What was read; a failure is logged, once for as long as it counts.
fn told<T>(what: &str, read: Result<T, kube::Error>) -> Option<Arc<T>> {
    match read {
        Ok(value) => Some(Arc::new(value)),
        Err(error) => {
            tracing::warn!(%error, "{what} cannot be listed, so they limit no rescale");
            None
        }
    }
}

async fn free_nodes(client: &Client) -> Result<Vec<Free>, kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let pods: Api<Pod> = Api::all(client.clone());
    let mut free: HashMap<String, Free> = HashMap::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = deadline(nodes.list(&page)).await?;
        let usable = list.items.iter().filter_map(free_of);
        free.extend(usable);
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => break,
        }
    }
    let running = "status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!=";
    let mut page = ListParams::default().limit(PAGE).fields(running);
    loop {
        let list = deadline(pods.list(&page)).await?;
        list.items.iter().for_each(|pod| take(&mut free, pod));
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => break,
        }
    }
    Ok(free.into_values().collect())
}

/// A node that takes pods, as if it were empty.
fn free_of(node: &Node) -> Option<(String, Free)> {
    let spec = node.spec.as_ref();
    if spec.and_then(|spec| spec.unschedulable) == Some(true) {
        return None;
    }
    let status = node.status.as_ref()?;
    let ready = status.conditions.iter().flatten();
    if !ready
        .clone()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    {
        return None;
    }
    let has = status.allocatable.as_ref()?;
    let mut taints = spec
        .and_then(|spec| spec.taints.as_ref())
        .into_iter()
        .flatten();
    let free = Free {
        cpu: number(has, "cpu")?,
        memory: number(has, "memory")?,
        pods: number(has, "pods").unwrap_or(f64::INFINITY),
        tainted: taints.any(|taint| taint.effect != "PreferNoSchedule"),
    };
    Some((node.name_any(), free))
}

/// Takes what a pod asks for from its node.
fn take(free: &mut HashMap<String, Free>, pod: &Pod) {
    let Some(spec) = &pod.spec else {
        return;
    };
    let Some(node) = spec.node_name.as_ref().and_then(|name| free.get_mut(name)) else {
        return;
    };
    let asked = |name: &str| {
        let of = |container: &k8s_openapi::api::core::v1::Container| {
            let resources = container.resources.as_ref()?;
            let requested = resources.requests.as_ref().and_then(|r| number(r, name));
            requested.or_else(|| number(resources.limits.as_ref()?, name))
        };
        let together: f64 = spec.containers.iter().filter_map(of).sum();
        let first = spec.init_containers.iter().flatten().filter_map(of);
        let overhead = spec.overhead.as_ref().and_then(|o| number(o, name));
        first.fold(together, f64::max) + overhead.unwrap_or(0.0)
    };
    node.cpu -= asked("cpu");
    node.memory -= asked("memory");
    node.pods -= 1.0;
}

fn number(quantities: &Quantities, name: &str) -> Option<f64> {
    quantity(&quantities.get(name)?.0)
}

/// TaskManagers that fit on the nodes; `None` where their size is not known.
fn on_nodes(nodes: &[Free], manager: &TaskManager, tolerant: bool) -> Option<u32> {
    let (cpu, memory) = (manager.cpu?, float(manager.memory?));
    let usable = nodes.iter().filter(|node| tolerant || !node.tainted);
    let on = |node: &Free| whole((node.cpu / cpu).min(node.memory / memory).min(node.pods));
    Some(usable.map(on).fold(0, u32::saturating_add))
}

/// Whether the pods say that they bear taints; which, is left open, so that too little is never counted.
fn tolerates(desired: &Desired) -> bool {
    let templates = [
        desired.spec.pod_template.as_ref(),
        desired
            .spec
            .task_manager
            .as_ref()
            .and_then(|manager| manager.pod_template.as_ref()),
    ];
    desired
        .deploy_config
        .contains("kubernetes.taskmanager.tolerations")
        || templates.into_iter().flatten().any(|template| {
            serde_json::to_value(template)
                .is_ok_and(|template| template.pointer("/spec/tolerations").is_some())
        })
}

impl Left {
    fn of(quota: &ResourceQuota) -> Self {
        let status = quota.status.clone().unwrap_or_default();
        let (hard, used) = (
            status.hard.unwrap_or_default(),
            status.used.unwrap_or_default(),
        );
        // Quotas of some pods only, such as of a priority, say nothing of these.
        let scoped = quota.spec.as_ref().is_some_and(|spec| {
            spec.scopes
                .as_ref()
                .is_some_and(|scopes| !scopes.is_empty())
                || spec.scope_selector.is_some()
        });
        let left = |names: [&str; 2]| {
            let of = |name: &&str| Some(number(&hard, name)? - number(&used, name)?);
            names
                .iter()
                .filter(|_| !scoped)
                .filter_map(of)
                .reduce(f64::min)
        };
        Self {
            cpu: left(["requests.cpu", "cpu"]),
            memory: left(["requests.memory", "memory"]),
            pods: left(["pods", "count/pods"]),
        }
    }

    /// TaskManagers it leaves; `None` if it does not limit them.
    fn takes(&self, manager: &TaskManager) -> Option<u32> {
        let share = |left: Option<f64>, each: Option<f64>| Some(left? / each?);
        let memory = manager.memory.map(float);
        [
            share(self.cpu, manager.cpu),
            share(self.memory, memory),
            self.pods,
        ]
        .into_iter()
        .flatten()
        .reduce(f64::min)
        .map(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const GIB: u64 = 1 << 30;

    fn manager(cpu: f64, memory: u64) -> TaskManager {
        TaskManager {
            cpu: Some(cpu),
            memory: Some(memory),
            ..TaskManager::default()
        }
    }

    fn node(spec: &Value, ready: &str) -> Option<(String, Free)> {
        free_of(
            &serde_json::from_value(json!({
                "metadata": { "name": "n" }, "spec": spec,
                "status": {
                    "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "10" },
                    "conditions": [{ "type": "Ready", "status": ready }],
                },
            }))
            .unwrap(),
        )
    }

    fn quota(spec: &Value, hard: &Value, used: &Value) -> Left {
        let status = json!({ "hard": hard, "used": used });
        Left::of(&serde_json::from_value(json!({ "spec": spec, "status": status })).unwrap())
    }

    #[test]
    fn a_node_has_room_for_what_its_pods_leave() {
        let mut free = HashMap::from([node(&json!({}), "True").unwrap()]);
        assert_eq!(on_nodes(&[free["n"]], &manager(1.0, GIB), false), Some(4));
        let pod: Pod = serde_json::from_value(json!({ "spec": {
            "nodeName": "n",
            "containers": [
                { "name": "a", "resources": { "requests": { "cpu": "500m", "memory": "1Gi" } } },
                { "name": "b", "resources": { "limits": { "cpu": "600m" } } },
            ],
            "initContainers": [{ "name": "c", "resources": { "requests": { "memory": "5Gi" } } }],
        } }))
        .unwrap();
        take(&mut free, &pod);
        let left = free["n"];
        assert_eq!((left.cpu, left.pods), (2.9, 9.0));
        assert_eq!(on_nodes(&[left], &manager(1.0, GIB), false), Some(2));
        assert_eq!(on_nodes(&[left], &manager(0.1, 2 * GIB), false), Some(1));
        // What the TaskManagers need is not known: nothing is limited.
        assert_eq!(on_nodes(&[left], &TaskManager::default(), false), None);
    }

    #[test]
    fn nodes_that_take_no_pods_do_not_count_and_tainted_ones_only_for_pods_that_bear_it() {
        assert_eq!(node(&json!({ "unschedulable": true }), "True"), None);
        assert_eq!(node(&json!({}), "Unknown"), None);
        let taint = |effect: &str| {
            let spec = json!({ "taints": [{ "key": "k", "effect": effect }] });
            node(&spec, "True").unwrap().1
        };
        let room = |node, tolerant| on_nodes(&[node], &manager(1.0, GIB), tolerant);
        assert_eq!(room(taint("NoSchedule"), false), Some(0));
        assert_eq!(room(taint("NoSchedule"), true), Some(4));
        assert_eq!(room(taint("PreferNoSchedule"), false), Some(4));
    }

    #[test]
    fn a_quota_of_the_namespace_leaves_what_it_allows_less_what_is_used() {
        let hard = json!({ "requests.cpu": "10", "limits.memory": "1Gi", "pods": "20" });
        let used = json!({ "requests.cpu": "7500m", "limits.memory": "1Gi", "pods": "3" });
        let left = quota(&json!({}), &hard, &used);
        assert_eq!(left.takes(&manager(1.0, GIB)), Some(2));
        assert_eq!(left.takes(&manager(0.1, GIB)), Some(17));
        let full = json!({ "memory": "1Gi" });
        assert_eq!(
            quota(&json!({}), &full, &full).takes(&manager(1.0, GIB)),
            Some(0)
        );
        // One of other pods, or that the API server has not reckoned yet, limits nothing.
        let scoped = json!({ "scopes": ["Terminating"] });
        assert_eq!(quota(&scoped, &full, &full).takes(&manager(1.0, GIB)), None);
        let open = quota(&json!({}), &full, &json!({}));
        assert_eq!(open.takes(&manager(1.0, GIB)), None);
    }
}
