//! A proxy for HTTP/1.1 between an integration and Vault in the conformance suite. It does to the next calls what a
//! case says, and remembers all of them.
//!
//! Receives [`Fault`]s, as `integrations/conformance/cases.json` writes them. It answers in Vault's place, loses an
//! answer, or lets somebody else be faster. All other calls reach the real server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::http;
use crate::tcp::{self, Listener};

/// What happens to calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The call, as [`Seen::name`] writes it.
    on: String,
    /// To how many of them; to all where it is absent.
    times: Option<usize>,
    /// This is answered, and Vault is not asked.
    answer: Option<Reply>,
    /// This is answered after Vault has done what was asked.
    answer_after: Option<Reply>,
    /// Vault's answer is changed in these members, and theirs.
    merge: Option<Value>,
    /// The connection is reset: before Vault has the call, or after it has done what was asked.
    cut: Option<Cut>,
    /// Nothing is answered.
    #[serde(default)]
    hang: bool,
    /// Somebody else sends the same call first.
    #[serde(default)]
    overtaken: bool,
}

impl Fault {
    fn refuses(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.status >= 300)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// JSON; a string is sent as it is.
    #[serde(default)]
    body: Value,
    /// A body of so many bytes instead.
    bytes: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cut {
    Before,
    After,
}

/// One call, as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Counts the connections.
    pub connection: usize,
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Whether a fault refused it, as a node does that lags behind.
    pub refused: bool,
}

impl Seen {
    /// `lookup`, `unwrap` and `revoke` are the steps' own; all others are `<method> <path>`.
    pub fn name(&self) -> String {
        let path = self.target.strip_prefix("/v1/").unwrap_or(&self.target);
        match (self.method.as_str(), path) {
            ("POST" | "PUT", "sys/wrapping/lookup") => "lookup".to_owned(),
            ("POST" | "PUT", "sys/wrapping/unwrap") => "unwrap".to_owned(),
            ("POST" | "PUT", "auth/token/revoke-self") => "revoke".to_owned(),
            // Vault takes both for a write, and its own clients send PUT.
            ("PUT", path) => format!("POST {path}"),
            (method, path) => format!("{method} {path}"),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    listener: Listener,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: String,
    client: reqwest::Client,
    connections: AtomicUsize,
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<Seen>>,
}

impl FaultProxy {
    /// Starts before the server at this address.
    pub fn start(server: &str) -> Self {
        let state = Arc::new(State {
            server: server.to_owned(),
            client: http::client(),
            connections: AtomicUsize::new(0),
            faults: Mutex::default(),
            seen: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let listener = Listener::start(
            move |client| {
                let state = Arc::clone(&serving);
                async move {
                    let connection = state.connections.fetch_add(1, Ordering::SeqCst);
                    serve(&state, client, connection).await;
                }
            },
            std::future::pending(),
        );
        Self { listener, state }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// From now on these faults, and no others.
    pub fn set(&self, faults: Vec<Fault>) {
        *self.state.faults.lock().expect("not poisoned") = faults;
    }

    /// The calls since this was asked last, oldest first.
    pub fn take_calls(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().expect("not poisoned"))
    }
}

impl State {
    /// What is done to this call.
    fn arrived(&self, mut call: Seen) -> Option<Fault> {
        let name = call.name();
        let mut faults = self.faults.lock().expect("not poisoned");
        let fault = faults.iter_mut().find(|fault| fault.on == name && fault.times != Some(0));
        let fault = fault.map(|fault| {
            fault.times = fault.times.map(|times| times - 1);
            fault.clone()
        });
        call.refused = fault.as_ref().is_some_and(Fault::refuses);
        self.seen.lock().expect("not poisoned").push(call);
        fault
    }

    async fn forward(&self, call: &Seen) -> Answer {
        let url = format!("{}{}", self.server, call.target);
        let mut request =
            self.client.request(call.method.parse().expect("a method"), url).body(call.body.clone());
        let of_connection = ["host", "connection", "content-length", "accept-encoding"];
        for (name, value) in call.headers.iter().filter(|(name, _)| !of_connection.contains(&name.as_str())) {
            request = request.header(name, value);
        }
        let answer = request.send().await.expect("Vault answers");
        let status = answer.status().as_u16();
        Answer {
            status,
            headers: BTreeMap::new(),
            body: answer.bytes().await.expect("a whole answer").to_vec(),
        }
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let body = match (reply.bytes, &reply.body) {
            (Some(bytes), _) => vec![b' '; bytes],
            (None, Value::Null) => Vec::new(),
            (None, Value::String(text)) => text.clone().into_bytes(),
            (None, json) => json.to_string().into_bytes(),
        };
        Self { status: reply.status, headers: reply.headers, body }
    }
}

impl Answer {
    fn merged(self, patch: &Value) -> Self {
        let mut json: Value = serde_json::from_slice(&self.body).expect("Vault answers with JSON");
        merge(&mut json, patch);
        Self { body: json.to_string().into_bytes(), ..self }
    }

    fn written(&self) -> Vec<u8> {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "HTTP/1.1 {} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
            self.status,
            self.body.len()
        );
        // A 204 has neither length nor body (RFC 9110, section 8.6).
        if self.status == 204 {
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        } else {
            [head.as_bytes(), &self.body].concat()
        }
    }
}

fn merge(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (name, change) in patch {
                merge(members.entry(name).or_insert(json!(null)), change);
            }
        }
        (value, patch) => *value = patch.clone(),
    }
}

/// One connection, kept until the client or a fault ends it.
async fn serve(state: &State, mut client: TcpStream, connection: usize) {
    let mut received = Vec::new();
    while let Some(call) = read(&mut client, &mut received, connection).await {
        let answer = match state.arrived(call.clone()) {
            None => state.forward(&call).await,
            Some(fault) => {
                if fault.overtaken || fault.cut == Some(Cut::After) || fault.answer_after.is_some() {
                    state.forward(&call).await;
                }
                if fault.cut.is_some() {
                    return tcp::reset(client);
                }
                if fault.hang {
                    return std::future::pending().await;
                }
                match fault.answer.or(fault.answer_after) {
                    Some(reply) => reply.into(),
                    None => state.forward(&call).await.merged(&fault.merge.unwrap_or(json!({}))),
                }
            }
        };
        if client.write_all(&answer.written()).await.is_err() {
            return;
        }
    }
}

/// The next request; `None` where the client is done.
async fn read(client: &mut TcpStream, received: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    let end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(client, received).await?;
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.lines();
    let mut request = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (request.next()?, request.next()?);
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let mut call = Seen { connection, method, target, headers, body: String::new(), refused: false };
    assert!(call.header("transfer-encoding").is_none(), "the bed's proxy reads bodies whose length is told");
    let length = call.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    while received.len() < end + length {
        more(client, received).await?;
    }
    call.body = String::from_utf8_lossy(&received[end..end + length]).into_owned();
    received.drain(..end + length);
    Some(call)
}

async fn more(client: &mut TcpStream, received: &mut Vec<u8>) -> Option<()> {
    (client.read_buf(received).await.ok()? > 0).then_some(())
}
