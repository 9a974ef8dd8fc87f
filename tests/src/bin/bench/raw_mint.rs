//! The mint and nothing else: the driver itself asks Vault, over one connection that it keeps. No function can be faster.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::lambda::{Answer, Message};
use crate::world::Vault;

/// The connection.
pub(crate) struct RawMint {
    connection: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

impl RawMint {
    pub(crate) async fn connect(vault: &Vault) -> Self {
        let host = vault.address.strip_prefix("http://").expect("an address of http");
        let connection = TcpStream::connect(host).await.expect("Vault listens");
        connection.set_nodelay(true).expect("TCP without delay");
        // As long as the authorizer's: what Vault reads and keeps is part of what a mint costs.
        let meta = json!({
            "caller_id": "corp:alice",
            "grant": "orders-prod-reader",
            "request_id": "00000000-0000-4000-8000-000000000001",
            "stage": "prod",
        });
        let body = json!({"ttl": "120s", "meta": meta}).to_string();
        let request = format!(
            "POST /v1/auth/token/create/orders-prod-reader HTTP/1.1\r\n\
             host: {host}\r\n\
             x-vault-token: {}\r\n\
             x-vault-wrap-ttl: 30s\r\n\
             content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            vault.token,
            body.len()
        );
        Self { connection, buffer: Vec::new(), request: request.into() }
    }

    /// One mint, in the form of a function's answer that allows.
    pub(crate) async fn mint(&mut self) -> Answer {
        let written = Instant::now();
        self.connection.write_all(&self.request).await.expect("Vault reads");
        let answer = Message::read(&mut self.connection, &mut self.buffer).await.expect("Vault answers");
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
