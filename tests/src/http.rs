//! The bed's own HTTP: one client constructor, and a server that its own thread runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::sync::oneshot;

/// A client for set-up and assertions: no redirects, no proxy, no connection kept between requests (a test's runtime
/// may end before the next one asks).
pub fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    client.pool_max_idle_per_host(0).timeout(Duration::from_secs(30)).build().expect("the client is valid")
}

/// A call without a body: the status, and the answer's body if it is JSON.
pub async fn call(method: &str, url: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = client().request(method.parse().expect("an HTTP method"), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap_or_else(|error| panic!("{method} {url}: {error:?}"));
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// A loopback HTTP server on a thread of its own, so that it serves whatever runtime its callers use or block.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `router` on `port` of 127.0.0.1, or on a free one for 0.
    pub fn start(port: u16, router: Router) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = listener.unwrap_or_else(|error| panic!("port {port} of 127.0.0.1: {error}"));
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("a bound address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = async { axum::serve(listener, router).await } => served.expect("the server runs"),
                    _ = stopped => {} // Open connections are cut with the runtime, as when a process ends.
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
