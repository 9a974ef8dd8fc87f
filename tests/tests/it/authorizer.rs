//! The authorizer's release binary on a Lambda Runtime API in this process, with a real OpenBao and a real issuer: what
//! it asks of Vault, counted at the server, and what it does while its neighbours are away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::http::Server;
use test_bed::issuer::{Failure, Issuer, Signing, TokenSpec};
use test_bed::openbao::OpenBao;
use test_bed::parts;
use test_bed::process::Scratch;
use test_bed::runtime_api::{Function, Invocation, request_event};
use test_bed::vault_setup::{self, Setup};

const MINT: &str = "update auth/token/create/orders-prod-reader";

/// An authorizer that logs in with a token of the configuration, so that every call at Vault is one of a request.
struct Bed {
    scratch: Scratch,
    openbao: OpenBao,
    issuer: Issuer,
    token: String,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let openbao = OpenBao::start_in_memory(&scratch).await;
        vault_setup::configure(&openbao, &Setup::quickstart()).await;
        let token = vault_setup::authorizer_token(&openbao).await;
        Self { scratch, openbao, issuer: Issuer::start(), token }
    }

    fn config(&self) -> String {
        config(self.openbao.address(), &self.token, &self.issuer.url())
    }

    fn function(&self) -> Function {
        start(&self.config(), &self.scratch)
    }

    fn good_token(&self) -> String {
        self.issuer.token(&TokenSpec::new().claim("scope", "orders:read"))
    }
}

fn start(config: &str, scratch: &Scratch) -> Function {
    Function::start(&parts::binary("release", "bootstrap"), [("AUTHORIZER_CONFIG", config)], scratch)
}

fn config(vault: &str, token: &str, issuer: &str) -> String {
    format!(
        r#"
vault:
  address: {vault}
  login: {{method: token, token: {token}}}
issuers:
  corp:
    kind: jwt
    issuer: {issuer}
    audiences: [orders-api]
    algorithms: [RS256, ES256, EdDSA]
    jwks: discovery
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-prod-reader
        routes: ["GET /orders"]
        caller: {{issuer: corp, bound_claims: {{scope: ["orders:read"]}}}}
        token: {{role: orders-prod-reader, policies: [orders-prod-read], ttl: 2m, wrap_ttl: 30s}}
      - name: status
        mode: none
        routes: ["GET /status"]
        caller: {{issuer: corp, any: true}}
"#
    )
}

fn event(token: &str, path: &str) -> Value {
    request_event(path, &format!("Bearer {token}"))
}

fn effect(invocation: Invocation) -> Value {
    invocation.response()["policyDocument"]["Statement"][0]["Effect"].take()
}

fn error(invocation: Invocation) -> String {
    match invocation {
        Invocation::Error { message, .. } => message,
        other @ (Invocation::Response(_) | Invocation::TimedOut | Invocation::Exited(_)) => {
            panic!("not an error: {other:?}")
        }
    }
}

/// The decisions in the function's log, oldest first.
fn records(function: &Function) -> Vec<Value> {
    function.log_lines().into_iter().filter(|line| line["outcome"].is_string()).collect()
}

#[tokio::test]
async fn an_issuers_keys_are_there_before_the_first_event() {
    let bed = Bed::new("init").await;
    let function = bed.function();
    assert!(function.first_poll().await.is_some());
    assert_eq!((bed.issuer.discovery_fetches(), bed.issuer.jwks_fetches()), (1, 1));
    assert_eq!(effect(function.invoke(&event(&bed.good_token(), "/orders")).await), "Allow");
    assert_eq!((bed.issuer.discovery_fetches(), bed.issuer.jwks_fetches()), (1, 1));
}

