//! Watches as a stream of lines.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::failure::Failure;

/// How often a watch that asked for bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

/// An open watch as a body: one JSON line per event, bookmarks between them, and an end.
pub(super) struct Watching {
    pub(super) events: UnboundedReceiver<Value>,
    pub(super) ends: Instant,
    /// Kind and API version of bookmarks; `None` if they are not wanted.
    pub(super) bookmarks: Option<(String, String)>,
    /// Only metadata is wanted.
    pub(super) metadata_only: bool,
    /// Revision up to which events have been sent.
    pub(super) revision: String,
}

impl Watching {
    pub(super) fn into_body(self) -> Body {
        let next_bookmark = Instant::now() + BOOKMARK_EVERY;
        Body::from_stream(unfold(
            (self, next_bookmark),
            |(mut watching, mut next_bookmark)| async move {
                let wake = next_bookmark.min(watching.ends);
                let event = tokio::select! {
                    biased;
                    event = watching.events.recv() => event?,
                    () = sleep_until(wake) => {
                        if wake == watching.ends {
                            return None;
                        }
                        next_bookmark += BOOKMARK_EVERY;
                        watching.bookmark()
                    }
                };
                if event.get("type").is_some() {
                    watching.note(&event);
                }
                let line = watching.line(event);
                Some((
                    Ok::<Bytes, std::convert::Infallible>(line),
                    (watching, next_bookmark),
                ))
            },
        ))
    }

    fn note(&mut self, event: &Value) {
        if let Some(revision) = event
            .pointer("/object/metadata/resourceVersion")
            .and_then(Value::as_str)
        {
            revision.clone_into(&mut self.revision);
        }
    }

    /// An event that carries a revision only; an empty line if they are not wanted.
    fn bookmark(&self) -> Value {
        match &self.bookmarks {
            None => Value::Null,
            Some((kind, api_version)) => json!({ "type": "BOOKMARK", "object": { "kind": kind,
                "apiVersion": api_version, "metadata": { "resourceVersion": self.revision } } }),
        }
    }

    fn line(&self, mut event: Value) -> Bytes {
        if event.is_null() {
            return Bytes::from_static(b"\n");
        }
        if self.metadata_only
            && let Some(object) = event.get_mut("object")
        {
            *object = super::read::metadata_of(object);
        }
        Bytes::from(format!("{event}\n"))
    }
}

/// A watch that can only say why it is none.
pub(super) fn refused(failure: &Failure) -> Body {
    let event = json!({ "type": "ERROR", "object": failure.status() });
    Body::from(format!("{event}\n"))
}
