//! The bed's own HTTP: one client constructor, a server with its own thread, and what a reverse proxy does with a
//! request.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
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

/// Of `http://<host>:<port>`.
pub fn port(address: &str) -> u16 {
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    port.expect("an address with a port")
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

/// The server behind a reverse proxy.
#[derive(Debug, Clone)]
pub struct Backend {
    url: String,
    client: reqwest::Client,
}

impl Backend {
    /// Without the bed's limit of time: how long a call may take is the caller's.
    pub fn new(url: &str) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.build().expect("the client is valid");
        Self { url: url.trim_end_matches('/').to_owned(), client }
    }

    /// Passes a request on and its answer back.
    pub async fn forward(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let sent = self.client.request(head.method, format!("{}{path}", self.url));
        Self::pass_back(sent.headers(end_to_end(head.headers)).body(read(body).await)).await
    }

    /// A request of the proxy's own.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub async fn pass_back(request: RequestBuilder) -> Response {
        let passed = async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status(), end_to_end(answer.headers().clone()));
            Ok::<_, reqwest::Error>((status, headers, Body::from(answer.bytes().await?)).into_response())
        };
        passed.await.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response())
    }
}

/// The whole body of a request; nothing for one that breaks off.
pub async fn read(body: Body) -> axum::body::Bytes {
    to_bytes(body, 32 << 20).await.unwrap_or_default()
}

/// Without the headers that belong to one connection or that the client writes itself. The host stays: it may be signed.
pub(crate) fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}
