//! The operator's image: what the Dockerfile says, made without Docker.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Workshop;
use super::archive::Image;
use super::base::pack;
use super::dockerfile;
use super::layer::Layer;
use crate::command::{command, run};
use crate::hash::{Key, sha256_file};

const DOCKERFILE: &str = include_str!("../../../../Dockerfile");
const SCRIPT: &str = include_str!("../../image/operator-root.sh");

/// The image `flink-operator` of a release build, tagged with its version and `local`.
///
/// # Errors
/// When the program cannot be read or the layer cannot be made.
pub fn operator(program: &Path, workshop: &Workshop<'_>) -> Result<Image> {
    workshop.ensure_tools()?;
    let settings = dockerfile::settings(DOCKERFILE).context("failed to read the Dockerfile")?;
    let layers = vec![layer(program, workshop)?];
    let tag = |tag: &str| format!("flink-operator:{tag}");
    Ok(Image {
        tags: vec![tag(env!("CARGO_PKG_VERSION")), tag("local")],
        layers,
        settings,
    })
}

fn layer(program: &Path, workshop: &Workshop<'_>) -> Result<Layer> {
    let mut key = Key::default().with("script", SCRIPT);
    for file in files_of(program)? {
        let (digest, _) =
            sha256_file(Path::new(&file)).with_context(|| format!("failed to read {file}"))?;
        key = key.with(&file, digest);
    }
    workshop.layer("operator", &key.finish(), |tar, work, _| {
        let root = work.join("root");
        let program = program.to_string_lossy();
        let root_text = root.to_string_lossy();
        run(&mut command(
            "sh",
            &["-c", SCRIPT, "operator-root.sh", &program, &root_text],
        ))?;
        pack(&root, &["."], tar, &["--owner=0", "--group=0"])
    })
}

/// The program and all that the script copies for it.
fn files_of(program: &Path) -> Result<Vec<String>> {
    let linked = run(Command::new("ldd").arg(program))?;
    let mut files = libraries(&linked);
    files.push(program.to_string_lossy().into_owned());
    files.push("/etc/ssl/certs/ca-certificates.crt".to_owned());
    Ok(files)
}

fn libraries(linked: &str) -> Vec<String> {
    let path = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words
            .iter()
            .find(|word| word.starts_with('/'))
            .map(|word| (*word).to_owned())
    };
    linked.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::progress::Progress;

    #[test]
    fn the_image_runs_the_operator_as_a_user_without_rights() {
        let settings = dockerfile::settings(DOCKERFILE).unwrap();
        assert_eq!(settings.entrypoint, ["/flink-operator"]);
        assert_eq!(settings.command, ["run"]);
        assert_eq!(settings.user, "9999:9999");
    }

    #[test]
    fn the_dockerfile_makes_its_files_with_the_same_script() {
        assert!(DOCKERFILE.contains("sh tests/cluster/image/operator-root.sh target/release/"));
    }

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let linked = "\tlinux-vdso.so.1 (0x1)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(libraries(linked), expected);
    }

    #[test]
    fn the_image_holds_the_program_its_libraries_and_nothing_else() {
        let cache = std::env::temp_dir().join(format!("flink-operator-{}", std::process::id()));
        let options = Options {
            cache: cache.clone(),
            ..Options::from_env().unwrap()
        };
        let progress = Progress::silent();
        let program = Path::new("/bin/true");
        let layer = layer(program, &Workshop::new(&options, &progress)).unwrap();
        let listed = run(Command::new("tar")
            .arg("--list")
            .arg("--file")
            .arg(&layer.file))
        .unwrap();
        let mut files: Vec<_> = listed
            .lines()
            .filter(|line| !line.ends_with('/'))
            .map(|line| line.trim_start_matches('.').to_owned())
            .collect();
        let mut expected = files_of(program).unwrap();
        expected.retain(|file| file != "/bin/true");
        for file in [
            "/flink-operator",
            "/etc/passwd",
            "/etc/group",
            "/etc/nsswitch.conf",
        ] {
            expected.push(file.to_owned());
        }
        files.sort();
        expected.sort();
        assert_eq!(files, expected);
        std::fs::remove_dir_all(cache).unwrap();
    }
}
