//! Takes the cluster off the machine and leaves nothing of it behind but images and programs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock::wait_for;
use crate::cluster::{DAEMONS, running};
use crate::containerd::Containerd;
use crate::host;
use crate::options::Options;
use crate::prerequisites::{self, Purpose};
use crate::process::{Record, Stat, kill, lock, record_file};
use crate::progress::Progress;

/// Ends the cluster. Its data goes; imported images stay for the next one unless `purge`.
///
/// # Errors
/// When a process does not end or a change of the machine cannot be taken back.
pub fn down(options: &Options, purge: bool, progress: &Progress) -> Result<()> {
    if !options.state.exists() {
        return Ok(());
    }
    prerequisites::ensure(Purpose::Cluster, options, progress)?;
    let lock = lock(&options.state, progress)?;
    progress.expect_steps(3);

    let step = progress.step("end pods");
    end(options, "kubelet")?;
    end_containers()?;
    if running(options, "containerd").is_some() {
        Containerd::new(options)
            .forget_containers()
            .context("failed to remove containers")?;
    }
    step.done("ended");

    let step = progress.step("end programs");
    for name in ["kube-apiserver", "etcd"] {
        // They take seconds to part from clients; their data is thrown away anyway.
        if let Some(record) = running(options, name) {
            kill(record.pid, record.started);
        }
    }
    for name in DAEMONS.iter().rev() {
        end(options, name)?;
    }
    end_namespace(options)?;
    step.done("ended");

    let step = progress.step("restore the machine");
    host::restore(options)?;
    remove_files(options, purge)?;
    drop(lock);
    step.done("restored");
    Ok(())
}

fn end(options: &Options, name: &str) -> Result<()> {
    let file = record_file(&options.at("run"), name);
    if let Some(record) = Record::read(&file) {
        record
            .stop()
            .with_context(|| format!("failed to end {name}"))?;
        fs::remove_file(file)?;
    }
    Ok(())
}

/// Containers are the processes in the kubelet's control groups.
fn end_containers() -> Result<()> {
    let roots = host::cgroup_roots();
    end_all("containers", || {
        let mut found = Vec::new();
        for root in &roots {
            members(&root.join("kubepods"), &mut found);
        }
        found
    })
}

fn members(folder: &Path, found: &mut Vec<i32>) {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    found.extend(
        text.lines()
            .filter_map(|line| line.parse::<i32>().ok())
            .filter(|pid| *pid > 0),
    );
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            members(&entry.path(), found);
        }
    }
}

/// What still runs in the node's mount namespace (containerd's shims) is ours: nothing else ever
/// entered it.
fn end_namespace(options: &Options) -> Result<()> {
    let file = host::mount_namespace(options);
    let own = fs::metadata("/proc/self/ns/mnt")?;
    let Ok(node) = fs::metadata(&file) else {
        return Ok(());
    };
    // Without the mount the file is an empty one, on another device than namespaces are.
    if node.dev() != own.dev() || node.ino() == own.ino() {
        return Ok(());
    }
    end_all("the node's processes", || {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                fs::metadata(format!("/proc/{pid}/ns/mnt"))
                    .is_ok_and(|theirs| (theirs.dev(), theirs.ino()) == (node.dev(), node.ino()))
            })
            .collect()
    })
}

/// Kills what `find` finds until it finds nothing that runs.
fn end_all(what: &str, find: impl Fn() -> Vec<i32>) -> Result<()> {
    let gone = wait_for(Duration::from_secs(20), || {
        let mut left = false;
        for pid in find() {
            if let Some(stat) = Stat::of(pid).filter(|stat| !stat.ended) {
                left = true;
                kill(pid, stat.started);
            }
        }
        Ok((!left).then_some(()))
    })?;
    ensure!(gone.is_some(), "{what} do not end: {:?}", find());
    Ok(())
}

fn remove_files(options: &Options, purge: bool) -> Result<()> {
    for entry in fs::read_dir(&options.state)?.flatten() {
        let name = entry.file_name();
        if purge || (name != "containerd" && name != "lock") {
            remove(&entry.path())?;
        }
    }
    if purge {
        return remove(&options.state);
    }
    // What containerd's Kubernetes plug-in remembers of pods that are gone.
    remove(&options.at("containerd/io.containerd.grpc.v1.cri"))
}

fn remove(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("failed to remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(purge: bool) -> Vec<String> {
        let state = std::env::temp_dir().join(format!("flink-down-{purge}-{}", std::process::id()));
        for folder in [
            "etcd",
            "pki",
            "containerd/images",
            "containerd/io.containerd.grpc.v1.cri",
        ] {
            fs::create_dir_all(state.join(folder)).unwrap();
        }
        for file in ["kubeconfig", "lock"] {
            fs::write(state.join(file), "").unwrap();
        }
        let options = Options {
            state: state.clone(),
            ..Options::from_env().unwrap()
        };
        remove_files(&options, purge).unwrap();
        let mut left = Vec::new();
        for folder in ["", "containerd"] {
            for entry in fs::read_dir(state.join(folder))
                .into_iter()
                .flatten()
                .flatten()
            {
                left.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        left.sort();
        remove(&state).unwrap();
        left
    }

    #[test]
    fn images_stay_and_all_else_goes() {
        assert_eq!(left(false), ["containerd", "images", "lock"]);
    }

    #[test]
    fn purged_nothing_stays() {
        assert!(left(true).is_empty());
    }
}
