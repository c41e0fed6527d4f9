//! The text of a scenario: read, played, and written again.

use std::fmt::Write as _;

use super::stage::Stage;

/// Play a scenario and return its text with the outcomes as they are.
pub fn play(text: &str) -> Result<String, String> {
    let mut stage = Stage::default();
    let mut out = String::new();
    for (index, block) in text.split("\n\n").enumerate() {
        let given = block.split("\n----").next().unwrap_or_default();
        if index > 0 {
            out.push('\n');
        }
        let mut passes = false;
        for line in given.lines() {
            let _ = writeln!(out, "{line}");
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            passes = true;
            stage
                .set(line)
                .map_err(|error| format!("{line:?}: {error}"))?;
        }
        if passes {
            let _ = writeln!(out, "----");
            out.push_str(&stage.pass());
        }
    }
    Ok(out)
}
