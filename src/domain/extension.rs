//! What others add to deciding: rules of their own about specs, and changes of their own to them.
//!
//! The rule: as pure as the rest of this layer. One that panics becomes a violation, so that the job it was
//! asked about is left as it runs.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use flink_crds::{
    FlinkDeployment, FlinkDeploymentSpec, FlinkStateSnapshot, SnapshotState, SnapshotTriggerType,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::snapshot::SnapshotView;
use super::validate::Violation;
use crate::config::FlinkConfig;

/// Refuses specs beyond what the operator itself refuses. It is asked in every pass, so it must answer from what it
/// is handed, at once: no file, no network, no clock.
pub trait Validator: Send + Sync + 'static {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// What is wrong with a FlinkDeployment; nothing if it may be deployed.
    fn deployment(&self, asked: &Asked<'_>) -> Vec<Violation> {
        let _ = asked;
        Vec::new()
    }

    /// What is wrong with a FlinkStateSnapshot that a person wants; nothing if it may be taken. What is refused has
    /// failed. Snapshots of schedules and upgrades are the operator's, and nobody is asked.
    fn snapshot(&self, snapshot: &FlinkStateSnapshot) -> Vec<Violation> {
        let _ = snapshot;
        Vec::new()
    }
}

/// A FlinkDeployment that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The resource, its spec as the mutators have left it.
    pub resource: &'a FlinkDeployment,
    /// Its effective configuration: the operator's defaults under the spec's own.
    pub config: &'a FlinkConfig,
    /// The spec that is deployed now.
    pub deployed: Option<&'a FlinkDeploymentSpec>,
}

/// Changes specs before they are understood. The user's object is never written: the change is made anew in every
/// pass, so it must be the same for the same object. One that gives something else each time is refused.
///
/// To a running job another outcome is another spec: it is upgraded to it.
pub trait Mutator: Send + Sync + 'static {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// Change the spec of a FlinkDeployment.
    fn deployment(&self, metadata: &ObjectMeta, spec: &mut FlinkDeploymentSpec) {
        let _ = (metadata, spec);
    }
}

/// An extension, and what it called itself when it was added.
struct Named<T: ?Sized> {
    name: String,
    it: Arc<T>,
}

impl<T: ?Sized> Clone for Named<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            it: Arc::clone(&self.it),
        }
    }
}

/// The validators and mutators of one operator, asked in the order in which they were added.
#[derive(Clone, Default)]
pub struct Rules {
    validators: Vec<Named<dyn Validator>>,
    mutators: Vec<Named<dyn Mutator>>,
}

impl Rules {
    /// One more validator.
    pub fn validate_with(&mut self, validator: impl Validator) {
        self.validators.push(Named {
            name: validator.name().to_owned(),
            it: Arc::new(validator),
        });
    }

    /// One more mutator.
    pub fn mutate_with(&mut self, mutator: impl Mutator) {
        self.mutators.push(Named {
            name: mutator.name().to_owned(),
            it: Arc::new(mutator),
        });
    }

    /// The object as the mutators leave it, and what is wrong with them.
    pub fn mutated<'a>(
        &self,
        object: &'a FlinkDeployment,
    ) -> (Cow<'a, FlinkDeployment>, Vec<Violation>) {
        let mut object = Cow::Borrowed(object);
        let mut violations = Vec::new();
        for Named { name, it } in &self.mutators {
            let change = || {
                let mut spec = object.spec.clone();
                it.deployment(&object.metadata, &mut spec);
                spec
            };
            match guarded("mutator", name, || (change(), change())) {
                Ok((spec, again)) if spec == again => {
                    if spec != object.spec {
                        object.to_mut().spec = spec;
                    }
                }
                Ok(_) => violations.push(Violation::new(
                    "spec",
                    format!("the mutator {name} gives another spec each time"),
                    "It must give the same one for the same object; correct it in the operator.",
                )),
                Err(violation) => violations.push(violation),
            }
        }
        (object, violations)
    }

    /// What the validators have against a snapshot that was not taken yet.
    pub fn snapshot_violations(&self, snapshot: &FlinkStateSnapshot) -> Vec<Violation> {
        let view = SnapshotView::of(snapshot);
        let asked = view.state == SnapshotState::TriggerPending
            && view.trigger == SnapshotTriggerType::Manual
            && !view.deleting;
        let ask = |Named { name, it }: &Named<dyn Validator>| {
            guarded("validator", name, || it.snapshot(snapshot))
                .unwrap_or_else(|violation| vec![violation])
        };
        let validators = self.validators.iter().filter(|_| asked);
        validators.flat_map(ask).collect()
    }

    /// What the validators have against it.
    pub fn violations(&self, asked: &Asked<'_>) -> Vec<Violation> {
        let ask = |Named { name, it }: &Named<dyn Validator>| {
            guarded("validator", name, || it.deployment(asked))
                .unwrap_or_else(|violation| vec![violation])
        };
        self.validators.iter().flat_map(ask).collect()
    }
}

