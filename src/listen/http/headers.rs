//! What is sent along with a notice, from files: a token, headers.
//!
//! The rule: what a file holds is never told, only what is wrong with it.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::SettingsError;
use crate::config::listeners::ListenerSettings;

/// The headers of a listener as its files have them now.
pub fn read(settings: &ListenerSettings) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    if let Some(file) = &settings.headers_file {
        let text = contents(settings, "headers-file", file)?;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let header = line.split_once(':').and_then(|(name, value)| {
                let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
                Some((name, secret(value.trim())?))
            });
            let (name, value) = header.ok_or_else(|| {
                let why = format!("line {number} is not 'Name: value'");
                unusable(settings, "headers-file", file, why)
            })?;
            headers.append(name, value);
        }
    }
    if let Some(file) = &settings.bearer_token_file {
        let key = "bearer-token-file";
        let token = contents(settings, key, file)?;
        let token = token.trim();
        let value = (!token.is_empty())
            .then(|| secret(&format!("Bearer {token}")))
            .flatten();
        let value =
            value.ok_or_else(|| unusable(settings, key, file, "it holds no token".to_owned()))?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn contents(
    settings: &ListenerSettings,
    parameter: &str,
    file: &str,
) -> Result<String, SettingsError> {
    std::fs::read_to_string(file)
        .map_err(|error| unusable(settings, parameter, file, error.to_string()))
}

fn unusable(
    settings: &ListenerSettings,
    parameter: &str,
    file: &str,
    why: String,
) -> SettingsError {
    SettingsError::File {
        key: ListenerSettings::key(&settings.name, parameter),
        file: file.to_owned(),
        why,
    }
}
