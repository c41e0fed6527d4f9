//! What the cluster changes on the machine itself, and how it is all taken back.
//!
//! One rule: what was there before is written down before it is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::command::{command, run, succeeds};
use crate::node::BRIDGE;
use crate::options::Options;
use crate::process::write_if_changed;
use crate::rules;

/// Marks the packet filter rules of ours.
const MARK: &str = "flink-operator-cluster";

/// Kernel settings, and what the cluster needs them to be. Those ending in `+` are only raised.
const SETTINGS: &[(&str, &str)] = &[
    ("net.ipv4.ip_forward", "1"),
    ("net.bridge.bridge-nf-call-iptables", "1"),
    ("fs.inotify.max_user_instances+", "1024"),
    ("fs.inotify.max_user_watches+", "524288"),
    ("vm.max_map_count+", "262144"),
];

/// Kernel settings that the kubelet and kube-proxy change by themselves.
const SETTINGS_OF_OTHERS: &[&str] = &[
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "net.ipv4.conf.all.route_localnet",
    "net.netfilter.nf_conntrack_max",
    "vm.overcommit_memory",
];

/// Folders that programs insist on, each covered inside the node's mount namespace by one of the
/// state directory. Outside they are empty, and made only to be covered.
const COVERED: &[(&str, &str)] = &[("/var/lib/cni", "cni"), ("/var/lib/kubelet", "kubelet")];

/// Run inside the new mount namespace with pairs of folders: the second is covered by the first.
/// What else programs write to fixed places goes to memory that disappears with the namespace.
const INSIDE: &str = "set -e
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
while [ $# -gt 0 ]; do mount --bind \"$1\" \"$2\"; shift 2; done";

/// The machine as it was before the cluster changed it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    settings: BTreeMap<String, String>,
    /// Packet filter tables that existed, by command.
    tables: BTreeMap<String, Vec<String>>,
    /// Folders of [`COVERED`] that were not there.
    absent: Vec<String>,
}

/// The file that keeps the node's mount namespace open.
pub fn mount_namespace(options: &Options) -> PathBuf {
    options.at("ns/mnt")
}

/// Prepares the machine; does only what is not done yet.
///
/// # Errors
/// When another Kubernetes uses the machine's network, or a change is refused.
pub fn prepare(options: &Options) -> Result<()> {
    let record = options.at("host.json");
    if !record.exists() {
        let before = look()?;
        fs::write(&record, serde_json::to_vec_pretty(&before)?)?;
    }
    set_kernel().context("failed to change a kernel setting")?;
    make_bridge(options).context("failed to make the pods' bridge")?;
    make_namespace(options).context("failed to make the node's mount namespace")
}

/// Takes back everything that [`prepare`] and the cluster's programs changed.
///
/// # Errors
/// When something cannot be taken back.
pub fn restore(options: &Options) -> Result<()> {
    remove_namespace(options)?;
    remove_bridge()?;
    let file = options.at("host.json");
    let before: Option<Before> = fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    for tool in ["iptables", "ip6tables"] {
        let kept = before
            .as_ref()
            .and_then(|b| b.tables.get(tool))
            .cloned()
            .unwrap_or_default();
        remove_rules(tool, &kept).with_context(|| format!("failed to clean {tool}"))?;
    }
    remove_cgroups();
    let Some(before) = before else { return Ok(()) };
    for (name, value) in &before.settings {
        write_setting(name, value)?;
    }
    for folder in &before.absent {
        // It stays if somebody else uses it by now.
        let _ = fs::remove_dir(folder);
    }
    fs::remove_file(file)?;
    Ok(())
}

fn look() -> Result<Before> {
    let mut before = Before::default();
    let absent = COVERED
        .iter()
        .filter(|(folder, _)| !Path::new(folder).exists());
    before.absent = absent.map(|(folder, _)| (*folder).to_owned()).collect();
    let names = SETTINGS.iter().map(|(name, _)| name.trim_end_matches('+'));
    for name in names.chain(SETTINGS_OF_OTHERS.iter().copied()) {
        if let Some(value) = read_setting(name) {
            before.settings.insert(name.to_owned(), value);
        }
    }
    for tool in ["iptables", "ip6tables"] {
        let saved = saved_rules(tool);
        ensure!(
            !rules::has_kubernetes(&saved),
            "another Kubernetes node uses this machine's network (iptables has KUBE-SERVICES): \
             stop it, or use another machine"
        );
        before.tables.insert(tool.to_owned(), rules::tables(&saved));
    }
    Ok(before)
}

fn read_setting(name: &str) -> Option<String> {
    Some(
        fs::read_to_string(setting_file(name))
            .ok()?
            .trim()
            .to_owned(),
    )
}

fn write_setting(name: &str, value: &str) -> Result<()> {
    if read_setting(name).is_none_or(|now| now == value) {
        return Ok(());
    }
    fs::write(setting_file(name), value)
        .with_context(|| format!("failed to set {name}; try: sysctl -w {name}={value}"))
}

