//! Flink's images, put together from the packages that Flink publishes for Python: one holds the
//! jars, the other the start scripts and the configuration; together they are a whole `/opt/flink`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Workshop;
use super::archive::{Image, Settings};
use super::base::{self, Base, pack};
use super::layer::{Entry, Layer};
use crate::command::{run, watch};
use crate::hash::{Key, sha256_file};
use crate::progress::Step;

/// The user that Flink runs as, and its group.
const FLINK: u64 = 9999;
const ENTRYPOINT: &str = include_str!("../../image/docker-entrypoint.sh");
/// Rises when the way the layer is made changes.
const RECIPE: &str = "1";

/// The lines of Flink that are tested: the last of 1.x and the newest 2.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.20
    V1_20,
    /// 2.3
    V2_3,
}

impl Version {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::V1_20, Self::V2_3];

    /// The first two numbers, as in the image's tag.
    pub fn minor(self) -> &'static str {
        match self {
            Self::V1_20 => "1.20",
            Self::V2_3 => "2.3",
        }
    }

    /// The release that is installed.
    pub fn release(self) -> &'static str {
        match self {
            Self::V1_20 => "1.20.5",
            Self::V2_3 => "2.3.0",
        }
    }
}

/// The image `flink:MINOR`.
///
/// # Errors
/// When a package cannot be fetched or a layer cannot be made.
pub fn flink(version: Version, workshop: &Workshop<'_>) -> Result<Image> {
    flink_on(Base::Java, version, workshop)
}

/// The same on a base of one's choice.
pub fn flink_on(base: Base, version: Version, workshop: &Workshop<'_>) -> Result<Image> {
    let layers = vec![
        base::layer(base, workshop)?,
        distribution(version, workshop)?,
        start(workshop)?,
    ];
    let java = match std::env::consts::ARCH {
        "aarch64" => "/usr/lib/jvm/java-17-openjdk-arm64",
        _ => "/usr/lib/jvm/java-17-openjdk-amd64",
    };
    let env = [
        ("FLINK_HOME", "/opt/flink"),
        ("FLINK_VERSION", version.release()),
        ("JAVA_HOME", java),
        ("LANG", "C.UTF-8"),
        (
            "PATH",
            "/opt/flink/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
    ];
    let settings = Settings {
        entrypoint: vec!["/docker-entrypoint.sh".to_owned()],
        command: vec!["help".to_owned()],
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        folder: "/opt/flink".to_owned(),
        user: String::new(),
        labels: BTreeMap::new(),
    };
    Ok(Image {
        tags: vec![format!("flink:{}", version.minor())],
        layers,
        settings,
    })
}

/// An image of Flink with more `files`, each given with its path in the image, under the name
/// `tag`. Jars of application jobs belong in `/opt/flink/usrlib`.
///
/// # Errors
/// When a file cannot be read, or as for [`flink`].
pub fn flink_with(
    version: Version,
    files: &[(PathBuf, &str)],
    tag: &str,
    workshop: &Workshop<'_>,
) -> Result<Image> {
    let mut key = Key::default();
    let mut entries: Vec<_> = folders(files.iter().map(|(_, path)| *path))
        .iter()
        .map(|folder| Entry::folder(folder).owned_by(FLINK))
        .collect();
    for (source, path) in files {
        let (digest, _) =
            sha256_file(source).with_context(|| format!("failed to read {}", source.display()))?;
        key = key.with(path, digest);
        entries.push(Entry::file(path, source).owned_by(FLINK));
    }
    let mut image = flink(version, workshop)?;
    image
        .layers
        .push(workshop.layer_of("files", &key.finish(), &entries)?);
    image.tags = vec![tag.to_owned()];
    Ok(image)
}

/// The folders that the files need and the image may lack: all below `/opt/flink`.
fn folders<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let home = Path::new("/opt/flink");
    paths
        .flat_map(|path| Path::new(path).ancestors().skip(1))
        .filter(|folder| folder.starts_with(home) && *folder != home)
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect()
}

fn start(workshop: &Workshop<'_>) -> Result<Layer> {
    let key = Key::default().with("entrypoint", ENTRYPOINT).finish();
    let entry = Entry::text("/docker-entrypoint.sh", ENTRYPOINT).executable();
    workshop.layer_of("flink-start", &key, &[entry])
}

fn distribution(version: Version, workshop: &Workshop<'_>) -> Result<Layer> {
    let release = version.release();
    let key = Key::default()
        .with("release", release)
        .with("recipe", RECIPE)
        .finish();
    workshop.layer(&format!("flink-{release}"), &key, |tar, work, step| {
        make(release, tar, work, step)
    })
}

