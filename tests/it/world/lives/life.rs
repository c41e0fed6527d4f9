//! A life: what a person and the world do to one resource, and what goes wrong meanwhile. Chosen by a seed,
//! written as JSON.

use flink_crds::UpgradeMode;
use flink_sim::api::Fault;
use flink_sim::random::Random;
use serde::{Deserialize, Serialize};

/// One life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Where all identities and chances in it come from.
    pub seed: u64,
    /// What is created first.
    pub born: Born,
    /// What happens then, in this order.
    pub steps: Vec<Step>,
    /// In the end it is deleted.
    pub dies: bool,
}

/// A resource as it is created.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Born {
    /// How it is upgraded.
    pub mode: UpgradeMode,
    /// Flink 2 rather than 1.20.
    pub modern: bool,
    /// It can be scaled in place.
    pub adaptive: bool,
    /// Snapshots are entries of the status, not resources.
    pub legacy: bool,
}

/// Something that happens, and the time after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What happens.
    pub deed: Deed,
    /// Seconds until the next.
    pub wait: u64,
    /// What goes wrong in that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
}

/// What a person or the world does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Nothing; time passes.
    Nothing,
    /// Another parallelism.
    Parallelism(u32),
    /// Another way to upgrade.
    Mode(UpgradeMode),
    /// Another configuration of the TaskManagers.
    Slots(u32),
    /// `kubectl scale`.
    Scale(u32),
    /// `job.state: suspended`.
    Suspend,
    /// `job.state: running`.
    Resume,
    /// A new `restartNonce`.
    Restart,
    /// A new `savepointTriggerNonce`.
    SavepointNonce,
    /// A new `checkpointTriggerNonce`.
    CheckpointNonce,
    /// A FlinkStateSnapshot is created.
    Take,
    /// The oldest FlinkStateSnapshot is deleted.
    Drop,
    /// Savepoints every half minute, or no longer.
    Periodic(bool),
    /// An image that cannot be pulled.
    BrokenImage,
    /// The image that can.
    GoodImage,
    /// A spec that is refused.
    Nonsense,
    /// The last spec that was not nonsense.
    Sense,
    /// The resource is deleted.
    Delete,
    /// It is created again, if it is gone.
    Create,
    /// The job throws and restarts.
    JobThrows,
    /// The job throws for good.
    JobFails,
    /// The JobManager's pod is gone.
    KillJobManager,
    /// Somebody deletes the JobManager's Deployment.
    DeleteDeployment,
    /// Savepoints fail, or no longer.
    SavepointsFail(bool),
    /// Pods take this many seconds to start.
    SlowPods(u32),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// This call, or the first after it that can, meets a fault.
    Fault(u64, Fault),
    /// The process dies right after this many writes.
    Death(u64),
    /// The watch shows the resource as it was before.
    Lag,
}

impl Life {
    /// The life of this seed.
    pub fn of(seed: u64) -> Self {
        let random = &mut Random::new(seed ^ 0x11fe);
        let modes = if random.per_mille(150) {
            &MODES[..]
        } else {
            &MODES[..2]
        };
        let born = Born {
            mode: *pick(random, modes),
            modern: random.per_mille(400),
            adaptive: random.per_mille(300),
            legacy: random.per_mille(200),
        };
        let mut steps = vec![step(random, Deed::Nothing)];
        for _ in 0..=random.below(4) {
            let deed = deed(random, modes);
            steps.push(step(random, deed));
        }
        Self {
            seed,
            born,
            steps,
            dies: random.per_mille(200),
        }
    }

    /// Whether state may be given up in it.
    pub fn forgets(&self) -> bool {
        let stateless = |step: &Step| step.deed == Deed::Mode(UpgradeMode::Stateless);
        self.born.mode == UpgradeMode::Stateless || self.steps.iter().any(stateless)
    }

    /// The same with a little less in it, most first.
    pub fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let with = |change: &dyn Fn(&mut Self)| {
            let mut life = self.clone();
            change(&mut life);
            life
        };
        for at in (0..self.steps.len()).rev() {
            all.push(with(&|life| {
                life.steps.remove(at);
            }));
        }
        for (at, step) in self.steps.iter().enumerate() {
            for trouble in (0..step.troubles.len()).rev() {
                all.push(with(&|life| {
                    life.steps[at].troubles.remove(trouble);
                }));
            }
            if step.wait > 0 {
                all.push(with(&|life| life.steps[at].wait /= 2));
            }
        }
        let plain = Born {
            mode: self.born.mode,
            modern: false,
            adaptive: false,
            legacy: false,
        };
        all.push(with(&|life| life.born = plain));
        all.push(with(&|life| life.born.modern = false));
        all.push(with(&|life| life.born.adaptive = false));
        all.push(with(&|life| life.born.legacy = false));
        all.push(with(&|life| life.dies = false));
        all.retain(|life| life != self);
        all
    }
}

const MODES: [UpgradeMode; 3] = [
    UpgradeMode::Savepoint,
    UpgradeMode::LastState,
    UpgradeMode::Stateless,
];

fn pick<'a, T>(random: &mut Random, all: &'a [T]) -> &'a T {
    let at = random.below(all.len() as u64);
    &all[usize::try_from(at).unwrap()]
}

fn below(random: &mut Random, bound: u64) -> u32 {
    u32::try_from(random.below(bound)).unwrap()
}

fn deed(random: &mut Random, modes: &[UpgradeMode]) -> Deed {
    match random.below(28) {
        0..4 => Deed::Parallelism(1 + below(random, 4)),
        4 | 5 => Deed::Mode(*pick(random, modes)),
        6 => Deed::Slots(1 + below(random, 3)),
        7 => Deed::Scale(1 + below(random, 3)),
        8 | 9 => Deed::Suspend,
        10 | 11 => Deed::Resume,
        12 => Deed::Restart,
        13 | 14 => Deed::SavepointNonce,
        15 => Deed::CheckpointNonce,
        16 => Deed::Take,
        17 => Deed::Drop,
        18 => Deed::Periodic(random.per_mille(700)),
        19 => *pick(random, &[Deed::BrokenImage, Deed::GoodImage]),
        20 => *pick(random, &[Deed::Nonsense, Deed::Sense]),
        21 => Deed::Delete,
        22 => Deed::Create,
        23 => Deed::JobThrows,
        24 => *pick(random, &[Deed::JobFails, Deed::DeleteDeployment]),
        25 => Deed::KillJobManager,
        26 => Deed::SavepointsFail(random.per_mille(700)),
        _ => Deed::SlowPods(1 + below(random, 60)),
    }
}

fn step(random: &mut Random, deed: Deed) -> Step {
    let wait = match random.below(10) {
        0..3 => random.below(4),
        3..8 => random.below(20),
        _ => random.below(90),
    };
    let mut troubles = Vec::new();
    for _ in 0..random.below(4) {
        troubles.push(trouble(random));
    }
    Step {
        deed,
        wait,
        troubles,
    }
}

fn trouble(random: &mut Random) -> Trouble {
    const FAULTS: [Fault; 8] = [
        Fault::Error,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Conflict,
        Fault::Stale,
        Fault::Unreachable,
        Fault::Overtaken,
        Fault::Overtaken,
    ];
    match random.below(8) {
        0 => Trouble::Lag,
        1 | 2 => Trouble::Death(1 + random.below(6)),
        _ => Trouble::Fault(random.below(40), *pick(random, &FAULTS)),
    }
}
