//! A loopback HTTP server that remembers every request and answers from a script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vault_context::vault::{Namespace, Vault, VaultAddress, VaultOptions};

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The client's end of the connection it came by.
    pub(crate) connection: SocketAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One answer.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, body.to_string())
    }

    pub(crate) fn errors(status: u16, text: &str) -> Self {
        Self::new(status, json!({ "errors": [text] }).to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    async fn given(self) -> Response<Body> {
        tokio::time::sleep(self.delay).await;
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap()
    }
}

/// The server; it stops when it is dropped.
pub(crate) struct FakeVault {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

impl FakeVault {
    pub(crate) async fn answering(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&seen), Arc::new(script));
        let handler = move |ConnectInfo(connection): ConnectInfo<SocketAddr>,
                            method: Method,
                            uri: Uri,
                            headers: HeaderMap,
                            body: String| {
            let (method, path) = (method.to_string(), uri.to_string());
            let seen = Seen { connection, method, path, headers, body };
            let reply = script(&seen);
            log.lock().unwrap().push(seen);
            reply.given()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new().fallback(handler).into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, seen, server }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == path).collect()
    }

    /// A transport to this server, in namespace `platform`, that waits for half a second.
    pub(crate) fn vault(&self) -> Vault {
        vault_at(&self.address)
    }
}

impl Drop for FakeVault {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn vault_at(address: &str) -> Vault {
    Vault::new(VaultOptions { timeout: Duration::from_millis(500), ..options(address) }).unwrap()
}

/// With as long to wait as there is by default.
pub(crate) fn options(address: &str) -> VaultOptions {
    let namespace = Some(Namespace::parse("platform").unwrap());
    VaultOptions { namespace, ..VaultOptions::new(VaultAddress::parse(address).unwrap()) }
}

/// Ends the test with the value where the pattern does not fit it.
macro_rules! assert_matches {
    ($value:expr, $pattern:pat) => {
        match $value {
            $pattern => {}
            other => panic!("{other:?}"),
        }
    };
}
pub(crate) use assert_matches;
