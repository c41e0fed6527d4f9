//! The controller of FlinkStateSnapshots.

use std::sync::Arc;

use flink_crds::FlinkStateSnapshot;
use kube::Client;
use kube::runtime::controller::Action;

use super::Context;
use super::passes::{self, Managed, Scope, controller, end, resource};
use crate::act;
use crate::domain::snapshot::decide;
use crate::telemetry::metrics::{Facts, ResourceType};

/// Run the controller over `scope` until `stop` resolves.
pub async fn run(
    client: Client,
    scope: Scope,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let controller = controller::<FlinkStateSnapshot>(&client, &scope);
    passes::run(controller, context, stop).await;
}

impl Managed for FlinkStateSnapshot {
    const TYPE: ResourceType = ResourceType::FlinkStateSnapshot;

    fn error_text(_reason: &str, message: &str) -> String {
        message.to_owned()
    }

    /// Observe, decide, act.
    async fn pass(object: &Self, context: &Context) -> Result<Action, act::Error> {
        let defaults = context.defaults();
        let look = context.observer.observe_snapshot(object, &defaults);
        let observed = Box::pin(look).await;
        let plan = decide(object, &observed);
        if let Some(waiting) = &plan.waiting {
            tracing::debug!(%waiting, "waiting");
        }
        let facts = Facts::of_snapshot(&object.spec, &plan.status);
        let resource = resource(object);
        context.metrics.set_resource(&resource, facts, observed.now);
        let outcome = context.actor.act_snapshot(object, &observed, &plan).await;
        end(object, context, outcome, plan.look_again)
    }
}
