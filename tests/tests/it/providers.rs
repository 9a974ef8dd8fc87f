//! Tokens of a real OpenID provider, npm's `oidc-provider`, against the release binary: those that an API must
//! accept, and those that are bound to a key or a certificate of their sender. `cargo xtask providers` tests
//! Keycloak's tokens.

mod api;

use std::process;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::process::free_port;
use test_bed::{Child, Command, Configuration, Function, Grant, LocalBed, Scratch, parts, request_event};

/// Who a client gets a token for: itself (client credentials), or a user who logs in (authorization code with PKCE).
const FLOWS: [&str; 2] = ["clients", "users"];

/// Where callers reach the API of the tests.
const STATUS: &str = "https://api.example.com/prod/status";

/// The provider, and a token of each of its clients in each of the [`FLOWS`].
struct Provider {
    _process: Child,
    issuer: String,
    printed: Value,
    /// The path of the key of those who have bound tokens.
    key: String,
}

impl Provider {
    async fn start(scratch: &Scratch) -> Self {
        let port = free_port().to_string();
        let mut node = process::Command::new("node");
        node.arg(parts::client("provider.cjs")).arg(&port);
        node.env("NODE_PATH", parts::node().join("node_modules"));
        let log = scratch.path().join("provider.log");
        let mut process = Child::spawn("oidc-provider", node, &log);
        let log = || std::fs::read_to_string(&log).unwrap_or_default();
        let printed = || log().lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let ready = process.ready(Duration::from_secs(30), async || printed().is_some()).await;
        ready.unwrap_or_else(|error| panic!("{error}"));
        let printed = printed().unwrap();
        let key = scratch.path().join("own.pem");
        std::fs::write(&key, printed["key"].as_str().unwrap()).unwrap();
        let issuer = format!("http://127.0.0.1:{port}");
        Self { _process: process, issuer, printed, key: key.display().to_string() }
    }

    fn token(&self, flow: &str, client: &str) -> &str {
        self.printed[flow][client].as_str().unwrap()
    }

    /// An authorizer for its tokens; what it lets pass needs no Vault.
    fn configuration(&self) -> Configuration {
        Configuration::new("http://127.0.0.1:9")
            .issuer("corp", &self.issuer)
            .set("issuers.corp.types", json!(["at+jwt"]))
            .grant(Grant::without_token("status", "GET /status").scope("orders:read"))
    }

    fn function(&self, scratch: &Scratch) -> Function {
        Function::authorizer(&self.configuration().to_string(), &[], scratch)
    }
}

/// The command's proof for a `GET` of this URL with this token.
fn proof(key: &str, url: &str, token: &str) -> String {
    let sign = ["sign", "dpop", "--key", key, "--method", "GET", "--url", url, "--token", "-"];
    Command::new(&sign).stdin(token).run().told(0, &[]).trim_end().to_owned()
}

