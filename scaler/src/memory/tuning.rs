//! From what was used to what is configured.
//!
//! The rule: the pools are served in a fixed order from the budget of the user's spec, each with what is
//! left at most, so the whole never exceeds it. Tests are in `tests/it/vectors_memory.rs` and
//! `tests/it/memory.rs`.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{TaskManagerSpec, network_bytes};
use crate::{
    estimate::mean,
    sample::MemoryReading,
    settings::{Bytes, Profile, Settings, Value},
    topology::{Topology, VertexId},
    window::Window,
};

/// What the fullest TaskManager used, in bytes, averaged over [`metrics_window`](Settings::metrics_window).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Heap.
    pub heap: f64,
    /// Managed memory.
    pub managed: f64,
    /// Metaspace.
    pub metaspace: f64,
    /// Slots of the cluster that are in use.
    pub slots: u32,
}

impl Usage {
    /// From the readings of a window; `None` if they do not reach back far enough, or a pool was never read.
    pub fn of(window: &Window, settings: &Settings) -> Option<Self> {
        let whole =
            SignedDuration::try_from(settings.metrics_window).unwrap_or(SignedDuration::MAX);
        let latest = window.latest()?;
        let since = window
            .samples()
            .find(|sample| sample.memory.heap.is_some())?
            .at;
        if latest.at.duration_since(since) < whole {
            return None;
        }
        let used = |pool: fn(&MemoryReading) -> Option<f64>| {
            mean(window.samples().filter_map(|sample| pool(&sample.memory)))
        };
        Some(Self {
            heap: used(|memory| memory.heap)?,
            managed: used(|memory| memory.managed)?,
            metaspace: used(|memory| memory.metaspace)?,
            slots: window
                .samples()
                .rev()
                .find_map(|sample| sample.slots_total?.checked_sub(sample.slots_available?))?,
        })
    }
}

/// A change of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Keys to set.
    pub overrides: BTreeMap<String, String>,
    /// Keys to take out, since they would contradict.
    pub removals: Vec<&'static str>,
}

/// Keys that fix what is derived by tuning; they are taken out.
pub const REMOVED: [&str; 4] = [
    "taskmanager.memory.flink.size",
    "taskmanager.memory.task.heap.size",
    "taskmanager.memory.managed.size",
    "taskmanager.memory.size",
];

/// Network buffers, the most of them.
const NETWORK: &str = "taskmanager.memory.network.max";

/// Sizes that a tuned TaskManager has no more of.
const SIZES: [&str; 3] = [
    "taskmanager.memory.process.size",
    NETWORK,
    "taskmanager.memory.jvm-metaspace.size",
];

/// What remains of the user's spec.
struct Budget(u64);

impl Budget {
    fn take(&mut self, wanted: u64) -> u64 {
        let taken = wanted.min(self.0);
        self.0 -= taken;
        taken
    }

    fn whole(&mut self, wanted: u64) -> Option<u64> {
        (self.take(wanted) == wanted).then_some(wanted)
    }
}

/// The memory a TaskManager shall have after a rescale to `targets`; `None` if it is to stay as it is.
///
/// From the process size of the spec go off, unchanged, off-heap memory and the JVM's overhead; then network
/// buffers, metaspace and heap as used plus `memory.tuning.overhead`, and managed memory. What is left is
/// saved, or becomes managed memory. Fewer TaskManagers share the same state, so the heap grows with their
/// number before over after.
///
/// With profile `apache` managed memory that is not used goes, and pools that do not fit are cut. With
/// `adaptive` it stays as configured: a state backend uses it without reporting, or only later. Where network,
/// metaspace or heap do not fit, nothing is tuned, since such a process may not start.
pub fn tune(
    settings: &Settings,
    spec: &TaskManagerSpec,
    usage: &Usage,
    topology: &Topology<'_>,
    targets: &BTreeMap<VertexId, u32>,
) -> Option<Tuning> {
    let strict = settings.profile == Profile::Adaptive;
    let wanted = |used: f64| bytes(used * (1.0 + settings.memory_tuning_overhead));
    let (metaspace, heap) = (wanted(usage.metaspace)?, wanted(usage.heap)?);
    let used_managed = bytes(usage.managed)?;
    if strict && (metaspace == 0 || heap == 0) {
        return None;
    }
    let mut budget = Budget(spec.process);
    let mut take = |size: u64| {
        if strict {
            budget.whole(size)
        } else {
            Some(budget.take(size))
        }
    };
    for fixed in [
        spec.framework_off_heap,
        spec.task_off_heap,
        spec.jvm_overhead,
    ] {
        take(fixed)?;
    }
    let network = take(network_bytes(topology, targets, spec))?;
    let metaspace = take(metaspace)?;
    let heap = take(heap)?;
    let managed = if used_managed == 0 && !strict {
        0
    } else if settings.memory_tuning_maximize_managed {
        budget.take(u64::MAX)
    } else {
        budget.take(spec.managed)
    };
    let heap_after = if settings.memory_tuning_compensation {
        compensated(heap, (usage.slots, after(topology, targets, usage)), spec)
    } else {
        heap
    };
    budget.take(heap_after.saturating_sub(heap));
    let total = spec.process - budget.0;
    let flink = total
        .checked_sub(spec.jvm_overhead)?
        .checked_sub(metaspace)?;
    if flink == 0 {
        return None;
    }
    let key = |suffix: &str| format!("taskmanager.memory.{suffix}");
    let overrides = [
        (key("process.size"), text(total)),
        (key("managed.fraction"), fraction(managed, flink)),
        (key("network.min"), text(network)),
        (key("network.max"), text(network)),
        (key("jvm-metaspace.size"), text(metaspace)),
        (
            key("jvm-overhead.fraction"),
            fraction(spec.jvm_overhead, total),
        ),
        (key("framework.heap.size"), text(0)),
    ];
    Some(Tuning {
        overrides: overrides.into(),
        removals: REMOVED.to_vec(),
    })
}

