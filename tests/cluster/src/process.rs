//! Programs that outlive the command that starts them.
//!
//! One rule: a process is touched only if its recorded id, its start time and the machine's boot
//! all agree, so a number that now belongs to somebody else is never signalled.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::clock::wait_for;
use crate::command::tail;
use crate::hash::Key;
use crate::progress::Progress;

/// A process gets so long to end by itself before it is killed. Only the API server takes longer,
/// waiting for its clients; its data is etcd's.
const GRACE: Duration = Duration::from_secs(4);
/// A killed process that has much memory to give back may take so long.
const END: Duration = Duration::from_secs(20);

/// A program with all that it is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Names the record and the log.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Configuration files it reads, with their text.
    pub files: BTreeMap<PathBuf, String>,
    /// A mount namespace to start it in, kept open by a file.
    pub mounts: Option<PathBuf>,
}

/// What is remembered of a started process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot, as the kernel says.
    pub started: u64,
    boot: String,
    fingerprint: String,
}

impl Daemon {
    /// Changes with anything the program is started with.
    pub fn fingerprint(&self) -> String {
        let mut key = Key::default().with("program", self.program.to_string_lossy().as_bytes());
        for arg in &self.args {
            key = key.with("arg", arg);
        }
        for (path, text) in &self.files {
            key = key.with(&path.to_string_lossy(), text);
        }
        key.finish()
    }

    /// Starts the program unless it runs already with the same settings; one that runs with other
    /// settings is ended first. Returns its record, and whether it was started now.
    ///
    /// # Errors
    /// When files cannot be written or the program cannot be started.
    pub fn ensure(&self, run: &Path, logs: &Path) -> Result<(Record, bool)> {
        let file = record_file(run, self.name);
        if let Some(record) = Record::read(&file) {
            if record.alive() && record.fingerprint == self.fingerprint() {
                return Ok((record, false));
            }
            record.stop()?;
        }
        for (path, text) in &self.files {
            write_if_changed(path, text)?;
        }
        let record = self.start(logs)?;
        fs::write(&file, serde_json::to_vec(&record)?)
            .with_context(|| format!("failed to write {}", file.display()))?;
        Ok((record, true))
    }

    fn start(&self, logs: &Path) -> Result<Record> {
        let log = log_file(logs, self.name);
        // Truncated: the log is about this process. Appending would show old failures as new.
        let out = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&log)?;
        // A session of its own: neither an interrupt nor a closed terminal reaches it. Both
        // wrappers replace themselves by the program, so the process id is the program's.
        let mut command = Command::new("setsid");
        if let Some(mounts) = &self.mounts {
            command
                .arg("nsenter")
                .arg(format!("--mount={}", mounts.display()));
        }
        let child = command
            .arg(&self.program)
            .args(&self.args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("failed to start {}", self.name))?;
        let pid = i32::try_from(child.id())?;
        let Some(stat) = Stat::of(pid) else {
            bail!("{} ended at once; see {}", self.name, log.display());
        };
        let fingerprint = self.fingerprint();
        Ok(Record {
            pid,
            started: stat.started,
            boot: boot_id(),
            fingerprint,
        })
    }

    /// An error when the process has ended, with the end of its log.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn check(&self, record: &Record, logs: &Path) -> Result<()> {
        if record.alive() {
            return Ok(());
        }
        let log = log_file(logs, self.name);
        let text = fs::read_to_string(&log).unwrap_or_default();
        bail!(
            "{} has ended; its log {} ends with:\n{}",
            self.name,
            log.display(),
            tail(&text)
        )
    }
}

impl Record {
    /// Reads a record; none when there is no readable one.
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Whether this very process still runs.
    pub fn alive(&self) -> bool {
        self.boot == boot_id()
            && Stat::of(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// The resident memory in MiB, while it runs.
    pub fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
    }

    /// Ends the process, kindly first, and returns when it is gone.
    ///
    /// # Errors
    /// When it cannot be signalled or does not even end when killed.
    pub fn stop(&self) -> Result<()> {
        for (signal, patience) in [(Signal::TERM, GRACE), (Signal::KILL, END)] {
            if !self.signal(signal)? {
                return Ok(());
            }
            if wait_for(patience, || Ok((!self.alive()).then_some(())))?.is_some() {
                return Ok(());
            }
        }
        bail!("process {} does not end", self.pid)
    }

    /// Sends a signal if this very process still runs; says whether it did.
    fn signal(&self, signal: Signal) -> Result<bool> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(false);
        };
        // The handle is taken before the check: what it names cannot change in between.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(false);
        };
        if !self.alive() {
            return Ok(false);
        }
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("failed to end process {}", self.pid)),
        }
    }
}

