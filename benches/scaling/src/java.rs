//! The Java autoscaler as a process that is told what time it is.
//!
//! The rule: lockstep. A cycle is asked for, and the simulation stands still until it is done; jobs on several
//! threads may do so at once. What goes wrong in Java is an error here, never a cycle that did
//! nothing. Tests are in `tests/it/java.rs`.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

/// The Maven project of the harness.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java");

/// How long Java may take to start, and for one cycle.
const START: Duration = Duration::from_mins(1);
const CYCLE: Duration = Duration::from_mins(1);

/// And to time itself.
const TIMING: Duration = Duration::from_mins(10);

/// Who waits for an answer, by job.
type Waiting = Arc<Mutex<HashMap<String, Sender<Result<String, String>>>>>;

/// Many small tasks on few cores: quick compilation and plain collection serve them best.
const MANY_SMALL: [&str; 2] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A Java process with an autoscaler for each job it has been told of. Ends when dropped.
#[derive(Debug)]
pub struct Java {
    process: Child,
    input: Mutex<ChildStdin>,
    waiting: Waiting,
    log: PathBuf,
}

impl Java {
    /// Starts the process; what Java logs goes to a file beside the jar.
    ///
    /// # Errors
    /// When Java is missing or the harness does not come up.
    pub fn start(jar: &Path) -> Result<Self> {
        Self::start_with(jar, &MANY_SMALL)
    }

    /// The same with Java's own choice of compiler and collector, for the best speed of a long run.
    ///
    /// # Errors
    /// When Java is missing or the harness does not come up.
    pub fn start_fast(jar: &Path) -> Result<Self> {
        Self::start_with(jar, &[])
    }

    fn start_with(jar: &Path, options: &[&str]) -> Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = jar.with_extension(format!("{number}.log"));
        let errors =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut process = Command::new("java")
            .arg("-Xmx1g")
            .args(options)
            .args(["--add-opens=java.base/java.util=ALL-UNNAMED"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-jar")
            .arg(jar)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("cannot start java; install a Java runtime 17 or newer")?;
        let input = process.stdin.take().context("java has no input")?;
        let output = process.stdout.take().context("java has no output")?;
        let waiting = Waiting::default();
        let (up, is_up) = mpsc::channel();
        let answers = Arc::clone(&waiting);
        thread::spawn(move || listen(output, &up, &answers));
        let java = Self {
            process,
            input: Mutex::new(input),
            waiting,
            log,
        };
        is_up
            .recv_timeout(START)
            .with_context(|| format!("the harness did not start; see {}", java.log.display()))?;
        Ok(java)
    }

    /// One control loop of the autoscaler for the job that is served at `url`, at the time `now`.
    ///
    /// # Errors
    /// When the autoscaler failed, or Java is gone or late.
    pub fn cycle(&self, job: &str, url: &str, now: Timestamp) -> Result<()> {
        let request = format!("cycle {job} {url} {}", now.as_millisecond());
        self.ask(job, &request, CYCLE).map(drop)
    }

    /// How long evaluation and decision of the job's last control loop take: the median of so many, after as many again
    /// to warm up.
    ///
    /// # Errors
    /// When there was no decision yet, or Java is gone or late.
    pub fn time(&self, job: &str, times: u32) -> Result<Duration> {
        let nanos = self.ask(job, &format!("time {job} {times}"), TIMING)?;
        let nanos = nanos.trim().parse();
        Ok(Duration::from_nanos(nanos.context("java said no time")?))
    }

    /// Forgets the job.
    ///
    /// # Errors
    /// When Java is gone or late.
    pub fn reset(&self, job: &str) -> Result<()> {
        self.ask(job, &format!("reset {job}"), CYCLE).map(drop)
    }

    fn ask(&self, job: &str, request: &str, limit: Duration) -> Result<String> {
        let word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        ensure!(
            word(job),
            "'{job}' is no name of a job: it is empty or has blanks"
        );
        let (send, answer) = mpsc::channel();
        let before = locked(&self.waiting).insert(job.to_owned(), send);
        ensure!(before.is_none(), "job {job} already waits for an answer");
        let written = writeln!(locked(&self.input), "{request}");
        let answer = written
            .context("java does not listen")
            .and_then(|()| wait(&answer, limit));
        locked(&self.waiting).remove(job);
        answer.with_context(|| format!("{request} failed; see {}", self.log.display()))
    }
}

fn wait(answer: &Receiver<Result<String, String>>, limit: Duration) -> Result<String> {
    match answer.recv_timeout(limit) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(message)) => bail!("{message}"),
        Err(RecvTimeoutError::Timeout) => bail!("no answer within {} s", limit.as_secs()),
        Err(RecvTimeoutError::Disconnected) => bail!("java has ended"),
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hands each answer to who waits for it; at the end of the output all who wait are told so.
fn listen(output: ChildStdout, up: &Sender<()>, waiting: &Waiting) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { break };
        let mut words = line.splitn(3, ' ');
        let (word, job) = (words.next(), words.next().unwrap_or(""));
        let answer = match word {
            Some("done") => Ok(words.next().unwrap_or("").to_owned()),
            Some("error") => Err(words.next().unwrap_or("without a message").to_owned()),
            _ => {
                // Whoever started it may have given up.
                let _ = up.send(());
                continue;
            }
        };
        if let Some(waiter) = locked(waiting).remove(job) {
            // Whoever waited may have given up.
            let _ = waiter.send(answer);
        }
    }
    locked(waiting).clear();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The jar of the harness, built by Maven if it is missing or older than its sources. It lies in the folder of
/// compiled things.
///
/// # Errors
/// When Maven is missing or fails.
pub fn jar() -> Result<PathBuf> {
    // One build at a time, also of tests on several threads.
    static BUILD: Mutex<()> = Mutex::new(());
    let _one = locked(&BUILD);
    let folder = target_folder()?.join("bench-scaling-java");
    let jar = folder.join("bench-scaling-java.jar");
    let built = fs::metadata(&jar).and_then(|jar| jar.modified()).ok();
    if built.is_some_and(|built| newest(Path::new(PROJECT)).is_ok_and(|source| source <= built)) {
        return Ok(jar);
    }
    let output = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file", PROJECT])
        .arg(format!("-Dout={}", folder.display()))
        .arg("package")
        .stdin(Stdio::null())
        .output()
        .context("cannot start mvn; install Maven to compare with the Java autoscaler")?;
    ensure!(
        output.status.success() && jar.exists(),
        "mvn did not build {PROJECT}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(jar)
}

/// When the newest file below a folder was changed.
fn newest(folder: &Path) -> std::io::Result<std::time::SystemTime> {
    let mut latest = std::time::SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let changed = if entry.file_type()?.is_dir() {
            newest(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        };
        latest = latest.max(changed);
    }
    Ok(latest)
}

/// Cargo's folder of compiled things, which this program lies in: `<folder>/<profile>/` or, of a test,
/// `<folder>/<profile>/deps/`.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program has no path")?;
    let mut folders = program.ancestors().skip(1);
    let mut profile = folders.next();
    if profile.is_some_and(|folder| folder.ends_with("deps")) {
        profile = folders.next();
    }
    let folder = profile.and_then(Path::parent);
    Ok(folder
        .with_context(|| format!("{} lies in no target folder of cargo", program.display()))?
        .to_owned())
}
