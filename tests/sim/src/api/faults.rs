//! Faults, chosen by a seed, or one by one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How likely each fault is, in thousandths of the calls it can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// Answer 500 without effect.
    pub error: u16,
    /// Hang and answer 504, without effect.
    pub timeout_before: u16,
    /// Do it, then hang and answer 504.
    pub timeout_after: u16,
    /// Answer 409 to a change of an existing object, without effect.
    pub conflict: u16,
    /// Serve a list that may be old (`resourceVersion=0`) as it was some changes ago.
    pub stale_list: u16,
    /// Close a watch in place of sending an event.
    pub dropped_watch: u16,
    /// A request to Flink gets 503 from the proxy.
    pub flink_unreachable: u16,
    /// A request to Flink gets 500 from Flink.
    pub flink_error: u16,
    /// A request to Flink hangs, without effect.
    pub flink_timeout_before: u16,
    /// A request to Flink takes effect and then hangs.
    pub flink_timeout_after: u16,
    /// How long a hanging call hangs.
    pub hang: Duration,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        error: 0,
        timeout_before: 0,
        timeout_after: 0,
        conflict: 0,
        stale_list: 0,
        dropped_watch: 0,
        flink_unreachable: 0,
        flink_error: 0,
        flink_timeout_before: 0,
        flink_timeout_after: 0,
        hang: Duration::from_mins(1),
    };

    /// Everything goes wrong now and then.
    pub const ROUGH: Self = Self {
        error: 20,
        timeout_before: 10,
        timeout_after: 20,
        conflict: 20,
        stale_list: 300,
        dropped_watch: 30,
        flink_unreachable: 30,
        flink_error: 20,
        flink_timeout_before: 15,
        flink_timeout_after: 25,
        hang: Duration::from_mins(1),
    };
}

/// What one call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Nothing.
    None,
    /// 500 without effect.
    Error,
    /// Flink cannot be reached.
    Unreachable,
    /// It hangs, without effect.
    TimeoutBefore,
    /// It takes effect and then hangs.
    TimeoutAfter,
    /// 409 to a change of an existing object, without effect.
    Conflict,
    /// An old list.
    Stale,
    /// Somebody else writes the object just before this change of it.
    Overtaken,
}

/// A call of a client, as far as faults are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Of the API server itself.
    Api {
        changes_existing: bool,
        may_be_old: bool,
    },
    /// Of Flink, through the proxy.
    Flink,
}

impl Call {
    fn can_meet(self, fault: Fault) -> bool {
        match fault {
            Fault::None => false,
            Fault::Error | Fault::TimeoutBefore | Fault::TimeoutAfter => true,
            Fault::Unreachable => self == Self::Flink,
            Fault::Conflict | Fault::Overtaken => matches!(
                self,
                Self::Api {
                    changes_existing: true,
                    ..
                }
            ),
            Fault::Stale => matches!(
                self,
                Self::Api {
                    may_be_old: true,
                    ..
                }
            ),
        }
    }
}

/// The faults still to come.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) plan: FaultPlan,
    random: Random,
    /// Calls so far.
    calls: u64,
    /// Faults by the number of the first call that may meet them; each is met once.
    script: Vec<(u64, Fault)>,
    /// Faults met so far.
    pub(super) met: u64,
}

impl Faults {
    pub(super) fn new(seed: u64, plan: FaultPlan) -> Self {
        Self {
            plan,
            random: Random::new(seed),
            calls: 0,
            script: Vec::new(),
            met: 0,
        }
    }

    /// Exactly these; `seed` decides how old an old list is.
    pub(super) fn scripted(seed: u64, script: Vec<(u64, Fault)>) -> Self {
        Self {
            script,
            ..Self::new(seed, FaultPlan::NONE)
        }
    }

    /// What this call meets.
    pub(super) fn of(&mut self, call: Call) -> Fault {
        let number = self.calls;
        self.calls += 1;
        let due = |(from, fault): &(u64, Fault)| *from <= number && call.can_meet(*fault);
        if let Some(found) = self.script.iter().position(due) {
            self.met += 1;
            return self.script.remove(found).1;
        }
        let plan = self.plan;
        let chances: &[(u16, Fault)] = match call {
            Call::Api { .. } => &[
                (plan.error, Fault::Error),
                (plan.timeout_before, Fault::TimeoutBefore),
                (plan.timeout_after, Fault::TimeoutAfter),
                (plan.conflict, Fault::Conflict),
                (plan.stale_list, Fault::Stale),
            ],
            Call::Flink => &[
                (plan.flink_unreachable, Fault::Unreachable),
                (plan.flink_error, Fault::Error),
                (plan.flink_timeout_before, Fault::TimeoutBefore),
                (plan.flink_timeout_after, Fault::TimeoutAfter),
            ],
        };
        for &(chance, fault) in chances {
            let chance = if call.can_meet(fault) { chance } else { 0 };
            if self.random.per_mille(chance) {
                self.met += 1;
                return fault;
            }
        }
        Fault::None
    }

    /// For a watch that is being opened: after how many events it is dropped.
    pub(super) fn of_watch(&mut self) -> Option<u64> {
        let chance = self.plan.dropped_watch;
        (chance > 0).then(|| self.random.below(2000 / u64::from(chance) + 1))
    }

    /// How many changes an old list lacks.
    pub(super) fn staleness(&mut self) -> u64 {
        self.random.below(20) + 1
    }
}