fn setting_file(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

fn set_kernel() -> Result<()> {
    for (name, value) in SETTINGS {
        let key = name.trim_end_matches('+');
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        let enough = name.ends_with('+')
            && read_setting(key).is_some_and(|now| number(&now) >= number(value));
        if !enough {
            write_setting(key, value)?;
        }
    }
    Ok(())
}

fn make_bridge(options: &Options) -> Result<()> {
    let network = &options.network;
    if !link_exists(BRIDGE) {
        run(&mut command(
            "ip",
            &["link", "add", BRIDGE, "type", "bridge"],
        ))?;
    }
    let address = format!("{}/16", network.node());
    run(&mut command(
        "ip",
        &["address", "replace", &address, "dev", BRIDGE],
    ))?;
    run(&mut command("ip", &["link", "set", BRIDGE, "up"]))?;
    // A Service address that kube-proxy has no rule for yet must not leave by the default route:
    // whoever answers there would be taken for the Service. On the bridge such packets just end.
    let services = network.service_range();
    run(&mut command(
        "ip",
        &["route", "replace", &services, "dev", BRIDGE],
    ))?;
    for rule in fence() {
        if !succeeds(
            Command::new("iptables")
                .args(["-w", "-C", "FORWARD"])
                .args(&rule),
        ) {
            run(Command::new("iptables")
                .args(["-w", "-I", "FORWARD"])
                .args(&rule))?;
        }
    }
    Ok(())
}

/// Pods reach each other, also where something else on the machine forbids forwarding, and this
/// machine, but nothing outside.
fn fence() -> [Vec<&'static str>; 2] {
    let mark = ["-m", "comment", "--comment", MARK, "-j"];
    let within = ["-i", BRIDGE, "-o", BRIDGE];
    let outwards = ["-i", BRIDGE, "!", "-o", BRIDGE];
    [
        [&within[..], &mark, &["ACCEPT"]].concat(),
        [&outwards[..], &mark, &["DROP"]].concat(),
    ]
}

fn link_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

fn remove_bridge() -> Result<()> {
    if !link_exists(BRIDGE) {
        return Ok(());
    }
    // Pods' network namespaces go some time after their last process; their cables go now.
    let ports = Path::new("/sys/class/net").join(BRIDGE).join("brif");
    for port in fs::read_dir(ports).into_iter().flatten().flatten() {
        succeeds(
            Command::new("ip")
                .args(["link", "delete"])
                .arg(port.file_name()),
        );
    }
    run(&mut command("ip", &["link", "delete", BRIDGE]))?;
    Ok(())
}

/// containerd and the kubelet share a mount namespace of their own: no mount of theirs is seen
/// outside, and all of them end with it.
fn make_namespace(options: &Options) -> Result<()> {
    let file = mount_namespace(options);
    if is_mount(&file) {
        return Ok(());
    }
    let folder = options.at("ns");
    fs::create_dir_all(&folder)?;
    for (outside, own) in COVERED {
        fs::create_dir_all(outside)?;
        fs::create_dir_all(options.at(own))?;
    }
    if !is_mount(&folder) {
        run(Command::new("mount")
            .arg("--bind")
            .arg(&folder)
            .arg(&folder))?;
    }
    run(Command::new("mount").arg("--make-private").arg(&folder))?;
    write_if_changed(&file, "")?;
    let mut unshare = Command::new("unshare");
    unshare.arg(format!("--mount={}", file.display()));
    unshare.args(["--propagation", "slave", "sh", "-c", INSIDE, "sh"]);
    for (outside, own) in COVERED {
        unshare.arg(options.at(own)).arg(outside);
    }
    run(&mut unshare)?;
    Ok(())
}

fn remove_namespace(options: &Options) -> Result<()> {
    for path in [mount_namespace(options), options.at("ns")] {
        while is_mount(&path) {
            run(Command::new("umount").arg("--lazy").arg(&path))?;
        }
    }
    Ok(())
}

fn is_mount(path: &Path) -> bool {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = path.to_string_lossy();
    text.lines()
        .any(|line| line.split(' ').nth(4) == Some(&*path))
}

fn saved_rules(tool: &str) -> String {
    run(&mut Command::new(format!("{tool}-save"))).unwrap_or_default()
}

fn remove_rules(tool: &str, tables_before: &[String]) -> Result<()> {
    let script = rules::removal(&saved_rules(tool), MARK);
    if !script.is_empty() {
        let mut restore = Command::new(format!("{tool}-restore"));
        restore.args(["--noflush", "--wait"]);
        crate::command::feed(&mut restore, |stdin| {
            Ok(std::io::Write::write_all(stdin, script.as_bytes())?)
        })?;
    }
    // Tables that the cluster brought into being and that are empty now can go as well.
    let family = if tool == "iptables" { "ip" } else { "ip6" };
    let saved = saved_rules(tool);
    for table in rules::tables(&saved) {
        if !tables_before.contains(&table) && rules::is_bare(&saved, &table) {
            succeeds(&mut command("nft", &["delete", "table", family, &table]));
        }
    }
    Ok(())
}

/// The kubelet's groups, one tree in each hierarchy, deepest first.
fn remove_cgroups() {
    for root in cgroup_roots() {
        remove_tree(&root.join("kubepods"));
    }
}

/// The cgroup hierarchies: the version 2 one, or each of version 1.
pub fn cgroup_roots() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter(|line| line.contains(" - cgroup ") || line.contains(" - cgroup2 "))
        .filter_map(|line| line.split(' ').nth(4).map(PathBuf::from))
        .collect()
}

fn remove_tree(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // A group that still has a process stays, and with it the sign of what went wrong.
    let _ = fs::remove_dir(folder);
}
