use std::time::Duration;

use super::*;

fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn parse(pairs: &[(&str, &str)]) -> Result<Settings, Vec<SettingsError>> {
    Settings::parse(&config(pairs))
}

fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
    let mut pairs = pairs.to_vec();
    pairs.push(("job.autoscaler.enabled", "true"));
    parse(&pairs)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_default_is_a_value_and_makes_usable_settings() {
    for row in TABLE {
        assert!(row.default.is_none_or(row.accepts), "{}", row.key);
        assert!(
            row.key.starts_with(PREFIX) && row.doc.ends_with('.'),
            "{}",
            row.key
        );
    }
    let settings = parse(&[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.check(), []);
    assert_eq!(settings.metrics_window, Duration::from_mins(15));
    assert_eq!(settings.effective_mode(), Mode::Off);
}

#[test]
fn no_key_is_declared_twice_and_the_table_is_in_order() {
    let keys: Vec<&str> = TABLE.iter().map(|row| row.key).collect();
    let mut all: Vec<&str> = TABLE
        .iter()
        .flat_map(|row| row.aliases.iter().chain([&row.key]))
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(
        all.len(),
        TABLE.iter().map(|row| row.aliases.len() + 1).sum::<usize>()
    );
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn old_names_are_read_the_newest_first() {
    let target = |pairs: &[(&str, &str)]| parse(pairs).unwrap().utilization_target.to_string();
    let new = ("job.autoscaler.utilization.target", "0.5");
    let old_prefix = (
        "kubernetes.operator.job.autoscaler.utilization.target",
        "0.6",
    );
    let old_name = ("job.autoscaler.target.utilization", "0.8");
    let oldest = (
        "kubernetes.operator.job.autoscaler.target.utilization",
        "0.9",
    );
    assert_eq!(target(&[oldest, old_name, old_prefix, new]), "0.5");
    assert_eq!(target(&[oldest, old_name, old_prefix]), "0.6");
    assert_eq!(target(&[oldest, old_name]), "0.8");
    assert_eq!(target(&[oldest]), "0.9");
    let grace = parse(&[("job.autoscaler.scale-up.grace-period", "5 min")]).unwrap();
    assert_eq!(grace.scale_down_interval, Some(Duration::from_mins(5)));
}

#[test]
fn the_mode_follows_from_the_switches() {
    let mode = |pairs: &[(&str, &str)]| parse(pairs).unwrap().effective_mode();
    let on = ("job.autoscaler.enabled", "true");
    let off = ("job.autoscaler.enabled", "false");
    let advise = ("job.autoscaler.scaling.enabled", "false");
    let auto = ("job.autoscaler.mode", "AUTO");
    let initial = ("job.autoscaler.mode", "initial");
    for (pairs, expected) in [
        (vec![], Mode::Off),
        (vec![on], Mode::Auto),
        (vec![on, advise], Mode::Recommend),
        (vec![auto], Mode::Auto),
        (vec![auto, advise], Mode::Recommend),
        (vec![off, auto], Mode::Off),
        (vec![on, initial], Mode::Initial),
        (vec![on, ("job.autoscaler.mode", "off")], Mode::Off),
    ] {
        assert_eq!(mode(&pairs), expected, "{pairs:?}");
    }
}

#[test]
fn utilization_bounds_follow_from_what_is_set() {
    let bounds = |pairs: &[(&str, &str)]| {
        let settings = parse(pairs).unwrap();
        [
            settings.lower_utilization(),
            settings.target(),
            settings.upper_utilization(),
        ]
        .map(Ratio::get)
    };
    let apache = ("job.autoscaler.profile", "apache");
    let boundary = ("job.autoscaler.target.utilization.boundary", "0.2");
    let max = ("job.autoscaler.utilization.max", "0.75");
    let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
    for (pairs, expected) in [
        (vec![], [0.4, 0.7, 0.85]),
        (vec![apache], [0.4, 0.7, 1.0]),
        (vec![apache, boundary], [0.5, 0.7, 0.9]),
        (vec![boundary], [0.5, 0.7, 0.9]),
        (vec![boundary, max], [0.5, 0.7, 0.75]),
    ] {
        assert!(
            close(bounds(&pairs), expected),
            "{pairs:?} {:?}",
            bounds(&pairs)
        );
    }
}

#[test]
fn what_cannot_be_read_is_named_with_key_and_remedy_all_at_once() {
    assert_eq!(
        errors(&[
            ("job.autoscaler.metrics.window", "ten minutes"),
            (
                "kubernetes.operator.job.autoscaler.utilization.target",
                "70 %"
            ),
            ("job.autoscaler.mode", "automatic"),
        ]),
        [
            "job.autoscaler.metrics.window: 'ten minutes' is not a duration, such as '10 s', '1 min' or 'PT10S'",
            "job.autoscaler.mode: 'automatic' is not one of off, recommend, initial, auto",
            "kubernetes.operator.job.autoscaler.utilization.target: '70 %' is not a number, such as 0.7",
        ]
    );
}

#[test]
fn h_values_out_of_range_are_refused_with_a_remedy() {
    for (row, key, value) in [
        ("H1", "scale-down.max-factor", "-0.1"),
        ("H2", "scale-up.max-factor", "-1"),
        ("H3", "utilization.target", "1.1"),
        ("H3", "utilization.target", "-0.1"),
        ("H3", "utilization.target", "0"),
        ("H4", "target.utilization.boundary", "-0.1"),
        ("H5", "utilization.max", "0.6"),
        ("H5", "utilization.max", "1.2"),
        ("H6", "utilization.min", "0.8"),
        ("H6", "utilization.min", "-0.1"),
        ("H7", "memory.gc-pressure.threshold", "1.5"),
        ("H7", "memory.heap-usage.threshold", "-1"),
        ("H9", "scaling.effectiveness.threshold", "2"),
        ("", "vertex.min-parallelism", "0"),
        ("", "vertex.max-parallelism", "0"),
        ("", "metrics.window", "0 s"),
        ("", "metrics.window", "20000 d"),
        ("H11", "excluded.periods", "09:13:17-08:15:18"),
        ("", "schedules", "09:00:00-10:00:00 => min"),
        ("", "vertex.parallelism-bounds", "sink=4"),
    ] {
        let key = format!("{PREFIX}{key}");
        let errors = errors(&[(&key, value)]);
        assert!(
            errors.iter().any(|error| error.starts_with(&key)),
            "{row} {key}: {errors:?}"
        );
    }
    assert_eq!(
        errors(&[("job.autoscaler.utilization.max", "0.6")]),
        [
            "job.autoscaler.utilization.max: 0.6 is not between 0.7 and 1; write a number in that range"
        ]
    );
}

#[test]
fn bounds_of_vertices_that_cannot_be_are_refused_each_with_the_remedy() {
    let bounds = |text| errors(&[("job.autoscaler.vertex.parallelism-bounds", text)]);
    for (text, remedy) in [
        ("sink", "'sink' is no bound; write pattern=min-max"),
        ("=1-2", "'=1-2' is no bound"),
        ("sink=-", "'sink=-' is no bound"),
        ("sink=a-2", "'sink=a-2' is no bound"),
        ("sink=0-2", "'sink=0-2' has 0"),
        ("sink=8-2", "'sink=8-2' has its bounds reversed; write 2-8"),
        (
            "sink=300-",
            "'sink=300-' is above vertex.max-parallelism 200; write sink=300-300",
        ),
        ("a=1-2,b", "'b' is no bound"),
    ] {
        let told = bounds(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(remedy), "{told:?}");
    }
    assert_eq!(bounds("a,b=0-1").len(), 2);
    let low = errors(&[
        ("job.autoscaler.vertex.parallelism-bounds", "sink=-2"),
        ("job.autoscaler.vertex.min-parallelism", "4"),
    ]);
    assert!(low[0].contains("write sink=1-2"), "{low:?}");

    let settings = parse(&[(
        "job.autoscaler.vertex.parallelism-bounds",
        "'Source: a, b'=2-8, x=y=-4",
    )]);
    let settings = settings.unwrap();
    let read: Vec<_> = settings
        .vertex_parallelism_bounds
        .iter()
        .map(|bounds| (bounds.pattern.as_str(), bounds.min, bounds.max))
        .collect();
    assert_eq!(
        read,
        [("Source: a, b", Some(2), Some(8)), ("x=y", None, Some(4))]
    );
}

#[test]
fn options_of_what_is_switched_off_are_not_checked() {
    let coefficient = ("job.autoscaler.observed-scalability.coefficient-min", "7");
    let on = ("job.autoscaler.enabled", "true");
    assert!(parse(&[on, coefficient]).is_ok());
    assert!(
        parse(&[
            on,
            coefficient,
            ("job.autoscaler.observed-scalability.enabled", "true")
        ])
        .is_err()
    );
    assert!(parse(&[("job.autoscaler.utilization.target", "7")]).is_ok());
    // But what cannot be read at all is told even then.
    assert!(parse(&[("job.autoscaler.utilization.target", "x")]).is_err());
}

#[test]
fn settings_without_effect_and_old_names_are_told() {
    let config = config(&[
        ("job.autoscaler.scaling.custom-executors", "mine"),
        ("job.autoscaler.target.utilization", "0.6"),
        ("kubernetes.operator.job.autoscaler.enabled", "true"),
        ("job.autoscaler.metrics.custom-evaluator.mine.class", "a.B"),
        ("job.autoscaler.utilization.min", "0.3"),
    ]);
    let notices: Vec<String> = Settings::notices(&config)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        notices,
        [
            "kubernetes.operator.job.autoscaler.enabled is an old name; use job.autoscaler.enabled",
            "job.autoscaler.scaling.custom-executors is read but has no effect",
            "job.autoscaler.target.utilization is an old name; use job.autoscaler.utilization.target",
            "job.autoscaler.metrics.custom-evaluator.mine.class is read but has no effect",
        ]
    );
}

#[test]
fn what_cannot_lead_to_a_prometheus_server_is_refused() {
    for (key, value, part) in [
        (
            "metrics.source",
            "prometheus",
            "needs job.autoscaler.prometheus.url",
        ),
        ("prometheus.url", "prom:9090", "is no address"),
        (
            "prometheus.url",
            "http://me:word@prom:9090",
            "would be seen by all",
        ),
        (
            "prometheus.labels",
            "a=\"b\"} or vector(1) or {x=\"",
            "is no list of matchers",
        ),
        ("prometheus.labels", "a=\"b", "is no list of matchers"),
        (
            "prometheus.metric-prefix",
            "flink-",
            "cannot begin a metric's name",
        ),
        (
            "prometheus.metric-names",
            "job_task_numRecordsIn",
            "is no pair of names",
        ),
        ("prometheus.metric-names", "a=b\"", "is no pair of names"),
        ("prometheus.timeout", "0 s", "leaves no time"),
    ] {
        let told = errors(&[(&format!("{PREFIX}{key}"), value)]);
        assert!(told.len() == 1 && told[0].contains(part), "{key}: {told:?}");
    }
    let settings = parse(&[
        ("job.autoscaler.metrics.source", "Prometheus"),
        ("job.autoscaler.prometheus.url", "https://prom/base"),
        (
            "job.autoscaler.prometheus.labels",
            "ns=\"{namespace}\",pod=~\"{name}-.*\"",
        ),
    ]);
    assert_eq!(settings.unwrap().metrics_source, MetricsSource::Prometheus);
}
