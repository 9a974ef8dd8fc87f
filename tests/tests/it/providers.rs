//! Tokens of a real OpenID provider, npm's `oidc-provider`, at the release binary: those that an API must take, and those that are
//! bound to a key or a certificate of their sender's.

use std::process;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::process::free_port;
use test_bed::{Child, Command, Configuration, Function, Grant, Invocation, Scratch, parts, request_event};

/// The provider, and one token of each of its clients.
struct Provider {
    _process: Child,
    issuer: String,
    tokens: Value,
}

impl Provider {
    async fn start(scratch: &Scratch) -> Self {
        let port = free_port().to_string();
        let mut node = process::Command::new("node");
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

/// The provider bound the token, the command makes the proof, and the function judges both.
#[tokio::test]
async fn the_holder_of_the_key_is_let_in_once_for_each_proof_and_nobody_else() {
    let scratch = Scratch::new("oidc-provider-dpop");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(false, &scratch);
    let token = provider.tokens["dpop"].as_str().unwrap();
    let key = |name: &str, pem: &str| {
        std::fs::write(scratch.path().join(name), pem).unwrap();
        scratch.path().join(name).display().to_string()
    };
    let own = key("own.pem", provider.tokens["key"].as_str().unwrap());
    let openssl = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let other = process::Command::new("openssl").args(openssl).output().unwrap();
    let other = key("other.pem", &String::from_utf8(other.stdout).unwrap());
    let event = |key: &str, url: &str| {
        let sign = ["sign", "dpop", "--key", key, "--method", "GET", "--url", url, "--token", "-"];
        let proof = Command::new(&sign).stdin(token).run().told(0, &[]);
        let mut event = request_event("/status", &format!("DPoP {token}"));
        event["headers"]["DPoP"] = proof.trim_end().into();
        event["requestContext"]["domainName"] = "api.example.com".into();
        event["requestContext"]["path"] = "/prod/status".into();
        event
    };
    let url = "https://api.example.com/prod/status";
    let good = event(&own, url);
    assert_eq!(function.invoke(&good).await.effect(), "Allow", "{}", function.log());
    assert_eq!(function.decisions().pop().unwrap()["caller_binding"], "dpop");
    for (event, code) in [
        (good, "proof_replayed"),
        (event(&other, url), "binding_refused"),
        (event(&own, "https://api.example.com/prod/orders"), "binding_refused"),
    ] {
        assert_eq!(function.invoke(&event).await.error(), "Unauthorized");
        assert_eq!(function.decisions().pop().unwrap()["code"], code);
    }
}

#[tokio::test]
async fn the_holder_of_the_certificate_is_let_in_and_nobody_else() {
    let scratch = Scratch::new("oidc-provider-mtls");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(false, &scratch);
    let event = |pem: &Value| {
        let mut event =
            request_event("/status", &format!("Bearer {}", provider.tokens["mtls"].as_str().unwrap()));
        event["requestContext"]["identity"] = json!({"clientCert": {"clientCertPem": pem}});
        event
    };
    let own = &provider.tokens["certificate"];
    assert_eq!(function.invoke(&event(own)).await.effect(), "Allow", "{}", function.log());
    assert_eq!(function.decisions().pop().unwrap()["caller_binding"], "mtls");
    let other = own.as_str().unwrap().replacen('d', "e", 1);
    assert_eq!(function.invoke(&event(&other.into())).await.error(), "Unauthorized");
    assert_eq!(function.decisions().pop().unwrap()["code"], "binding_refused");
}
