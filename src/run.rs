//! The composition root: clients, context, every controller once, and a graceful end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures::FutureExt;
use kube::client::ClientBuilder;
use kube::{Client, Config};

use crate::canaries;
use crate::clock::Clock;
use crate::config::load::{self, Sources};
use crate::config::{self, ConfigError, Election, FlinkConfig, Interval, Pause, options};
use crate::domain::Rules;
use crate::flink::{self, CallReport, Deadlines, FlinkRest, RouteChoice};
use crate::leader::{self, Claim};
use crate::listen::http::HttpListener;
use crate::listen::{Attached, Running};
use crate::namespaces::{Shared, Stop, Watched};
use crate::observe::Rooms;
use crate::prometheus::{Prometheus, Token};
use crate::reload;
use crate::serve::{self, Health};
use crate::telemetry::Metrics;
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::metrics::{ApiLayer, Identity, Switches};

/// How long listeners have at the end for what waits for them. With `termination.timeout` for passes and `CLOSE` it has to
/// fit into what the chart gives a pod for all of its end.
const FLUSH: Duration = Duration::from_secs(10);

/// How long answers to requests for probes and metrics may take at the end.
const CLOSE: Duration = Duration::from_secs(2);

/// What a program adds to the operator.
#[derive(Default)]
pub struct Extensions {
    /// Validators and mutators.
    pub rules: Rules,
    /// Listeners.
    pub listeners: Vec<Attached>,
}

/// Options of `flink-operator run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Directory with the operator's default configuration (config.yaml or flink-conf.yaml).
    #[arg(long, env = "FLINK_CONF_DIR")]
    conf_dir: Option<PathBuf>,
    /// Directory with a second configuration file whose entries win.
    #[arg(long, env = "CONF_OVERRIDE_DIR")]
    conf_override_dir: Option<PathBuf>,
    /// Namespaces to watch, separated by commas; all if empty. Wins over the configuration.
    #[arg(long, env = "WATCH_NAMESPACES")]
    watch_namespaces: Option<String>,
    /// How to reach Flink: auto, service (its DNS name), proxy (through the API server), or a URL
    /// with {namespace} and {name}.
    #[arg(long, env = "FLINK_REST_ROUTE", default_value = "auto")]
    flink_rest: RouteChoice,
    /// A port of its own for /metrics; without one they are on the health port.
    #[arg(long, env = "METRICS_PORT", default_value_t = 0)]
    metrics_port: u16,
    /// Format of the log: text or json.
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_enum)]
    log_format: LogFormat,
    /// Level of the log, or a filter such as `info,flink_operator=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    log_level: String,
    /// Namespace of the operator's own Lease.
    #[arg(long, env = "OPERATOR_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Name of the operator, a label of its metrics.
    #[arg(long, env = "OPERATOR_NAME", default_value = "flink-operator")]
    name: String,
    /// Name of this replica in the Lease and in metrics.
    #[arg(long, env = "POD_NAME", default_value = "flink-operator")]
    identity: String,
}

/// Run until a signal ends it.
pub fn run(args: &RunArgs, extensions: Extensions) -> anyhow::Result<()> {
    logs::init(args.log_format, &args.log_level)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(serve_until_signal(args, extensions))
}

async fn serve_until_signal(args: &RunArgs, extensions: Extensions) -> anyhow::Result<()> {
    let sources = Sources {
        directory: args.conf_dir.clone(),
        overrides: args.conf_override_dir.clone(),
        watch_namespaces: args
            .watch_namespaces
            .clone()
            .filter(|names| !names.trim().is_empty()),
    };
    let loaded = load::load(&sources)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let defaults = loaded.defaults;
    let config = defaults.operator().clone();
    let clock = Clock::system();
    let identity = Identity {
        host: args.identity.clone(),
        namespace: args.namespace.clone(),
        name: args.name.clone(),
    };
    let metrics = Metrics::new(&identity, switches(&config)?)?;
    let client = client(&metrics).await?;
    let Pause(canary) = config.get(&options::CANARY_TIMEOUT)?;
    let termination = config.get(&options::TERMINATION_TIMEOUT)?;
    let health = Health::new(serve::PATIENCE, canary);
    let claim = claim(args, &config, &client, &clock)?;
    let right = claim.clone();
    metrics.leads_when(move || right.held());
    let deadlines = Deadlines::within(config.get(&options::FLINK_CLIENT_TIMEOUT)?);
    let counters = metrics.clone();
    let flink = FlinkRest::new(args.flink_rest.clone(), client.clone(), deadlines)?
        .counted(move |call| count(&counters, &call));
    let Interval(refresh) = config.get(&options::RESOURCE_VIEW_REFRESH_INTERVAL)?;
    let stop = shutdown();
    let servers = servers(args, &config, &health, &metrics, &stop).await?;
    let means = (client.clone(), claim.clone(), clock.clone());
    let canaries = health.canaries().clone();
    tokio::spawn(canaries::keep(canaries, means, canary, stop.clone()));
    let namespaces = defaults.watched_namespaces()?;
    let mut listeners = extensions.listeners;
    for settings in config::listeners::listeners(&config)? {
        let (clock, metrics) = (clock.clone(), metrics.clone());
        let listener = HttpListener::new(settings, clock, metrics, stop.clone())?;
        listeners.push(Attached::new(listener));
    }
    let listeners = Running::start(listeners, &metrics)?;
    let shared = Shared {
        client,
        flink,
        prometheus: prometheus(&config)?,
        rooms: Rooms::refreshed(refresh),
        claim,
        clock,
        defaults: defaults.into(),
        metrics,
        health: health.clone(),
        rules: extensions.rules,
        news: listeners.newsroom(),
    };
    let mut watched = Watched::none(stop.clone());
    watched.switch_to(namespaces, &shared).await?;
    health.set_ready(true);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "flink-operator runs");
    if config.get(&options::DYNAMIC_CONFIG_ENABLED)? {
        let Pause(every) = config.get(&options::DYNAMIC_CONFIG_CHECK_INTERVAL)?;
        reload::watch(sources, every, &shared, &mut watched, stop).await;
    }
    if watched.ended(termination).await {
        tracing::info!("all passes are done, ending");
    } else {
        // Whatever they had begun, the next process carries on with.
        let key = options::TERMINATION_TIMEOUT.key;
        tracing::warn!("passes are still under way after {termination:?} ({key}), ending");
    }
    listeners.end(FLUSH).await;
    for server in servers {
        if let Ok(ended) = tokio::time::timeout(CLOSE, server).await {
            ended??;
        }
    }
    Ok(())
}

