//! What API Gateway gets: the whole answer to an allowed call, and the matrix of every refusal.

use std::fmt::Write;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use authorizer_steps::{clock::Clock, mint::MintError, outcome::Code, response::Answer};
use serde_json::{Value, json};
use vault_api::VaultErrorKind;

use crate::support::*;

#[test]
fn an_allowed_call_gets_the_policy_for_exactly_this_method_and_the_context() {
    insta::assert_json_snapshot!(Bed::new().decision(&event(&good_token())));
}

#[test]
fn an_answer_that_api_gateway_would_not_take_is_a_fault() {
    assert_eq!(with_accessor(7000).code_for(&good_token()), "allowed");
    assert_eq!(with_accessor(8000).code_for(&good_token()), "answer_too_large");
}

/// Where Vault's accessor has so many bytes.
fn with_accessor(bytes: usize) -> Bed {
    let mut wrap = wrap_info("auth/token/create/orders-prod-reader", 30);
    wrap["wrapped_accessor"] = "a".repeat(bytes).into();
    Bed::new().vault_gives([Ok(answer(json!({"wrap_info": wrap})))])
}

/// The last one is for a number that no reader can hold, or that only one who keeps its text can.
#[test]
fn an_event_that_no_reader_of_json_takes_is_a_fault_with_a_line_and_no_words_of_its_own() {
    let good = event(&good_token()).to_string();
    let with = |member: &str| good.replacen('{', &format!("{{\"members-name\":{member},"), 1).into_bytes();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut not_utf8 = with("\"?\"");
    let at = not_utf8.iter().position(|byte| *byte == b'?').unwrap();
    not_utf8[at] = 0xff;
    let number = good.replacen("\"headers\":{", "\"headers\":{\"members-name\":1e999,", 1);
    assert_ne!(number, good);
    for (event, why) in [
        (b"".to_vec(), "EOF"),
        (with("\"\\ud800\""), "escape"),
        (with(&deep), "recursion limit"),
        (format!("{good}{good}").into_bytes(), "trailing"),
        (not_utf8, "utf-8"),
        (number.into_bytes(), ""),
    ] {
        let (answer, line) = Bed::new().decide_bytes(&event);
        assert_eq!(answer.as_result(), Err("event_unsupported"));
        assert_eq!((&line["outcome"], &line["code"]), (&json!("fault"), &json!("event_unsupported")));
        assert_eq!((&line["Faults"], &line["Stage"]), (&json!(1), &json!("unknown")));
        assert!(line["message"].as_str().unwrap().contains(why), "{line}");
        assert!(!line.to_string().contains("members-name"), "{line}");
    }
    let (answer, _) = Bed::new().decide_bytes(format!(" {good}\n").as_bytes());
    assert!(answer.as_result().is_ok(), "{answer:?}");
}

/// Every case, as `code: answer | answer with unauthorized: deny`.
#[test]
fn the_denial_matrix_is_as_reviewed() {
    let denying = document_with("answer: {unauthorized: deny}");
    let mut matrix = String::new();
    for (name, event) in cases() {
        let bed = Bed::new();
        let code = bed.code(&event);
        assert!(bed.orders().is_empty(), "{name}: a denial made a Vault call");
        let thrown = shown(&bed.decide(&event).0);
        let denied = shown(&Bed::of(&denying).decide(&event).0);
        writeln!(matrix, "{name:<28} {code:<22} {thrown:<34} {denied}").unwrap();
    }
    insta::assert_snapshot!(matrix);
}

fn shown(answer: &Answer) -> String {
    match answer.as_result() {
        Err(message) => format!("error {message}"),
        Ok(policy) => {
            let policy = parsed(policy);
            let statement = &policy["policyDocument"]["Statement"][0];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            assert_eq!(policy["context"]["denialId"], "lambda-request-1");
            assert_eq!(policy["context"].as_object().unwrap().len(), 2);
            let reason = text(&policy["context"]["reason"]);
            format!("{} on {}, {reason}", text(&statement["Effect"]), text(&statement["Resource"][0]))
        }
    }
}

