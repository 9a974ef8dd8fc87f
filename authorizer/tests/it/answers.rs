//! What API Gateway gets: the whole answer to an allowed call, and the matrix of every refusal.

use std::fmt::Write;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use authorizer_steps::{mint::MintError, outcome::Code, response::Answer};
use serde_json::{Value, json};
use vault_api::VaultErrorKind;

use crate::support::*;

#[test]
fn an_allowed_call_gets_the_policy_for_exactly_this_method_and_the_context() {
    let (answer, _) = Bed::new().decide(&event(&good_token()));
    let Answer::Decision(policy) = answer else { panic!("{answer:?}") };
    insta::assert_json_snapshot!(policy);
}

#[test]
fn the_resource_allowed_is_the_method_arn_as_it_came() {
    for arn in [
        "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3d4e5/prod/GET/orders",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3d4e5/prod/GET/orders",
    ] {
        let mut event = event(&good_token());
        event["methodArn"] = arn.into();
        let (Answer::Decision(policy), _) = Bed::new().decide(&event) else { panic!() };
        assert_eq!(policy["policyDocument"]["Statement"][0]["Resource"], json!([arn]));
    }
}

#[test]
fn the_context_is_flat_text() {
    let (Answer::Decision(policy), _) = Bed::new().decide(&event(&good_token())) else { panic!() };
    let context = policy["context"].as_object().unwrap();
    assert!(context.values().all(Value::is_string));
    assert!(context.keys().all(|key| key.bytes().all(|b| b.is_ascii_alphanumeric())));
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
    Bed::with_vault(CONFIG, vec![Ok(answer(json!({"wrap_info": wrap})))], 0)
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
        (not_utf8, "unicode"),
        (number.into_bytes(), ""),
    ] {
        let (answer, line) = Bed::new().decide_bytes(&event);
        assert_eq!(answer, Answer::Error("event_unsupported"));
        assert_eq!((&line["outcome"], &line["code"]), (&json!("fault"), &json!("event_unsupported")));
        assert_eq!((&line["Faults"], &line["Stage"]), (&json!(1), &json!("unknown")));
        assert!(line["message"].as_str().unwrap().contains(why), "{line}");
        assert!(!line.to_string().contains("members-name"), "{line}");
    }
    let (answer, _) = Bed::new().decide_bytes(format!(" {good}\n").as_bytes());
    assert!(matches!(answer, Answer::Decision(_)), "{answer:?}");
}

