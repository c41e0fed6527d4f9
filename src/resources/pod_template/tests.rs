use proptest::prelude::*;

use super::*;

fn template(spec: Value, options: &[(&str, &str)], process: Process) -> Result<Value, ConfigError> {
    let config = options.iter().copied().collect();
    Ok(of_process(&parse(spec), &config, process)?.unwrap_or_default())
}

fn parse(spec: Value) -> FlinkDeploymentSpec {
    serde_json::from_value(spec).unwrap()
}

#[test]
fn nothing_said_is_no_template() {
    let spec = json!({"jobManager": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}});
    assert_eq!(template(spec, &[], Process::JobManager), Ok(Value::Null));
    assert_eq!(
        template(json!({}), &[], Process::TaskManager),
        Ok(Value::Null)
    );
}

#[test]
fn the_roles_own_template_wins_over_the_common_one() {
    let spec = json!({
        "podTemplate": {"spec": {"a": 1, "containers": [{"name": "x", "image": "common"}]}},
        "taskManager": {"podTemplate": {"spec": {"b": 2, "containers": [{"image": "own"}, {"name": "y"}]}}},
    });
    let merged = json!({"spec": {"a": 1, "b": 2, "containers": [{"name": "x", "image": "own"}, {"name": "y"}]}});
    assert_eq!(
        template(spec.clone(), &[], Process::TaskManager),
        Ok(merged)
    );
    let common = json!({"spec": {"a": 1, "containers": [{"name": "x", "image": "common"}]}});
    assert_eq!(template(spec, &[], Process::JobManager), Ok(common));
}

#[test]
fn a_list_with_a_name_twice_is_merged_by_position() {
    let (base, over) = (
        json!([{"name": "a"}]),
        json!([{"name": "b"}, {"name": "b", "v": 1}]),
    );
    let merged = merge(base, &over, Lists::ByName);
    assert_eq!(merged, over);
    assert_eq!(merge(merged.clone(), &over, Lists::ByName), merged);
}

#[test]
fn lists_are_merged_by_name_if_asked_and_possible() {
    let spec = json!({
        "podTemplate": {"spec": {"containers": [{"name": "a", "v": 1}, {"name": "b"}], "args": ["x", "y"]}},
        "jobManager": {"podTemplate": {"spec": {"containers": [{"name": "b", "v": 2}, {"name": "c"}], "args": ["z"]}}},
    });
    let by_name = [(
        "kubernetes.operator.pod-template.merge-arrays-by-name",
        "true",
    )];
    let merged = json!({"spec": {
        "containers": [{"name": "a", "v": 1}, {"name": "b", "v": 2}, {"name": "c"}],
        "args": ["z", "y"],
    }});
    assert_eq!(
        template(spec.clone(), &by_name, Process::JobManager),
        Ok(merged)
    );
    let merged = json!({"spec": {
        "containers": [{"name": "b", "v": 2}, {"name": "c"}],
        "args": ["z", "y"],
    }});
    assert_eq!(template(spec, &[], Process::JobManager), Ok(merged));
}

#[test]
fn other_resources_go_to_the_main_container() {
    let old = json!({"taskManager": {"resource": {"memory": "1g", "ephemeralStorage": "4Gi"}}});
    let storage = json!({"ephemeral-storage": "4Gi"});
    let main =
        json!({"name": MAIN_CONTAINER, "resources": {"requests": storage, "limits": storage}});
    assert_eq!(
        template(old, &[], Process::TaskManager),
        Ok(json!({"spec": {"containers": [main]}}))
    );
    let new = json!({
        "podTemplate": {"spec": {"containers": [{"name": MAIN_CONTAINER, "image": "i"}]}},
        "taskManager": {
            "resource": {"ephemeralStorage": "9Gi"},
            "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "1"}, "claims": [{"name": "c"}]},
        },
    });
    let resources = json!({"limits": {"nvidia.com/gpu": "1"}, "claims": [{"name": "c"}]});
    let main = json!({"name": MAIN_CONTAINER, "image": "i", "resources": resources});
    assert_eq!(
        template(new, &[], Process::TaskManager),
        Ok(json!({"spec": {"containers": [main]}}))
    );
}

