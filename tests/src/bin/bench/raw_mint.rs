//! The mint and nothing else. The driver itself asks Vault, over one connection that it keeps, so no function can be
//! faster.
//!
//! [`Connection`] makes all other calls to Vault.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::lambda::{Answer, Message};
use crate::world::Vault;

pub(crate) const MINT: &str = "auth/token/create/orders-prod-reader";

/// A connection to Vault that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// To an address of http.
    pub(crate) async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(host(address)).await.expect("Vault listens");
        stream.set_nodelay(true).expect("TCP without delay");
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Message {
        self.stream.write_all(request).await.expect("Vault reads");
        Message::read(&mut self.stream, &mut self.buffer).await.expect("Vault answers")
    }
}

/// The bytes of a request: `path` is what follows `/v1/`.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Vec<u8> {
    let host = host(address);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    format!(
        "{method} /v1/{path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into()
}

fn host(address: &str) -> &str {
    address.strip_prefix("http://").expect("an address of http")
}

/// As long as the authorizer's: what Vault reads and keeps is part of what a mint costs.
pub(crate) fn meta() -> Value {
    json!({
        "caller_id": "corp:alice",
        "grant": "orders-prod-reader",
        "request_id": "00000000-0000-4000-8000-000000000001",
        "stage": "prod",
    })
}

/// The mint and its connection.
pub(crate) struct RawMint {
    connection: Connection,
    request: Vec<u8>,
}

impl RawMint {
    pub(crate) async fn connect(vault: &Vault) -> Self {
        let connection = Connection::open(&vault.address).await;
        let headers = [("x-vault-token", vault.token.as_str()), ("x-vault-wrap-ttl", "30s")];
        let body = json!({"ttl": "120s", "meta": meta()});
        let request = request(&vault.address, "POST", MINT, &headers, &body);
        Self { connection, request }
    }

    /// One mint, in the form of a function's answer that allows.
    pub(crate) async fn mint(&mut self) -> Answer {
        let written = Instant::now();
        let answer = self.connection.ask(&self.request).await;
        let took = written.elapsed();
        let minted: Value = serde_json::from_slice(&answer.body).expect("Vault answers JSON");
        let token = minted["wrap_info"]["token"].as_str().unwrap_or_default();
        let body = json!({
            "policyDocument": {"Statement": [{"Effect": "Allow"}]},
            "context": {"vaultWrappingToken": token},
        });
        Answer { took, is_error: answer.word != "200", body: body.to_string().into() }
    }
}
