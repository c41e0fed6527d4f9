//! Whether the TaskManagers a rescale needs may be had: quotas, and room in the cluster.
//!
//! The rule: what is not known limits nothing; what limits is named. Profile `apache` refuses the whole rescale.
//! Profile `adaptive` takes the best that fits: all that grow, grow by the same share of what they want.
//! Tests are in `tests/it/quota.rs`.

use std::collections::BTreeMap;

use crate::{
    curve::Growth,
    memory::slots_after,
    reason::{Block, Limit, VertexReason},
    settings::{Profile, Settings},
    units::{float, whole},
    verdict::{TaskManagers, VertexVerdict},
};

/// Steps in which a share is looked for.
const STEPS: u32 = 1000;

/// Lets the vertices keep to the limits, or says what forbids the whole rescale.
pub(super) fn apply(
    settings: &Settings,
    hosts: Option<&TaskManagers>,
    vertices: &mut [VertexVerdict],
) -> Option<Block> {
    let hosts = hosts?;
    match settings.profile {
        Profile::Apache => refused(settings, hosts, vertices),
        Profile::Adaptive => fitted(settings, hosts, vertices),
    }
}

impl TaskManagers {
    /// How many of them a job needs whose vertices have these parallelisms.
    pub fn needed(
        &self,
        vertices: &[VertexVerdict],
        parallelism: impl Fn(&VertexVerdict) -> u32,
    ) -> u32 {
        let pairs = vertices.iter().map(|v| (v, parallelism(v)));
        slots_of(self, pairs).div_ceil(self.slots.max(1))
    }
}

/// One limit in TaskManagers, with what to say of it.
struct Ceiling {
    most: u32,
    what: &'static str,
    each: f64,
    allowed: f64,
}

impl Ceiling {
    fn of(what: &'static str, each: Option<f64>, allowed: Option<f64>) -> Option<Self> {
        let (each, allowed) = (each.filter(|each| *each > 0.0)?, allowed?);
        Some(Self {
            most: whole(allowed / each),
            what,
            each,
            allowed,
        })
    }

    fn block(&self, needed: u32) -> Block {
        Block::QuotaReached {
            what: self.what,
            needed: amount(self.what, self.each * f64::from(needed)),
            allowed: amount(self.what, self.allowed),
        }
    }
}

fn quotas(settings: &Settings, hosts: &TaskManagers) -> impl Iterator<Item = Ceiling> {
    let size = |bytes: Option<u64>| bytes.map(float);
    let quota = settings.quota_memory.map(|bytes| bytes.0);
    [
        Ceiling::of("CPU", hosts.cpu, settings.quota_cpu),
        Ceiling::of("memory", size(hosts.memory), size(quota)),
    ]
    .into_iter()
    .flatten()
}

/// The Java operator's check: only what changes counts, and a TaskManager that is not full counts for none.
fn refused(settings: &Settings, hosts: &TaskManagers, vertices: &[VertexVerdict]) -> Option<Block> {
    let slots = hosts.slots.max(1);
    if let (Some(room), Some(used)) = (hosts.room, hosts.slots_used) {
        let pairs = vertices.iter().map(|v| (v.current, v.target));
        let (before, after) = (
            used.div_ceil(slots),
            slots_after(used, pairs).div_ceil(slots),
        );
        if after.saturating_sub(before) > room {
            return Some(Block::ClusterFull {
                needed: after - before,
                room,
            });
        }
    }
    let changing = || vertices.iter().filter(|vertex| vertex.changes());
    let before = slots_of(hosts, changing().map(|v| (v, v.current))) / slots;
    let after = slots_of(hosts, changing().map(|v| (v, v.target))) / slots;
    if after <= before {
        return None;
    }
    let reached =
        quotas(settings, hosts).find(|quota| quota.each * f64::from(after) > quota.allowed);
    reached.map(|quota| quota.block(after))
}

/// Lowers what grows until it fits, by bisection on the share of its growth. 20 subtasks that should be 29, beside
/// 12 that stay, in 18 TaskManagers of two slots: 24. Alignment is given up for that.
fn fitted(
    settings: &Settings,
    hosts: &TaskManagers,
    vertices: &mut [VertexVerdict],
) -> Option<Block> {
    let present = hosts.needed(vertices, |vertex| vertex.current);
    let wanted = hosts.needed(vertices, |vertex| vertex.target);
    let quota = quotas(settings, hosts).min_by_key(|quota| quota.most);
    let cluster = hosts.room.map(|room| present.saturating_add(room));
    let most = quota.as_ref().map(|quota| quota.most);
    let most = most.into_iter().chain(cluster).min()?;
    // A job that is above its quota already may still shift what it has.
    let ceiling = most.max(present);
    if wanted <= ceiling {
        return None;
    }
    let fits = |steps: u32| hosts.needed(vertices, |vertex| partly(vertex, steps)) <= ceiling;
    let (mut good, mut bad) = (0, STEPS);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    if !vertices
        .iter()
        .any(|v| v.outside_band && partly(v, good) != v.current)
    {
        return Some(match quota.filter(|quota| quota.most <= most) {
            Some(quota) => quota.block(wanted),
            None => Block::ClusterFull {
                needed: wanted - present,
                room: hosts.room.unwrap_or_default(),
            },
        });
    }
    for vertex in vertices.iter_mut().filter(|v| v.target > v.current) {
        let target = partly(vertex, good);
        if target == vertex.target {
            continue;
        }
        vertex.target = target;
        let limit = Limit::TaskManagers(ceiling);
        vertex.limit = Some(limit);
        vertex.expected_rate = vertex
            .true_rate
            .map(|rate| Growth::EVEN.expected(rate, vertex.current, target));
        if !vertex.changes() {
            vertex.reason = VertexReason::AtLimit(limit);
        }
    }
    None
}

/// The target with only so many thousandths of its growth.
fn partly(vertex: &VertexVerdict, steps: u32) -> u32 {
    let growth = u64::from(vertex.target.saturating_sub(vertex.current));
    let part = growth * u64::from(steps) / u64::from(STEPS);
    let part = u32::try_from(part).unwrap_or(u32::MAX);
    if vertex.target > vertex.current {
        vertex.current.saturating_add(part)
    } else {
        vertex.target
    }
}

/// Slots for these parallelisms: vertices of a slot sharing group share them, so its largest counts. Vertices
/// of which the group is not known are of one, as is Flink's default.
fn slots_of<'v>(
    hosts: &'v TaskManagers,
    vertices: impl Iterator<Item = (&'v VertexVerdict, u32)>,
) -> u32 {
    let mut groups: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    for (vertex, parallelism) in vertices {
        let group = hosts.slot_groups.get(&vertex.id).map(String::as_str);
        let largest = groups.entry(group).or_default();
        *largest = parallelism.max(*largest);
    }
    groups.values().fold(0, |sum, n| sum.saturating_add(*n))
}

fn amount(what: &str, value: f64) -> String {
    if what == "memory" {
        format!("{:.1} GiB", value / float(1 << 30))
    } else {
        format!("{value}")
    }
}
