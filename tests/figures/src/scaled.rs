//! What a job with the autoscaler costs: it is looked at every ten seconds, and what was seen is kept and stored.

use std::time::Duration;

use anyhow::Result;
use flink_e2e::{Site, application};
use flink_sim::flink::{ClusterKey, Profile};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::measured::Measured;
use crate::{Figure, Options, Rest, figure, mib};

/// The autoscaler's readings go back so far, and what a job costs grows until they do.
const WINDOW: Duration = Duration::from_mins(16);

/// Measure a fleet of them in a namespace of its own, with an operator that watches that one alone.
pub async fn measure(options: &Options, site: &Site) -> Result<Vec<Figure>> {
    let count = options.autoscaled;
    let fleet = Fleet::start(site, "figures-scaled");
    let mut operator = Measured::start_in(&options.program, site, fleet.namespace());
    operator.wait_until_ready().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = operator.usage()?;
    eprintln!("make {count} resources with the autoscaler, and let them fill their window");
    for number in 0..count {
        let name = format!("scaled-{number}");
        let key = ClusterKey::new(fleet.namespace(), &name);
        site.flink()
            .set_profile(&key, Profile::pipeline(100.0, 80.0));
        fleet.create(&name, manifest(&name)).await?;
    }
    fleet.watch.all_stable().await?;
    tokio::time::sleep(WINDOW).await;
    eprintln!("watch them for {} s", options.rest);
    let rest = Rest::watch(&operator, Duration::from_secs(options.rest)).await?;
    let grown = rest.after.resident.saturating_sub(idle.resident);
    let stored = stored(&Api::namespaced(site.client(), fleet.namespace())).await?;
    let each = |count: u64| rest.each(count, fleet.watch.resources());
    Ok(vec![
        figure(
            format!("resident memory for each of {count} jobs with the autoscaler, three vertices"),
            mib(grown / u64::from(count.max(1))),
            "small",
        ),
        figure(
            "processor seconds a job and hour, with the autoscaler",
            rest.processor_each(fleet.watch.resources()),
            "small",
        ),
        figure(
            "API writes a job and hour, with the autoscaler",
            each(rest.counted.writes),
            "few",
        ),
        figure(
            "bytes of such a write: what the autoscaler remembers of a job, largest",
            format!("{} KiB", stored.div_ceil(1024)),
            "small",
        ),
        figure(
            "Flink requests a job and hour, with the autoscaler",
            each(rest.counted.flink),
            "",
        ),
    ])
}

/// One that is well off with what it has.
fn manifest(name: &str) -> Value {
    let mut object = application(name);
    if let Some(configuration) = object.pointer_mut("/spec/flinkConfiguration")
        && let Some(map) = configuration.as_object_mut()
    {
        map.insert("job.autoscaler.enabled".to_owned(), json!("true"));
    }
    object
}

/// The largest of the ConfigMaps, in bytes as they are stored.
async fn stored(maps: &Api<ConfigMap>) -> Result<usize> {
    let ours = ListParams::default().labels("component=autoscaler");
    let sizes = maps.list(&ours).await?.items.into_iter().map(|map| {
        let texts = map.data.unwrap_or_default();
        let packed = map.binary_data.unwrap_or_default();
        let texts: usize = texts.values().map(String::len).sum();
        texts + packed.values().map(|bytes| bytes.0.len()).sum::<usize>()
    });
    Ok(sizes.max().unwrap_or_default())
}
