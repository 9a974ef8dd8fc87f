//! The bed's own HTTP: one client constructor, and a server that its own thread runs.

use std::time::Duration;

use axum::Router;
use serde_json::Value;

use crate::tcp::Listener;

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

/// A loopback HTTP server. It stops when it is dropped.
#[derive(Debug)]
pub struct Server(Listener);

impl Server {
    /// Serves `router` on `port` of 127.0.0.1, or on a free one for 0.
    pub fn start(port: u16, router: Router) -> Self {
        Self(Listener::served_by(port, async |listener| {
            axum::serve(listener, router).await.expect("the server runs");
        }))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.0.port()
    }
}