/// Neither a provider nor a Vault that hangs keeps init from the other, nor the function from its first event.
#[tokio::test]
async fn init_asks_the_issuer_and_vault_side_by_side_and_waits_for_neither() {
    let scratch = Scratch::new("side-by-side");
    let issuer = Issuer::start();
    issuer.fail(Failure::Hang);
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let vault = Server::start(
        0,
        axum::Router::new().fallback(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>()
        }),
    );
    let login = "login: {method: aws, role: api-authorizer, server_id: vault.example.com}";
    let config = config(&vault.url(), "s.none", &issuer.url()).replacen(
        "login: {method: token, token: s.none}",
        login,
        1,
    );
    let function = Function::start(
        &parts::binary("release", "bootstrap"),
        [
            ("AUTHORIZER_CONFIG", config.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ],
        &scratch,
    );
    assert!(function.first_poll().await.is_some());
    assert_eq!((issuer.discovery_fetches(), logins.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn one_vault_call_per_allowed_request_when_warm_and_none_for_a_denial() {
    let bed = Bed::new("one-call").await;
    let function = bed.function();
    assert_eq!(effect(function.invoke(&event(&bed.good_token(), "/orders")).await), "Allow");
    let (mark, jwks, discovery) =
        (bed.openbao.audit_mark(), bed.issuer.jwks_fetches(), bed.issuer.discovery_fetches());

    for signing in [Signing::Rs256, Signing::Es256, Signing::EdDsa] {
        let token = bed.issuer.token(&TokenSpec::new().signing(signing).claim("scope", "orders:read"));
        assert_eq!(effect(function.invoke(&event(&token, "/orders")).await), "Allow");
    }
    assert_eq!(bed.openbao.requests_since(mark), [MINT; 3]);

    let mark = bed.openbao.audit_mark();
    let spec = TokenSpec::new().claim("scope", "orders:read");
    let refused = [
        bed.issuer.forged(&spec),
        bed.issuer.token(&spec.clone().signing(Signing::None)),
        bed.issuer.token(&spec.clone().signing(Signing::Hs256PublicKey)),
        bed.issuer.token(&spec.clone().expires_in(-1)),
        bed.issuer.token(&spec.clone().expires_in(10)),
        bed.issuer.token(&spec.clone().claim("aud", "other")),
        bed.issuer.token(&spec.clone().claim("iss", "https://other.example")),
        "a.b.c".to_owned(),
        String::new(),
    ];
    for token in refused {
        assert_eq!(error(function.invoke(&event(&token, "/orders")).await), "Unauthorized");
    }
    let without_scope = bed.issuer.token(&TokenSpec::new());
    assert_eq!(effect(function.invoke(&event(&without_scope, "/orders")).await), "Deny");
    assert_eq!(effect(function.invoke(&event(&bed.good_token(), "/elsewhere")).await), "Deny");
    assert_eq!(effect(function.invoke(&event(&without_scope, "/status")).await), "Allow");
    assert_eq!(bed.openbao.requests_since(mark), [""; 0], "neither a denial nor `mode: none` asks Vault");
    assert_eq!((bed.issuer.jwks_fetches(), bed.issuer.discovery_fetches()), (jwks, discovery));
}

#[tokio::test]
async fn the_minted_token_is_what_the_context_says() {
    let bed = Bed::new("minted").await;
    let function = bed.function();
    let answer = function.invoke(&event(&bed.good_token(), "/orders")).await.response();
    let context = &answer["context"];
    let wrapping_token = context["vaultWrappingToken"].as_str().unwrap();
    let (status, unwrapped) =
        bed.openbao.api("POST", "sys/wrapping/unwrap", Some(wrapping_token), Value::Null).await;
    assert_eq!(status, 200);
    let auth = &unwrapped["auth"];
    assert_eq!(auth["accessor"], context["vaultWrappedAccessor"]);
    assert_eq!(auth["policies"], json!(["orders-prod-read", "vault-authorizer-self"]));
    assert_eq!((&auth["lease_duration"], &auth["renewable"]), (&json!(120), &json!(false)));
    assert_eq!((&auth["orphan"], &auth["token_type"]), (&json!(true), &json!("service")));
    let meta = json!({"grant": "orders-prod-reader", "stage": "prod", "caller_id": "corp:alice",
        "request_id": "00000000-0000-4000-8000-000000000001"});
    assert_eq!(auth["metadata"], meta);
    let record = records(&function).remove(0);
    assert_eq!(record["wrapped_accessor"], context["vaultWrappedAccessor"]);
    assert_eq!((&record["ttl_seconds"], &record["wrap_ttl_seconds"]), (&json!(120), &json!(30)));
}

#[tokio::test]
async fn a_ttl_fits_what_is_left_of_the_credential_and_the_servers_policy() {
    let bed = Bed::new("ttl").await;
    let function = bed.function();
    for (left, ttl) in [(3600, 120), (100, 60), (50, 30), (20, 15)] {
        let spec = TokenSpec::new().claim("scope", "orders:read").expires_in(left);
        assert_eq!(
            effect(function.invoke(&event(&bed.issuer.token(&spec), "/orders")).await),
            "Allow",
            "{left}"
        );
        assert_eq!(records(&function).pop().unwrap()["ttl_seconds"], ttl, "{left}");
    }
}

#[tokio::test]
async fn a_token_event_is_served_like_a_request_event() {
    let bed = Bed::new("token-event").await;
    let function = bed.function();
    let event = |path: &str| {
        json!({"type": "TOKEN", "authorizationToken": format!("Bearer {}", bed.good_token()),
            "methodArn": format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET{path}")})
    };
    assert_eq!(effect(function.invoke(&event("/orders")).await), "Allow");
    assert_eq!(effect(function.invoke(&event("/orders/")).await), "Deny");
}

#[tokio::test]
async fn an_outage_is_a_fault_and_a_denial_does_not_need_vault() {
    let mut bed = Bed::new("outage").await;
    // Vault is away from the very beginning: init does not fail.
    bed.openbao.pause();
    let function = bed.function();
    assert!(function.first_poll().await.is_some());
    bed.openbao.resume();
    let (good, forged) = (bed.good_token(), bed.issuer.forged(&TokenSpec::new()));
    assert_eq!(effect(function.invoke(&event(&good, "/orders")).await), "Allow");

    bed.openbao.seal().await;
    assert_eq!(error(function.invoke(&event(&good, "/orders")).await), "vault_sealed");
    assert_eq!(error(function.invoke(&event(&forged, "/orders")).await), "Unauthorized");
    bed.openbao.unseal().await;
    assert_eq!(effect(function.invoke(&event(&good, "/orders")).await), "Allow");

    bed.openbao.stop().await;
    assert_eq!(error(function.invoke(&event(&good, "/orders")).await), "vault_unreachable");
    assert_eq!(error(function.invoke(&event(&forged, "/orders")).await), "Unauthorized");
    let without_scope = bed.issuer.token(&TokenSpec::new());
    assert_eq!(effect(function.invoke(&event(&without_scope, "/orders")).await), "Deny");
    let fault = records(&function).into_iter().find(|record| record["code"] == "vault_unreachable").unwrap();
    let message = fault["message"].as_str().unwrap();
    assert!(message.contains("auth/token/create/orders-prod-reader"), "{message}");
}

#[tokio::test]
async fn a_vault_that_hangs_is_a_fault_before_the_deadline() {
    let bed = Bed::new("hang").await;
    let function = bed.function();
    assert_eq!(effect(function.invoke(&event(&bed.good_token(), "/orders")).await), "Allow");
    bed.openbao.pause();
    let event = event(&bed.good_token(), "/orders").to_string().into_bytes();
    let invocation = function.invoke_raw(event, Duration::from_secs(3)).await;
    bed.openbao.resume();
    assert_eq!(error(invocation), "vault_unreachable");
    let message = records(&function).remove(1)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("did not answer `auth/token/create/orders-prod-reader` in time"), "{message}");
}

#[tokio::test]
async fn a_wrong_token_or_policy_at_vault_is_a_fault_that_names_the_path() {
    let bed = Bed::new("refused").await;
    let unknown = start(&config(bed.openbao.address(), "s.UnknownToVault", &bed.issuer.url()), &bed.scratch);
    assert_eq!(error(unknown.invoke(&event(&bed.good_token(), "/orders")).await), "vault_mint_refused");

    let narrow = r#"path "auth/token/lookup-self" { capabilities = ["read"] }"#;
    bed.openbao.as_root("PUT", "sys/policies/acl/vault-authorizer", json!({"policy": narrow})).await;
    let function = bed.function();
    assert_eq!(error(function.invoke(&event(&bed.good_token(), "/orders")).await), "vault_mint_refused");
    let message = records(&function).remove(0)["message"].as_str().unwrap().to_owned();
    let expected = "the authorizer's own token may not mint (`vault-authorizer vault plan` shows what its policy lacks): \
                    the token's policies do not allow `auth/token/create/orders-prod-reader`";
    assert_eq!(message, expected);
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_fault_and_back_it_is_asked_again() {
    let mut bed = Bed::new("provider").await;
    bed.issuer.stop();
    let function = bed.function();
    let good = bed.good_token();
    assert_eq!(error(function.invoke(&event(&good, "/orders")).await), "jwks_unavailable");
    assert_eq!(error(function.invoke(&event("a.b.c", "/orders")).await), "Unauthorized");
    bed.issuer.start_again();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(effect(function.invoke(&event(&good, "/orders")).await), "Allow");
}

/// The provider needs longer than anybody waits for it.
#[tokio::test]
async fn rejects_a_stranger_whose_made_up_keys_would_hold_up_callers_with_known_ones() {
    let bed = Bed::new("made-up-keys").await;
    let function = bed.function();
    let known = bed.good_token();
    assert_eq!(effect(function.invoke(&event(&known, "/status")).await), "Allow");
    bed.issuer.fail(Failure::Late(Duration::from_secs(2)));
    for n in 0..4 {
        let made_up = bed.issuer.token(&TokenSpec::new().header("kid", format!("made-up-{n}")));
        assert_eq!(error(function.invoke(&event(&made_up, "/status")).await), "jwks_unavailable");
        assert_eq!(effect(function.invoke(&event(&known, "/status")).await), "Allow");
    }

    // A good caller with a new key is never told 401, and is served once the late answer is here.
    bed.issuer.rotate();
    let rotated = event(&bed.good_token(), "/status");
    let mut faults = 0;
    while let Invocation::Error { message, .. } = function.invoke(&rotated).await {
        assert_eq!(message, "jwks_unavailable");
        faults += 1;
        assert!(faults < 20, "{:?}", function.log_lines());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    for record in records(&function) {
        // Far from the 2 s of the provider, whatever else the machine does.
        let longest = if record["outcome"] == "allowed" { 500_000 } else { 1_500_000 };
        assert!(record["decision_micros"].as_u64().unwrap() < longest, "{record}");
    }
}

#[tokio::test]
async fn rejects_the_discovery_document_of_another_issuer() {
    let bed = Bed::new("discovery").await;
    for document in [
        json!({"issuer": "https://other.example", "jwks_uri": bed.issuer.jwks_url()}),
        json!({"issuer": bed.issuer.url(), "jwks_uri": "http://192.0.2.1/jwks.json"}),
        json!({"issuer": bed.issuer.url(), "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": bed.issuer.url()}),
        json!([]),
    ] {
        bed.issuer.serve_discovery(document);
        let function = bed.function();
        assert_eq!(error(function.invoke(&event(&bed.good_token(), "/orders")).await), "jwks_unavailable");
    }
    assert_eq!(bed.issuer.jwks_fetches(), 0);
}

#[tokio::test]
async fn whatever_arrives_is_answered_and_the_process_lives() {
    let bed = Bed::new("garbage").await;
    let function = bed.function();
    let deadline = Duration::from_secs(8);
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let long = format!(r#"{{"type":"REQUEST","methodArn":"{}"}}"#, "x".repeat(5_000_000));
    for raw in ["null", "{}", "[]", "\"\"", "7", r#"{"type":"REQUEST"}"#, r#"{"type":["REQUEST"]}"#, &long] {
        let invocation = function.invoke_raw(raw.to_owned().into_bytes(), deadline).await;
        assert_eq!(error(invocation), "event_unsupported", "{raw:.40}");
    }
    // What JSON's reader refuses is told like any other fault, and not by the runtime.
    let told = records(&function).len();
    let good = event(&bed.good_token(), "/orders").to_string();
    let trailing = format!("{good}{good}");
    let unreadable = [
        b"".as_slice(),
        b"{",
        b"\0",
        deep.as_bytes(),
        trailing.as_bytes(),
        br#"{"type":"REQUEST","members-name":"\ud800"}"#,
        br#"{"type":"REQUEST","headers":{"members-name":1e999}}"#,
        b"{\"members-name\":\"\xff\"}",
    ];
    for raw in unreadable {
        let invocation = function.invoke_raw(raw.to_vec(), deadline).await;
        assert_eq!(error(invocation), "event_unsupported", "{:.40}", String::from_utf8_lossy(raw));
    }
    let records = records(&function).split_off(told);
    assert_eq!(records.len(), unreadable.len());
    assert!(records.iter().all(|record| record["Faults"] == 1 && record["code"] == "event_unsupported"));
    assert!(!function.log().contains("members-name"), "{}", function.log());
    let huge = event(&"a".repeat(100_000), "/orders");
    assert_eq!(error(function.invoke(&huge).await), "Unauthorized");
    assert_eq!(effect(function.invoke(&event(&bed.good_token(), "/orders")).await), "Allow");
}

#[test]
fn outside_lambda_a_configuration_is_checked_and_nobody_is_called() {
    let check = |config: &str| {
        let mut command = std::process::Command::new(parts::binary("release", "bootstrap"));
        let output = command.env_clear().env("AUTHORIZER_CONFIG", config).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let good = config("https://vault.example.com", "s.x", "https://login.example.com");
    let (accepted, printed) = check(&good);
    assert!(accepted && printed.contains("the configuration is good"), "{printed}");
    assert!(!printed.contains("WARN"), "{printed}");
    let (accepted, printed) = check(&good.replace("ttl: 2m", "ttl: 1s"));
    assert!(!accepted && printed.contains("stages.prod.grants[0].token.ttl: "), "{printed}");
}

#[tokio::test]
async fn a_bad_configuration_ends_the_process_at_init_with_every_problem() {
    let scratch = Scratch::new("bad-config");
    let bad = config("http://vault.example.com", "s.x", "https://login.example.com")
        .replace("ttl: 2m", "ttl: 1s")
        .replace("kind: jwt", "kind: saml");
    let function = start(&bad, &scratch);
    assert!(!function.exited().await.success());
    let log = function.log();
    for problem in ["vault.address: ", "issuers.corp.kind: ", "stages.prod.grants[0].token.ttl: "] {
        assert!(log.contains(problem), "{problem}: {log}");
    }

    let none = Function::start(&parts::binary("release", "bootstrap"), [("NOTHING", "")], &scratch);
    assert!(!none.exited().await.success());
    assert!(none.log().contains("authorizer.yaml"), "{}", none.log());
}