fn cases() -> Vec<(&'static str, Value)> {
    let event_with = |changes: Value| changed(&event(&good_token()), &changes);
    let claims = |changes: Value| event(&token_with(changes));
    let header = |changes: Value| event(&token_with_header(changes));
    let mut reserved = event(&good_token());
    reserved["headers"]["X_Vault_Context_Grant"] = json!("admin");
    let mut another_account = event(&good_token());
    another_account["requestContext"]["accountId"] = json!("210987654321");
    let two =
        json!({"Authorization": [format!("Bearer {}", good_token())], "authorization": ["Bearer a.b.c"]});
    vec![
        ("no credential", event_with(json!({"headers": null, "multiValueHeaders": null}))),
        ("two credentials", event_with(json!({"multiValueHeaders": two}))),
        ("not a JWT", event("a")),
        ("an oversized credential", event(&"a".repeat(11_000))),
        ("another scheme", crate::support::event_with("Basic eA==")),
        ("an unknown issuer", claims(json!({"iss": "https://other.example"}))),
        ("no algorithm", header(json!({"alg": "none"}))),
        ("another type", header(json!({"typ": "id+jwt"}))),
        ("an unknown key", header(json!({"kid": "other"}))),
        ("a forged signature", event(&keys().partner(&header_with(json!({})), &crate::support::claims()))),
        ("an expired token", claims(json!({"exp": NOW - 1}))),
        ("an expiring token", claims(json!({"exp": NOW + 10}))),
        ("a token from the future", claims(json!({"nbf": NOW + 100}))),
        ("an old token", claims(json!({"iat": NOW - 4000}))),
        ("another audience", claims(json!({"aud": "other"}))),
        ("a sender-constrained token", claims(json!({"cnf": {"jkt": "0ZcOCORZNYy"}}))),
        ("a token bound to what nobody can prove", claims(json!({"cnf": {"kid": "k"}}))),
        ("no subject", claims(json!({"sub": null}))),
        ("another api", event_of_another_api(&good_token(), "prod")),
        ("another stage", event_on(&good_token(), "test-invoke-stage", "GET", "/orders")),
        ("a path as a pattern", event_with(json!({"path": "/orders/*"}))),
        ("a path too long", event_on(&good_token(), "prod", "GET", &format!("/orders/{}", "x".repeat(600)))),
        ("a reserved header", reserved),
        ("another account", another_account),
        ("a name with a line break", claims(json!({"sub": "a\r\nb"}))),
        ("a missing scope", claims(json!({"scope": "profile"}))),
        ("another method", event_on(&good_token(), "prod", "DELETE", "/orders")),
        ("an unknown event", json!({"Records": []})),
    ]
}

#[test]
fn the_matrix_and_the_faults_cover_every_code() {
    let mut seen: Vec<String> = cases().iter().map(|(_, event)| Bed::new().code(event)).collect();
    for kind in [
        VaultErrorKind::TimedOut,
        VaultErrorKind::Sealed,
        VaultErrorKind::Throttled { retry_after_seconds: None },
        VaultErrorKind::Forbidden,
        VaultErrorKind::AnswerInvalid { reason: String::new() },
    ] {
        seen.push(Bed::new().vault_gives([Err(MintError::Vault(kind.at("p")))]).code_for(&good_token()));
    }
    let no_credentials = MintError::LoginCredentials { reason: String::new() };
    seen.push(Bed::new().vault_gives([Err(no_credentials)]).code_for(&good_token()));
    seen.extend(crate::aws_identity::codes());
    seen.extend(Bed::of(document_with("limits: {caller_mints_per_second: 1}")).codes_for(&good_token(), 3));
    seen.push(Bed::of(document().keys_at("http://127.0.0.1:9")).code_for(&good_token()));
    seen.push(with_accessor(8000).code_for(&good_token()));
    let hanging = Bed::of(document().keys_at(&RawServer::silent().url()));
    seen.push(block_on(hanging.code_within(&event(&good_token()), 0)));
    let unseen: Vec<_> =
        Code::ALL.iter().filter(|code| !seen.iter().any(|seen| seen == code.as_str())).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_a_fault() {
    let hanging = Bed::of(document().keys_at(&RawServer::silent().url()));
    let (answer, record) = hanging.decide_within(&event(&good_token()), 0).await;
    assert_eq!(answer.as_result(), Err("deadline_exceeded"));
    assert_eq!(parsed(&record.line(hanging.clock.now()))["outcome"], "fault");
}

#[test]
fn a_provider_that_is_down_is_a_fault() {
    let line = Bed::of(document().keys_at("http://127.0.0.1:9")).line(&event(&good_token()));
    assert_eq!(json!([line["outcome"], line["code"]]), json!(["fault", "jwks_unavailable"]));
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("`corp`") && message.contains("http://127.0.0.1:9/keys"), "{message}");
}

