//! What a machine must have, and the command that gives it what it lacks.
//!
//! Every missing thing is named at once, so that one round of mending is enough.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{run, succeeds};
use crate::options::Options;
use crate::progress::Progress;

/// The oldest Go that builds all modules.
const GO: [u32; 3] = [1, 26, 4];

/// What one wants to do; each needs other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Build Kubernetes' programs.
    Programs,
    /// Run an API server with etcd, no node.
    ApiServer,
    /// Run a cluster with a node.
    Cluster,
    /// Make container images.
    Images,
}

/// One thing that a machine must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A program that a Debian package has.
    Program {
        file: &'static str,
        package: &'static str,
    },
    Root,
    Go,
    /// A file that the kernel shows when it can do a thing, and the module that adds it.
    Kernel {
        shown_by: &'static str,
        module: &'static str,
    },
    /// A word in `/proc/filesystems`, and the module that adds it.
    FileSystem(&'static str),
}

const fn program(file: &'static str, package: &'static str) -> Need {
    Need::Program { file, package }
}

fn needs(purpose: Purpose) -> &'static [Need] {
    match purpose {
        Purpose::Programs => &[Need::Go],
        Purpose::ApiServer => {
            const {
                &[
                    program("openssl", "openssl"),
                    program("setpriv", "util-linux"),
                ]
            }
        }
        Purpose::Cluster => {
            const {
                &[
                    Need::Root,
                    program("containerd", "containerd"),
                    program("runc", "runc"),
                    program("/usr/lib/cni/bridge", "containernetworking-plugins"),
                    program("iptables", "iptables"),
                    program("nft", "nftables"),
                    program("ip", "iproute2"),
                    program("openssl", "openssl"),
                    program("sysctl", "procps"),
                    program("nsenter", "util-linux"),
                    program("setsid", "util-linux"),
                    Need::Kernel {
                        shown_by: "/proc/sys/net/bridge",
                        module: "br_netfilter",
                    },
                    Need::FileSystem("overlay"),
                ]
            }
        }
        Purpose::Images => {
            const {
                &[
                    Need::Root,
                    program("debootstrap", "debootstrap"),
                    program("pip3", "python3-pip"),
                    program("tar", "tar"),
                    program("ldd", "libc-bin"),
                    program("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
                ]
            }
        }
    }
}

/// Makes sure that the machine has what `purpose` needs; with [`Options::install`] the missing
/// Debian packages are installed.
///
/// # Errors
/// Names all that is missing, each with the command that mends it.
pub fn ensure(purpose: Purpose, options: &Options, progress: &Progress) -> Result<()> {
    let mut missing = lacking(purpose);
    for need in &missing {
        if let Need::Kernel { module, .. } | Need::FileSystem(module) = need {
            // The module may be there and only not loaded; the check below has the last word.
            succeeds(Command::new("modprobe").arg(module));
        }
    }
    missing.retain(|need| !there(*need));
    let packages = packages(&missing);
    if options.install && !packages.is_empty() && !missing.contains(&Need::Root) {
        let step = progress.step(format!("install {}", packages.join(" ")));
        let apt = |args: &[&str]| {
            run(Command::new("apt-get")
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive"))
        };
        apt(&["update", "-qq"])?;
        let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
        install.extend(&packages);
        apt(&install)?;
        step.done("installed");
        missing.retain(|need| !there(*need));
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!(message(&missing))
}

fn lacking(purpose: Purpose) -> Vec<Need> {
    needs(purpose)
        .iter()
        .copied()
        .filter(|need| !there(*need))
        .collect()
}

fn there(need: Need) -> bool {
    match need {
        Need::Program { file, .. } if file.starts_with('/') => Path::new(file).exists(),
        Need::Program { file, .. } => find(file),
        Need::Root => rustix::process::geteuid().is_root(),
        Need::Go => run(Command::new("go").args(["env", "GOVERSION"]))
            .is_ok_and(|version| new_enough(version.trim())),
        Need::Kernel { shown_by, .. } => Path::new(shown_by).exists(),
        Need::FileSystem(name) => std::fs::read_to_string("/proc/filesystems")
            .is_ok_and(|text| text.split_whitespace().any(|word| word == name)),
    }
}

fn find(file: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .any(|folder| Path::new(folder).join(file).is_file())
}

fn new_enough(version: &str) -> bool {
    let numbers = version
        .trim_start_matches("go")
        .split('.')
        .map_while(|n| n.parse::<u32>().ok());
    // Lists compare like versions: number by number, and a shorter one is the older.
    numbers.collect::<Vec<_>>().as_slice() >= GO.as_slice()
}

fn packages(missing: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing
        .iter()
        .filter_map(|need| match need {
            Need::Program { package, .. } => Some(*package),
            _ => None,
        })
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn message(missing: &[Need]) -> String {
    let mut lines = vec!["this machine lacks something:".to_owned()];
    for need in missing {
        lines.push(match need {
            Need::Program { file, package } => {
                format!("  {file} in PATH (Debian package {package})")
            }
            Need::Root => "  root: run the command with sudo".to_owned(),
            Need::Go => format!(
                "  Go {} or newer in PATH: install the go toolchain from the Go project",
                GO.map(|number| number.to_string()).join(".")
            ),
            Need::Kernel { module, .. } | Need::FileSystem(module) => {
                format!("  the kernel feature {module}: modprobe {module}")
            }
        });
    }
    let packages = packages(missing);
    if !packages.is_empty() {
        lines.push(format!(
            "install the packages with: apt-get install -y --no-install-recommends {}\n\
             or give --install, and this command does it",
            packages.join(" ")
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_named_with_its_remedy_at_once() {
        let text = message(&[
            Need::Root,
            Need::Go,
            program("runc", "runc"),
            program("nsenter", "util-linux"),
            program("setsid", "util-linux"),
            Need::FileSystem("overlay"),
        ]);
        for part in [
            "sudo",
            "Go 1.26",
            "runc",
            "modprobe overlay",
            "install -y",
            "--install",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        assert!(
            text.contains("recommends runc util-linux\n"),
            "each package once:\n{text}"
        );
    }

    #[test]
    fn without_a_missing_package_no_package_is_offered() {
        assert!(!message(&[Need::Root]).contains("apt-get"));
    }

    #[test]
    fn go_versions_compare_as_numbers() {
        assert!(new_enough("go1.26.4") && new_enough("go1.26.10") && new_enough("go1.30"));
        assert!(!new_enough("go1.9.7") && !new_enough("go1.26.3") && !new_enough(""));
    }

    #[test]
    fn a_program_is_found_in_path() {
        assert!(there(program("sh", "dash")));
        assert!(!there(program("no-such-program-here", "none")));
    }
}
