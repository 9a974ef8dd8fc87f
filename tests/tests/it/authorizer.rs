//! The authorizer's release binary on a Lambda Runtime API in this process, with a real OpenBao and a real issuer.
//! The tests count its calls at the server, and see what it does while its neighbours are unreachable.
//!
//! It logs in with a token from the configuration, so that every call to Vault belongs to a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::{
    Configuration, Function, Grant, Issuer, LocalBed, Scratch, Server, Signing, TokenSpec, parts,
    request_event,
};

const MINT: &str = "update auth/token/create/orders-prod-reader";

async fn start(name: &str) -> (LocalBed, Function) {
    let bed = LocalBed::new(name).await;
    let function = bed.function(&bed.readers());
    (bed, function)
}

fn event(token: &str, path: &str) -> Value {
    request_event(path, &format!("Bearer {token}"))
}

/// Neither a provider nor a Vault that hangs keeps init from the other, nor the function from its first event.
#[tokio::test]
async fn init_asks_the_issuer_and_vault_side_by_side_and_waits_for_neither() {
    let scratch = Scratch::new("side-by-side");
    let issuer = Issuer::start();
    issuer.hang();
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let vault = Server::start(
        0,
        axum::Router::new().fallback(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>()
        }),
    );
    let login = json!({"method": "aws", "role": "api-authorizer", "server_id": "vault.example.com"});
    let configuration =
        Configuration::new(&vault.url()).login(login).issuer("corp", &issuer.url()).grant(Grant::reader());
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ];
    let function = Function::authorizer(&configuration.to_string(), &keys, &scratch);
    assert!(function.first_poll().await.is_some());
    assert_eq!((issuer.discovery_fetches(), logins.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn one_vault_call_per_allowed_request_when_warm_and_none_for_a_denial() {
    let (bed, function) = start("one-call").await;
    assert!(function.first_poll().await.is_some());
    let fetched = || (bed.issuer.discovery_fetches(), bed.issuer.jwks_fetches());
    assert_eq!(fetched(), (1, 1), "an issuer's keys are there before the first event");
    assert_eq!(function.get("/orders", &bed.good_token()).await.effect(), "Allow");
    let mark = bed.openbao.audit_mark();

    for signing in [Signing::Rs256, Signing::Es256, Signing::EdDsa] {
        let token = bed.issuer.token(&TokenSpec::reader().signing(signing));
        assert_eq!(function.get("/orders", &token).await.effect(), "Allow");
    }
    assert_eq!(bed.openbao.requests_since(mark), [MINT; 3]);

    let mark = bed.openbao.audit_mark();
    let spec = TokenSpec::reader();
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
        assert_eq!(function.get("/orders", &token).await.error(), "Unauthorized");
    }
    let without_scope = bed.issuer.token(&TokenSpec::new());
    assert_eq!(function.get("/orders", &without_scope).await.effect(), "Deny");
    assert_eq!(function.get("/elsewhere", &bed.good_token()).await.effect(), "Deny");
    assert_eq!(function.get("/status", &without_scope).await.effect(), "Allow");
    assert_eq!(bed.openbao.requests_since(mark), [""; 0], "neither a denial nor `mode: none` asks Vault");
    assert_eq!(fetched(), (1, 1));
}

#[tokio::test]
async fn the_minted_token_is_what_the_context_says() {
    let (bed, function) = start("minted").await;
    let answer = function.invoke(&event(&bed.good_token(), "/orders")).await.response();
    let context = &answer["context"];
    let wrapping_token = context["vaultWrappingToken"].as_str().unwrap();
    let (status, unwrapped) = bed.openbao.unwrap(wrapping_token).await;
    assert_eq!(status, 200);
    let auth = &unwrapped["auth"];
    assert_eq!(auth["accessor"], context["vaultWrappedAccessor"]);
    assert_eq!(auth["policies"], json!(["orders-prod-read", "vault-authorizer-self"]));
    assert_eq!((&auth["lease_duration"], &auth["renewable"]), (&json!(120), &json!(false)));
    assert_eq!((&auth["orphan"], &auth["token_type"]), (&json!(true), &json!("service")));
    let meta = json!({"grant": "orders-prod-reader", "stage": "prod", "caller_id": "corp:alice",
        "request_id": "00000000-0000-4000-8000-000000000001"});
    assert_eq!(auth["metadata"], meta);
    let record = function.decisions().remove(0);
    assert_eq!(record["wrapped_accessor"], context["vaultWrappedAccessor"]);
    assert_eq!((&record["ttl_seconds"], &record["wrap_ttl_seconds"]), (&json!(120), &json!(30)));
}

#[tokio::test]
async fn a_ttl_fits_what_is_left_of_the_credential_and_the_servers_policy() {
    let (bed, function) = start("ttl").await;
    for (left, ttl) in [(3600, 120), (100, 60), (50, 30), (20, 15)] {
        let spec = TokenSpec::reader().expires_in(left);
        assert_eq!(function.get("/orders", &bed.issuer.token(&spec)).await.effect(), "Allow", "{left}");
        assert_eq!(function.decisions().pop().unwrap()["ttl_seconds"], ttl, "{left}");
    }
}

#[tokio::test]
async fn an_outage_is_a_fault_and_a_denial_does_not_need_vault() {
    let mut bed = LocalBed::new("outage").await;
    // Vault is away from the very beginning: init does not fail.
    bed.openbao.pause();
    let function = bed.function(&bed.readers());
    assert!(function.first_poll().await.is_some());
    bed.openbao.resume();
    let (good, forged) = (bed.good_token(), bed.issuer.forged(&TokenSpec::new()));
    assert_eq!(function.get("/orders", &good).await.effect(), "Allow");

    bed.openbao.seal().await;
    assert_eq!(function.get("/orders", &good).await.error(), "vault_sealed");
    assert_eq!(function.get("/orders", &forged).await.error(), "Unauthorized");
    bed.openbao.unseal().await;
    assert_eq!(function.get("/orders", &good).await.effect(), "Allow");

    bed.openbao.stop().await;
    assert_eq!(function.get("/orders", &good).await.error(), "vault_unreachable");
    assert_eq!(function.get("/orders", &forged).await.error(), "Unauthorized");
    let without_scope = bed.issuer.token(&TokenSpec::new());
    assert_eq!(function.get("/orders", &without_scope).await.effect(), "Deny");
    let fault =
        function.decisions().into_iter().find(|record| record["code"] == "vault_unreachable").unwrap();
    let message = fault["message"].as_str().unwrap();
    assert!(message.contains("auth/token/create/orders-prod-reader"), "{message}");
}

#[tokio::test]
async fn a_vault_that_hangs_is_a_fault_before_the_deadline() {
    let (bed, function) = start("hang").await;
    assert_eq!(function.get("/orders", &bed.good_token()).await.effect(), "Allow");
    bed.openbao.pause();
    let event = event(&bed.good_token(), "/orders").to_string().into_bytes();
    let invocation = function.invoke_raw(event, Duration::from_secs(3)).await;
    bed.openbao.resume();
    assert_eq!(invocation.error(), "vault_unreachable");
    let message = function.decisions().remove(1)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("did not answer `auth/token/create/orders-prod-reader` in time"), "{message}");
}