/// The heap times TaskManagers before over after, never less: 10 GB with 20 TaskManagers are 20 GB with 10.
/// `slots` are those in use before and after.
pub fn compensated(heap: u64, slots: (u32, u32), spec: &TaskManagerSpec) -> u64 {
    let hosts = |slots: u32| u128::from(slots.div_ceil(spec.slots.max(1)));
    let (before, after) = (hosts(slots.0), hosts(slots.1).max(1));
    let scaled = u128::from(heap) * before.max(after) / after;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn after(topology: &Topology<'_>, targets: &BTreeMap<VertexId, u32>, usage: &Usage) -> u32 {
    let pairs = topology.vertices().iter().map(|vertex| {
        let target = targets.get(&vertex.id).copied();
        (vertex.parallelism, target.unwrap_or(vertex.parallelism))
    });
    slots_after(usage.slots, pairs)
}

/// Slots after a rescale, from the slots in use and the parallelism of every vertex before and after. When
/// as many slots are in use as the largest vertex has subtasks, all vertices share them and the largest
/// counts; otherwise the sum does, which is never too few.
pub fn slots_after(used: u32, vertices: impl IntoIterator<Item = (u32, u32)>) -> u32 {
    let (mut largest, mut largest_after, mut sum) = (0, 0, 0u32);
    for (before, after) in vertices {
        largest = largest.max(before);
        largest_after = largest_after.max(after);
        sum = sum.saturating_add(after);
    }
    if largest == used { largest_after } else { sum }
}

/// Whether memory that was tuned before is too small for a rescale: for what is `wanted` now, or, where that is
/// not known, for the bytes of `network` buffers without which no task starts. What is not tuned is as large
/// as the spec has it, and never too small.
pub fn outgrown(present: &BTreeMap<String, String>, wanted: Option<&Tuning>, network: u64) -> bool {
    let pool = |of: &BTreeMap<String, String>, key: &str| Some(Bytes::parse(of.get(key)?)?.0);
    SIZES.iter().any(|key| {
        let Some(has) = pool(present, key) else {
            return false;
        };
        match wanted {
            Some(tuning) => pool(&tuning.overrides, key).is_some_and(|needs| needs > has),
            None => *key == NETWORK && network > has,
        }
    })
}

/// A share with three digits, rounded up so that the pool is not smaller than reckoned.
fn fraction(part: u64, whole: u64) -> String {
    let thousandths = (u128::from(part) * 1000).div_ceil(u128::from(whole.max(1)));
    let (ones, rest) = (thousandths / 1000, thousandths % 1000);
    let digits = format!("{rest:03}");
    let digits = digits.trim_end_matches('0');
    format!("{ones}.{}", if digits.is_empty() { "0" } else { digits })
}

/// A size in the largest unit in which it is whole, as Flink writes it: `13760 kb`.
fn text(bytes: u64) -> String {
    let units = [
        (1u64 << 40, "tb"),
        (1 << 30, "gb"),
        (1 << 20, "mb"),
        (1 << 10, "kb"),
    ];
    let whole = |(size, _): &&(u64, &str)| bytes > 0 && bytes.is_multiple_of(*size);
    match units.iter().find(whole) {
        Some((size, unit)) => format!("{} {unit}", bytes / size),
        None => format!("{bytes} bytes"),
    }
}

/// Whole bytes of a reading; `None` for what is no size.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stays within the range of the integer"
)]
fn bytes(value: f64) -> Option<u64> {
    (value.is_finite() && value >= 0.0).then_some(value as u64)
}
