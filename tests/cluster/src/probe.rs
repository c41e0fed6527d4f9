//! Asks programs on this machine whether they are well.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::{run, succeeds};

/// A program on this machine answers within this time or counts as not answering.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether `http://127.0.0.1:PORT/PATH` answers with 200.
pub fn http(port: u16, path: &str) -> bool {
    ask(port, path).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn ask(port: u16, path: &str) -> Option<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A port of the loopback address that nobody uses at this moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// kubectl with the administrator's rights.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The program.
    pub program: PathBuf,
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
}

impl Kubectl {
    /// A command of it. A person's own settings must not change what it prints.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .env("KUBERC", "off");
        command
    }

    /// Whether the API server can serve.
    pub fn api_ready(&self) -> bool {
        succeeds(&mut self.command(&["--request-timeout=2s", "get", "--raw", "/readyz"]))
    }

    /// The answer to a command; empty when it fails.
    pub fn answer(&self, args: &[&str]) -> String {
        run(&mut self.command(args)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn serve(answer: &'static str) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn only_200_is_well() {
        assert!(http(serve("HTTP/1.1 200 OK\r\n\r\n"), "/health"));
        assert!(!http(serve("HTTP/1.1 503 Unavailable\r\n\r\n"), "/health"));
    }

    #[test]
    fn nobody_listening_is_not_well() {
        assert!(!http(free_port().unwrap(), "/health"));
    }
}