/// Kills a process at once if it still is the one that started at `started`.
pub fn kill(pid: i32, started: u64) {
    let record = Record {
        pid,
        started,
        boot: boot_id(),
        fingerprint: String::new(),
    };
    // A process that is gone or cannot be signalled is seen by the caller's next look.
    let _ = record.signal(Signal::KILL);
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Stat {
    /// Start time in clock ticks since boot.
    pub started: u64,
    /// Dead, and only waiting for its parent to notice.
    pub ended: bool,
}

impl Stat {
    /// Looks at a process.
    pub fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the program's name in brackets and may hold blanks and brackets.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        Some(Self {
            started: fields.nth(18)?.parse().ok()?,
            ended,
        })
    }
}

/// The file of a process's record.
pub fn record_file(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{name}.json"))
}

/// The file of a program's log.
pub fn log_file(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{name}.log"))
}

/// Writes a file only when its text differs: some programs end when their file is touched.
///
/// # Errors
/// When the file cannot be written.
pub fn write_if_changed(path: &Path, text: &str) -> Result<bool> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(true)
}

/// Takes the lock of a folder, and says so when another process has it for now. It is released
/// when the file is dropped.
///
/// # Errors
/// When the folder cannot be made or locked.
pub fn lock(folder: &Path, progress: &Progress) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let file = File::create(folder.join("lock"))?;
    if file.try_lock().is_err() {
        let step = progress.step("wait for another local-cluster");
        file.lock()
            .with_context(|| format!("failed to lock {}", folder.display()))?;
        step.done("it is done");
    }
    Ok(file)
}

fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Child;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("flink-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn sleeper() -> Daemon {
        Daemon {
            name: "sleeper",
            program: PathBuf::from("sleep"),
            args: vec!["300".to_owned()],
            files: BTreeMap::new(),
            mounts: None,
        }
    }

    fn record_of(child: &Child) -> Record {
        let pid = i32::try_from(child.id()).unwrap();
        let started = Stat::of(pid).unwrap().started;
        Record {
            pid,
            started,
            boot: boot_id(),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let fields = (4..=30)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let stat = Stat::parse(&format!("17 (a) b (c)) S {fields}"));
        assert_eq!(
            stat,
            Some(Stat {
                started: 22,
                ended: false
            })
        );
        assert!(Stat::parse(&format!("17 (x) Z {fields}")).unwrap().ended);
        assert_eq!(Stat::parse("17 (x) S 1"), None);
    }

    #[test]
    fn a_daemon_is_started_once_and_again_when_its_settings_change() {
        let place = folder("daemon");
        let mut daemon = sleeper();
        let (first, started) = daemon.ensure(&place, &place).unwrap();
        assert!(started && first.alive());
        assert_eq!(
            daemon.ensure(&place, &place).unwrap(),
            (first.clone(), false)
        );
        daemon.args = vec!["301".to_owned()];
        let (second, started) = daemon.ensure(&place, &place).unwrap();
        assert!(started && second.alive() && !first.alive());
        second.stop().unwrap();
        assert!(!second.alive());
        let told = daemon.check(&second, &place).unwrap_err().to_string();
        assert!(told.contains("sleeper has ended"), "{told}");
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn a_reused_process_id_is_never_signalled() {
        let mut child = Command::new("sleep")
            .arg("300")
            .process_group(0)
            .spawn()
            .unwrap();
        let ours = record_of(&child);
        let other = Record {
            started: ours.started + 1,
            ..ours.clone()
        };
        let earlier = Record {
            boot: "another boot".to_owned(),
            ..ours.clone()
        };
        for stranger in [other, earlier] {
            assert!(!stranger.alive());
            stranger.stop().unwrap();
        }
        assert!(ours.alive());
        ours.stop().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_ignores_the_kind_signal_is_killed() {
        let record = |program: &str| {
            let child = Command::new("sh").args(["-c", program]).spawn().unwrap();
            (record_of(&child), child)
        };
        let (record, mut child) = record("kill -STOP $$");
        kill(record.pid, record.started);
        child.wait().unwrap();
        assert!(!record.alive());
    }

    #[test]
    fn an_unchanged_file_is_not_touched() {
        let place = folder("touch");
        let file = place.join("sub/file");
        assert!(write_if_changed(&file, "a").unwrap());
        assert!(!write_if_changed(&file, "a").unwrap());
        assert!(write_if_changed(&file, "b").unwrap());
        fs::remove_dir_all(place).unwrap();
    }
}
