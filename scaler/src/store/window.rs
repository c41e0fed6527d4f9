//! The stored form of the window, version 1: ids once, then numbers in a fixed order, rounded to
//! thousandths. A ConfigMap holds a mebibyte, so a window can be told how long its text may get.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Ignored, Restored,
    history::{read, vertex},
};
use crate::{
    sample::{MemoryReading, Sample, VertexReading},
    topology::VertexId,
    window::Window,
};

const VERSION: u32 = 1;

/// Numbers of one reading.
const FIELDS: usize = 14;

#[derive(Serialize, Deserialize)]
struct StoredWindow {
    version: u32,
    vertices: Vec<String>,
    samples: Vec<StoredSample>,
}

/// One sample. `r` has a reading for each vertex of the window, `null` where it has none.
#[derive(Serialize, Deserialize)]
struct StoredSample {
    at: Timestamp,
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slots: Option<(Option<u32>, Option<u32>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<(Option<f64>, Option<f64>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<[Option<f64>; 3]>,
    r: Vec<Option<Vec<Option<f64>>>>,
}

/// The window as JSON of at most `limit` bytes; older samples are thinned until it fits. Empty if not
/// even a few samples do.
pub fn window_to_json(window: &Window, limit: usize) -> String {
    let mut window = window.clone();
    loop {
        let text = to_json(&window);
        if text.len() <= limit {
            return text;
        }
        if window.len() < 4 {
            return String::new();
        }
        window.thin();
    }
}

fn to_json(window: &Window) -> String {
    let ids: std::collections::BTreeSet<&VertexId> =
        window.samples().flat_map(|s| s.vertices.keys()).collect();
    let stored = StoredWindow {
        version: VERSION,
        vertices: ids.iter().map(ToString::to_string).collect(),
        samples: window.samples().map(|s| store(s, &ids)).collect(),
    };
    // Texts and finite numbers always serialize.
    serde_json::to_string(&stored).unwrap_or_default()
}

fn store(sample: &Sample, ids: &std::collections::BTreeSet<&VertexId>) -> StoredSample {
    let slots = (sample.slots_total, sample.slots_available);
    let memory = (
        sample.heap_used_ratio.and_then(rounded),
        sample.gc_ms_per_s.and_then(rounded),
    );
    let MemoryReading {
        heap,
        managed,
        metaspace,
    } = sample.memory;
    let used = [heap, managed, metaspace].map(|pool| pool.and_then(rounded));
    StoredSample {
        at: sample.at,
        since: sample.job_running_since,
        slots: (slots != (None, None)).then_some(slots),
        memory: (memory != (None, None)).then_some(memory),
        used: (used != [None; 3]).then_some(used),
        r: ids
            .iter()
            .map(|id| sample.vertices.get(*id).map(numbers))
            .collect(),
    }
}

/// `None` for what JSON cannot say; such a reading would not be used anyway.
fn rounded(value: f64) -> Option<f64> {
    let scaled = value * 1000.0;
    match (value.is_finite(), scaled.is_finite()) {
        (true, true) => Some(scaled.round() / 1000.0),
        (true, false) => Some(value),
        _ => None,
    }
}

fn numbers(reading: &VertexReading) -> Vec<Option<f64>> {
    // Every field is named: a new one does not compile until it has a place.
    let VertexReading {
        parallelism,
        records_in,
        records_out,
        busy_ms_per_s,
        busy_avg_ms_per_s,
        busy_min_ms_per_s,
        accumulated_busy_ms,
        backpressured_ms_per_s,
        accumulated_backpressured_ms,
        idle_ms_per_s,
        accumulated_idle_ms,
        pending_records,
        records_in_per_second,
        partitions,
    } = reading;
    let fields: [Option<f64>; FIELDS] = [
        Some(f64::from(*parallelism)),
        *records_in,
        *records_out,
        *busy_ms_per_s,
        *busy_avg_ms_per_s,
        *busy_min_ms_per_s,
        *accumulated_busy_ms,
        *backpressured_ms_per_s,
        *accumulated_backpressured_ms,
        *idle_ms_per_s,
        *accumulated_idle_ms,
        *pending_records,
        *records_in_per_second,
        partitions.map(f64::from),
    ];
    let mut list: Vec<Option<f64>> = fields.map(|field| field.and_then(rounded)).into();
    while list.last() == Some(&None) {
        list.pop();
    }
    list
}

/// The window from JSON; an empty one, and the reason, if it cannot be read. It keeps samples for `keep`.
pub fn window_from_json(text: &str, keep: SignedDuration) -> Restored<Window> {
    let samples = samples_from_json(text);
    let mut window = Window::new(keep);
    samples
        .value
        .into_iter()
        .for_each(|sample| window.push(sample));
    Restored {
        value: window,
        ignored: samples.ignored,
    }
}

/// The samples of a stored window, of however many runs of the job; none, and the reason, if they cannot be read.
pub fn samples_from_json(text: &str) -> Restored<Vec<Sample>> {
    let mut restored = Restored::<Vec<Sample>>::default();
    if text.trim().is_empty() {
        return restored;
    }
    let samples = read::<StoredWindow>("window", VERSION, text).and_then(|stored| {
        let ids: Vec<VertexId> = stored
            .vertices
            .iter()
            .map(|id| vertex(id))
            .collect::<Result<_, _>>()?;
        stored
            .samples
            .into_iter()
            .map(|sample| restore(sample, &ids))
            .collect::<Result<Vec<_>, _>>()
    });
    match samples {
        Ok(samples) => restored.value = samples,
        Err(reason) => restored.ignored.push(reason),
    }
    restored
}

fn restore(stored: StoredSample, ids: &[VertexId]) -> Result<Sample, Ignored> {
    let mut vertices = BTreeMap::new();
    for (id, numbers) in ids.iter().zip(stored.r) {
        if let Some(numbers) = numbers {
            vertices.insert(id.clone(), reading(&numbers)?);
        }
    }
    let (slots_total, slots_available) = stored.slots.unwrap_or_default();
    let (heap_used_ratio, gc_ms_per_s) = stored.memory.unwrap_or_default();
    let [heap, managed, metaspace] = stored.used.unwrap_or_default();
    Ok(Sample {
        at: stored.at,
        job_running_since: stored.since,
        vertices,
        slots_total,
        slots_available,
        heap_used_ratio,
        gc_ms_per_s,
        memory: MemoryReading {
            heap,
            managed,
            metaspace,
        },
    })
}

fn reading(numbers: &[Option<f64>]) -> Result<VertexReading, Ignored> {
    let field = |at: usize| numbers.get(at).copied().flatten();
    let parallelism = field(0).and_then(whole).ok_or_else(|| {
        Ignored("the stored window is damaged: a reading has no parallelism".to_owned())
    })?;
    Ok(VertexReading {
        parallelism,
        records_in: field(1),
        records_out: field(2),
        busy_ms_per_s: field(3),
        busy_avg_ms_per_s: field(4),
        busy_min_ms_per_s: field(5),
        accumulated_busy_ms: field(6),
        backpressured_ms_per_s: field(7),
        accumulated_backpressured_ms: field(8),
        idle_ms_per_s: field(9),
        accumulated_idle_ms: field(10),
        pending_records: field(11),
        records_in_per_second: field(12),
        partitions: field(13).and_then(whole),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the conversion"
)]
fn whole(value: f64) -> Option<u32> {
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: SignedDuration = SignedDuration::from_mins(20);

    fn window(samples: i64) -> Window {
        let mut window = Window::new(KEEP);
        for second in 0..samples {
            let mut sample = Sample::at(Timestamp::from_second(1_800_000_000 + second).unwrap());
            sample.job_running_since = Timestamp::from_second(1_800_000_000).ok();
            sample.slots_total = Some(4);
            sample.gc_ms_per_s = Some(1.25);
            sample.memory.heap = Some(67_108_864.0);
            let reading = VertexReading {
                parallelism: 3,
                records_in: Some(1234.567),
                pending_records: Some(0.0),
                ..VertexReading::default()
            };
            sample
                .vertices
                .insert(VertexId::new("a").unwrap(), reading.clone());
            if second != 1 {
                sample.vertices.insert(VertexId::new("b").unwrap(), reading);
            }
            window.push(sample);
        }
        window
    }

    #[test]
    fn a_window_is_read_back_equal() {
        let restored = window_from_json(&window_to_json(&window(5), 1_000_000), KEEP);
        assert_eq!(restored.value, window(5));
        assert_eq!(restored.ignored, []);
    }

    #[test]
    fn a_window_that_is_too_long_is_thinned_and_keeps_its_newest() {
        let text = window_to_json(&window(500), 20_000);
        assert!(text.len() <= 20_000);
        let restored = window_from_json(&text, KEEP).value;
        assert!(restored.len() > 50);
        assert_eq!(restored.latest(), window(500).latest());
        assert_eq!(window_to_json(&window(500), 10), "");
    }

    #[test]
    fn what_is_not_a_number_is_stored_as_unknown() {
        let mut sample = Sample::at(Timestamp::UNIX_EPOCH);
        let reading = VertexReading {
            parallelism: 1,
            records_in: Some(f64::NAN),
            records_out: Some(f64::MAX),
            ..VertexReading::default()
        };
        sample.vertices.insert(VertexId::new("a").unwrap(), reading);
        let mut window = Window::new(KEEP);
        window.push(sample);
        let restored = window_from_json(&window_to_json(&window, 1000), KEEP).value;
        let reading = restored.latest().unwrap().vertices.values().next().unwrap();
        assert_eq!(
            (reading.records_in, reading.records_out),
            (None, Some(f64::MAX))
        );
    }

    #[test]
    fn the_java_operators_metrics_are_passed_over_with_a_reason() {
        let restored = window_from_json("---\n\"2026-11-23T21:44:16Z\": {}", KEEP);
        assert!(restored.value.is_empty());
        assert!(
            restored.ignored[0]
                .to_string()
                .starts_with("the stored window is not ours")
        );
    }
}
