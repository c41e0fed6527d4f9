//! A TCP proxy whose line can be cut.

use std::path::PathBuf;
use std::sync::Arc;

use flink_e2e::Site;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Stands between an operator and the API server.
pub struct Proxy {
    up: Arc<watch::Sender<bool>>,
    /// A kubeconfig that leads through it.
    pub kubeconfig: PathBuf,
}

impl Proxy {
    /// One to the API server of `site`, called `name`.
    pub fn start(site: &Site, name: &str) -> Self {
        let up = Arc::new(watch::Sender::new(true));
        let server = site.server().url.trim_start_matches("https://").to_owned();
        let listener = site
            .runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = std::fs::read_to_string(&site.server().kubeconfig).unwrap();
        let kubeconfig = std::env::temp_dir().join(format!("flink-operator-e2e-{name}.kubeconfig"));
        std::fs::write(
            &kubeconfig,
            text.replace(&server, &format!("127.0.0.1:{port}")),
        )
        .unwrap();
        site.runtime()
            .spawn(serve(listener, server, Arc::clone(&up)));
        Self { up, kubeconfig }
    }

    /// End all connections, and accept none.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Accept connections again.
    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn serve(listener: TcpListener, server: String, up: Arc<watch::Sender<bool>>) {
    while let Ok((mut inner, _)) = listener.accept().await {
        let mut state = up.subscribe();
        let server = server.clone();
        tokio::spawn(async move {
            if !*state.borrow() {
                return;
            }
            let Ok(mut outer) = TcpStream::connect(server).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut inner, &mut outer) => {}
                _ = state.wait_for(|up| !up) => {}
            }
        });
    }
}
