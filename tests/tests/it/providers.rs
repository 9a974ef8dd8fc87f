//! Tokens of a real OpenID provider, npm's `oidc-provider`, at the release binary: those that an API must take, and those that are
//! bound to a key of their sender's.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::process::free_port;
use test_bed::{Child, Configuration, Function, Grant, Invocation, Scratch, parts};

/// The provider, and one token of each of its clients.
struct Provider {
    _process: Child,
    issuer: String,
    tokens: Value,
}

impl Provider {
    async fn start(scratch: &Scratch) -> Self {
        let port = free_port().to_string();
        let mut node = Command::new("node");
        node.arg(parts::client("provider.cjs")).arg(&port);
        node.env("NODE_PATH", parts::node().join("node_modules"));
        let log = scratch.path().join("provider.log");
        let mut process = Child::spawn("oidc-provider", node, &log);
        let printed = || std::fs::read_to_string(&log).unwrap_or_default();
        let tokens = || printed().lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let ready = process.ready(Duration::from_secs(30), async || tokens().is_some()).await;
        ready.unwrap_or_else(|error| panic!("{error}"));
        Self { _process: process, issuer: format!("http://127.0.0.1:{port}"), tokens: tokens().unwrap() }
    }

    async fn call(&self, function: &Function, client: &str) -> Invocation {
        function.get("/status", self.tokens[client].as_str().unwrap()).await
    }

    /// An authorizer for its tokens; what it lets pass needs no Vault.
    fn function(&self, verified_elsewhere: bool, scratch: &Scratch) -> Function {
        let mut configuration = Configuration::new("http://127.0.0.1:9")
            .issuer("corp", &self.issuer)
            .set("issuers.corp.audiences", json!(["urn:orders-api"]))
            .set("issuers.corp.types", json!(["at+jwt"]))
            .grant(Grant::without_token("status", "GET /status").scope("orders:read"));
        if verified_elsewhere {
            configuration = configuration.set("issuers.corp.binding.verify", "elsewhere");
        }
        Function::authorizer(&configuration.to_string(), &[], scratch)
    }
}

/// RFC 9864 calls `Ed25519` what JWKs and older tokens call `EdDSA`.
#[tokio::test]
async fn its_access_tokens_are_taken_whatever_it_signs_with() {
    let scratch = Scratch::new("oidc-provider");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(false, &scratch);
    for client in ["rs256", "es256", "ed25519"] {
        assert_eq!(provider.call(&function, client).await.effect(), "Allow", "{client}: {}", function.log());
    }
}

#[tokio::test]
async fn rejects_a_stolen_token_that_is_bound_to_its_senders_key() {
    let scratch = Scratch::new("oidc-provider-bound");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(false, &scratch);
    for client in ["dpop", "mtls"] {
        assert_eq!(provider.call(&function, client).await.error(), "Unauthorized", "{client}");
        assert_eq!(function.decisions().pop().unwrap()["code"], "binding_missing", "{client}");
    }
    drop(function);
    let behind_a_proxy = provider.function(true, &scratch);
    for client in ["dpop", "mtls"] {
        assert_eq!(provider.call(&behind_a_proxy, client).await.effect(), "Allow", "{client}");
    }
}
