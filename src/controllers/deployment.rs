//! The controller of FlinkDeployments.

use std::sync::Arc;

use flink_crds::FlinkDeployment;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::runtime::watcher;

use super::passes::{self, Managed, Scope, controller, end, resource, scoped};
use super::{Context, scaling};
use crate::act;
use crate::domain::{Desired, decide, needs};
use crate::telemetry::metrics::{Facts, ResourceType};

/// Run the controller over `scope` until `stop` resolves.
pub async fn run(
    client: Client,
    scope: Scope,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let job_managers: Api<Deployment> = scoped(&client, scope.namespace.as_deref());
    let controller = controller::<FlinkDeployment>(&client, &scope).owns(
        job_managers,
        watcher::Config::default().labels(super::JOB_MANAGERS),
    );
    passes::run(controller, context, stop).await;
}

impl Managed for FlinkDeployment {
    const TYPE: ResourceType = ResourceType::FlinkDeployment;

    /// Observe, decide, act.
    async fn pass(object: &Self, context: &Context) -> Result<Action, act::Error> {
        let status = object.status.clone().unwrap_or_default();
        let desired = Desired::under(object, &context.defaults(), &context.observer.rules);
        let needs = needs(&desired, &status);
        let look = context.observer.observe(object, &desired, &status, &needs);
        let observed = Box::pin(look).await;
        let plan = decide(&desired, &status, &observed);
        for waiting in &plan.waiting {
            tracing::debug!(%waiting, "waiting");
        }
        let facts = Facts::of_deployment(&plan.status);
        let resource = resource(object);
        context.metrics.set_resource(&resource, facts, observed.now);
        match &plan.verdict {
            Some(verdict) => scaling::measure(&context.metrics, &resource, verdict),
            None if plan.status.autoscaler.is_none() => context.metrics.unscaled(&resource),
            None => {}
        }
        let outcome = context.actor.act(object, &plan).await;
        end(object, context, outcome, plan.look_again)
    }
}
