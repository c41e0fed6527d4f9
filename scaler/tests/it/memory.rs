//! Memory tuning with profile `adaptive`: what it must never do.

use std::collections::BTreeMap;

use flink_scaler::{
    MemoryReading, Sample, Settings, Window,
    memory::{TaskManagerSpec, Tuning, Usage, outgrown, tune},
};

use crate::{
    support::{at, id},
    vectors_memory::{graph, spec},
};

const MIB: f64 = 1_048_576.0;

fn tuned(usage: Usage, size: &str) -> Option<Tuning> {
    let settings = Settings {
        memory_tuning_enabled: true,
        ..Settings::default()
    };
    let graph = graph(4);
    let targets = BTreeMap::from([(id("a"), 8), (id("b"), 8)]);
    tune(
        &settings,
        &spec(size, 2),
        &usage,
        &graph.topology().unwrap(),
        &targets,
    )
}

fn usage() -> Usage {
    Usage {
        heap: 500.0 * MIB,
        managed: 0.0,
        metaspace: 100.0 * MIB,
        slots: 4,
    }
}

#[test]
fn managed_memory_stays_as_configured_when_no_backend_reports_any() {
    let tuning = tuned(usage(), "4 gb").unwrap();
    assert_ne!(
        tuning.overrides["taskmanager.memory.managed.fraction"],
        "0.0"
    );
}

#[test]
fn what_does_not_fit_is_not_cut_but_left_alone() {
    let larger = |heap: f64, metaspace: f64| Usage {
        heap: heap * MIB,
        metaspace: metaspace * MIB,
        ..usage()
    };
    assert!(tuned(usage(), "4 gb").is_some());
    assert_eq!(tuned(larger(3900.0, 100.0), "4 gb"), None);
    assert_eq!(tuned(larger(500.0, 3900.0), "4 gb"), None);
}

#[test]
fn readings_that_are_no_sizes_tune_nothing() {
    let heap = |heap| Usage { heap, ..usage() };
    let metaspace = |metaspace| Usage {
        metaspace,
        ..usage()
    };
    for odd in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        assert_eq!(tuned(heap(odd), "4 gb"), None);
        assert_eq!(tuned(metaspace(odd), "4 gb"), None);
    }
    let managed = Usage {
        managed: f64::NAN,
        ..usage()
    };
    assert_eq!(tuned(managed, "4 gb"), None);
}

#[test]
fn a_configuration_that_cannot_be_read_is_no_budget() {
    let of = |pairs: &[(&str, &str)]| {
        let own = |(key, value): &(&str, &str)| {
            (format!("taskmanager.memory.{key}"), (*value).to_owned())
        };
        TaskManagerSpec::of(&pairs.iter().map(own).collect())
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[("process.size", "much")]), None);
    assert_eq!(of(&[("process.size", "100 mb")]), None);
    assert_eq!(
        of(&[("process.size", "4 gb"), ("managed.fraction", "2")]),
        None
    );
    let fixed = of(&[("process.size", "4 gb"), ("managed.size", "1 gb")]);
    assert_eq!(fixed.unwrap().managed, 1 << 30);
}

/// A sample each minute, with 100 MiB of each pool in the first, a mebibyte more in each later one.
fn minutes(count: i32) -> Window {
    let mut window = Window::for_settings(&Settings::default());
    for minute in 0..count {
        let mut sample = Sample::at(at(i64::from(minute) * 60));
        let used = Some((100.0 + f64::from(minute)) * MIB);
        sample.memory = MemoryReading {
            heap: used,
            managed: used,
            metaspace: used,
        };
        (sample.slots_total, sample.slots_available) = (Some(8), Some(3));
        window.push(sample);
    }
    window
}

#[test]
fn usage_is_the_mean_of_a_full_window_and_unknown_before() {
    let settings = Settings::default();
    let usage = Usage::of(&minutes(16), &settings).unwrap();
    assert_eq!((usage.heap / MIB, usage.slots), (107.5, 5));
    assert_eq!(Usage::of(&minutes(15), &settings), None);
    assert_eq!(Usage::of(&minutes(0), &settings), None);
    // One look that saw no slots does not hide those of the look before.
    let mut window = minutes(16);
    window.push(Sample::at(at(16 * 60)));
    assert_eq!(
        Usage::of(&window, &settings).map(|usage| usage.slots),
        Some(5)
    );
}

#[test]
fn memory_tuned_for_less_is_outgrown_by_a_rescale_that_needs_more() {
    let small = tuned(usage(), "4 gb").unwrap();
    let larger = Usage {
        heap: 600.0 * MIB,
        ..usage()
    };
    let large = tuned(larger, "4 gb").unwrap();
    assert!(outgrown(&small.overrides, Some(&large), 0));
    assert!(!outgrown(&large.overrides, Some(&small), 0));
    // Where nothing can be reckoned but the network buffers, these decide.
    assert!(!outgrown(&small.overrides, None, 1));
    assert!(outgrown(&small.overrides, None, 1 << 30));
    // What the spec gives is enough for everything.
    assert!(!outgrown(&BTreeMap::new(), Some(&large), u64::MAX));
}
