//! What a request asks for: the parts of its path, and its query.

/// A path and a query, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The path without the version in front.
    pub parts: Vec<String>,
    query: Vec<(String, String)>,
}

impl Target {
    /// Reads `/v1/jobs/overview?get=a,b`. What cannot be decoded stands for itself.
    pub fn parse(text: &str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        parts.next_if_eq(&"v1");
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self {
            parts: parts.map(decoded).collect(),
            query: pairs.map(pair).collect(),
        }
    }

    /// The names listed under a key; `None` if the key is not there.
    pub fn names(&self, key: &str) -> Option<Vec<&str>> {
        let (_, value) = self.query.iter().find(|(name, _)| name == key)?;
        Some(value.split(',').filter(|name| !name.is_empty()).collect())
    }
}

/// Text in which `%2C` stands for a comma.
fn decoded(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if let (b'%', Some(escaped)) = (byte, escaped(bytes.clone())) {
            plain.push(escaped);
            bytes.nth(1);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The byte that the next two hex digits stand for.
fn escaped(mut ahead: std::str::Bytes<'_>) -> Option<u8> {
    let mut digit = || char::from(ahead.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_lists_are_read_whatever_is_escaped() {
        let target = Target::parse("/v1/jobs/a%2Fb/?get=x%2Cy,z&agg=max&odd=%zz%4");
        assert_eq!(target.parts, ["jobs", "a/b"]);
        assert_eq!(target.names("get"), Some(vec!["x", "y", "z"]));
        assert_eq!(target.names("agg"), Some(vec!["max"]));
        assert_eq!(target.names("odd"), Some(vec!["%zz%4"]));
        assert_eq!(target.names("none"), None);
        assert_eq!(Target::parse(""), Target::default());
    }
}