/// Which metrics are exported.
fn switches(config: &FlinkConfig) -> Result<Switches, ConfigError> {
    Ok(Switches {
        controllers: config.get(&options::JOSDK_METRICS_ENABLED)?,
        client: config.get(&options::CLIENT_METRICS_ENABLED)?,
        resources: config.get(&options::RESOURCE_METRICS_ENABLED)?,
        lifecycle: config.get(&options::RESOURCE_LIFECYCLE_METRICS_ENABLED)?,
        lifecycle_by_namespace: config
            .get(&options::RESOURCE_LIFECYCLE_NAMESPACE_HISTOGRAMS_ENABLED)?,
        slow: config.get(&options::CLIENT_METRICS_SLOW_THRESHOLD)?,
    })
}

/// A client that never retries by itself and whose calls are counted.
async fn client(metrics: &Metrics) -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context(
        "failed to find a Kubernetes cluster. Inside one, the pod needs a service account token; \
         outside, set KUBECONFIG",
    )?;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    let builder = ClientBuilder::try_from(config).context("failed to make a Kubernetes client")?;
    Ok(builder.with_layer(&ApiLayer::new(metrics.clone())).build())
}

/// Readings may come from Prometheus; a token is for the server that the operator's own configuration names.
fn prometheus(config: &FlinkConfig) -> anyhow::Result<Prometheus> {
    let file = config.get(&options::PROMETHEUS_TOKEN_FILE)?;
    let url = config.raw("job.autoscaler.prometheus.url");
    let token = match (file, url) {
        (Some(file), Some(url)) => Some(Token {
            file: file.into(),
            url: url.trim().to_owned(),
        }),
        (Some(_), None) => anyhow::bail!(
            "{} is set, so job.autoscaler.prometheus.url must be in the operator's configuration too",
            options::PROMETHEUS_TOKEN_FILE.key
        ),
        (None, _) => None,
    };
    Prometheus::new(token).context("failed to make a client for Prometheus")
}

fn count(metrics: &Metrics, call: &CallReport) {
    let result = call.failure.map_or("ok", flink::Category::as_str);
    metrics.rest_call(call.endpoint, result, call.took);
}

type Server = tokio::task::JoinHandle<Result<(), serve::Error>>;

/// The health port, and the metrics port if it is another.
async fn servers(
    args: &RunArgs,
    config: &FlinkConfig,
    health: &Health,
    metrics: &Metrics,
    stop: &Stop,
) -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    let health_port = config.get(&options::HEALTH_PROBE_PORT)?;
    let mut start =
        |listener, router| servers.push(tokio::spawn(serve::serve(listener, router, stop.clone())));
    if config.get(&options::HEALTH_PROBE_ENABLED)? {
        let listener = serve::listen(([0, 0, 0, 0], health_port).into()).await?;
        start(
            listener,
            serve::health_router(health.clone(), metrics.clone()),
        );
    }
    if args.metrics_port != 0 && args.metrics_port != health_port {
        let listener = serve::listen(([0, 0, 0, 0], args.metrics_port).into()).await?;
        start(listener, serve::metrics_router(metrics.clone()));
    }
    Ok(servers)
}

/// Resolves when the process is asked to end.
fn shutdown() -> Stop {
    async {
        let interrupt = tokio::signal::ctrl_c();
        #[expect(
            clippy::expect_used,
            reason = "only fails where there are no signals at all"
        )]
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .expect("a handler for SIGTERM");
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to end");
    }
    .boxed()
    .shared()
}

fn claim(
    args: &RunArgs,
    config: &FlinkConfig,
    client: &Client,
    clock: &Clock,
) -> anyhow::Result<Claim> {
    let Some(election) = Election::read(config)? else {
        return Ok(Claim::alone(clock.clone()));
    };
    let claim = Claim::contested(clock.clone());
    tokio::spawn(leader::campaign(
        client.clone(),
        args.namespace.clone(),
        args.identity.clone(),
        election,
        claim.clone(),
    ));
    Ok(claim)
}
