//! The reference of all options, made from their declarations: `docs/reference/options.md`.
//! `UPDATE=1 cargo test` writes it again.

use std::fmt::Write;

#[cfg(test)]
use super::vain::WITHOUT_EFFECT;
use super::{
    Row, Scope,
    autoscaler::{AUTOSCALER_FAMILIES, ROWS},
    listeners::LISTENER_PARAMETERS,
    options::{FAMILIES, TABLE},
};

const HEAD: &str = "\
# Options

Made from the declarations in the source; do not edit.

**Where** says where an option takes effect: *resource* is `spec.flinkConfiguration` of a resource, and
the operator's defaults for all of them; it never causes an upgrade. *operator* is the operator's
defaults, also for one namespace or Flink version. *process* is the operator's defaults, for the
operator as a whole. *blue/green* is `spec.configuration` of a FlinkBlueGreenDeployment.

Durations are written `10 s`, `1 min`, `2 h` or `PT10S`, a bare number is milliseconds; memory sizes
`512m` or `2 gb`; lists `a;b`; maps `k1:v1,k2:v2`.

A key that begins with `kubernetes.operator.` or `job.autoscaler.` and is not listed here gives a warning
event that names the nearest one. So does a key that is set where it has no effect, or that has none.
";

const AFTER_LISTENERS: &str = "
Each key stands after `kubernetes.operator.plugins.listeners.<name>.`, in the operator's defaults. They are read at start.
";

const OLD_NAMES: &str = "
## Old names

These are still read, and so is every key of the autoscaler that begins with `kubernetes.operator.job.autoscaler.`.

| old | new |
| --- | --- |
";

/// The reference as Markdown: the operator's options, those of the autoscaler, families of keys and old
/// names.
pub fn docs() -> String {
    let mut out = HEAD.to_owned();
    table(&mut out, "Operator", TABLE);
    table(&mut out, "Autoscaler", &ROWS);
    out.push_str("\n## Keys with a name of your choice\n\n| key | meaning |\n| --- | --- |\n");
    for family in FAMILIES {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{}` | {} |", family.pattern, family.doc);
    }
    for (pattern, _, doc) in AUTOSCALER_FAMILIES {
        let _ = writeln!(out, "| `{pattern}` | {doc} |");
    }
    table(&mut out, "Listeners", LISTENER_PARAMETERS);
    out.push_str(AFTER_LISTENERS);
    out.push_str(OLD_NAMES);
    for row in TABLE.iter().chain(ROWS.iter()) {
        for alias in row.aliases {
            let _ = writeln!(out, "| `{alias}` | `{}` |", row.key);
        }
    }
    out
}

fn table(out: &mut String, title: &str, rows: &[Row]) {
    let _ = write!(
        out,
        "\n## {title}\n\n| key | type | default | where | meaning |\n| --- | --- | --- | --- | --- |\n"
    );
    for row in rows {
        let default = row.default.map_or_else(
            || "none".to_owned(),
            |default| {
                if default.is_empty() {
                    "empty".to_owned()
                } else {
                    format!("`{default}`")
                }
            },
        );
        let (key, kind, place) = (row.key, row.kind.replace('<', "\\<"), place(row.scope));
        let _ = writeln!(
            out,
            "| `{key}` | {kind} | {default} | {place} | {} |",
            row.doc
        );
    }
}

const fn place(scope: Scope) -> &'static str {
    match scope {
        Scope::Resource => "resource",
        Scope::Operator => "operator",
        Scope::Process => "process",
        Scope::BlueGreen => "blue/green",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_not_stale() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/options.md");
        let fresh = docs();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let present = std::fs::read_to_string(path).unwrap_or_default();
        assert!(present == fresh, "{path} is stale; run UPDATE=1 cargo test");
    }

    #[test]
    fn every_option_is_read_somewhere_or_said_to_be_without_effect() {
        fn gather(folder: &std::path::Path, text: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    gather(&path, text);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut source = String::new();
        gather(
            std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut source,
        );
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let declared = include_str!("options.rs").lines();
        let names: Vec<&str> = declared
            .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
            .map(|(name, _)| name)
            .filter(is_name)
            .collect();
        assert_eq!(names.len(), TABLE.len(), "each row has a name");
        for (name, row) in names.iter().zip(TABLE) {
            let path = format!("options::{name}");
            let mut uses = source.split(&path).skip(1);
            let is_longer =
                |rest: &str| rest.starts_with(|c: char| c == '_' || c.is_alphanumeric());
            let read = uses.any(|rest| !is_longer(rest));
            let told = row.doc.contains(WITHOUT_EFFECT);
            let validated = row.doc.contains("but for its validation");
            assert!(
                read != told || validated,
                "{name}: read: {read}, told to be without effect: {told}"
            );
        }
    }

    #[test]
    fn no_cell_breaks_its_row() {
        for line in docs().lines().filter(|line| line.starts_with('|')) {
            let cells = line.replace("\\|", "").matches('|').count();
            assert!([3, 6].contains(&cells), "{line}");
        }
    }
}
