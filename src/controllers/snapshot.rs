//! The controller of FlinkStateSnapshots.

use std::sync::Arc;

use flink_crds::FlinkStateSnapshot;

use super::Context;
use super::passes::{self, Managed, Passed, end, resource};
use crate::act;
use crate::domain::snapshot::decide;
use crate::telemetry::metrics::{Facts, ResourceType};
use crate::watch::Watches;

/// Run the controller until its watches are to end.
pub fn run(
    watches: &Watches<'_>,
    context: Arc<Context>,
) -> impl Future<Output = ()> + Send + 'static {
    passes::run::<FlinkStateSnapshot>(watches, futures::stream::empty(), context)
}

impl Managed for FlinkStateSnapshot {
    const TYPE: ResourceType = ResourceType::FlinkStateSnapshot;

    fn error_text(_reason: &str, message: &str) -> String {
        message.to_owned()
    }

    /// Observe, decide, act.
    async fn pass(object: &Self, context: &Context) -> Result<Passed, act::Error> {
        let defaults = context.defaults();
        let look = context.observer.observe_snapshot(object, &defaults);
        let observed = Box::pin(look).await;
        let plan = decide(object, &observed);
        if let Some(waiting) = &plan.waiting {
            tracing::debug!(%waiting, "waiting");
        }
        let facts = Facts::of_snapshot(&object.spec, &plan.status);
        let resource = resource::<Self>(object);
        context.metrics.set_resource(&resource, facts, observed.now);
        let outcome = context.actor.act_snapshot(object, &observed, &plan).await;
        let passed = Passed {
            look_again: plan.look_again,
            waits: plan.waiting.is_some(),
        };
        end(object, context, outcome, passed)
    }
}
