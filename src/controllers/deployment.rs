//! The controller of FlinkDeployments.

use std::sync::Arc;

use flink_crds::FlinkDeployment;

use super::passes::{self, Managed, Passed, end, resource};
use super::{Context, scaling};
use crate::act;
use crate::domain::{Desired, decide, needs};
use crate::telemetry::metrics::{Facts, ResourceType};
use crate::watch::{Triggers, Watches};

/// Run the controller until its watches are to end; `changed` are those whose JobManager has changed.
pub fn run(
    watches: &Watches<'_>,
    changed: Triggers<FlinkDeployment>,
    context: Arc<Context>,
) -> impl Future<Output = ()> + Send + 'static {
    passes::run(watches, changed, context)
}

impl Managed for FlinkDeployment {
    const TYPE: ResourceType = ResourceType::FlinkDeployment;

    /// Observe, decide, act.
    async fn pass(object: &Self, context: &Context) -> Result<Passed, act::Error> {
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
        let resource = resource::<Self>(object);
        context.metrics.set_resource(&resource, facts, observed.now);
        match &plan.verdict {
            Some(verdict) => scaling::measure(&context.metrics, &resource, verdict),
            None if plan.status.autoscaler.is_none() => context.metrics.unscaled(&resource),
            None => {}
        }
        let outcome = context.actor.act(object, &plan).await;
        let passed = Passed {
            look_again: plan.look_again,
            waits: !plan.waiting.is_empty(),
        };
        end(object, context, outcome, passed)
    }
}
