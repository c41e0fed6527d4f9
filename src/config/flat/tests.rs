use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::Scope;

fn flatten(value: Json) -> FlinkConfig {
    let Json::Object(object) = value else {
        panic!("an object")
    };
    FlinkConfig::flatten(&object)
}

#[test]
fn nested_and_flat_keys_are_the_same_configuration() {
    let nested = flatten(json!({
        "taskmanager": {"numberOfTaskSlots": 2, "memory": {"process": {"size": "2g"}}},
        "web.cancel": {"enable": false},
        "pipeline": {"jars": ["local:///a.jar", "local:///b;c.jar"], "nothing": null},
        "kubernetes.jobmanager.tolerations": [{"key": "a", "operator": "Exists"}],
        "ratio": 1.0,
    }));
    let flat = FlinkConfig::from_iter([
        ("taskmanager.numberOfTaskSlots", "2"),
        ("taskmanager.memory.process.size", "2g"),
        ("web.cancel.enable", "false"),
        ("pipeline.jars", "local:///a.jar;'local:///b;c.jar'"),
        ("kubernetes.jobmanager.tolerations", "key:a,operator:Exists"),
        ("ratio", "1.0"),
    ]);
    assert_eq!(nested, flat);
}

#[test]
fn an_option_is_read_by_key_then_alias_then_default() {
    const WAIT: ConfigOption<Duration> = ConfigOption::new("new.wait", Scope::Resource, "")
        .or("1 min")
        .alias(&["old.wait"]);
    let mut config = FlinkConfig::new();
    assert_eq!(config.get(&WAIT), Ok(Duration::from_mins(1)));
    config.set("old.wait", "2 s");
    assert_eq!(config.get(&WAIT), Ok(Duration::from_secs(2)));
    assert!(config.is_set(&WAIT));
    config.set("new.wait", "3 s");
    assert_eq!(config.get(&WAIT), Ok(Duration::from_secs(3)));
    config.remove("new.wait");
    config.set("old.wait", "soon");
    assert_eq!(
        config.get(&WAIT).unwrap_err().to_string(),
        "old.wait: 'soon' is not a duration, such as '10 s', '1 min' or 'PT10S'"
    );
}

#[test]
fn an_option_without_default_is_optional_or_missing_by_its_type() {
    const OPTIONAL: ConfigOption<Option<i32>> = ConfigOption::new("a", Scope::Resource, "");
    const NEEDED: ConfigOption<i32> = ConfigOption::new("b", Scope::Resource, "");
    let config = FlinkConfig::new();
    assert_eq!(config.get(&OPTIONAL), Ok(None));
    assert!(matches!(
        config.get(&NEEDED),
        Err(ConfigError::Missing { .. })
    ));
}

#[test]
fn a_map_is_read_from_its_text_and_from_the_keys_below_it() {
    let config = FlinkConfig::from_iter([
        ("labels", "a:1,b:2"),
        ("labels.b", "3"),
        ("labels.c.d", "4"),
        ("labelsx", "no"),
    ]);
    let map = config.map("labels").unwrap();
    let pairs: Vec<(&str, &str)> = map.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(pairs, [("a", "1"), ("b", "3"), ("c.d", "4")]);
}

proptest! {
    #[test]
    fn flattening_what_is_flat_changes_nothing(
        entries in proptest::collection::btree_map("[a-z.]{1,12}", "[ -~]{0,12}", 0..8)
    ) {
        let object: Map<String, Json> =
            entries.iter().map(|(k, v)| (k.clone(), Json::from(v.clone()))).collect();
        prop_assert_eq!(FlinkConfig::flatten(&object), FlinkConfig::from(entries));
    }

    #[test]
    fn an_overlay_wins_and_loses_nothing(
        base in proptest::collection::btree_map("[a-c]{1,2}", "[0-9]", 0..6),
        over in proptest::collection::btree_map("[a-c]{1,2}", "[0-9]", 0..6),
    ) {
        let (base, over) = (FlinkConfig::from(base), FlinkConfig::from(over));
        let mut merged = base.clone();
        merged.overlay(over.clone());
        for (key, value) in merged.iter() {
            prop_assert_eq!(Some(value), over.raw(key).or(base.raw(key)));
        }
        for (key, _) in base.iter().chain(over.iter()) {
            prop_assert!(merged.contains(key));
        }
    }
}