#[test]
fn the_startup_probe_speaks_as_the_rest_interface_does() {
    let probe = |template: Value, options: &[(&str, &str)], named: bool| {
        let config: FlinkConfig = options.iter().copied().collect();
        let template = with_startup_probe(template, &config, named).unwrap();
        template
            .pointer("/spec/containers/0/startupProbe")
            .cloned()
            .unwrap_or_default()
    };
    let expected = |kind: &str, check: Value| json!({kind: check, "failureThreshold": 2_147_483_647, "periodSeconds": 1});
    let http = json!({"path": "/config", "port": "rest"});
    assert_eq!(probe(json!({}), &[], true), expected("httpGet", http));
    let http = json!({"path": "/config", "port": 9000});
    assert_eq!(
        probe(json!({}), &[("rest.port", "9000")], false),
        expected("httpGet", http)
    );
    let tls = ("security.ssl.rest.enabled", "true");
    let https = json!({"path": "/config", "port": "rest", "scheme": "HTTPS"});
    assert_eq!(probe(json!({}), &[tls], true), expected("httpGet", https));
    let mutual = [tls, ("security.ssl.rest.authentication-enabled", "true")];
    assert_eq!(
        probe(json!({}), &mutual, true),
        expected("tcpSocket", json!({"port": "rest"}))
    );
    let off = [(
        "kubernetes.operator.jm-deployment.startup.probe.enabled",
        "false",
    )];
    assert_eq!(probe(json!({}), &off, true), Value::Null);
    let own =
        json!({"spec": {"containers": [{"name": MAIN_CONTAINER, "startupProbe": {"exec": {}}}]}});
    assert_eq!(probe(own, &[], true), json!({"exec": {}}));
}

#[test]
fn a_template_of_the_wrong_shape_is_named_with_its_place() {
    for (wrong, message) in [
        (json!("x"), "spec.podTemplate: must be an object"),
        (
            json!({"spec": []}),
            "spec.podTemplate.spec: must be an object",
        ),
        (
            json!({"spec": {"containers": {}}}),
            "spec.podTemplate.spec.containers: must be a list",
        ),
        (
            json!({"spec": {"containers": [{}, 1]}}),
            "spec.podTemplate.spec.containers[1]: must be an object",
        ),
    ] {
        let error = template(json!({"podTemplate": wrong}), &[], Process::JobManager).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        "[a-c]{1,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("name|[a-c]", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn merging_twice_is_merging_once(base in documents(), over in documents()) {
        for lists in [Lists::ByPosition, Lists::ByName] {
            let once = merge(base.clone(), &over, lists);
            prop_assert_eq!(merge(once.clone(), &over, lists), once);
        }
    }

    #[test]
    fn merging_nothing_changes_nothing(base in documents()) {
        for lists in [Lists::ByPosition, Lists::ByName] {
            prop_assert_eq!(merge(base.clone(), &Value::Null, lists), base.clone());
            prop_assert_eq!(merge(base.clone(), &base, Lists::ByPosition), base.clone());
        }
    }

    #[test]
    fn every_key_of_both_is_there_afterwards(
        base in proptest::collection::btree_map("[a-d]", documents(), 0..4),
        over in proptest::collection::btree_map("[a-d]", documents(), 0..4),
    ) {
        let object = |fields: &std::collections::BTreeMap<String, Value>| {
            Value::Object(fields.clone().into_iter().collect())
        };
        let merged = merge(object(&base), &object(&over), Lists::ByPosition);
        for key in base.keys().chain(over.keys()) {
            prop_assert!(merged.get(key).is_some());
        }
    }
}