/// What openssl makes of this, in PEM.
fn openssl(arguments: &[&str]) -> String {
    let made = process::Command::new("openssl").args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

fn new_key(scratch: &Scratch) -> String {
    let key = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let path = scratch.path().join("other.pem");
    std::fs::write(&path, key).unwrap();
    path.display().to_string()
}

/// A REST API's event of a `GET` of [`STATUS`], or of `/orders` beside it, with this proof.
fn event(path: &str, authorization: &str, proof: Option<&str>) -> Value {
    let mut event = request_event(path, authorization);
    if let Some(proof) = proof {
        event["headers"]["DPoP"] = proof.into();
    }
    event["requestContext"]["domainName"] = "api.example.com".into();
    event["requestContext"]["path"] = format!("/prod{path}").into();
    event
}

async fn assert_allowed(function: &Function, event: &Value, binding: &str) {
    assert_eq!(function.invoke(event).await.effect(), "Allow", "{}", function.log());
    assert_eq!(function.decisions().pop().unwrap()["caller_binding"], binding);
}

async fn assert_refused(function: &Function, event: &Value, code: &str, what: &str) {
    assert_eq!(function.invoke(event).await.error(), "Unauthorized", "{what}");
    assert_eq!(function.decisions().pop().unwrap()["code"], code, "{what}");
}

/// RFC 9864 calls `Ed25519` what JWKs and older tokens call `EdDSA`.
#[tokio::test]
async fn its_access_tokens_are_taken_whatever_it_signs_with() {
    let scratch = Scratch::new("oidc-provider");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(&scratch);
    for flow in FLOWS {
        for client in ["rs256", "es256", "ed25519"] {
            let bearer = format!("Bearer {}", provider.token(flow, client));
            assert_allowed(&function, &event("/status", &bearer, None), "none").await;
        }
    }
}

#[tokio::test]
async fn rejects_a_stolen_token_that_is_bound_to_its_senders_key() {
    let scratch = Scratch::new("oidc-provider-bound");
    let provider = Provider::start(&scratch).await;
    let stolen = FLOWS.into_iter().flat_map(|flow| ["dpop", "mtls"].map(|client| (flow, client)));
    let stolen = stolen
        .map(|(flow, client)| event("/status", &format!("Bearer {}", provider.token(flow, client)), None));
    let stolen: Vec<_> = stolen.collect();
    let function = provider.function(&scratch);
    for event in &stolen {
        assert_refused(&function, event, "binding_missing", "as a bearer token").await;
    }
    drop(function);
    let elsewhere = provider.configuration().set("issuers.corp.binding.verify", "elsewhere");
    let behind_a_proxy = Function::authorizer(&elsewhere.to_string(), &[], &scratch);
    for event in &stolen {
        assert_allowed(&behind_a_proxy, event, "none").await;
    }
}

/// The provider bound the tokens, the command makes the proofs, and the function judges both.
#[tokio::test]
async fn the_holder_of_the_key_is_let_in_once_for_each_proof_and_nobody_else() {
    let scratch = Scratch::new("oidc-provider-dpop");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(&scratch);
    let (own, other) = (&provider.key, &new_key(&scratch));
    for flow in FLOWS {
        let token = provider.token(flow, "dpop");
        let with = |proof: &str| event("/status", &format!("DPoP {token}"), Some(proof));
        let good = proof(own, STATUS, token);
        assert_allowed(&function, &with(&good), "dpop").await;
        let another = proof(own, STATUS, token);
        let of_another_token = proof(own, STATUS, provider.token(flow, "rs256"));
        for (event, code, what) in [
            (with(&good), "proof_replayed", "the same proof"),
            (with(&proof(other, STATUS, token)), "binding_refused", "another key"),
            (with(&of_another_token), "binding_refused", "another token's proof"),
            (event("/orders", &format!("DPoP {token}"), Some(&another)), "binding_refused", "another path"),
            (event("/status", &format!("DPoP {token}"), None), "binding_missing", "no proof"),
            (event("/status", &format!("Bearer {token}"), Some(&another)), "binding_missing", "as Bearer"),
        ] {
            assert_refused(&function, &event, code, &format!("{flow}: {what}")).await;
        }
        assert_allowed(&function, &with(&another), "dpop").await;
    }
}

#[tokio::test]
async fn the_holder_of_the_certificate_is_let_in_and_nobody_else() {
    let scratch = Scratch::new("oidc-provider-mtls");
    let provider = Provider::start(&scratch).await;
    let function = provider.function(&scratch);
    let key = new_key(&scratch);
    let other = openssl(&["req", "-x509", "-new", "-key", &key, "-subj", "/CN=orders", "-days", "1"]);
    let own = provider.printed["certificate"].as_str().unwrap();
    for flow in FLOWS {
        let bearer = format!("Bearer {}", provider.token(flow, "mtls"));
        let with = |pem: &str| {
            let mut event = event("/status", &bearer, None);
            event["requestContext"]["identity"] = json!({"clientCert": {"clientCertPem": pem}});
            event
        };
        assert_allowed(&function, &with(own), "mtls").await;
        assert_refused(&function, &with(&other), "binding_refused", "another certificate").await;
        let mut in_a_header = event("/status", &bearer, None);
        in_a_header["headers"]["x-client-cert"] = own.replace('\n', "").into();
        assert_refused(&function, &in_a_header, "binding_missing", "a certificate in a header").await;
    }
}

/// The page's configuration, which demands a key of every caller.
#[tokio::test]
async fn the_documented_configuration_asks_every_token_for_its_key() {
    let bed = LocalBed::new("oidc-provider-page").await;
    let provider = Provider::start(&bed.scratch).await;
    let example = parts::blocks("docs/identity/sender-constrained.md", "yaml").remove(0);
    let example = example.replace("https://login.example.com/", &provider.issuer);
    let function = Function::authorizer(&bed.documented(&example), &[], &bed.scratch);
    let url = STATUS.replace("/status", "/orders");
    for flow in FLOWS {
        let token = provider.token(flow, "dpop");
        let good = event("/orders", &format!("DPoP {token}"), Some(&proof(&provider.key, &url, token)));
        assert_allowed(&function, &good, "dpop").await;
        for client in ["rs256", "mtls", "dpop"] {
            let bearer = event("/orders", &format!("Bearer {}", provider.token(flow, client)), None);
            assert_refused(&function, &bearer, "binding_missing", client).await;
        }
    }
}

/// The table of `docs/identity/jwt.md`, at a provider's ID token.
#[tokio::test]
async fn an_id_token_passes_only_where_the_page_says_so() {
    let scratch = Scratch::new("oidc-provider-id");
    let provider = Provider::start(&scratch).await;
    let bearer = format!("Bearer {}", provider.printed["ids"]["rs256"].as_str().unwrap());
    let id_token = event("/status", &bearer, None);
    let entry = |settings: Value, bound: bool| {
        let grant = Grant::without_token("status", "GET /status");
        let grant = if bound { grant.scope("orders:read") } else { grant };
        let mut configuration =
            Configuration::new("http://127.0.0.1:9").issuer("corp", &provider.issuer).grant(grant);
        for (name, value) in settings.as_object().unwrap() {
            configuration = configuration.set(&format!("issuers.corp.{name}"), value.clone());
        }
        Function::authorizer(&configuration.to_string(), &[], &scratch)
    };
    let passing = entry(json!({"audiences": ["rs256"]}), false);
    assert_allowed(&passing, &id_token, "none").await;
    for (settings, code) in [
        (json!({}), "audience_mismatch"),
        (json!({"audience_claim": "client_id", "audiences": ["rs256"]}), "claim_missing"),
        (json!({"audiences": ["rs256"], "types": ["at+jwt"]}), "type_refused"),
    ] {
        assert_refused(&entry(settings.clone(), false), &id_token, code, &settings.to_string()).await;
    }
    let bound = entry(json!({"audiences": ["rs256"]}), true);
    assert_eq!(bound.invoke(&id_token).await.effect(), "Deny");
    assert_eq!(bound.codes(), ["no_grant"]);
}
