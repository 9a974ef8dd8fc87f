//! Tokens of a real OpenID provider, npm's `oidc-provider`, at the release binary: those that an API must take, and those that are
//! bound to a key of their sender's.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use test_bed::parts;
use test_bed::process::{Child, Scratch, free_port};
use test_bed::runtime_api::{Function, Invocation, request_event};

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

    fn call(&self, client: &str) -> Value {
        request_event("/status", &format!("Bearer {}", self.tokens[client].as_str().unwrap()))
    }

    /// An authorizer for its tokens; what it lets pass needs no Vault.
    fn function(&self, binding: &str, scratch: &Scratch) -> Function {
        let config = format!(
            r#"
vault: {{address: "http://127.0.0.1:9", login: {{method: token, token: s.none}}}}
issuers:
  corp:
    kind: jwt
    issuer: {issuer}
    audiences: ["urn:orders-api"]
    algorithms: [RS256, ES256, EdDSA]
    types: [at+jwt]
    jwks: discovery
    {binding}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: status
        mode: none
        routes: ["GET /status"]
        caller: {{issuer: corp, bound_claims: {{scope: ["orders:read"]}}}}
"#,
            issuer = self.issuer
        );
        let bootstrap = parts::binary("release", "bootstrap");
        Function::start(&bootstrap, [("AUTHORIZER_CONFIG", config.as_str())], scratch)
    }
}

fn allows(invocation: &Invocation) -> bool {
    matches!(invocation, Invocation::Response(answer) if answer["policyDocument"]["Statement"][0]["Effect"] == "Allow")
}

/// RFC 9864 calls `Ed25519` what JWKs and older tokens call `EdDSA`.
#[tokio::test]
async fn its_access_tokens_are_taken_whatever_it_signs_with() {
    let scratch = Scratch::new("oidc-provider");
    let provider = Provider::start(&scratch).await;
    let function = provider.function("", &scratch);
    for client in ["rs256", "es256", "ed25519"] {
        let invocation = function.invoke(&provider.call(client)).await;
        assert!(allows(&invocation), "{client}: {invocation:?} {:?}", function.log_lines());
    }
}

#[tokio::test]
async fn rejects_a_stolen_token_that_is_bound_to_its_senders_key() {
    let scratch = Scratch::new("oidc-provider-bound");
    let provider = Provider::start(&scratch).await;
    let function = provider.function("", &scratch);
    for client in ["dpop", "mtls"] {
        let invocation = function.invoke(&provider.call(client)).await;
        assert!(
            matches!(&invocation, Invocation::Error { message, .. } if message == "Unauthorized"),
            "{client}: {invocation:?}"
        );
        let log = function.log_lines();
        assert_eq!(log.last().unwrap()["code"], "binding_missing", "{client}: {log:?}");
    }
    drop(function);
    let behind_a_proxy = provider.function("binding: {verify: elsewhere}", &scratch);
    for client in ["dpop", "mtls"] {
        let invocation = behind_a_proxy.invoke(&provider.call(client)).await;
        assert!(allows(&invocation), "{client}: {invocation:?} {:?}", behind_a_proxy.log_lines());
    }
}
