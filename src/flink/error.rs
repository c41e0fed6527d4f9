//! Why a call gave no result.
//!
//! The rule: this is the one place that turns statuses and answers into a [`Category`]. An answer that
//! does not look like one of Flink's is never taken for one, so that a proxy's "not found" cannot be
//! read as "the job is gone".

use std::fmt;

use http::StatusCode;

use super::wire;

/// Longest message kept, in characters; Flink sends whole stack traces.
const MESSAGE_LIMIT: usize = 400;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Flink cluster {cluster}: {endpoint}: {category}{}: {message}", status_suffix(*.status))]
pub struct RestError {
    /// What kind of failure it is.
    pub category: Category,
    /// The call, for example `GET /jobs/:job`; from a closed set.
    pub endpoint: &'static str,
    /// Namespace and name of the cluster, as in `prod/orders`.
    pub cluster: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The essential line of the answer or of the cause, for people.
    pub message: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Nothing that is Flink answered: no connection, no JobManager leading yet, an error of a proxy.
    Unreachable,
    /// No answer in time; whether the request took effect is unknown.
    Timeout,
    /// Flink does not know the job, the trigger or the checkpoint.
    NotFound,
    /// The state of the job does not allow it; on cancellation: the job has ended already.
    Conflict,
    /// Flink refuses the request as it is.
    BadRequest,
    /// This Flink version or scheduler cannot do it.
    Unsupported,
    /// Flink failed while handling the request.
    Server,
    /// An answer that could not be understood.
    Malformed,
}

impl Category {
    /// Label for metrics and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "Unreachable",
            Self::Timeout => "Timeout",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::BadRequest => "BadRequest",
            Self::Unsupported => "Unsupported",
            Self::Server => "ServerError",
            Self::Malformed => "Malformed",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "not reachable",
            Self::Timeout => "no answer in time",
            Self::NotFound => "not found",
            Self::Conflict => "conflict with the present state",
            Self::BadRequest => "request refused",
            Self::Unsupported => "not supported by this cluster",
            Self::Server => "failed in Flink",
            Self::Malformed => "answer not understood",
        })
    }
}

fn status_suffix(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (HTTP {status})"))
}

impl RestError {
    /// Label for metrics and events; from a closed set.
    pub fn category(&self) -> &'static str {
        self.category.as_str()
    }

    /// Flink answered that it does not know what the call names.
    pub fn is_not_found(&self) -> bool {
        self.category == Category::NotFound
    }

    /// Flink answered that the state of the job does not allow it.
    pub fn is_conflict(&self) -> bool {
        self.category == Category::Conflict
    }

    /// There is no answer of Flink, so nothing is known about its state.
    pub fn is_blind(&self) -> bool {
        matches!(
            self.category,
            Category::Unreachable | Category::Timeout | Category::Malformed
        )
    }

    /// Asking the same again will be refused the same way.
    pub fn is_refusal(&self) -> bool {
        matches!(self.category, Category::BadRequest | Category::Unsupported)
    }
}

/// Category and message of an answer that is not a success.
pub(super) fn classify(status: StatusCode, body: &[u8]) -> (Category, String) {
    let Some(errors) = wire::errors(body) else {
        return (category_of_foreign(status), foreign_message(body));
    };
    let text = errors.join("\n");
    let category = match status {
        StatusCode::NOT_FOUND if names_unknown_path(&errors) => Category::Unsupported,
        StatusCode::NOT_FOUND => Category::NotFound,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Category::Unsupported,
        StatusCode::CONFLICT => Category::Conflict,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Category::Timeout,
        // Flink itself answers so while no JobManager leads.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => Category::Unreachable,
        status if status.is_client_error() => Category::BadRequest,
        _ if text.contains("java.lang.UnsupportedOperationException") => Category::Unsupported,
        _ => Category::Server,
    };
    (category, shortened(essential(&errors)))
}

/// What an answer means that Flink did not write.
fn category_of_foreign(status: StatusCode) -> Category {
    if status.is_success() {
        Category::Malformed
    } else {
        Category::Unreachable
    }
}

/// Flink's answers for a path that its version does not have.
fn names_unknown_path(errors: &[String]) -> bool {
    errors.iter().any(|error| {
        error.contains("Not found: /") || error.contains("Unable to load requested file")
    })
}

