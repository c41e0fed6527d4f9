//! The memory of a TaskManager as the user's configuration has it.
//!
//! The rule: Flink's keys, defaults and rounding; a configuration without the size of the process, or with a
//! value that cannot be read, is unknown. Tests are in `tests/it/memory.rs`.

use std::collections::BTreeMap;

use crate::settings::{Bytes, Value};

const MIB: u64 = 1 << 20;

/// The sizes tuning works with, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskManagerSpec {
    /// All memory of the process.
    pub process: u64,
    /// Off-heap memory of Flink itself.
    pub framework_off_heap: u64,
    /// Off-heap memory of the job's code.
    pub task_off_heap: u64,
    /// What the JVM needs beside heap and metaspace.
    pub jvm_overhead: u64,
    /// Managed memory: state backends, sorting, Python.
    pub managed: u64,
    /// Slots.
    pub slots: u32,
    /// A network buffer.
    pub segment: u64,
    /// Network buffers of every channel.
    pub buffers_per_channel: u32,
    /// Network buffers that the channels of a gate share.
    pub floating_buffers: u32,
}

impl TaskManagerSpec {
    /// Reads the sizes from a flat Flink configuration; `None` if the size of the process is not set, if a
    /// value is none, or if the parts do not fit into the whole.
    pub fn of(config: &BTreeMap<String, String>) -> Option<Self> {
        let memory = |key: &str| format!("taskmanager.memory.{key}");
        let bytes = |key: &str, default: u64| read(config, &memory(key), Bytes(default));
        let count = |key: &str, default: u32| read(config, key, default);
        let share = |key: &str, default: f64| read(config, &memory(key), default);
        let process = Bytes::parse(config.get(&memory("process.size"))?)?.0;
        let least = bytes("jvm-overhead.min", 192 * MIB)?.0;
        let most = bytes("jvm-overhead.max", 1024 * MIB)?.0;
        let jvm_overhead = part(process, share("jvm-overhead.fraction", 0.1)?)?
            .max(least)
            .min(most.max(least));
        let metaspace = bytes("jvm-metaspace.size", 256 * MIB)?.0;
        let flink = process.checked_sub(jvm_overhead)?.checked_sub(metaspace)?;
        let managed = match config.get(&memory("managed.size")) {
            Some(text) => Bytes::parse(text)?.0,
            None => part(flink, share("managed.fraction", 0.4)?)?,
        };
        Some(Self {
            process,
            framework_off_heap: bytes("framework.off-heap.size", 128 * MIB)?.0,
            task_off_heap: bytes("task.off-heap.size", 0)?.0,
            jvm_overhead,
            managed,
            slots: count("taskmanager.numberOfTaskSlots", 1)?.max(1),
            segment: bytes("segment-size", 32 << 10)?.0,
            buffers_per_channel: count("taskmanager.network.memory.buffers-per-channel", 2)?,
            floating_buffers: count("taskmanager.network.memory.floating-buffers-per-gate", 8)?,
        })
    }
}

fn read<T: Value>(config: &BTreeMap<String, String>, key: &str, default: T) -> Option<T> {
    config.get(key).map_or(Some(default), |text| T::parse(text))
}

/// A share of a size. Flink holds shares in single precision, and 0.4 of 30 GB is 184 bytes more that way.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a cast of a float stays within the range; sizes are below 2^53"
)]
fn part(whole: u64, share: f64) -> Option<u64> {
    (0.0..=1.0)
        .contains(&share)
        .then(|| (whole as f64 * f64::from(share as f32)) as u64)
}
