//! A simulated job behind HTTP, on a port of its own.
//!
//! The rule: one thread a connection and nothing clever; a connection is kept for further requests unless
//! the client asks for its end. Tests are in `tests/it/server.rs`.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use flink_scaler::{
    VertexId,
    simulate::{
        Job,
        rest::{Answer, Endpoint},
    },
};

/// Longest line of a request and most of its headers' lines, so that no client can fill the memory.
const LINE: u64 = 64 * 1024;
const LINES: usize = 100;

/// Largest body that is taken, in bytes.
const BODY: usize = 1 << 20;

/// A job and its REST interface, one behind the same lock.
#[derive(Debug)]
struct Seat {
    job: Job,
    endpoint: Endpoint,
}

/// What is shared with the threads of the connections.
#[derive(Debug)]
struct Shared {
    seat: Mutex<Seat>,
    requests: AtomicU64,
    ended: AtomicBool,
}

impl Shared {
    /// A thread that panicked has at most left a request unanswered; the job is whole.
    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that is served until this is dropped.
#[derive(Debug)]
pub struct Served {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Served {
    /// Serves the job on a free port of this machine.
    ///
    /// # Errors
    /// When there is no port or thread to be had.
    pub fn start(job: Job, endpoint: Endpoint) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            seat: Mutex::new(Seat { job, endpoint }),
            requests: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let seen = Arc::clone(&shared);
        thread::Builder::new()
            .name("simulated-flink".to_owned())
            .spawn(move || accept(&listener, &seen))?;
        Ok(Self { shared, address })
    }

    /// Where it is served, such as `http://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Works on the job, for example lets time pass. Requests wait meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut Job) -> T) -> T {
        work(&mut self.shared.seat().job)
    }

    /// The parallelism that was asked for since this was last called.
    pub fn take_request(&self) -> Option<BTreeMap<VertexId, u32>> {
        self.shared.seat().endpoint.take_request()
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // A last connection wakes the thread that accepts; if it cannot be made, the thread is gone already.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        // A client that is gone, or no thread for it: the client sees its connection end.
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        let _ = thread::Builder::new().spawn(move || converse(stream, &shared));
    }
}

/// Answers one request after another until the client leaves or talks nonsense.
fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        let answer = {
            let seat = &mut *shared.seat();
            let (method, target) = (&request.method, &request.target);
            seat.endpoint
                .answer(&seat.job, method, target, &request.body)
        };
        shared.requests.fetch_add(1, Ordering::Relaxed);
        writer.write_all(&written(&answer, request.last))?;
        if request.last {
            break;
        }
    }
    Ok(())
}

fn written(answer: &Answer, last: bool) -> Vec<u8> {
    let Answer { status, json } = answer;
    let reason = if *status == 200 { "OK" } else { "Refused" };
    let connection = if last { "close" } else { "keep-alive" };
    let length = json.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json; charset=UTF-8\r\n\
         content-length: {length}\r\nconnection: {connection}\r\n\r\n{json}"
    )
    .into_bytes()
}

/// A request as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    target: String,
    body: Vec<u8>,
    /// No other follows on this connection.
    last: bool,
}

impl Request {
    /// The next request; `None` when the client is done.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(first) = line(reader)? else {
            return Ok(None);
        };
        let mut words = first.split(' ');
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(nonsense("a request begins with method, path and version"));
        };
        let mut request = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            body: Vec::new(),
            last: version != "HTTP/1.1",
        };
        let mut length = 0;
        for _ in 0..LINES {
            let Some(header) = line(reader)?.filter(|header| !header.is_empty()) else {
                request.body.resize(length, 0);
                reader.read_exact(&mut request.body)?;
                return Ok(Some(request));
            };
            let (name, value) = header.split_once(':').unwrap_or((&header, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value
                    .parse()
                    .ok()
                    .filter(|n| *n <= BODY)
                    .ok_or_else(|| nonsense("content-length is no length that is taken"))?;
            } else if name.eq_ignore_ascii_case("connection") {
                request.last |= value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(nonsense("bodies in chunks are not taken"));
            }
        }
        Err(nonsense("too many headers"))
    }
}

/// The next line without its end; `None` at the end of input.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if reader.by_ref().take(LINE).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    match line.strip_suffix('\n') {
        Some(line) => Ok(Some(line.trim_end_matches('\r').to_owned())),
        None => Err(nonsense("a line is too long or cut off")),
    }
}

fn nonsense(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
