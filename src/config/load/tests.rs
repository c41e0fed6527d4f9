use super::*;

/// A directory of its own for one test, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("flink-config-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn without_files_the_built_in_defaults_hold() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(
        loaded,
        Loaded {
            defaults: Defaults::builtin(),
            warnings: vec![]
        }
    );
    let empty = Directory::new("empty", &[]);
    let sources = Sources {
        directory: Some(empty.path()),
        ..Sources::default()
    };
    assert_eq!(load(&sources).unwrap().defaults, Defaults::builtin());
}

#[test]
fn later_layers_win() {
    let base = Directory::new(
        "base",
        &[
            (
                "config.yaml",
                "a: 1\nb: {c: 1, d: [x, y]}\nkubernetes.operator.watched.namespaces: file\n",
            ),
            ("flink-conf.yaml", "a: 9\n"),
            (LOG4J_FILE, "rootLogger.level = WARN\n"),
        ],
    );
    let over = Directory::new(
        "over",
        &[("flink-conf.yaml", "b.c: 2 # why\n\n# nothing\nnonsense\n")],
    );
    let sources = Sources {
        directory: Some(base.path()),
        overrides: Some(over.path()),
        watch_namespaces: Some("env".into()),
    };
    let loaded = load(&sources).unwrap();
    let operator = loaded.defaults.operator();
    assert_eq!(
        ["a", "b.c", "b.d"].map(|key| operator.raw(key)),
        [Some("1"), Some("2"), Some("x;y")]
    );
    assert_eq!(operator.raw("parallelism.default"), Some("1"));
    assert_eq!(
        loaded.defaults.watched_namespaces(),
        Ok(Some(["env".to_owned()].into()))
    );
    assert_eq!(loaded.defaults.log_files().len(), 1);
    assert_eq!(loaded.warnings.len(), 1);
    assert!(
        loaded.warnings[0].contains("flink-conf.yaml, line 4: 'nonsense'"),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let broken = Directory::new("broken", &[("config.yaml", "a: 1\nb: [1, 2\nc: 3\n")]);
    let error = load(&Sources {
        directory: Some(broken.path()),
        ..Sources::default()
    })
    .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("config.yaml', line "), "{message}");
    let list = Directory::new("list", &[("config.yaml", "- a\n")]);
    let error = load(&Sources {
        directory: Some(list.path()),
        ..Sources::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn the_environment_is_read_by_its_names() {
    let vars = [
        ("FLINK_CONF_DIR", "/conf"),
        ("CONF_OVERRIDE_DIR", " "),
        ("WATCH_NAMESPACES", "a,b"),
    ];
    let sources = Sources::from_environment(|name| {
        vars.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    });
    assert_eq!(
        sources,
        Sources {
            directory: Some("/conf".into()),
            overrides: None,
            watch_namespaces: Some("a,b".into())
        }
    );
}
