//! Receivers that speak TLS, with certificates of an authority of their own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use super::{END, Receiver, Running, TcpListener, metric, running, tell};

/// An authority, and its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let file = format!("flink-operator-tls-{name}-{}.pem", std::process::id());
        let file = std::env::temp_dir().join(file);
        std::fs::write(&file, pem).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// A server for `localhost` that has its certificate from here; its port.
    async fn serves(&self, receiver: &Receiver) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let listener = Listener {
            tcp,
            tls: TlsAcceptor::from(Arc::new(config)),
        };
        let router = receiver.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        port
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Connections that were agreed on; others are turned away.
struct Listener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

fn posting(port: u16, more: &[(&str, &str)]) -> (Running, super::Metrics) {
    let url = format!("https://localhost:{port}/hook");
    running(port, &[&[("url", url.as_str())], more].concat())
}

#[tokio::test]
async fn a_receiver_with_a_certificate_of_the_authority_in_the_file_is_posted_to_over_tls() {
    let (receiver, authority) = (Receiver::default(), Authority::new("known"));
    let port = authority.serves(&receiver).await;
    let (running, _) = posting(port, &[("ca-file", authority.file())]);
    tell(&running, 1..=2);
    running.end(END).await;
    assert_eq!(receiver.ids(2).await, ["e/1", "e/2"]);
}

#[tokio::test]
async fn a_receiver_that_no_known_authority_vouches_for_gets_nothing_and_is_tried_again() {
    let (receiver, authority) = (Receiver::default(), Authority::new("unknown"));
    let port = authority.serves(&receiver).await;
    let other = Authority::new("other");
    for more in [&[][..], &[("ca-file", other.file())]] {
        let (running, metrics) = posting(port, more);
        tell(&running, 1..=1);
        while metric(&metrics, "flink_operator_listener_retries_total") < 1.5 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        running.end(std::time::Duration::from_millis(50)).await;
    }
    assert!(receiver.got.lock().unwrap().is_empty());
}
