//! The authorizer's release binary with `mint_ahead`, as Lambda runs it: an internal extension mints between answers, on a real
//! OpenBao.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::{Configuration, Function, Grant, LocalBed, TokenSpec, request_event};

/// A token of it is good for five seconds.
const WRAP_TTL: &str = "15s";
const AGE: Duration = Duration::from_secs(5);

fn configuration(bed: &LocalBed) -> Configuration {
    let status = Grant::without_token("status", "GET /status");
    let grant = Grant::reader().set("mint_ahead", true).set("token.wrap_ttl", WRAP_TTL);
    bed.configuration().grant(grant).grant(status).set("limits", json!({"caller_mints_per_second": 1000}))
}

async fn bed(name: &str) -> LocalBed {
    let ahead = |quickstart: Configuration| quickstart.set("stages.prod.grants.0.token.wrap_ttl", WRAP_TTL);
    LocalBed::with(name, ahead).await
}

/// The context of an allowed request, and whether its line says that its token was minted ahead.
async fn served(function: &Function, jwt: &str) -> (Value, bool) {
    let context = function.get("/orders", jwt).await.response()["context"].take();
    assert!(context["vaultWrappingToken"].is_string(), "{context}");
    let accessor = &context["vaultWrappedAccessor"];
    let line = function.decisions().into_iter().find(|line| line["wrapped_accessor"] == *accessor).unwrap();
    (context, line["minted_ahead"] == true)
}

/// With a token kept for the next request.
async fn warm(function: &Function, jwt: &str) {
    for _ in 0..2 {
        assert!(!served(function, jwt).await.1);
        assert!(function.rested().await);
    }
}

fn wasted(function: &Function) -> Vec<Value> {
    function.log_lines().into_iter().filter(|line| line["wasted"].is_string()).collect()
}

fn warnings(function: &Function) -> usize {
    function.log_lines().iter().filter(|line| line["level"] == "WARN").count()
}

#[tokio::test]
async fn a_warm_request_asks_vault_for_nothing_and_its_token_opens() {
    let bed = bed("ahead").await;
    let function = bed.function(&configuration(&bed));
    let jwt = bed.good_token();
    warm(&function, &jwt).await;
    // Whoever asked it now would hang.
    bed.openbao.pause();
    let (context, ahead) = served(&function, &jwt).await;
    bed.openbao.resume();
    assert!(ahead);
    let wrapping_token = context["vaultWrappingToken"].as_str().unwrap();
    assert!(!function.log().contains(wrapping_token));
    let (status, unwrapped) = bed.openbao.unwrap(wrapping_token).await;
    assert_eq!(status, 200, "{unwrapped}");
    let auth = &unwrapped["auth"];
    assert_eq!(auth["accessor"], context["vaultWrappedAccessor"]);
    let meta = json!({"grant": "orders-prod-reader", "stage": "prod", "minted_ahead": "true"});
    assert_eq!(auth["metadata"], meta);
    assert_eq!(function.decisions().pop().unwrap()["MintedAhead"], 1);
}

#[tokio::test]
async fn each_of_many_requests_gets_a_token_of_its_own() {
    let bed = bed("ahead-many").await;
    let function = bed.function(&configuration(&bed));
    let jwt = bed.good_token();
    warm(&function, &jwt).await;
    let mark = bed.openbao.audit_mark();
    let mut accessors = BTreeSet::new();
    for _ in 0..100 {
        let (context, ahead) = served(&function, &jwt).await;
        assert!(ahead);
        let (status, _) = bed.openbao.unwrap(context["vaultWrappingToken"].as_str().unwrap()).await;
        assert_eq!(status, 200);
        accessors.insert(context["vaultWrappedAccessor"].to_string());
    }
    assert!(function.rested().await);
    assert_eq!(accessors.len(), 100);
    let requests = bed.openbao.requests_since(mark);
    let mints = requests.iter().filter(|request| request.contains("auth/token/create/")).count();
    assert_eq!(mints, 100, "one for each: {requests:?}");
    assert_eq!((wasted(&function), warnings(&function)), (vec![], 0));
}

