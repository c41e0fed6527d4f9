//! The requests of `tests/fixtures/api-server/requests.txt`.

/// One request; texts may hold the placeholders of `Shower::filled`.
pub struct Request {
    pub what: String,
    pub method: String,
    pub path: String,
    pub content_type: &'static str,
    pub accept: &'static str,
    pub body: String,
}

/// All of them, in order.
pub fn requests(text: &str) -> Vec<Request> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text: Vec<&str> = lines.collect();
    text.split(|line| line.is_empty())
        .filter_map(request)
        .collect()
}

fn request(lines: &[&str]) -> Option<Request> {
    let (what, rest) = lines.split_first()?;
    let (target, body) = rest.split_first()?;
    let (target, how) = target.split_once(" as ").unwrap_or((target, ""));
    let (method, path) = target.split_once(' ')?;
    Some(Request {
        what: (*what).to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        content_type: match how {
            "merge" => "application/merge-patch+json",
            "json-patch" => "application/json-patch+json",
            "apply" => "application/apply-patch+yaml",
            _ => "application/json",
        },
        accept: match how {
            "metadata" => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            "metadata-list" => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            _ => "application/json",
        },
        body: body.concat(),
    })
}
