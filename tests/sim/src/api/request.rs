//! One request of a client, from its bytes to its answer.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use kube::client::Body as ClientBody;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use super::ApiServer;
use super::audit::Write;
use super::failure::Failure;
use super::faults::{Call, Fault};
use super::path::{self, Subject};
use super::store::Watcher;
use super::verbs::{Incoming, Reply, verb_of};
use super::watch::{Watching, refused};
use super::write::{address, known};
use crate::flink::{Asked, ClusterKey};

/// How long a watch stays open if the client does not say.
const WATCH_SECONDS: u64 = 300;

fn json_response(code: u16, body: &impl Serialize) -> Response<Body> {
    // Documents whose keys are texts can always be written.
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn failed(failure: &Failure) -> Response<Body> {
    json_response(failure.code, &failure.status())
}

impl ApiServer {
    pub(super) async fn answer(&self, request: Request<ClientBody>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let query_text = parts.uri.query().unwrap_or_default().to_owned();
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        match path::subject(parts.uri.path()) {
            Subject::Version => json_response(
                200,
                &json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "",
                    "gitTreeState": "clean", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
            ),
            Subject::Unknown => failed(&Failure::new(
                404,
                "NotFound",
                "the server could not find the requested resource",
            )),
            Subject::Proxy {
                namespace,
                service,
                path,
            } => {
                self.proxied(
                    &parts.method,
                    (&namespace, &service),
                    (&path, &query_text),
                    &body,
                )
                .await
            }
            Subject::Objects(target) => {
                let incoming = Incoming {
                    method: parts.method.clone(),
                    target,
                    query: path::query(&query_text),
                    content_type: header(header::CONTENT_TYPE).to_owned(),
                    metadata_only: header(header::ACCEPT).contains("as=PartialObjectMetadata"),
                    body,
                };
                self.objects(incoming).await
            }
        }
    }

    async fn objects(&self, mut incoming: Incoming) -> Response<Body> {
        let known = known(&address(&incoming.target).0).is_some();
        if !known || self.state().absent.contains(&incoming.target.plural) {
            let mut response = Response::new(Body::from("404 page not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
        let verb = incoming.verb();
        let resource = incoming.resource();
        let (fault, hang) = {
            let state = &mut self.state();
            state.audit.note(verb, &resource);
            let old = incoming
                .query
                .get("resourceVersion")
                .is_some_and(|version| version == "0");
            let fault = state.faults.of(Call::Api {
                changes_existing: matches!(verb, "update" | "patch"),
                may_be_old: verb == "list" && old,
            });
            (fault, state.faults.plan.hang)
        };
        if verb == "watch" && fault == Fault::None {
            return self.watch(&incoming);
        }
        let reply = match fault {
            Fault::Error => Err(Failure::new(500, "InternalError", "an injected fault")),
            Fault::Conflict => Err(Failure::conflict(
                &incoming.target.plural,
                incoming.target.name.as_deref().unwrap_or_default(),
            )),
            Fault::TimeoutBefore => hung(hang).await,
            Fault::TimeoutAfter => {
                let _ = self.serve(&mut incoming, verb, &resource, false);
                hung(hang).await
            }
            Fault::Overtaken => {
                self.overtake(&incoming);
                self.serve(&mut incoming, verb, &resource, false)
            }
            fault => self.serve(&mut incoming, verb, &resource, fault == Fault::Stale),
        };
        match reply {
            Ok((code, body)) => json_response(code, &body),
            Err(failure) => failed(&failure),
        }
    }

    /// Somebody else writes the object a request is about.
    fn overtake(&self, incoming: &Incoming) {
        let target = &incoming.target;
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let name = target.name.as_deref().unwrap_or_default();
        let revision = self.revision().to_string();
        let change = json!({ "metadata": { "annotations": { "somebody-else": revision } } });
        // Of an object that is not there nobody is first.
        let _ = self.merge(&target.plural, (namespace, name), None, &change);
    }

    /// Do what is asked and note it if it is a write.
    fn serve(
        &self,
        incoming: &mut Incoming,
        verb: &'static str,
        resource: &str,
        old: bool,
    ) -> Reply {
        let now = self.clock.now();
        let state = &mut self.state();
        let reply = match verb {
            "get" => incoming.get(state),
            "list" => Ok((200, incoming.list(state, old))),
            "create" => incoming.create(state, now),
            "update" | "patch" => incoming.change(state, now),
            "delete" => incoming.delete(state, now),
            "deletecollection" => incoming.delete_all(state, now),
            _ => Err(Failure::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )),
        };
        if !matches!(verb, "get" | "list") {
            state.audit.note_write(Write {
                at: now,
                verb,
                resource: resource.to_owned(),
                namespace: incoming.target.namespace.clone().unwrap_or_default(),
                name: incoming.target.name.clone().unwrap_or_default(),
                code: reply
                    .as_ref()
                    .map_or_else(|failure| failure.code, |(code, _)| *code),
            });
        }
        reply.map(|(code, body)| {
            let bare = incoming.metadata_only;
            (code, if bare { body.bare() } else { body })
        })
    }

    fn watch(&self, incoming: &Incoming) -> Response<Body> {
        let state = &mut self.state();
        let text = |key: &str| {
            incoming
                .query
                .get(key)
                .map(String::as_str)
                .unwrap_or_default()
        };
        let seconds = text("timeoutSeconds").parse().unwrap_or(WATCH_SECONDS);
        let (kind, _) = address(&incoming.target);
        let since: u64 = text("resourceVersion").parse().unwrap_or_default();
        if since > 0 && since < state.store.compacted {
            return json_lines(refused(&Failure::gone(since, state.store.compacted)));
        }
        let (sender, events) = unbounded_channel();
        let filter = incoming.filter();
        if since == 0 {
            for object in state.store.list(&kind, &filter) {
                let _ = sender.send(json!({ "type": "ADDED", "object": object.as_ref() }));
            }
        }
        let revision = state.store.revision;
        if let Some(after) = state.faults.of_watch() {
            state.store.drop_after =
                Some(state.store.drop_after.map_or(after, |left| left.min(after)));
        }
        let since = if since == 0 { revision } else { since };
        state.store.watch(
            Watcher {
                kind: kind.clone(),
                filter,
                sender,
            },
            since,
        );
        let name = known(&kind).map_or("", |kind| kind.kind).to_owned();
        let bookmarks = (text("allowWatchBookmarks") == "true").then(|| {
            if incoming.metadata_only {
                (
                    "PartialObjectMetadata".to_owned(),
                    "meta.k8s.io/v1".to_owned(),
                )
            } else {
                (name, incoming.target.api_version())
            }
        });
        let watching = Watching {
            events,
            ends: Instant::now() + Duration::from_secs(seconds),
            bookmarks,
            metadata_only: incoming.metadata_only,
            revision: since.to_string(),
        };
        json_lines(watching.into_body())
    }

    async fn proxied(
        &self,
        method: &Method,
        (namespace, service): (&str, &str),
        (path, query): (&str, &str),
        body: &Value,
    ) -> Response<Body> {
        let verb = verb_of(method, true, false);
        let (fault, hang) = {
            let state = &mut self.state();
            state.audit.note(verb, "services/proxy");
            (state.faults.of(Call::Flink), state.faults.plan.hang)
        };
        let name = service.strip_suffix("-rest").unwrap_or(service);
        let ask = || {
            if self.get("services", namespace, service).is_none() {
                return Err(Failure::not_found("services", service));
            }
            let asked = Asked {
                method,
                path,
                query,
                body,
            };
            let now = self.clock.now();
            self.flink()
                .handle(&ClusterKey::new(namespace, name), &asked, now)
                .ok_or_else(|| {
                    let message = format!("no endpoints available for service \"{service}\"");
                    Failure::new(503, "ServiceUnavailable", message)
                })
        };
        let reply = match fault {
            Fault::Unreachable => Err(Failure::new(
                503,
                "ServiceUnavailable",
                "error trying to reach service: an injected fault",
            )),
            Fault::Error => Ok((
                500,
                json!({ "errors": ["Internal server error.", "an injected fault"] }).into(),
            )),
            Fault::TimeoutBefore => hung(hang).await,
            Fault::TimeoutAfter => {
                let _ = ask();
                hung(hang).await
            }
            _ => ask().map(|answer| (answer.status, answer.body.into())),
        };
        match reply {
            Ok((code, body)) => json_response(code, &body),
            Err(failure) => failed(&failure),
        }
    }
}

fn json_lines(body: Body) -> Response<Body> {
    Response::new(body)
}

/// Nothing for a long time, then a time-out.
async fn hung(hang: Duration) -> Reply {
    tokio::time::sleep(hang).await;
    Err(Failure::timeout())
}