#[tokio::test]
async fn rejects_what_a_freeze_made_too_old_and_revokes_it() {
    let bed = bed("ahead-frozen").await;
    let function = bed.function(&configuration(&bed));
    let jwt = bed.good_token();
    warm(&function, &jwt).await;
    let tokens = callers_tokens(&bed).await;
    function.pause();
    tokio::time::sleep(AGE).await;
    function.resume();
    assert!(!served(&function, &jwt).await.1);
    assert!(function.rested().await);
    let [line] = &wasted(&function)[..] else { panic!("{}", function.log()) };
    assert_eq!(
        json!([line["wasted"], line["grant"], line["AheadUndone"]]),
        json!(["undone", "orders-prod-reader", 1])
    );
    let accessor = line["wrapped_accessor"].as_str().unwrap();
    assert!(tokens.contains(accessor) && !bed.openbao.lives(accessor).await);
}

/// The accessors of all tokens that were minted for callers.
async fn callers_tokens(bed: &LocalBed) -> BTreeSet<String> {
    let tokens = bed.openbao.tokens().await.into_iter();
    tokens.filter_map(|token| token["accessor"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn rejects_it_for_a_credential_that_ends_sooner() {
    let bed = bed("ahead-ends").await;
    let function = bed.function(&configuration(&bed));
    warm(&function, &bed.good_token()).await;
    let short = bed.issuer.token(&TokenSpec::reader().expires_in(100));
    assert!(!served(&function, &short).await.1);
    assert_eq!(function.decisions().pop().unwrap()["ttl_seconds"], 60);
    assert!(served(&function, &bed.good_token()).await.1);
}

#[tokio::test]
async fn a_lost_extension_costs_the_mints_ahead_and_nothing_else() {
    let bed = bed("ahead-lost").await;
    let function = bed.function(&configuration(&bed));
    let jwt = bed.good_token();
    warm(&function, &jwt).await;
    function.serve_extensions(false);
    assert!(served(&function, &jwt).await.1, "the one that was kept");
    for _ in 0..3 {
        assert!(!served(&function, &jwt).await.1);
    }
    assert!(warnings(&function) > 0);
    function.serve_extensions(true);
    assert!(function.rested().await);
    assert!(!served(&function, &jwt).await.1);
    assert!(served(&function, &jwt).await.1, "it is busy as before");
}

#[tokio::test]
async fn an_extension_that_is_not_registered_is_a_warning_and_no_fault() {
    let bed = bed("ahead-refused").await;
    let configuration = configuration(&bed).to_string();
    let function = Function::authorizer_without_extensions(&configuration, &bed.scratch);
    for _ in 0..4 {
        assert!(!served(&function, &bed.good_token()).await.1);
    }
    assert_eq!(warnings(&function), 1, "{}", function.log());
}

#[tokio::test]
async fn a_function_without_such_a_grant_registers_no_extension() {
    let bed = LocalBed::new("ahead-off").await;
    let function = Function::authorizer_without_extensions(&bed.readers().to_string(), &bed.scratch);
    served(&function, &bed.good_token()).await;
    assert_eq!(warnings(&function), 0, "{}", function.log());
}

#[tokio::test]
async fn a_vault_that_is_away_is_a_fault_once_the_kept_token_is_gone() {
    let mut bed = bed("ahead-away").await;
    let function = bed.function(&configuration(&bed));
    let jwt = bed.good_token();
    warm(&function, &jwt).await;
    bed.openbao.kill();
    assert!(served(&function, &jwt).await.1);
    assert!(function.rested().await);
    assert_eq!(function.get("/orders", &jwt).await.error(), "vault_unreachable");
    assert!(function.rested().await);
    assert_eq!(function.get("/status", &jwt).await.effect(), "Allow");
    assert_eq!(function.invoke(&request_event("/orders", "")).await.error(), "Unauthorized");
}

/// Managed Instances send extensions no invocations, however many events they send at once.
#[tokio::test]
async fn managed_instances_mint_ahead_without_an_extension() {
    let bed = bed("ahead-managed").await;
    let document = configuration(&bed).to_string();
    for at_once in ["1", "8"] {
        let env = [("AWS_LAMBDA_MAX_CONCURRENCY", at_once)];
        let function = Function::authorizer(&document, &env, &bed.scratch);
        let jwt = bed.good_token();
        let mut accessors = BTreeSet::new();
        let (mut answers, mut ahead) = (0, 0);
        while ahead < 5 && answers < 800 {
            let requests = (0..8).map(|_| served(&function, &jwt));
            for (context, minted_ahead) in futures_util::future::join_all(requests).await {
                accessors.insert(context["vaultWrappedAccessor"].to_string());
                answers += 1;
                ahead += usize::from(minted_ahead);
            }
            // What is not frozen mints on.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(accessors.len(), answers, "none twice");
        assert!(ahead >= 5, "{ahead} of {answers}");
        assert_eq!(warnings(&function), 0, "{}", function.log());
    }
}