/// Serves the issuer's keys, until it answers otherwise.
async fn provider_until(fails: &Arc<AtomicBool>, otherwise: Reply) -> Server {
    let fails = Arc::clone(fails);
    let good = Reply::new(200, keys().jwks().to_string());
    Server::start(move |_| if fails.load(Ordering::SeqCst) { otherwise.clone() } else { good.clone() }).await
}

fn published_just_now() -> Value {
    event(&token_with_header(json!({"kid": "published-just-now"})))
}

/// A key that was published since the last fetch cannot be told from a made-up one while the provider is away.
#[tokio::test]
async fn an_unknown_key_while_the_provider_is_down_is_a_fault_and_a_known_one_is_served() {
    let down = Arc::new(AtomicBool::new(false));
    let server = provider_until(&down, Reply::new(503, "")).await;
    let bed = Bed::of(document().keys_at(&server.url));
    assert_eq!(bed.code_of(&published_just_now()).await, "key_unknown");
    down.store(true, Ordering::SeqCst);
    bed.clock.forward_seconds(11);
    assert_eq!(bed.code_of(&published_just_now()).await, "jwks_unavailable");
    let again = bed.code_of(&published_just_now()).await;
    assert_eq!(again, "jwks_unavailable", "also where the attempt was just before");
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");
}

/// The provider has gone silent, and the function's time is shorter than the client's.
#[tokio::test]
async fn a_key_fetch_given_up_at_the_deadline_is_an_outage_and_not_a_denial() {
    let bed = bed_whose_provider_has_gone_silent().await;
    bed.clock.forward_seconds(11);
    assert_eq!(bed.code_within(&published_just_now(), 1).await, "deadline_exceeded");
    assert_eq!(bed.code_of(&published_just_now()).await, "jwks_unavailable");
}

/// It served a known key; since then the provider takes connections and never answers.
async fn bed_whose_provider_has_gone_silent() -> Bed {
    let silent = Arc::new(AtomicBool::new(false));
    let server =
        provider_until(&silent, Reply::new(200, keys().jwks().to_string()).after_millis(60_000)).await;
    let bed = Bed::of(document().keys_at(&server.url));
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");
    silent.store(true, Ordering::SeqCst);
    bed
}

#[tokio::test]
async fn a_provider_that_hangs_does_not_hold_up_a_caller_whose_key_is_known() {
    let bed = bed_whose_provider_has_gone_silent().await;
    bed.clock.forward_seconds(3601);
    let fresh = event(&token_with(json!({"exp": NOW + 7200, "iat": NOW + 3600, "nbf": NOW + 3600})));
    assert_eq!(bed.code_within(&fresh, 3).await, "allowed");
}

#[test]
fn the_context_says_when_the_wrapping_token_ends_at_the_latest() {
    let policy = Bed::new().vault_takes_millis(900).decision(&event(&good_token()));
    assert_eq!(policy["context"]["vaultWrapExpiresAt"], (NOW + 30).to_string(), "from before the mint");
}

#[test]
fn the_log_line_and_its_metrics_are_as_reviewed() {
    let bed = Bed::new();
    let allowed = stable(bed.line(&event(&good_token())));
    let denied = stable(bed.line(&event(&token_with(json!({"scope": ""})))));
    insta::assert_json_snapshot!(json!([allowed, denied]));
}

/// Durations are not the same twice.
fn stable(mut line: Value) -> Value {
    for (name, value) in line.as_object_mut().unwrap() {
        if name.ends_with("_micros") || name.ends_with("Micros") {
            assert!(value.is_u64());
            *value = json!(0);
        }
    }
    line
}

#[test]
fn an_unknown_stage_makes_no_metric_of_its_own() {
    let line = Bed::new().line(&event_on("x", "made-up-by-a-caller", "GET", "/orders"));
    assert_eq!((&line["Stage"], &line["stage"]), (&json!("unknown"), &json!("made-up-by-a-caller")));
}

#[test]
fn the_log_names_callers_as_configured() {
    let line =
        |how: &str| Bed::of(document_with(&format!("log: {{caller_id: {how}}}"))).line(&event(&good_token()));
    assert_eq!(line("plain")["caller_id"], "corp:alice");
    assert_eq!(line("hash")["caller_id"], "ig4GVf3Q17rG0IoPgcXeZntjQ6GmGPfdxl_obzVNaPo");
    let omitted = line("omit");
    assert!(omitted.get("caller_id").is_none() && !omitted.to_string().contains("alice"));
}
