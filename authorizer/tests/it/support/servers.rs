//! Servers on loopback, each with its own way to misbehave.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

/// A request as it came.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub uri: String,
    pub headers: HeaderMap,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// As `METHOD path token`.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.header("x-vault-token").unwrap_or("-"))
    }
}

/// An answer, and when it comes.
#[derive(Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub after_millis: u64,
    /// Answers when it is let.
    pub gate: Option<Arc<Semaphore>>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn after_millis(self, after_millis: u64) -> Self {
        Self { after_millis, ..self }
    }

    async fn given(self) -> Response {
        tokio::time::sleep(Duration::from_millis(self.after_millis)).await;
        if let Some(gate) = self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let mut response = (StatusCode::from_u16(self.status).unwrap(), self.body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// Answers each request with what `answer` makes of it, and writes it down.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        let handler = move |request: Request| {
            let asked = Asked {
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                uri: request.uri().to_string(),
                headers: request.headers().clone(),
            };
            let reply = answer(&asked);
            seen.lock().unwrap().push(asked);
            reply.given()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, requests }
    }

    /// Gives one answer to all.
    pub async fn giving(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// What was asked since the last time.
    pub fn requests(&self) -> Vec<Asked> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// The same, as `METHOD path token`.
    pub fn asked(&self) -> Vec<String> {
        self.requests().iter().map(Asked::line).collect()
    }

    /// How often it has been asked.
    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A server below HTTP. Counts the connections that `serve` is given.
pub struct RawServer {
    pub address: String,
    connections: Arc<AtomicU64>,
}

impl RawServer {
    pub fn start(serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                serve(connection.unwrap());
            }
        });
        Self { address, connections }
    }

    /// Drops each connection at once.
    pub fn dropping() -> Self {
        Self::start(drop)
    }

    /// Lets a connection die where a second request comes on it.
    pub fn one_answer_for_each_connection(body: String) -> Self {
        Self::start(move |mut connection| {
            read_head(&mut connection);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: ";
            connection.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
            std::thread::spawn(move || read_head(&mut connection));
        })
    }

    /// Takes each connection and never says anything.
    pub fn silent() -> Self {
        let held = Mutex::new(Vec::new());
        Self::start(move |connection| held.lock().unwrap().push(connection))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

fn read_head(connection: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|bytes| bytes == 1) {
        head.push(byte[0]);
    }
}
