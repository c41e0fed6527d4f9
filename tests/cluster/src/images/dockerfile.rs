//! Reads how an image is run from the last stage of a Dockerfile, and refuses what it does not
//! know: an instruction that only Docker follows would make two different images of one file. Pure.

use anyhow::{Context, Result, bail, ensure};

use super::archive::Settings;

/// What the last stage must begin with: an empty image filled with what the script made.
const FILLED: &str = "COPY --from=build /image/ /";

/// The settings in the last stage of a Dockerfile.
///
/// # Errors
/// Names the line that is not understood.
pub fn settings(text: &str) -> Result<Settings> {
    let lines = instructions(text);
    let start = lines.iter().rposition(|line| line.starts_with("FROM "));
    let stage = start
        .and_then(|start| lines.get(start..))
        .context("there is no FROM")?;
    ensure!(
        stage.first().map(String::as_str) == Some("FROM scratch")
            && stage.get(1).map(String::as_str) == Some(FILLED),
        "the last stage must begin with FROM scratch and {FILLED}"
    );
    let mut settings = Settings::default();
    for line in stage.iter().skip(2) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ENTRYPOINT" => settings.entrypoint = words(rest)?,
            "CMD" => settings.command = words(rest)?,
            "USER" => rest.clone_into(&mut settings.user),
            "WORKDIR" => rest.clone_into(&mut settings.folder),
            "ENV" => settings.env.extend(pairs(rest)?),
            "LABEL" => settings.labels.extend(pairs(rest)?),
            _ => bail!("the last stage has an instruction that is not known here: {line}"),
        }
    }
    Ok(settings)
}

/// One line for each instruction, without comments.
fn instructions(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(start) = line.strip_suffix('\\') {
            open.push_str(start);
        } else {
            lines.push(std::mem::take(&mut open) + line);
        }
    }
    lines
}

fn words(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).with_context(|| format!("not a list of words in JSON: {json}"))
}

/// `a=b c="d e"`.
fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, value) = rest
            .split_once('=')
            .with_context(|| format!("no name=value: {rest}"))?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .with_context(|| format!("an open quotation: {rest}"))?,
            None => value.split_once(' ').unwrap_or((value, "")),
        };
        pairs.push((name.to_owned(), value.to_owned()));
        rest = after.trim();
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "FROM rust AS build\nRUN x\n\nFROM scratch\nCOPY --from=build /image/ /\n";

    #[test]
    fn the_last_stage_says_how_the_image_is_run() {
        let text = format!(
            "{START}# how\nENV A=1 B=\"two words\"\nLABEL x=\"1\" \\\n  y=2\nUSER 9999:9999\n\
             WORKDIR /\nENTRYPOINT [\"/p\"]\nCMD [\"run\"]\n"
        );
        let settings = settings(&text).unwrap();
        assert_eq!(settings.entrypoint, ["/p"]);
        assert_eq!(settings.command, ["run"]);
        assert_eq!(settings.user, "9999:9999");
        assert_eq!(settings.folder, "/");
        assert_eq!(settings.env["B"], "two words");
        assert_eq!(settings.labels["y"], "2");
    }

    #[test]
    fn what_only_docker_would_follow_is_refused() {
        let text = settings(&format!("{START}COPY x /\n"))
            .unwrap_err()
            .to_string();
        assert!(text.contains("COPY x /"), "{text}");
        let text = settings("FROM debian\nUSER 1\n").unwrap_err().to_string();
        assert!(text.contains("FROM scratch"), "{text}");
    }
}
