//! Rules of the house that no compiler checks: which module may use which, what the pure ones may not
//! touch, how long a file may be, and that each says what it is for.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the operator, and which others each may use. What is not listed may use all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("resources", &["config"]),
    ("domain", &["config", "resources"]),
    ("clock", &["domain"]),
    ("telemetry", &[]),
    ("serve", &["telemetry"]),
    (
        "canaries",
        &["act", "clock", "deadline", "leader", "serve", "telemetry"],
    ),
    ("flink", &["config", "domain", "telemetry"]),
    ("prometheus", &[]),
    ("deadline", &[]),
    ("scaler_memory", &[]),
    ("snapshots", &["domain"]),
    ("leader", &["clock", "config", "deadline", "telemetry"]),
    ("listen", &["clock", "config", "namespaces", "telemetry"]),
    (
        "observe",
        &[
            "clock",
            "scaler_memory",
            "snapshots",
            "config",
            "deadline",
            "domain",
            "flink",
            "prometheus",
            "resources",
            "telemetry",
        ],
    ),
    (
        "act",
        &[
            "clock",
            "scaler_memory",
            "config",
            "deadline",
            "domain",
            "flink",
            "leader",
            "listen",
            "resources",
            "telemetry",
        ],
    ),
    (
        "autoscale",
        &[
            "clock",
            "config",
            "domain",
            "flink",
            "resources",
            "telemetry",
        ],
    ),
    ("webhook", &["clock", "config", "domain", "telemetry"]),
];

/// Modules that compute and nothing else.
const PURE: &[&str] = &[
    "src/config",
    "src/domain",
    "src/resources",
    "scaler/src",
    "crds/src",
];

/// The one of them that reads files.
const READS_FILES: &[&str] = &["src/config/load.rs"];

/// What a pure module has no use for.
const IMPURE: &[&str] = &[
    "async fn",
    "async move",
    "async {",
    ".await",
    "tokio::",
    "kube::Client",
    "kube::Api<",
    "kube::Api;",
    "reqwest::",
    "std::env::",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];

/// Lines a file may have. What is longer has more than one subject.
const LONGEST: usize = 600;

/// Tables, which are read by searching.
const TABLES: &[&str] = &["src/config/options.rs", "scaler/src/settings.rs"];

struct Source {
    /// From the project's folder.
    path: String,
    text: String,
}

impl Source {
    /// The lines that end up in the program: without comments, and without the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("mod tests {"))
            .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        gather(&root().join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources are not where they were");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn gather(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(Source {
                path: relative(&path),
                text: fs::read_to_string(&path).expect("text"),
            });
        }
    }
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

const ALL: &[&str] = &[
    "src",
    "scaler/src",
    "crds/src",
    "tests/it",
    "tests/cluster/src",
    "tests/e2e",
];

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut complaints = Vec::new();
    for source in sources(&["src"]) {
        let module = source
            .path
            .trim_start_matches("src/")
            .trim_end_matches(".rs");
        let module = module.split('/').next().unwrap_or_default();
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for (number, line) in source.code() {
            for rest in line.split("crate::").skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                let used = &rest[..end.unwrap_or(rest.len())];
                if used != module && !used.is_empty() && !may_use.contains(&used) {
                    complaints.push(format!("{}:{number}: {module} uses {used}", source.path));
                }
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "{}\n(the table is in tests/it/tidy.rs)",
        complaints.join("\n")
    );
}

#[test]
fn pure_modules_do_no_input_or_output() {
    let mut complaints = Vec::new();
    for source in sources(PURE) {
        if source.is_test() || READS_FILES.contains(&source.path.as_str()) {
            continue;
        }
        for (number, line) in source.code() {
            if let Some(word) = IMPURE.iter().find(|word| line.contains(**word)) {
                complaints.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "pure modules compute only:\n{}",
        complaints.join("\n")
    );
}

#[test]
fn no_file_is_longer_than_one_subject() {
    let long: Vec<_> = sources(ALL)
        .into_iter()
        .filter(|source| !TABLES.contains(&source.path.as_str()))
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(
        long.is_empty(),
        "longer than {LONGEST} lines, split by subject: {long:?}"
    );
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = sources(ALL)
        .into_iter()
        .filter(|source| !source.is_test() && !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert!(
        silent.is_empty(),
        "without a first line `//! ...`: {silent:?}"
    );
}

#[test]
fn documents_link_to_what_exists() {
    let mut broken = Vec::new();
    for document in documents(root()) {
        let text = fs::read_to_string(&document).expect("text");
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            let folder = document.parent().expect("a document lies in a folder");
            if !folder.join(file).exists() {
                broken.push(format!("{}: {target}", relative(&document)));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links to nothing:\n{}",
        broken.join("\n")
    );
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.extend(documents(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}
