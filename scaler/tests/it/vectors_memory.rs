//! Memory of TaskManagers with profile `apache`, by the rows of its published behaviour.

use std::collections::BTreeMap;

use flink_scaler::{
    JobGraph, Settings, ShipStrategy,
    memory::{TaskManagerSpec, Usage, compensated, segments, slots_after, tune},
};

use crate::support::{apache, id, vertex};

const MIB: f64 = 1_048_576.0;
const GIB: u64 = 1 << 30;

pub fn spec(size: &str, slots: u32) -> TaskManagerSpec {
    let config = BTreeMap::from([
        (
            "taskmanager.memory.process.size".to_owned(),
            size.to_owned(),
        ),
        (
            "taskmanager.numberOfTaskSlots".to_owned(),
            slots.to_string(),
        ),
    ]);
    TaskManagerSpec::of(&config).unwrap()
}

pub fn graph(parallelism: u32) -> JobGraph {
    JobGraph {
        vertices: vec![
            vertex("a", parallelism, ShipStrategy::Forward, &[]),
            vertex("b", parallelism, ShipStrategy::Rebalance, &["a"]),
        ],
    }
}

#[test]
fn e1_to_e5_a_gate_has_buffers_for_its_channels() {
    for (row, peer, ship, expected) in [
        ("E1", 10, ShipStrategy::Forward, 10),
        ("E2", 15, ShipStrategy::Forward, 12),
        ("E3", 15, ShipStrategy::Rescale, 12),
        ("E5", 15, ShipStrategy::Other, 38),
    ] {
        assert_eq!(
            segments(10, peer, ship, &spec("30 gb", 5)),
            expected,
            "{row}"
        );
    }
}

#[test]
fn e6_to_e10_every_pool_gets_what_it_used_and_head_room() {
    let usage = |heap: f64, managed: f64, metaspace: f64| Usage {
        heap,
        managed: managed * MIB,
        metaspace,
        slots: 50,
    };
    let usual = |managed| usage(5096.0 * MIB, managed, 100.0 * MIB);
    let with = |compensation, maximize| Settings {
        memory_tuning_enabled: true,
        memory_tuning_compensation: compensation,
        memory_tuning_maximize_managed: maximize,
        ..apache()
    };
    let full = usage(30_812_254_720.0, 0.0, 268_435_456.0);
    for (row, settings, usage, managed, metaspace, overhead, total) in [
        (
            "E6",
            with(false, false),
            usual(10_000.0),
            "0.654",
            "120 mb",
            "0.054",
            "20108162027 bytes",
        ),
        (
            "E7",
            with(false, true),
            usual(10_000.0),
            "0.789",
            "120 mb",
            "0.034",
            "30 gb",
        ),
        (
            "E9",
            with(true, false),
            usual(0.0),
            "0.0",
            "120 mb",
            "0.076",
            "14172382822 bytes",
        ),
        (
            "E10",
            with(true, false),
            full,
            "0.0",
            "322122547 bytes",
            "0.034",
            "30 gb",
        ),
    ] {
        let targets = BTreeMap::from([(id("a"), 25), (id("b"), 10)]);
        let graph = graph(50);
        let topology = graph.topology().unwrap();
        let tuning = tune(&settings, &spec("30 gb", 5), &usage, &topology, &targets).unwrap();
        let expected = [
            ("framework.heap.size", "0 bytes"),
            ("jvm-metaspace.size", metaspace),
            ("jvm-overhead.fraction", overhead),
            ("managed.fraction", managed),
            ("network.max", "13760 kb"),
            ("network.min", "13760 kb"),
            ("process.size", total),
        ]
        .map(|(key, value)| (format!("taskmanager.memory.{key}"), value.to_owned()));
        assert_eq!(tuning.overrides, BTreeMap::from(expected), "{row}");
        assert_eq!(
            tuning.removals,
            [
                "taskmanager.memory.flink.size",
                "taskmanager.memory.task.heap.size",
                "taskmanager.memory.managed.size",
                "taskmanager.memory.size",
            ],
            "{row}"
        );
    }
}

#[test]
fn e12_to_e14_fewer_task_managers_get_more_heap_each() {
    let spec = spec("30 gb", 1);
    for (row, slots, expected) in [("E12", (20, 10), 20), ("E13", (10, 20), 10)] {
        assert_eq!(compensated(10 * GIB, slots, &spec), expected * GIB, "{row}");
    }
}

#[test]
fn d28_to_d30_slots_after_a_rescale_follow_from_those_in_use() {
    for (row, used, expected) in [("D28", 3, 7), ("D29", 5, 10), ("D30", 4, 10)] {
        assert_eq!(slots_after(used, [(2, 7), (3, 3)]), expected, "{row}");
    }
}