#[tokio::test]
async fn a_wrong_token_or_policy_at_vault_is_a_fault_that_names_the_path() {
    let bed = LocalBed::new("refused").await;
    let unknown = bed.function(&bed.readers().token("s.UnknownToVault"));
    assert_eq!(unknown.get("/orders", &bed.good_token()).await.error(), "vault_mint_refused");

    let narrow = r#"path "auth/token/lookup-self" { capabilities = ["read"] }"#;
    bed.openbao.policy("vault-authorizer", narrow).await;
    let function = bed.function(&bed.readers());
    assert_eq!(function.get("/orders", &bed.good_token()).await.error(), "vault_mint_refused");
    let message = function.decisions().remove(0)["message"].as_str().unwrap().to_owned();
    let expected = "the authorizer's own token may not mint (`vault-authorizer vault plan` shows what its policy is missing): \
                    the token's policies do not allow `auth/token/create/orders-prod-reader`";
    assert_eq!(message, expected);
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_fault_and_back_it_is_asked_again() {
    let mut bed = LocalBed::new("provider").await;
    bed.issuer.stop();
    let function = bed.function(&bed.readers());
    let good = bed.good_token();
    assert_eq!(function.get("/orders", &good).await.error(), "jwks_unavailable");
    assert_eq!(function.get("/orders", "a.b.c").await.error(), "Unauthorized");
    bed.issuer.start_again();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(function.get("/orders", &good).await.effect(), "Allow");
}

#[tokio::test]
async fn rejects_the_discovery_document_of_another_issuer() {
    let bed = LocalBed::new("discovery").await;
    for document in [
        json!({"issuer": "https://other.example", "jwks_uri": bed.issuer.jwks_url()}),
        json!({"issuer": bed.issuer.url(), "jwks_uri": "http://192.0.2.1/jwks.json"}),
        json!({"issuer": bed.issuer.url(), "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": bed.issuer.url()}),
        json!([]),
    ] {
        bed.issuer.serve_discovery(document);
        let function = bed.function(&bed.readers());
        assert_eq!(function.get("/orders", &bed.good_token()).await.error(), "jwks_unavailable");
    }
    assert_eq!(bed.issuer.jwks_fetches(), 0);
}

#[tokio::test]
async fn whatever_arrives_is_answered_and_the_process_lives() {
    let (bed, function) = start("garbage").await;
    let deadline = Duration::from_secs(8);
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let long = format!(r#"{{"type":"REQUEST","methodArn":"{}"}}"#, "x".repeat(5_000_000));
    for raw in ["null", "{}", "[]", "\"\"", "7", r#"{"type":"REQUEST"}"#, r#"{"type":["REQUEST"]}"#, &long] {
        let invocation = function.invoke_raw(raw.to_owned().into_bytes(), deadline).await;
        assert_eq!(invocation.error(), "event_unsupported", "{raw:.40}");
    }
    // What JSON's reader refuses is told like any other fault, and not by the runtime.
    let told = function.decisions().len();
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
        assert_eq!(invocation.error(), "event_unsupported", "{:.40}", String::from_utf8_lossy(raw));
    }
    let records = function.decisions().split_off(told);
    assert_eq!(records.len(), unreadable.len());
    assert!(records.iter().all(|record| record["Faults"] == 1 && record["code"] == "event_unsupported"));
    assert!(!function.log().contains("members-name"), "{}", function.log());
    let huge = event(&"a".repeat(100_000), "/orders");
    assert_eq!(function.invoke(&huge).await.error(), "Unauthorized");
    assert_eq!(function.get("/orders", &bed.good_token()).await.effect(), "Allow");
}

#[test]
fn outside_lambda_a_configuration_is_checked_and_nobody_is_called() {
    let check = |config: &str| {
        let mut command = std::process::Command::new(parts::binary("release", "bootstrap"));
        let output = command.env_clear().env("AUTHORIZER_CONFIG", config).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let with_ttl = |ttl: &str| {
        let grant = Grant::reader().set("token.ttl", ttl);
        let configuration = Configuration::new("https://vault.example.com").token("s.x");
        configuration.issuer("corp", "https://login.example.com").grant(grant).to_string()
    };
    let (accepted, printed) = check(&with_ttl("2m"));
    assert!(accepted && printed.contains("the configuration is valid"), "{printed}");
    assert!(!printed.contains("WARN"), "{printed}");
    let (accepted, printed) = check(&with_ttl("1s"));
    assert!(!accepted && printed.contains("stages.prod.grants[0].token.ttl: "), "{printed}");
}

#[tokio::test]
async fn a_bad_configuration_ends_the_process_at_init_with_every_problem() {
    let scratch = Scratch::new("bad-config");
    let bad = Configuration::new("http://vault.example.com").issuer("corp", "https://login.example.com");
    let bad = bad.set("issuers.corp.kind", "saml").grant(Grant::reader().set("token.ttl", "1s"));
    let function = Function::authorizer(&bad.to_string(), &[], &scratch);
    assert!(!function.exited().await.success());
    let log = function.log();
    for problem in ["vault.address: ", "issuers.corp.kind: ", "stages.prod.grants[0].token.ttl: "] {
        assert!(log.contains(problem), "{problem}: {log}");
    }

    let none = Function::start(&parts::binary("release", "bootstrap"), &[("NOTHING", "")], &scratch);
    assert!(!none.exited().await.success());
    assert!(none.log().contains("authorizer.yaml"), "{}", none.log());
}