/// What `call` gives; a panic in it is a violation.
fn guarded<T>(kind: &str, name: &str, call: impl FnOnce() -> T) -> Result<T, Violation> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let why = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".to_owned());
        Violation::new(
            "spec",
            format!("the {kind} {name} panicked: {why}"),
            "Until it is corrected in the operator, the job is left as it runs.",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicI32, Ordering};

    use flink_crds::FlinkDeploymentStatus;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::config::Defaults;
    use crate::domain::{Desired, Observed, Reason, Step, decide};

    fn object() -> FlinkDeployment {
        serde_json::from_value(json!({
            "metadata": {
                "name": "job", "namespace": "shop", "uid": "u", "generation": 1,
                "finalizers": [crate::domain::FINALIZER],
            },
            "spec": {
                "image": "flink:2.0", "flinkVersion": "v2_0", "serviceAccount": "flink",
                "jobManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
                "taskManager": { "resource": { "cpu": 1.0, "memory": "1g" } },
                "job": { "jarURI": "local:///job.jar", "parallelism": 2, "upgradeMode": "stateless" },
            },
        }))
        .unwrap()
    }

    struct OwnerNeeded;

    impl Validator for OwnerNeeded {
        fn name(&self) -> &'static str {
            "owner-needed"
        }

        fn deployment(&self, asked: &Asked<'_>) -> Vec<Violation> {
            let labels: BTreeMap<_, _> = asked.resource.metadata.labels.clone().unwrap_or_default();
            if labels.contains_key("owner") {
                return Vec::new();
            }
            let advice = "Name the team in it.";
            vec![Violation::new(
                "metadata.labels[owner]",
                "it is missing",
                advice,
            )]
        }
    }

    struct ByPeople;

    impl Validator for ByPeople {
        fn name(&self) -> &'static str {
            "by-people"
        }

        fn snapshot(&self, snapshot: &FlinkStateSnapshot) -> Vec<Violation> {
            assert!(snapshot.spec.checkpoint.is_none(), "no checkpoints here");
            vec![Violation::new("spec", "not today", "Ask tomorrow.")]
        }
    }

    #[test]
    fn a_validator_is_asked_of_what_people_want_and_before_it_is_taken() {
        let mut rules = Rules::default();
        rules.validate_with(ByPeople);
        let told = |trigger: &str, state: &str, what: &str| {
            let snapshot = serde_json::from_value(json!({
                "metadata": { "name": "one", "labels": { "snapshot.trigger-type": trigger } },
                "spec": { (what): {} },
                "status": { "state": state },
            }));
            let violations = rules.snapshot_violations(&snapshot.unwrap());
            let told = violations.iter().map(ToString::to_string);
            told.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            told("MANUAL", "TRIGGER_PENDING", "savepoint"),
            "spec: not today. Ask tomorrow."
        );
        let panicked = told("MANUAL", "TRIGGER_PENDING", "checkpoint");
        assert!(
            panicked.contains("by-people panicked: no checkpoints here"),
            "{panicked}"
        );
        assert_eq!(told("UPGRADE", "TRIGGER_PENDING", "savepoint"), "");
        assert_eq!(told("MANUAL", "COMPLETED", "savepoint"), "");
    }

    struct Parallel(AtomicI32, i32);

    impl Mutator for Parallel {
        fn name(&self) -> &'static str {
            "parallel"
        }

        fn deployment(&self, _: &ObjectMeta, spec: &mut FlinkDeploymentSpec) {
            let parallelism = self.0.fetch_add(self.1, Ordering::Relaxed);
            spec.job.get_or_insert_default().parallelism = Some(parallelism);
        }
    }

    struct Broken;

    impl Validator for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn deployment(&self, _: &Asked<'_>) -> Vec<Violation> {
            panic!("no such team")
        }
    }

    impl Mutator for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn deployment(&self, _: &ObjectMeta, spec: &mut FlinkDeploymentSpec) {
            spec.image = None;
            panic!("half done")
        }
    }

    fn desired(object: &FlinkDeployment, add: impl FnOnce(&mut Rules)) -> Desired {
        let mut rules = Rules::default();
        add(&mut rules);
        Desired::under(object, &Defaults::builtin(), &rules)
    }

    #[test]
    fn a_validator_refuses_with_place_and_advice_and_nothing_is_deployed() {
        let desired = desired(&object(), |rules| rules.validate_with(OwnerNeeded));
        let status = FlinkDeploymentStatus::default();
        let plan = decide(&desired, &status, &Observed::nothing(Timestamp::UNIX_EPOCH));
        assert_eq!(plan.events[0].reason, Reason::ValidationError);
        assert_eq!(
            plan.events[0].message,
            "metadata.labels[owner]: it is missing. Name the team in it."
        );
        assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    }

    #[test]
    fn a_validator_that_is_content_changes_nothing() {
        let mut object = object();
        object.metadata.labels = Some(BTreeMap::from([("owner".to_owned(), "data".to_owned())]));
        let desired = desired(&object, |rules| rules.validate_with(OwnerNeeded));
        assert_eq!(desired.violations, []);
    }

    #[test]
    fn what_a_mutator_changes_is_deployed_and_the_object_stays_as_the_user_wrote_it() {
        let object = object();
        let desired = desired(&object, |rules| {
            rules.mutate_with(Parallel(AtomicI32::new(7), 0));
        });
        let status = FlinkDeploymentStatus::default();
        let first = decide(&desired, &status, &Observed::nothing(Timestamp::UNIX_EPOCH));
        let second = decide(
            &desired,
            &first.status,
            &Observed::nothing(Timestamp::UNIX_EPOCH),
        );
        let deployed = second.steps.iter().find_map(|step| match step {
            Step::Deploy(deployment) => deployment.spec.job.clone(),
            _ => None,
        });
        assert_eq!(deployed.and_then(|job| job.parallelism), Some(7));
        assert_eq!(object.spec.job.unwrap().parallelism, Some(2));
    }

    #[test]
    fn a_mutator_that_changes_its_mind_is_refused_and_the_spec_left_alone() {
        let desired = desired(&object(), |rules| {
            rules.mutate_with(Parallel(AtomicI32::new(1), 1));
        });
        let text = desired.violation_text().unwrap();
        assert!(
            text.contains("the mutator parallel gives another"),
            "{text}"
        );
        assert_eq!(desired.spec, object().spec);
    }

    #[test]
    fn a_panic_in_an_extension_is_a_violation_and_the_others_are_still_asked() {
        let desired = desired(&object(), |rules| {
            rules.mutate_with(Broken);
            rules.validate_with(Broken);
            rules.validate_with(OwnerNeeded);
        });
        let texts: Vec<String> = desired.violations.iter().map(ToString::to_string).collect();
        let advice = "Until it is corrected in the operator, the job is left as it runs.";
        assert_eq!(
            texts,
            [
                format!("spec: the mutator broken panicked: half done. {advice}"),
                format!("spec: the validator broken panicked: no such team. {advice}"),
                "metadata.labels[owner]: it is missing. Name the team in it.".to_owned(),
            ]
        );
        assert_eq!(desired.spec.image.as_deref(), Some("flink:2.0"));
    }
}
