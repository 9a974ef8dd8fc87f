//! No secret in a record or in the `Debug` of any value on the way. The end-to-end tests search the output of the
//! release binary, and these find a secret at its source.

use authorizer_steps::{
    event::{CredentialSource, Json, Request},
    mint::{Order, Undo},
};
use serde_json::json;
use vault_api::{VaultToken, WrappingToken};

use crate::support::*;

#[test]
fn a_record_of_any_outcome_holds_no_secret() {
    let token = good_token();
    let events = [
        event(&token),
        token_event(&token, "/orders"),
        token_event(&token, "/other"),
        event(&token_with(json!({"exp": 1}))),
        event(&token_with(json!({"iss": "https://elsewhere.example"}))),
        event(&token_with(json!({"aud": "billing-api"}))),
        event(&token_with(json!({"cnf": {"jkt": "x"}}))),
        event(&token_with(json!({"sub": "a\r\nb"}))),
        event(&token_with_header(json!({"alg": "HS256"}))),
        event(&token_with_header(json!({"typ": "Refresh"}))),
        event(&token_of_text(r#"{"sub":"a","sub":"b"}"#)),
    ];
    for event in events {
        for bed in [Bed::new(), Bed::new().vault_gives([Ok(answer(json!({"auth": auth()})))])] {
            let (_, record) = bed.decide(&event);
            let shown = format!("{record:?} {}", bed.line(&event));
            let credential =
                event["authorizationToken"].as_str().or(event["headers"]["Authorization"].as_str());
            let parts = credential.unwrap().split([' ', '.']).filter(|part| *part != "Bearer");
            for secret in parts.chain([WRAPPING_TOKEN, CLEAR_TOKEN, "AuthorizerTokenOfTheTest"]) {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

#[test]
fn debug_of_what_carries_a_secret_is_exactly_this() {
    let bearer = event("a.b.c");
    let bearer = Json::from(&bearer);
    assert_eq!(format!("{bearer:?}"), "Json(** redacted **)");
    let request = Request::parse(&bearer).unwrap();
    assert_eq!(
        format!("{request:?}"),
        "Request { shape: RestRequest, method_arn: MethodArn(\"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders\"), \
         resource: Template(\"/orders\"), .. }"
    );
    let (_, credential) = request.credential(&CredentialSource::default_list()).unwrap();
    assert_eq!(format!("{credential:?}"), "Bearer(BearerToken(** redacted **))");
    let proof = event_with("AWS-Identity aHR0cHM");
    let proof = Json::from(&proof);
    let request = Request::parse(&proof).unwrap();
    let (_, credential) = request.credential(&CredentialSource::default_list()).unwrap();
    assert_eq!(format!("{credential:?}"), "AwsIdentity(EncodedProof(** redacted **))");
    let undo = [
        Undo::Clear(VaultToken::parse(CLEAR_TOKEN).unwrap()),
        Undo::Wrapped(WrappingToken::parse(WRAPPING_TOKEN).unwrap()),
    ];
    let shown = format!("{undo:?}");
    assert!(!shown.contains(CLEAR_TOKEN) && !shown.contains(WRAPPING_TOKEN), "{shown}");
    let answer = good_answer(&order());
    assert!(!format!("{answer:?}").contains(WRAPPING_TOKEN));
    let (answer, _) = Bed::new().decide(&event(&good_token()));
    assert_eq!(format!("{answer:?}"), "Decision(** redacted **)");
    let (refused, _) = Bed::new().decide(&event("not-a-token"));
    assert_eq!(format!("{refused:?}"), "Error(\"Unauthorized\")");
}

#[test]
fn debug_of_a_login_shows_no_secret() {
    let logins = [
        "method: token, token: s.secret",
        "method: approle, role_id: secret-role, secret_id: secret-id",
        "method: approle, role_id: secret-role, secret_id_file: secret-id",
        "method: jwt, role: r, jwt_file: vault.jwt",
    ];
    let shown = logins.map(|login| format!("{:?}", document().login(login).config().vault.login));
    insta::assert_snapshot!(shown.join("\n").replace(task_root().to_str().unwrap(), "/task"));
}

fn order() -> Order {
    let bed = Bed::new();
    assert_eq!(bed.code_for(&good_token()), "allowed");
    bed.orders().remove(0)
}
