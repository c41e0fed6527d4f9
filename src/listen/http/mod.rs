//! A listener that posts CloudEvents, as the configuration asks for it.
//!
//! The rule: a notice is posted until it is taken or refused for good, and the next only after it. So a receiver gets
//! each at least once while the operator lives and its queue does not run over, in order, with the same id each time.
//! Tests with a real server are in `tests/it/listeners.rs`.

mod delay;
mod headers;
mod payload;

use std::time::Duration;

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Certificate, Client};
use serde_json::Value;
use tokio::time::Instant;

use super::{EventWritten, Failure, Listener, StatusWritten};
use crate::clock::Clock;
use crate::config::listeners::ListenerSettings;
use crate::namespaces::Stop;
use crate::telemetry::Metrics;
use crate::telemetry::logs::Chain;
use delay::Delays;

/// The log speaks of a receiver that cannot be reached this often at most.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// Delay between tries once the operator ends: there is little time left.
const AT_THE_END: Duration = Duration::from_millis(500);

/// Why a listener cannot be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be used.
    #[error("{key}: '{file}' cannot be used: {why}")]
    File {
        /// The key that names it.
        key: String,
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The address is none, or there is no client.
    #[error("{key}: '{url}' cannot be posted to")]
    Client {
        /// The key that names it.
        key: String,
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
}

/// Why one delivery failed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Headers(#[from] SettingsError),
    #[error("no answer")]
    Silence(#[source] reqwest::Error),
    #[error("the receiver answers {0}")]
    Answer(StatusCode, Option<Duration>),
}

impl Trouble {
    /// It is this notice that the receiver does not want, now or ever. All else may pass: an address that is wrong, a
    /// token that has run out, a receiver that is down.
    fn is_for_good(&self) -> bool {
        matches!(
            self,
            Self::Answer(
                StatusCode::BAD_REQUEST
                    | StatusCode::GONE
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::UNSUPPORTED_MEDIA_TYPE
                    | StatusCode::UNPROCESSABLE_ENTITY,
                _
            )
        )
    }

    fn asked_delay(&self) -> Option<Duration> {
        match self {
            Self::Answer(_, delay) => *delay,
            Self::Headers(_) | Self::Silence(_) => None,
        }
    }
}

/// Posts what it is told.
pub struct HttpListener {
    settings: ListenerSettings,
    client: Client,
    clock: Clock,
    metrics: Metrics,
    /// Resolves when the operator ends.
    stop: Stop,
}

impl HttpListener {
    /// One with these settings. What its files hold is looked at now too, so that a mistake is seen at start.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should, or the address is none.
    pub fn new(
        settings: ListenerSettings,
        clock: Clock,
        metrics: Metrics,
        stop: Stop,
    ) -> Result<Self, SettingsError> {
        headers::read(&settings)?;
        let mut builder = Client::builder()
            .connect_timeout(settings.timeout)
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(1)
            .user_agent(concat!("flink-operator/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &settings.ca_file {
            builder = builder.tls_certs_merge(certificates(&settings.name, file)?);
        }
        let unusable = |source| SettingsError::Client {
            key: ListenerSettings::key(&settings.name, "url"),
            url: settings.url.clone(),
            source,
        };
        let client = builder.build().map_err(unusable)?;
        client.post(&settings.url).build().map_err(unusable)?;
        Ok(Self {
            settings,
            client,
            clock,
            metrics,
            stop,
        })
    }

    /// Post until it is taken or refused for good.
    async fn deliver(&self, notice: &Value) -> Result<(), Failure> {
        let body = serde_json::to_vec(notice)?;
        let mut delays = Delays::new(self.settings.delays);
        let mut said: Option<Instant> = None;
        loop {
            let trouble = match self.post(body.clone()).await {
                Ok(()) => return Ok(()),
                Err(trouble) if trouble.is_for_good() => return Err(trouble.into()),
                Err(trouble) => trouble,
            };
            if said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
                tracing::warn!(
                    listener = self.settings.name,
                    error = %Chain(&trouble),
                    "a notice was not taken, and is posted again until it is"
                );
                said = Some(Instant::now());
            }
            self.metrics.tried_again(&self.settings.name);
            let chance = self.clock.fresh_ids().trigger;
            self.pause(delays.next(trouble.asked_delay(), &chance))
                .await;
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), Trouble> {
        let request = self
            .client
            .post(&self.settings.url)
            .headers(headers::read(&self.settings)?)
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .body(body);
        let answer = request.send().await.map_err(|error| {
            // The address may have a secret in its query.
            Trouble::Silence(error.without_url())
        })?;
        if answer.status().is_success() {
            return Ok(());
        }
        let seconds = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(Trouble::Answer(
            answer.status(),
            seconds.map(Duration::from_secs),
        ))
    }

    /// Wait, but not long once the operator ends.
    async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.stop.clone() => tokio::time::sleep(AT_THE_END.min(delay)).await,
        }
    }
}

impl Listener for HttpListener {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn capacity(&self) -> usize {
        self.settings.queue_size
    }

    async fn deployment_status(
        &self,
        written: &StatusWritten<FlinkDeployment>,
    ) -> Result<(), Failure> {
        self.deliver(&payload::status(written)).await
    }

    async fn snapshot_status(
        &self,
        written: &StatusWritten<FlinkStateSnapshot>,
    ) -> Result<(), Failure> {
        self.deliver(&payload::status(written)).await
    }

    async fn event(&self, written: &EventWritten) -> Result<(), Failure> {
        self.deliver(&payload::event(written)).await
    }
}

fn certificates(name: &str, file: &str) -> Result<Vec<Certificate>, SettingsError> {
    let unusable = |why: String| SettingsError::File {
        key: ListenerSettings::key(name, "ca-file"),
        file: file.to_owned(),
        why,
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unusable("it holds no certificate in PEM form".to_owned())),
    }
}