/// Every case, as `code: answer | answer with unauthorized: deny`.
#[test]
fn the_denial_matrix_is_as_reviewed() {
    let denying = CONFIG.replace("stages:", "answer: {unauthorized: deny}\nstages:");
    let mut matrix = String::new();
    for (name, event) in cases() {
        let bed = Bed::new();
        let code = bed.code(&event);
        assert!(bed.authorizer.minter.orders.take().is_empty(), "{name}: a denial made a Vault call");
        let thrown = shown(&bed.decide(&event).0);
        let denied = shown(&Bed::with(&denying).decide(&event).0);
        writeln!(matrix, "{name:<28} {code:<22} {thrown:<34} {denied}").unwrap();
    }
    insta::assert_snapshot!(matrix);
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Error(message) => format!("error {message}"),
        Answer::Decision(policy) => {
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
    let changed = |change: fn(&mut Value)| {
        let mut event = event(&good_token());
        change(&mut event);
        event
    };
    let no_headers = |event: &mut Value| {
        event["headers"] = json!({});
        event["multiValueHeaders"] = json!(null);
    };
    vec![
        ("no credential", changed(no_headers)),
        (
            "two credentials",
            changed(|event| event["multiValueHeaders"]["authorization"] = json!(["Bearer a.b.c"])),
        ),
        ("not a JWT", event("a")),
        ("an oversized credential", event(&"a".repeat(11_000))),
        (
            "another scheme",
            changed(|event| {
                event["headers"]["Authorization"] = json!("Basic eA==");
                event["multiValueHeaders"] = json!(null);
            }),
        ),
        ("an unknown issuer", event(&token_with(json!({"iss": "https://other.example"})))),
        ("no algorithm", event(&token_with_header(json!({"alg": "none", "kid": "ed"})))),
        ("another type", event(&token_with_header(json!({"alg": "EdDSA", "kid": "ed", "typ": "id+jwt"})))),
        ("an unknown key", event(&token_with_header(json!({"alg": "EdDSA", "kid": "other"})))),
        ("a forged signature", event(&keys().partner(&json!({"alg": "EdDSA", "kid": "ed"}), &claims()))),
        ("an expired token", event(&token_with(json!({"exp": NOW - 1})))),
        ("an expiring token", event(&token_with(json!({"exp": NOW + 10})))),
        ("a token from the future", event(&token_with(json!({"nbf": NOW + 100})))),
        ("an old token", event(&token_with(json!({"iat": NOW - 4000})))),
        ("another audience", event(&token_with(json!({"aud": "other"})))),
        ("a sender-constrained token", event(&token_with(json!({"cnf": {"jkt": "0ZcOCORZNYy"}})))),
        ("no subject", event(&token_with(json!({"sub": null})))),
        (
            "another api",
            changed(|event| {
                event["methodArn"] =
                    json!("arn:aws:execute-api:eu-west-1:123456789012:zzzzzzzzzz/prod/GET/orders");
                event["requestContext"]["apiId"] = json!("zzzzzzzzzz");
            }),
        ),
        ("another stage", event_on(&good_token(), "test-invoke-stage", "GET", "/orders")),
        ("a path as a pattern", changed(|event| event["path"] = json!("/orders/*"))),
        ("a path too long", event_on(&good_token(), "prod", "GET", &format!("/orders/{}", "x".repeat(600)))),
        ("a reserved header", changed(|event| event["headers"]["X_Vault_Context_Grant"] = json!("admin"))),
        ("another account", changed(|event| event["requestContext"]["accountId"] = json!("210987654321"))),
        ("a name with a line break", event(&token_with(json!({"sub": "a\r\nb"})))),
        ("a missing scope", event(&token_with(json!({"scope": "profile"})))),
        ("another method", event_on(&good_token(), "prod", "DELETE", "/orders")),
        ("an unknown event", json!({"Records": []})),
    ]
}

#[test]
fn the_matrix_and_the_faults_cover_every_code() {
    let mut seen: Vec<String> = cases().iter().map(|(_, event)| Bed::new().code(event)).collect();
    let path = || "p".to_owned();
    let faults = [
        VaultErrorKind::TimedOut.at(path()),
        VaultErrorKind::Sealed.at(path()),
        VaultErrorKind::Throttled { retry_after_seconds: None }.at(path()),
        VaultErrorKind::Forbidden.at(path()),
        VaultErrorKind::AnswerInvalid { reason: path() }.at(path()),
    ];
    let mut faults: Vec<_> = faults.into_iter().map(MintError::Vault).collect();
    faults.push(MintError::LoginCredentials { reason: path() });
    seen.extend(
        faults.into_iter().map(|error| Bed::with_vault(CONFIG, vec![Err(error)], 0).code_for(&good_token())),
    );
    seen.extend(crate::aws_identity::codes());
    let limited = Bed::with(&CONFIG.replace("stages:", "limits: {caller_mints_per_second: 1}\nstages:"));
    seen.extend([(); 3].map(|()| limited.code_for(&good_token())));
    let provider_down = Bed::with(&CONFIG.replace("{file: jwks.json}", "{uri: \"http://127.0.0.1:9/jwks\"}"));
    seen.push(provider_down.code_for(&good_token()));
    seen.push(with_accessor(8000).code_for(&good_token()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_listener, hanging) = with_a_provider_that_never_answers();
    seen.push(runtime.block_on(hanging.code_within(&event(&good_token()), 0)));
    let unseen: Vec<_> =
        Code::ALL.iter().filter(|code| !seen.iter().any(|seen| seen == code.as_str())).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn a_deadline_that_has_passed_is_a_fault() {
    let bed = Bed::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = authorizer_steps::clock::Clock::now(&*bed.clock);
    let invocation = authorizer_steps::authorize::Invocation { request_id: "r", trace_id: None, deadline };
    let (_listener, hanging) = with_a_provider_that_never_answers();
    let (answer, record) =
        runtime.block_on(hanging.authorizer.decide(event(&good_token()).to_string().as_bytes(), invocation));
    assert_eq!(answer, Answer::Error("deadline_exceeded"));
    assert_eq!(record.line(deadline)["outcome"], "fault");
}

/// It accepts the connection.
fn with_a_provider_that_never_answers() -> (std::net::TcpListener, Bed) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("{{uri: \"http://{}/jwks\"}}", listener.local_addr().unwrap());
    let bed = Bed::with(&CONFIG.replace("{file: jwks.json}", &uri));
    (listener, bed)
}

#[test]
fn a_provider_that_is_down_is_a_fault() {
    let uri = "{uri: \"http://127.0.0.1:9/jwks\"}";
    let bed = Bed::with(&CONFIG.replace("{file: jwks.json}", uri));
    let line = bed.line(&event(&good_token()));
    assert_eq!((&line["outcome"], &line["code"]), (&json!("fault"), &json!("jwks_unavailable")));
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("`corp`") && message.contains("http://127.0.0.1:9/jwks"), "{message}");
}

/// A key that was published since the last fetch cannot be told from a made-up one while the provider is away.
#[tokio::test]
async fn an_unknown_key_while_the_provider_is_down_is_a_fault_and_a_known_one_is_served() {
    let up = Arc::new(AtomicBool::new(true));
    let (serves, jwks) = (Arc::clone(&up), keys().jwks().to_string());
    let server =
        Server::start(
            move |_| if serves.load(Ordering::SeqCst) { (200, jwks.clone()) } else { (503, String::new()) },
        )
        .await;
    let bed =
        Bed::with(&CONFIG.replacen("{file: jwks.json}", &format!("{{uri: \"{}/keys\"}}", server.url), 1));
    let unknown = token_with_header(json!({"alg": "EdDSA", "kid": "published-just-now"}));
    assert_eq!(bed.code_of(&event(&unknown)).await, "key_unknown");
    up.store(false, Ordering::SeqCst);
    bed.clock.forward_seconds(11);
    assert_eq!(bed.code_of(&event(&unknown)).await, "jwks_unavailable");
    assert_eq!(
        bed.code_of(&event(&unknown)).await,
        "jwks_unavailable",
        "also where the attempt was just before"
    );
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");
}

/// The provider has gone silent, and the function's time is shorter than the client's.
#[tokio::test]
async fn a_key_fetch_given_up_at_the_deadline_is_an_outage_and_not_a_denial() {
    let bed = bed_whose_provider_has_gone_silent().await;
    bed.clock.forward_seconds(11);
    let unknown = event(&token_with_header(json!({"alg": "EdDSA", "kid": "published-just-now"})));
    assert_eq!(bed.code_within(&unknown, 1).await, "deadline_exceeded");
    assert_eq!(bed.code_of(&unknown).await, "jwks_unavailable");
}

/// It served a known key; since then the provider takes connections and never answers.
async fn bed_whose_provider_has_gone_silent() -> Bed {
    let silent = Arc::new(AtomicBool::new(false));
    let (hangs, jwks) = (Arc::clone(&silent), keys().jwks().to_string());
    let server = Server::start_slow(move |_| {
        let delay = if hangs.load(Ordering::SeqCst) { 60_000 } else { 0 };
        (200, jwks.clone(), delay)
    })
    .await;
    let bed =
        Bed::with(&CONFIG.replacen("{file: jwks.json}", &format!("{{uri: \"{}/keys\"}}", server.url), 1));
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
    let (answer, _) = Bed::with_vault(CONFIG, vec![], 900).decide(&event(&good_token()));
    let Answer::Decision(policy) = answer else { panic!("{answer:?}") };
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
    let line = |how: &str| {
        Bed::with(&CONFIG.replace("stages:", &format!("log: {{caller_id: {how}}}\nstages:")))
            .line(&event(&good_token()))
    };
    assert_eq!(line("plain")["caller_id"], "corp:alice");
    assert_eq!(line("hash")["caller_id"], "ig4GVf3Q17rG0IoPgcXeZntjQ6GmGPfdxl_obzVNaPo");
    let omitted = line("omit");
    assert!(omitted.get("caller_id").is_none() && !omitted.to_string().contains("alice"));
}