/// The line a person wants to read: the exception rather than "Internal server error.", and the sentence
/// rather than the class of an exception of the REST interface itself.
fn essential(errors: &[String]) -> &str {
    let lines = || errors.iter().flat_map(|error| error.lines()).map(str::trim);
    let line = lines()
        .find(|line| {
            !line.is_empty()
                && !line.starts_with("Internal server error")
                && !line.starts_with("<Exception on server side")
        })
        .or_else(|| lines().next())
        .unwrap_or("no message");
    match line.split_once(": ") {
        Some((class, sentence)) if class.starts_with("org.apache.flink.runtime.rest.") => sentence,
        _ => line,
    }
}

/// The message of a proxy: that of a Kubernetes `Status`, or the first line of whatever came.
fn foreign_message(body: &[u8]) -> String {
    let message = wire::kubernetes_message(body).unwrap_or_else(|| {
        String::from_utf8_lossy(body)
            .lines()
            .next()
            .unwrap_or("")
            .to_owned()
    });
    if message.trim().is_empty() {
        "no message".to_owned()
    } else {
        shortened(message.trim())
    }
}

/// At most [`MESSAGE_LIMIT`] characters.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= MESSAGE_LIMIT {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MESSAGE_LIMIT).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(status: u16, body: &str) -> Category {
        classify(StatusCode::from_u16(status).unwrap(), body.as_bytes()).0
    }

    #[test]
    fn flinks_answers_are_told_apart_by_status() {
        let errors = r#"{"errors":["Job could not be found."]}"#;
        for (status, expected) in [
            (400, Category::BadRequest),
            (404, Category::NotFound),
            (405, Category::Unsupported),
            (408, Category::Timeout),
            (409, Category::Conflict),
            (500, Category::Server),
            (503, Category::Unreachable),
            (504, Category::Timeout),
        ] {
            assert_eq!(category(status, errors), expected, "{status}");
        }
    }

    #[test]
    fn what_something_else_answers_is_never_flinks_word() {
        let service_gone = r#"{"kind":"Status","apiVersion":"v1","status":"Failure",
            "message":"services \"orders-rest\" not found","reason":"NotFound","code":404}"#;
        let no_endpoints = r#"{"kind":"Status","apiVersion":"v1","status":"Failure",
            "message":"no endpoints available for service \"orders-rest\"","code":503}"#;
        for (status, body) in [
            (404, service_gone),
            (503, no_endpoints),
            (403, r#"{"kind":"Status","message":"forbidden","code":403}"#),
            (404, "<html>nginx</html>"),
            (409, ""),
            (
                502,
                "error trying to reach service: dial tcp 10.0.0.7:8081: connection refused",
            ),
        ] {
            assert_eq!(category(status, body), Category::Unreachable, "{body}");
        }
        let (_, message) = classify(StatusCode::NOT_FOUND, service_gone.as_bytes());
        assert_eq!(message, r#"services "orders-rest" not found"#);
    }

    #[test]
    fn the_class_of_a_rest_exception_is_left_out() {
        let body = serde_json::json!({ "errors": [
            "org.apache.flink.runtime.rest.NotFoundException: Job a1 not found\n\tat x.Y(Y.java:1)",
        ]});
        let classified = classify(StatusCode::NOT_FOUND, body.to_string().as_bytes());
        assert_eq!(
            classified,
            (Category::NotFound, "Job a1 not found".to_owned())
        );
    }

    #[test]
    fn an_endpoint_that_this_version_lacks_is_not_a_missing_job() {
        let post = r#"{"errors":["Not found: /jobs/a1/checkpoints"]}"#;
        let get = r#"{"errors":["org.apache.flink.runtime.rest.NotFoundException: Unable to load requested file /jobs/a1/x."]}"#;
        assert_eq!(category(404, post), Category::Unsupported);
        assert_eq!(category(404, get), Category::Unsupported);
    }

    #[test]
    fn the_message_is_the_exception_and_is_short() {
        let body = serde_json::json!({ "errors": [
            "Internal server error.",
            format!("<Exception on server side:\njava.lang.IllegalStateException: {}\n\tat x", "y".repeat(900)),
        ]});
        let (category, message) = classify(
            StatusCode::INTERNAL_SERVER_ERROR,
            body.to_string().as_bytes(),
        );
        assert_eq!(category, Category::Server);
        assert!(
            message.starts_with("java.lang.IllegalStateException: yyy"),
            "{message}"
        );
        assert_eq!(message.chars().count(), MESSAGE_LIMIT + 1);
    }

    #[test]
    fn an_error_reads_as_one_line() {
        let error = RestError {
            category: Category::NotFound,
            endpoint: "GET /jobs/:job",
            cluster: "prod/orders".to_owned(),
            status: Some(404),
            message: "Job a1 not found".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "Flink cluster prod/orders: GET /jobs/:job: not found (HTTP 404): Job a1 not found"
        );
    }
}