fn make(release: &str, tar: &Path, work: &Path, step: &mut Step<'_>) -> Result<()> {
    let home = work.join("root/opt/flink");
    fs::create_dir_all(&home)?;

    let source = ["--no-binary", ":all:"];
    let jars = fetch("apache-flink-libraries", release, &source, work, step)?;
    let mut unpack = Command::new("tar");
    unpack.args([
        "--extract",
        "--gzip",
        "--no-same-owner",
        "--strip-components=2",
        "--wildcards",
    ]);
    unpack
        .arg("--file")
        .arg(&jars)
        .arg("--directory")
        .arg(&home)
        .arg("*/deps/*");
    watch(&mut unpack, &work.join("unpack.log"), step, |_, step| {
        step.tick();
    })?;

    let platform = format!("manylinux2014_{}", std::env::consts::ARCH);
    let wheel = [
        "--only-binary",
        ":all:",
        "--python-version",
        "3.11",
        "--platform",
        &platform,
    ];
    let scripts = fetch("apache-flink", release, &wheel, work, step)?;
    let python = work.join("wheel");
    run(Command::new("python3")
        .args(["-m", "zipfile", "--extract"])
        .arg(scripts)
        .arg(&python))?;

    let python = python.join("pyflink");
    copy_files(&python.join("bin"), &home.join("bin"), 0o755)?;
    copy_files(&python.join("conf"), &home.join("conf"), 0o644)?;
    fs::rename(python.join("examples"), home.join("examples"))?;
    fs::create_dir_all(home.join("log"))?;
    let conf = home.join("conf/config.yaml");
    fs::write(&conf, open_to_network(&fs::read_to_string(&conf)?))?;

    let owner = FLINK.to_string();
    pack(
        &work.join("root"),
        &["opt/flink"],
        tar,
        &["--owner", &owner, "--group", &owner],
    )
}

/// Fetches a package of Flink's and returns its file.
fn fetch(
    name: &str,
    release: &str,
    more: &[&str],
    work: &Path,
    step: &mut Step<'_>,
) -> Result<PathBuf> {
    let folder = work.join(name);
    let mut pip = Command::new("pip3");
    pip.args(["download", "--no-deps", "--progress-bar", "off", "--dest"])
        .arg(&folder);
    pip.args(more).arg(format!("{name}=={release}"));
    // Beside the work folder, which is removed at the end: a failed download can be read up.
    let log = work.with_extension(format!("{name}.log"));
    watch(&mut pip, &log, step, |_, step| step.tick())?;
    let file = fs::read_dir(&folder)?.flatten().next();
    Ok(file
        .with_context(|| format!("pip fetched no file of {name}"))?
        .path())
}

fn copy_files(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// As it is published, Flink listens to its own machine only; in a container nobody would reach
/// it. Everything else stays, the Java options that Java 17 needs above all.
fn open_to_network(conf: &str) -> String {
    let mut text = String::new();
    for line in conf.lines() {
        text.push_str(match line {
            "  bind-host: localhost" => "  bind-host: 0.0.0.0",
            // The only `address` right below the top is that of `rest`.
            "  address: localhost" => "  address: 0.0.0.0",
            // A task manager finds its own address.
            "  host: localhost" => continue,
            other => other,
        });
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_listen_to_the_network_and_keep_the_rest() {
        let conf = "env:\n  java:\n    opts:\n      all: --add-opens=x\n\
                    jobmanager:\n  bind-host: localhost\n  rpc:\n    address: localhost\n\
                    taskmanager:\n  bind-host: localhost\n  host: localhost\n\
                    rest:\n  address: localhost\n  # bind-address: localhost\n";
        let expected = "env:\n  java:\n    opts:\n      all: --add-opens=x\n\
                        jobmanager:\n  bind-host: 0.0.0.0\n  rpc:\n    address: localhost\n\
                        taskmanager:\n  bind-host: 0.0.0.0\n\
                        rest:\n  address: 0.0.0.0\n  # bind-address: localhost\n";
        assert_eq!(open_to_network(conf), expected);
    }

    #[test]
    fn a_jar_brings_the_folders_it_lies_in() {
        let paths = [
            "/opt/flink/usrlib/a/job.jar",
            "/opt/flink/usrlib/b.jar",
            "/etc/x",
        ];
        let folders: Vec<_> = folders(paths.into_iter()).into_iter().collect();
        assert_eq!(folders, ["/opt/flink/usrlib", "/opt/flink/usrlib/a"]);
    }

    #[test]
    fn the_tag_is_the_release_without_its_last_number() {
        for version in Version::ALL {
            assert!(
                version
                    .release()
                    .starts_with(&format!("{}.", version.minor()))
            );
        }
    }

    #[test]
    fn the_entry_point_is_a_script_that_bash_accepts() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/docker-entrypoint.sh");
        run(Command::new("bash").arg("-n").arg(&path)).unwrap();
        let said = run(Command::new("bash").arg(&path).arg("help")).unwrap();
        assert!(
            said.contains("standalone-job") && said.contains("FLINK_PROPERTIES"),
            "{said}"
        );
        let said = run(Command::new("bash").arg(&path).args(["echo", "as it is"]));
        assert!(said.is_err() || said.unwrap() == "as it is\n");
    }
}
